//! Values derived from the settings of a tenant, and settings with which no client can be made.

use std::collections::BTreeMap;
use std::sync::Arc;

use core_engine::settings::{
    Account, AuditSource, AuditTable, Partition, SavedQuery, SecretSource,
};
use core_engine::{FailureKind, deliver, jupiterone, run};
use core_http::Secret;

use super::deliveries::{self, deliver_with, start};
use super::support::{Known, NOON, Tenant};

/// A secret that cannot be read.
#[derive(Debug)]
struct Missing;

impl SecretSource for Missing {
    fn read(&self, what: &str) -> anyhow::Result<Secret> {
        anyhow::bail!("cannot read {what}: the variable is not set")
    }
}

#[tokio::test]
async fn every_entity_has_the_name_of_the_account_only_if_that_is_wanted() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    for (name, tag_entities, expected) in
        [(Some("ACME"), true, 1), (Some("ACME"), false, 0), (None, true, 0)]
    {
        let name = name.map(str::to_owned);
        tenant.settings.account = Account { name, tag_entities, ..Account::default() };
        let tags = tenant.settings.tags();
        assert_eq!(tags.len(), expected, "{:?}", tenant.settings.account);
        assert!(tags.iter().all(|tag| tag.name == "tag.AccountName" && tag.value == "ACME"));
    }
    assert_eq!(tenant.settings.web_address(), "https://acme.eu.nexthink.cloud");
}

#[test]
fn a_query_with_a_parameter_of_its_own_is_exported_as_a_whole_with_any_value() {
    let saved = |parts: &str| SavedQuery {
        id: "#j1_devices".parse().expect("a query ID"),
        partition: Some(Partition {
            query: parts.parse().expect("a query ID"),
            parameter: "p".to_owned(),
            values: Vec::new(),
        }),
    };
    let any = BTreeMap::from([("p".to_owned(), "*".to_owned())]);
    assert_eq!(saved("#j1_devices").whole(), any);
    assert_eq!(saved("#j1_devices_part").whole(), BTreeMap::new());
}

#[tokio::test]
async fn the_table_of_the_audit_trail_has_a_query_with_its_columns() {
    let mut tenant = Tenant::start("acme", 1, NOON).await.with_audit();
    let audit = tenant.settings.audit.as_mut().expect("it is configured");
    assert!(audit.table().is_none(), "trails are configured");
    let [time, account, code, message] = ["time", "user", "type", "text"].map(str::to_owned);
    let query = "#j1_audit".parse().expect("a query ID");
    audit.source =
        AuditSource::Table(AuditTable { query, time, account, code, message, hours: 168 });
    let nql = audit.table().expect("it is the source").nql();
    assert_eq!(
        nql,
        "platform.audit_logs during past 168h\n| list time, user, type, text\n| sort time asc"
    );
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_a_wrong_configuration_of_its_user() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let credential = tenant.settings.credential.as_mut().expect("it is configured");
    credential.client_secret = Arc::new(Missing);
    let refused = tenant.settings.read_client_secret().err().expect("it is not there");
    assert_eq!(refused.to_string(), "cannot read the client secret: the variable is not set");
    let mut destination = deliveries::settings("http://127.0.0.1:9", "a-key");
    for (key, words) in [
        (Arc::new(Missing) as Arc<dyn SecretSource>, "cannot read the API key of JupiterOne"),
        (Arc::new(Known("a key\nof two lines")), "API key"),
    ] {
        destination.api_key = key;
        let refused = jupiterone::client(tenant.engine(), &destination, |_| {}).err();
        let refused = refused.expect("there is no key");
        assert_eq!(refused.kind, FailureKind::Configuration);
        let text = format!("{:#}", refused.error);
        assert!(text.contains(words) && !text.contains("two lines"), "{text}");
    }
}

#[tokio::test]
async fn nothing_is_delivered_before_the_first_generation_or_beside_another_delivery() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let (simulated, settings) = start().await;
    let request = core_destination::DeliveryRequest::default();
    let refused = deliver_with(&tenant, &settings, &request).await.expect_err("there is nothing");
    assert_eq!(refused.kind, FailureKind::Configuration);
    assert!(refused.error.to_string().ends_with("`nexthink-graph run` publishes one"));
    tenant.run().await.expect("it runs");
    let held = deliver::lock(tenant.engine(), core_jupiterone::NAME).expect("the lock is free");
    let refused = deliver_with(&tenant, &settings, &request).await.expect_err("it is held");
    assert_eq!(refused.kind, FailureKind::Locked);
    drop(held);
    assert_eq!(simulated.jobs().len(), 0);
    deliver_with(&tenant, &settings, &request).await.expect("it delivers");
}

#[tokio::test]
async fn room_for_a_run_is_estimated_by_what_the_last_one_took() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let before = run::space::Space::of(tenant.engine()).expect("the store can be listed");
    assert_eq!(before.needed, None, "nothing tells what the first run takes");
    tenant.run().await.expect("it runs");
    let after = run::space::Space::of(tenant.engine()).expect("the store can be listed");
    let published = tenant.published().expect("it is published");
    let tables: u64 = published.manifest().files().map(|file| file.bytes).sum();
    assert!(after.needed.is_some_and(|needed| needed > tables), "the downloads count too");
}

#[tokio::test]
async fn the_api_is_read_for_a_query_or_the_table_of_the_audit_trail_and_needs_a_credential() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    assert!(tenant.settings.reads_api());
    tenant.settings.queries.clear();
    assert!(!tenant.settings.reads_api());
    let mut tenant = tenant.with_audit();
    assert!(!tenant.settings.reads_api(), "the trails have an account of their own");
    let [time, account, code, message] = ["time", "user", "type", "text"].map(str::to_owned);
    let query = "#j1_audit".parse().expect("a query ID");
    let audit = tenant.settings.audit.as_mut().expect("it is configured");
    audit.source =
        AuditSource::Table(AuditTable { query, time, account, code, message, hours: 168 });
    assert!(tenant.settings.reads_api());

    tenant.settings.credential = None;
    let secret = Secret::new("s3cret".to_owned());
    let Err(refused) = run::client(tenant.engine(), secret, |_| ()) else {
        panic!("there is no credential")
    };
    assert_eq!(refused.kind, FailureKind::Configuration);
    let words = refused.error.to_string();
    assert!(words.ends_with("set `nexthink.client_id` and `nexthink.client_secret`"), "{words}");
}
