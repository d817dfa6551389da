//! Mirrors by the settings of a tenant: what is checked before a run, delivered after it, and remembered.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use core_delta::DeltaSettings;
use core_destination::mirror::MirrorRecord;
use core_destination::{DeliveryRequest, DeliveryResult};
use core_engine::check::{self, Check, CheckState};
use core_engine::erasure::{self, Erased};
use core_engine::settings::{Delta, Neo4j, Postgres, SecretSource, SharedSecretSource};
use core_engine::{Cancellation, Failure, FailureKind, Progress, deliver, destruction, mirrors};
use core_http::{Secret, Trust};
use core_neo4j::Neo4jSettings;
use core_postgres::{PostgresSettings, Tls};

use super::deliveries::{deliver_with, start as start_jupiterone};
use super::erasure_damage::erase as erase_user;
use super::erasures::{first_uid, make_keys};
use super::support::{NOON, Tenant};

/// A password that cannot be read.
#[derive(Debug)]
struct Unreadable;

impl SecretSource for Unreadable {
    fn read(&self, what: &str) -> anyhow::Result<Secret> {
        bail!("cannot read {what}: the file is missing")
    }
}

/// A tenant with a folder of Delta tables below its own.
async fn tenant() -> Tenant {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let folder = tenant.folder().join("lake");
    tenant.settings.delta = Some(delta(folder));
    tenant
}

fn delta(folder: PathBuf) -> Delta {
    Delta { settings: DeltaSettings { folder, keep_days: 7 }, after_run: true }
}

/// A database that nothing answers for.
fn postgres(password: Option<SharedSecretSource>) -> Postgres {
    let settings = PostgresSettings {
        host: "localhost".to_owned(),
        port: 9,
        database: "graph".to_owned(),
        user: "writer".to_owned(),
        schema: "nexthink".to_owned(),
        readers: None,
        tls: Tls::Off,
        trust: Trust::default(),
    };
    Postgres { settings, password, after_run: true }
}

/// A Neo4j that nothing answers for.
fn neo4j(password: Option<SharedSecretSource>) -> Neo4j {
    let settings = Neo4jSettings {
        host: "localhost".to_owned(),
        port: 9,
        database: "graph".to_owned(),
        user: "writer".to_owned(),
        tls: core_neo4j::Tls::Off,
        trust: Trust::default(),
    };
    Neo4j { settings, password, after_run: true }
}

async fn deliver(tenant: &Tenant) -> Result<bool, Failure> {
    deliver_request(tenant, &DeliveryRequest::default()).await
}

async fn deliver_request(tenant: &Tenant, request: &DeliveryRequest) -> Result<bool, Failure> {
    let delta = tenant.settings.delta.as_ref().expect("it is configured");
    let destination = mirrors::delta(tenant.engine(), delta);
    let (progress, stop) = (Progress::none(), Cancellation::default());
    let delivered =
        deliver::deliver_published(tenant.engine(), &destination, request, &progress, &stop);
    Ok(!matches!(delivered.await?, DeliveryResult::NothingChanged { .. }))
}

async fn check_of(tenant: &Tenant, name: &str) -> Option<Check> {
    let checks = check::check(tenant.engine(), &[]).await;
    checks.0.into_iter().find(|check| check.name == name)
}

#[tokio::test]
async fn a_delivery_to_a_mirror_is_remembered_with_its_place_its_generation_and_the_ledger() {
    let tenant = tenant().await;
    let stored = tenant.engine().tenant().expect("the store is there");
    assert!(mirrors::places(&stored).is_empty() && mirrors::compared_with(&stored).is_empty());
    tenant.run().await.expect("it runs");
    assert!(deliver(&tenant).await.expect("there is room"));
    let place = format!("folder {}", tenant.folder().join("lake").display());
    assert_eq!(mirrors::places(&stored), [(mirrors::DELTA, place)]);
    let published = tenant.published().expect("it is published").id().clone();
    assert_eq!(mirrors::compared_with(&stored), [published]);
    let heads = mirrors::known_ledger_heads(&stored).expect("the record can be read");
    let verified = stored.ledger().verify(&heads).expect("the ledger can be read");
    assert_eq!((heads.len(), verified.known_found), (1, 1));
    assert!(!deliver(&tenant).await.expect("it is there"), "nothing has changed since");
}

#[tokio::test]
async fn both_ends_of_a_delivery_to_a_mirror_are_in_the_ledger_also_if_it_fails() {
    let tenant = tenant().await;
    tenant.run().await.expect("it runs");
    core_files::replace_file(&tenant.folder().join("lake"), b"no folder").expect("it is ours");
    assert!(deliver(&tenant).await.is_err());
    let ledger = tenant.ledger();
    let [.., started, ended] = ledger.as_slice() else { panic!("it has entries") };
    let events = (started.record.event.as_str(), ended.record.event.as_str());
    assert_eq!(events, ("delivery_started", "delivery_ended"));
    assert_ne!(ended.record.facts["exitCode"], 0);
}

#[tokio::test]
async fn a_mirror_is_delivered_to_only_once_something_is_published() {
    let tenant = tenant().await;
    let refused = deliver(&tenant).await.expect_err("nothing is published");
    assert_eq!(refused.kind, FailureKind::Configuration);
    assert!(refused.error.to_string().contains("has no generation yet"), "{}", refused.error);
}

#[tokio::test]
async fn a_check_says_whether_the_folder_of_tables_can_be_written_to_and_writes_nothing() {
    let tenant = tenant().await;
    let check = check_of(&tenant, "Delta tables").await.expect("it is configured");
    assert_eq!(check.state, CheckState::Ok, "{}", check.detail);
    assert!(check.detail.ends_with("can be written to"), "{}", check.detail);
    assert!(!tenant.folder().join("lake").exists());
    assert!(check_of(&tenant, "Postgres").await.is_none(), "it is not configured");
}

#[tokio::test]
async fn a_check_refuses_another_folder_than_that_of_the_last_delivery() {
    let mut tenant = tenant().await;
    tenant.run().await.expect("it runs");
    deliver(&tenant).await.expect("there is room");
    let check = check_of(&tenant, "Delta tables").await.expect("it is configured");
    assert_eq!(check.state, CheckState::Ok, "{}", check.detail);
    tenant.settings.delta = Some(delta(tenant.folder().join("other")));
    let check = check_of(&tenant, "Delta tables").await.expect("it is configured");
    assert_eq!(check.state, CheckState::Failed);
    assert!(check.detail.contains("lake"), "it names the place before: {}", check.detail);
    assert!(deliver(&tenant).await.is_err(), "a delivery refuses it too");
}

#[tokio::test]
async fn a_check_refuses_the_folder_of_tables_of_another_tenant() {
    let mut first = tenant().await;
    first.run().await.expect("it runs");
    deliver(&first).await.expect("there is room");
    let mut second = Tenant::start("zeta", 2, NOON).await;
    second.settings.delta = first.settings.delta.take();
    let check = check_of(&second, "Delta tables").await.expect("it is configured");
    assert_eq!(check.state, CheckState::Failed);
    assert!(check.detail.contains("acme"), "it names the owner: {}", check.detail);
}

#[tokio::test]
async fn a_password_of_postgres_that_cannot_be_read_is_a_wrong_configuration() {
    let mut tenant = tenant().await;
    tenant.settings.postgres = Some(postgres(Some(Arc::new(Unreadable))));
    let check = check_of(&tenant, "Postgres").await.expect("it is configured");
    assert_eq!(check.state, CheckState::Failed);
    assert_eq!(check.ending, core_engine::Ending::Failed(FailureKind::Configuration));
    assert!(check.detail.contains("the password of Postgres"), "{}", check.detail);
}

#[tokio::test]
async fn a_postgres_that_nothing_answers_for_fails_the_check_with_its_place() {
    let mut tenant = tenant().await;
    tenant.settings.postgres = Some(postgres(None));
    let check = check_of(&tenant, "Postgres").await.expect("it is configured");
    assert_eq!(check.state, CheckState::Failed, "{}", check.detail);
}

#[tokio::test]
async fn a_neo4j_fails_the_check_with_its_password_or_its_place() {
    let mut tenant = tenant().await;
    tenant.settings.neo4j = Some(neo4j(Some(Arc::new(Unreadable))));
    let check = check_of(&tenant, "Neo4j").await.expect("it is configured");
    assert_eq!(check.ending, core_engine::Ending::Failed(FailureKind::Configuration));
    assert!(check.detail.contains("the password of Neo4j"), "{}", check.detail);
    tenant.settings.neo4j = Some(neo4j(None));
    let check = check_of(&tenant, "Neo4j").await.expect("it is configured");
    assert_eq!(check.state, CheckState::Failed, "{}", check.detail);
    assert!(check.detail.contains("database graph at localhost:9"), "{}", check.detail);
}

fn elsewhere(tenant: &Tenant, erased: &Erased) -> Vec<String> {
    let stored = tenant.engine().tenant().expect("the store is there");
    erasure::elsewhere(tenant.engine(), &stored, erased)
}

/// Erases the first user of the published generation.
fn erase_first(tenant: &Tenant) -> Erased {
    let first = first_uid(&tenant.published().expect("it is published"));
    erase_user(tenant, &first, false).expect("it is erased")
}

/// The remark about exported folders if nothing needs the keys, which name the person.
fn without_keys(tenant: &Tenant) -> String {
    let program = &tenant.host.program;
    format!(
        "folders that `{program} export` wrote, and other copies, may still hold this person: delete it there by hand"
    )
}

/// The remarks about exported folders, and the keys to delete there.
fn exported(tenant: &Tenant, erased: &Erased) -> Vec<String> {
    let program = &tenant.host.program;
    let folders = format!(
        "folders that `{program} export` wrote, and other copies, may still hold this person: delete the objects with \
         these keys there by hand"
    );
    assert!(!erased.keys.is_empty());
    [folders].into_iter().chain(erased.keys.clone()).collect()
}

/// The remark about a place that no delivery goes to any more.
fn by_hand(place: &str) -> String {
    format!(
        "{place} may still hold this person: no delivery goes there now, so delete the objects of the keys below there \
         by hand"
    )
}

#[tokio::test]
async fn only_places_that_were_delivered_to_may_hold_an_erased_person_and_a_run_is_named_if_it_delivers()
 {
    let mut tenant = tenant().await;
    make_keys(&tenant);
    tenant.run().await.expect("it runs");
    let erased = erase_first(&tenant);
    assert_eq!(elsewhere(&tenant, &erased), [without_keys(&tenant)], "nothing was delivered");
    assert!(erased.certificate.delivered_to.is_empty());

    deliver(&tenant).await.expect("there is room");
    let erased = erase_first(&tenant);
    let (program, folder) = (tenant.host.program.clone(), tenant.folder().join("lake"));
    let folder = format!("folder {}", folder.display());
    let expected = |run: &str| {
        format!("{folder} may still hold this person: {run}`{program} sync delta` deletes it there")
    };
    let remarks = elsewhere(&tenant, &erased);
    assert_eq!(remarks[0], expected("the next run or "));
    assert_eq!(remarks[1..], [without_keys(&tenant)]);
    tenant.settings.delta.as_mut().expect("it is configured").after_run = false;
    assert_eq!(elsewhere(&tenant, &erased)[0], expected(""));
    let unknown = erase_user(&tenant, "nobody@acme.example", false).expect("it is suppressed");
    assert!(elsewhere(&tenant, &unknown).is_empty(), "nothing was removed");

    tenant.settings.delta = None;
    let remarks = elsewhere(&tenant, &erased);
    assert_eq!(remarks[0], by_hand(&folder));
    assert_eq!(remarks[1..], exported(&tenant, &erased));
    assert_eq!(erased.certificate.delivered_to, [folder]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn destinations_that_were_removed_from_the_configuration_are_named_beside_those_that_stay() {
    let tenant = tenant().await;
    make_keys(&tenant);
    tenant.run().await.expect("it runs");
    deliver(&tenant).await.expect("there is room");
    let (simulated, jupiterone) = start_jupiterone().await;
    let request = DeliveryRequest::default();
    deliver_with(&tenant, &jupiterone, &request).await.expect("it delivers");
    let stored = tenant.engine().tenant().expect("the store is there");
    let lock = stored.lock_delivery(mirrors::POSTGRES, "a test").expect("the lock is free");
    let published = tenant.published().expect("it is published");
    let record = MirrorRecord::begin(None, "database estate", published.id());
    record.write(&lock, mirrors::POSTGRES).expect("there is room");

    let erased = erase_first(&tenant);
    let remarks = elsewhere(&tenant, &erased);
    let jupiterone = format!("JupiterOne ({})", jupiterone.destination.identity());
    assert_eq!(remarks[0], by_hand("database estate"));
    assert!(remarks[1].ends_with("sync delta` deletes it there"), "{remarks:?}");
    assert_eq!(remarks[2], by_hand(&jupiterone));
    assert_eq!(remarks[3..], exported(&tenant, &erased));
    assert_eq!(erased.certificate.delivered_to.len(), 3, "{:?}", erased.certificate.delivered_to);
    drop(simulated);
}

#[tokio::test]
async fn a_place_that_deliveries_went_to_before_is_named_until_they_go_there_again() {
    let mut tenant = tenant().await;
    make_keys(&tenant);
    tenant.run().await.expect("it runs");
    let [lake, other] = ["lake", "other"].map(|name| tenant.folder().join(name));
    let folder = |path: &PathBuf| format!("folder {}", path.display());
    let moved = DeliveryRequest { accept_destination: true, ..DeliveryRequest::default() };
    deliver(&tenant).await.expect("there is room");
    for (now, before) in [(&other, &lake), (&lake, &other)] {
        tenant.settings.delta = Some(delta(now.clone()));
        deliver_request(&tenant, &moved).await.expect("it is accepted");
        // A second delivery keeps the former place.
        let full = DeliveryRequest { full: true, ..DeliveryRequest::default() };
        deliver_request(&tenant, &full).await.expect("it is the same place");
        let erased = erase_first(&tenant);
        let remarks = elsewhere(&tenant, &erased);
        assert_eq!(remarks[0], by_hand(&folder(before)));
        assert!(remarks[1].starts_with(&folder(now)), "{remarks:?}");
        assert!(remarks[1].ends_with("sync delta` deletes it there"), "{remarks:?}");
        assert_eq!(erased.certificate.delivered_to, [folder(before), folder(now)]);
    }
    let stored = tenant.engine().tenant().expect("the store is there");
    let remaining = destruction::remaining(tenant.engine(), &stored);
    let dropped = format!("what earlier deliveries brought to {}: drop it there", folder(&other));
    assert!(remaining.contains(&dropped), "{remaining:?}");
}

#[tokio::test]
async fn a_damaged_record_of_deliveries_names_no_place_as_the_only_one() {
    let mut tenant = tenant().await;
    make_keys(&tenant);
    tenant.run().await.expect("it runs");
    deliver(&tenant).await.expect("there is room");
    let stored = tenant.engine().tenant().expect("the store is there");
    let lock = stored.lock_delivery(mirrors::DELTA, "a test").expect("the lock is free");
    lock.set_state("delivered-delta", b"{").expect("there is room");
    let other = tenant.folder().join("other");
    tenant.settings.delta = Some(delta(other.clone()));
    let erased = erase_first(&tenant);
    let [other, unknown] =
        [format!("folder {}", other.display()), mirrors::unknown_places("delta")];
    assert_eq!(erased.certificate.delivered_to, [other.clone(), unknown.clone()]);
    let remarks = elsewhere(&tenant, &erased);
    assert!(remarks[0].starts_with(&other), "{remarks:?}");
    assert_eq!(remarks[1], by_hand(&unknown));
    assert_eq!(remarks[2..], exported(&tenant, &erased));
    let remaining = destruction::remaining(tenant.engine(), &stored);
    let dropped = format!("what deliveries brought to {unknown}: drop it there");
    assert!(remaining.contains(&dropped), "{remaining:?}");
}
