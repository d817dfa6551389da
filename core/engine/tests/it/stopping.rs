//! Runs that are stopped: nothing is published, the ledger says so, and the next run goes on.

use std::time::{Duration, Instant};

use core_engine::run::{self, RunOptions};
use core_engine::{Cancellation, Ending, Progress, ProgressEvent, StopReason};
use fastrand::Rng;

use super::erasures::{make_keys, owe_an_erasure};
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
    let running = run::run(tenant.engine(), Some(secret), &options, &progress, &cancellation);
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
        ledger.iter().filter_map(|entry| entry.record.facts.get("exitCode").cloned()).collect();
    assert_eq!(codes, [52, 52, 52], "each end is on record, with the code of a stop");
    let finished = tenant.run().await.expect("it is not stopped");
    assert_eq!(finished.ending, Ending::Complete);
}

#[tokio::test]
async fn exports_of_a_stopped_run_are_not_paid_for_twice() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let publishing = |event: &ProgressEvent<'_>| matches!(event, ProgressEvent::Publishing);
    assert!(!stopped_at(&tenant, publishing).await);
    let finished = tenant.run().await.expect("it is not stopped");
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

/// The most time that a run may take to end once it is asked to.
const LIMIT: Duration = Duration::from_secs(2);

/// Runs, and asks to stop after `wait`. Returns whether the run went on to its end, and how long after the request
/// it ended.
async fn stopped_after(tenant: &Tenant, wait: Duration) -> (bool, Duration) {
    let cancellation = Cancellation::default();
    let asked = cancellation.clone();
    // A thread of its own, as for a signal: the run may block its task.
    let asking = std::thread::spawn(move || {
        std::thread::sleep(wait);
        asked.request(StopReason::Interrupted);
        Instant::now()
    });
    let secret = tenant.settings.read_client_secret().expect("it is known");
    let (options, progress) = (RunOptions::default(), Progress::none());
    let ended =
        run::run(tenant.engine(), Some(secret), &options, &progress, &cancellation).await.is_ok();
    let ended_at = Instant::now();
    let asked_at = asking.join().expect("it only waits");
    (ended, ended_at.saturating_duration_since(asked_at))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_at_fifty_random_moments_ends_a_run_in_time_and_harms_nothing() {
    let tenant = Tenant::start("acme", 1, NOON).await.with_audit();
    make_keys(&tenant);
    tenant.run().await.expect("it is not stopped");
    let started = Instant::now();
    owe_an_erasure(&tenant, 0);
    tenant.run().await.expect("it is not stopped");
    let whole = u64::try_from(started.elapsed().as_micros()).expect("it is short");
    let (mut random, mut stopped) = (Rng::with_seed(50), 0);
    for moment in 1..=50 {
        if moment % 2 == 0 {
            owe_an_erasure(&tenant, moment);
        }
        let wait = Duration::from_micros(random.u64(..whole));
        // A machine that is busy may be slow once, a run that does not see the stop is always.
        let mut took = LIMIT;
        for _ in 0..3 {
            let (is_whole, this_took) = stopped_after(&tenant, wait).await;
            stopped += u32::from(!is_whole);
            took = took.min(this_took);
            if took < LIMIT {
                break;
            }
        }
        assert!(took < LIMIT, "moment {moment}, {wait:?} after the start");
    }
    assert!(stopped > 10, "{stopped} were stopped");
    let finished = tenant.run().await.expect("it is not stopped");
    assert_eq!(finished.ending, Ending::Complete, "{:?}", finished.report.shortfalls());
    let store = tenant.engine().tenant().expect("the store is there");
    for entry in store.history().expect("it can be read") {
        store.verify(&entry.id).expect("every generation is whole and cleansed");
    }
    assert!(store.ledger().verify(&[]).is_ok());
}
