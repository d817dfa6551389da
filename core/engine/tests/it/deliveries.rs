//! Deliveries to a simulated JupiterOne, in process.

use std::sync::Arc;
use std::time::Duration;

use core_destination::{DeliveryRequest, DeliveryResult};
use core_engine::deliver;
use core_engine::jupiterone;
use core_engine::settings::JupiterOne as Settings;
use core_engine::{Cancellation, Ending, Engine, Failure, FailureKind, Progress};
use core_jupiterone::{
    BaseUrl, DeliveryReport, Destination, Extras, PollSchedule, Source, last_destination,
};
use core_simulator::{JupiterOne, JupiterOneConfig};

use super::support::{Known, NOON, Tenant};

const KEY: &str = "a-key";
/// A loopback address that nothing listens on.
const SOMEWHERE: &str = "http://127.0.0.1:9";

pub(crate) async fn start() -> (JupiterOne, Settings) {
    let config = JupiterOneConfig {
        account: "acme".to_owned(),
        api_key: KEY.to_owned(),
        ..JupiterOneConfig::default()
    };
    let simulated = JupiterOne::start(config).await.expect("a free port");
    let settings = settings(simulated.url(), KEY);
    (simulated, settings)
}

pub(crate) fn settings(url: &str, key: &'static str) -> Settings {
    let base = BaseUrl::parse(url).expect("loopback is allowed");
    let source = Source::Api { scope: "nexthink-acme".to_owned() };
    Settings {
        destination: Destination::new(base, "acme", source).expect("it is valid"),
        api_key: Arc::new(Known(key)),
        poll: PollSchedule {
            first: Duration::from_millis(5),
            cap: Duration::from_millis(20),
            ..PollSchedule::default()
        },
        after_run: true,
        extras: Extras::default(),
        audit: false,
    }
}

pub(crate) async fn deliver_with(
    tenant: &Tenant,
    settings: &Settings,
    request: &DeliveryRequest,
) -> Result<DeliveryResult<DeliveryReport>, Failure> {
    deliver_on(tenant.engine(), settings, request).await
}

pub(crate) async fn deliver_on(
    engine: Engine<'_>,
    settings: &Settings,
    request: &DeliveryRequest,
) -> Result<DeliveryResult<DeliveryReport>, Failure> {
    let (progress, cancellation) = (Progress::none(), Cancellation::default());
    let destination = jupiterone::destination(engine, settings)?;
    deliver::deliver_published(engine, &destination, request, &progress, &cancellation).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_is_delivered_once() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let (simulated, settings) = start().await;
    let options = DeliveryRequest::default();
    let first = deliver_with(&tenant, &settings, &options).await.expect("it delivers");
    assert!(matches!(first, DeliveryResult::Delivered { .. }));
    assert_eq!(deliver::ending(&first), Ending::Complete);
    let second = deliver_with(&tenant, &settings, &options).await.expect("it compares");
    assert!(matches!(second, DeliveryResult::NothingChanged { .. }));
    assert_eq!(simulated.jobs().len(), 1);
    let events: Vec<_> = tenant.ledger().iter().map(|entry| entry.record.event.clone()).collect();
    let expected = ["delivery_started", "delivery_ended"].repeat(2);
    assert_eq!(events[2..], expected, "after the beginning and end of the run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_delivery_and_a_purge_are_jobs_though_nothing_has_changed() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let (simulated, settings) = start().await;
    deliver_with(&tenant, &settings, &DeliveryRequest::default()).await.expect("it delivers");
    let full = DeliveryRequest { full: true, ..DeliveryRequest::default() };
    let again = deliver_with(&tenant, &settings, &full).await.expect("it delivers");
    assert!(matches!(again, DeliveryResult::Delivered { reason, .. } if reason.contains("--full")));
    let purge = vec!["nexthink_alert".to_owned()];
    let purge = DeliveryRequest { purge, ..DeliveryRequest::default() };
    deliver_with(&tenant, &settings, &purge).await.expect("it delivers");
    assert_eq!(simulated.jobs().len(), 3);
}

#[tokio::test]
async fn a_decision_makes_no_call_and_changes_nothing() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let store = tenant.engine().tenant().expect("the store is there");
    for _ in 0..2 {
        let generation = tenant.published().expect("it is published");
        let rules = jupiterone::rules(tenant.engine(), &settings(SOMEWHERE, KEY));
        let decision = rules.plan(&store, generation, &DeliveryRequest::default());
        let decision = decision.expect("the generation can be read");
        assert!(decision.reason.is_some_and(|reason| reason.contains("first delivery")));
        assert!(!decision.partial_datasets.is_empty(), "the first delivery deletes nothing");
    }
    assert_eq!(last_destination(&store), None);
}

#[tokio::test]
async fn a_refused_key_is_a_failure_of_the_destination_and_the_generation_is_safe() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let (simulated, _) = start().await;
    let settings = settings(simulated.url(), "another-key");
    let refused = deliver_with(&tenant, &settings, &DeliveryRequest::default()).await;
    assert_eq!(refused.expect_err("it is refused").kind, FailureKind::DestinationFailed);
    assert!(tenant.published().is_some());
    assert!(simulated.jobs().is_empty());
}

#[tokio::test]
async fn another_destination_is_accepted_once_by_name() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let (_simulated, settings) = start().await;
    deliver_with(&tenant, &settings, &DeliveryRequest::default()).await.expect("it delivers");
    let (_other, elsewhere) = start().await;
    let store = tenant.engine().tenant().expect("the store is there");
    let rules = jupiterone::rules(tenant.engine(), &elsewhere);
    let check = |accept_destination| {
        let request = DeliveryRequest { accept_destination, ..DeliveryRequest::default() };
        rules.check(&store, &request).map_err(Failure::from)
    };
    let refused = check(false).expect_err("the port differs");
    assert_eq!(refused.kind, FailureKind::Configuration);
    assert!(format!("{:#}", refused.error).contains("--accept-destination"));
    assert!(check(true).is_ok());
}

#[tokio::test]
async fn nothing_that_is_published_is_nothing_to_deliver() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let (_simulated, settings) = start().await;
    let refused = deliver_with(&tenant, &settings, &DeliveryRequest::default()).await;
    let refused = refused.expect_err("there is no generation");
    assert_eq!(refused.kind, FailureKind::Configuration);
    assert!(format!("{:#}", refused.error).contains("`nexthink-graph run` publishes one"));
}
