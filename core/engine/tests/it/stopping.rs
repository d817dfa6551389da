//! Runs that are stopped: nothing is published, the ledger says so, and the next run goes on.

use std::time::Duration;

use core_engine::run::{self, RunOptions};
use core_engine::{Cancellation, Ending, Progress, ProgressEvent, StopReason};

use super::support::{NOON, Tenant};

/// Runs until `is_moment`, and then asks to stop.
async fn stopped_at(
    tenant: &Tenant,
    is_moment: impl Fn(&ProgressEvent<'_>) -> bool + Send + Sync + 'static,
) -> bool {
    let cancellation = Cancellation::default();
    let asked = cancellation.clone();
    let progress = Progress::new(move |event| {
        if is_moment(&event) {
            asked.request(StopReason::Terminated);
        }
    });
    let secret = tenant.settings.read_client_secret().expect("it is known");
    let options = RunOptions::default();
    let running = run::run(tenant.engine(), secret, &options, &progress, &cancellation);
    let ended = tokio::time::timeout(Duration::from_secs(30), running).await;
    ended.expect("it ends soon").is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_stopped_publishes_nothing_and_the_next_one_is_whole() {
    let exporting = |event: &ProgressEvent<'_>| matches!(event, ProgressEvent::Export { .. });
    let applying = |event: &ProgressEvent<'_>| matches!(event, ProgressEvent::Applying { .. });
    let publishing = |event: &ProgressEvent<'_>| matches!(event, ProgressEvent::Publishing);
    let tenant = Tenant::start("acme", 1, NOON).await;
    for (moment, is_ended) in [
        ("exporting", stopped_at(&tenant, exporting).await),
        ("applying", stopped_at(&tenant, applying).await),
        ("publishing", stopped_at(&tenant, publishing).await),
    ] {
        assert!(!is_ended, "stopped while {moment}");
    }
    assert!(tenant.published().is_none());
    let ledger = tenant.ledger();
    let codes: Vec<_> =
        ledger.iter().filter_map(|entry| entry.deed.facts.get("exitCode").cloned()).collect();
    assert_eq!(codes, [52, 52, 52], "each end is on record, with the code of a stop");
    let finished = tenant.run().await.expect("nobody stops it");
    assert_eq!(finished.ending, Ending::Complete);
}

#[tokio::test]
async fn exports_of_a_stopped_run_are_not_paid_for_twice() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let publishing = |event: &ProgressEvent<'_>| matches!(event, ProgressEvent::Publishing);
    assert!(!stopped_at(&tenant, publishing).await);
    let finished = tenant.run().await.expect("nobody stops it");
    let started: u32 = finished.report.steps.iter().map(|step| step.exports).sum();
    assert_eq!(started, 0, "all downloads are there");
}

#[tokio::test]
async fn a_stop_is_told_by_its_reason_whatever_failed_because_of_it() {
    let cancellation = Cancellation::default();
    let failure = || anyhow::anyhow!("the run was stopped").into();
    assert!(cancellation.check().is_ok());
    let unasked = cancellation.ending_after(&failure());
    cancellation.request(StopReason::Interrupted);
    cancellation.request(StopReason::Terminated);
    assert!(cancellation.check().is_err());
    let asked = cancellation.ending_after(&failure());
    assert_ne!(asked, unasked);
    let expected = core_engine::FailureKind::Stopped(StopReason::Interrupted);
    assert_eq!(asked, Ending::Failed(expected), "the first reason counts");
}
