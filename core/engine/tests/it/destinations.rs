//! Destinations by name: what is told of them, before and after a delivery.

use core_delta::DeltaSettings;
use core_destination::DeliveryRequest;
use core_engine::destinations::{Delivered, DestinationKind};
use core_engine::settings::Delta;
use core_engine::{Cancellation, Ending, Failure, FailureKind, Progress};

use super::deliveries;
use super::support::{NOON, Tenant};

const KINDS: [DestinationKind; 4] = [
    DestinationKind::JupiterOne,
    DestinationKind::Postgres,
    DestinationKind::Delta,
    DestinationKind::Neo4j,
];

async fn tenant() -> Tenant {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let folder = tenant.folder().join("lake");
    let settings = DeltaSettings { folder, keep_days: 7 };
    tenant.settings.delta = Some(Delta { settings, after_run: true });
    tenant
}

async fn deliver(
    tenant: &Tenant,
    kind: DestinationKind,
    request: &DeliveryRequest,
    is_quiet: bool,
) -> Result<Delivered, Failure> {
    let (progress, cancellation) = (Progress::none(), Cancellation::default());
    kind.deliver(tenant.engine(), request, is_quiet, &progress, &cancellation).await
}

#[tokio::test]
async fn a_destination_that_is_not_configured_says_which_settings_it_needs() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let store = tenant.engine().tenant().expect("the store is there");
    let request = DeliveryRequest::default();
    for kind in KINDS {
        let failures = [
            kind.check(tenant.engine(), &store, &request).expect_err("it is not configured"),
            deliver(&tenant, kind, &request, false).await.expect_err("it is not configured"),
        ];
        for failure in failures {
            assert_eq!(failure.kind, FailureKind::Configuration);
            let table = format!("add `[destinations.{}]` with `", kind.name());
            assert!(failure.error.to_string().contains(&table), "{}", failure.error);
        }
        assert!(!kind.is_after_run(&tenant.settings), "{kind:?}");
    }
}

#[tokio::test]
async fn only_the_destinations_that_say_so_follow_a_run() {
    let mut tenant = tenant().await;
    tenant.settings.jupiterone = Some(deliveries::settings("http://127.0.0.1:9", "a-key"));
    let after_run = |tenant: &Tenant| KINDS.map(|kind| kind.is_after_run(&tenant.settings));
    assert_eq!(after_run(&tenant), [true, false, true, false]);
    tenant.settings.delta.as_mut().expect("it is configured").after_run = false;
    assert_eq!(after_run(&tenant), [true, false, false, false]);
    assert!(!DestinationKind::MIRRORS.contains(&DestinationKind::JupiterOne));
}

#[tokio::test]
async fn a_preview_changes_nothing_and_shows_what_the_delivery_then_does() {
    let tenant = tenant().await;
    let store = tenant.engine().tenant().expect("the store is there");
    let (kind, request) = (DestinationKind::Delta, DeliveryRequest::default());
    let preview = || {
        let generation = tenant.published().expect("it is published");
        kind.preview(tenant.engine(), &store, generation, &request, None).expect("it is readable")
    };
    let before = preview();
    assert_eq!(before.object["delivers"], true);
    assert!(before.table.contains("nexthink_device"), "{}", before.table);
    assert!(!tenant.folder().join("lake").exists(), "nothing is delivered yet");

    let delivered = deliver(&tenant, kind, &request, false).await.expect("there is room");
    assert_eq!(delivered.ending, Ending::Complete);
    assert_eq!(delivered.object["result"], "delivered");
    assert!(delivered.remarks[0].starts_with("delivered generation "), "{:?}", delivered.remarks);
    assert!(tenant.folder().join("lake").exists());

    assert_eq!(preview().object["delivers"], false);
    let again = deliver(&tenant, kind, &request, false).await.expect("it compares");
    let expected = "nothing changed since the last delivery: delta has generation ";
    assert!(again.remarks[0].starts_with(expected), "{:?}", again.remarks);
    let quiet = deliver(&tenant, kind, &request, true).await.expect("it compares");
    assert_eq!(quiet.remarks, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jupiterone_is_delivered_to_like_every_destination() {
    let mut tenant = tenant().await;
    let (simulated, settings) = deliveries::start().await;
    tenant.settings.jupiterone = Some(settings);
    let store = tenant.engine().tenant().expect("the store is there");
    let (kind, request) = (DestinationKind::JupiterOne, DeliveryRequest::default());
    kind.check(tenant.engine(), &store, &request).expect("it is the first delivery");
    let generation = tenant.published().expect("it is published");
    let preview = kind.preview(tenant.engine(), &store, generation, &request, None);
    let preview = preview.expect("it is readable");
    assert!(preview.table.contains("nexthink_device"), "{}", preview.table);
    assert_eq!(simulated.jobs().len(), 0, "a preview sends no request");
    let delivered = deliver(&tenant, kind, &request, false).await.expect("it delivers");
    assert_eq!((delivered.ending, simulated.jobs().len()), (Ending::Complete, 1));
    assert!(!delivered.remarks.is_empty());
}

#[tokio::test]
async fn another_place_than_before_is_refused_unless_it_is_accepted() {
    let mut tenant = tenant().await;
    let (kind, request) = (DestinationKind::Delta, DeliveryRequest::default());
    deliver(&tenant, kind, &request, false).await.expect("there is room");
    let elsewhere = tenant.folder().join("another-lake");
    tenant.settings.delta.as_mut().expect("it is configured").settings.folder = elsewhere;
    let store = tenant.engine().tenant().expect("the store is there");
    let refused = kind.check(tenant.engine(), &store, &request).expect_err("it is another one");
    assert_eq!(refused.kind, FailureKind::Configuration);
    let accepted = DeliveryRequest { accept_destination: true, ..request };
    kind.check(tenant.engine(), &store, &accepted).expect("it is accepted");
}
