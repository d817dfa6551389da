//! Runs that publish nothing: each with the kind that a caller decides by, and nothing changed.

use core_engine::privacy::policy;
use core_engine::run::quota::{self, QuotaClock};
use core_engine::run::{self, RunOptions};
use core_engine::{Cancellation, Ending, Failure, FailureKind, Progress};
use core_http::Secret;
use core_nexthink::{EndpointOverrides, Endpoints};
use core_privacy::profile::Profile;
use core_simulator::{Answer, Fault, FaultAction, FaultPoint, SavedQuery};

use super::support::{NOON, Tenant};

/// The kind of a failed run and its words.
fn kind<T>(ended: Result<T, Failure>) -> (FailureKind, String) {
    match ended {
        Ok(_) => panic!("it runs"),
        Err(failure) => (failure.kind, format!("{:#}", failure.error)),
    }
}

#[tokio::test]
async fn a_refused_secret_is_told_and_in_the_ledger() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.with_secret("wrong-canary");
    let (kind, words) = kind(tenant.run().await);
    assert_eq!(kind, FailureKind::Credentials);
    assert!(!words.contains("canary"), "{words}");
    assert!(tenant.published().is_none());
    let ledger = tenant.ledger();
    let codes: Vec<_> = ledger.iter().map(|entry| entry.record.facts.get("exitCode")).collect();
    assert_eq!(codes, [None, Some(&53.into())]);
}

#[tokio::test]
async fn the_ledger_has_the_exports_that_a_failed_run_has_started() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let refused = FaultAction::Answer(Answer::from_status(401));
    tenant.simulator.update(|behaviour| {
        behaviour.faults = vec![Fault::new(FaultPoint::Status, refused.clone())];
    });
    let (kind, _) = kind(tenant.run().await);
    assert_eq!(kind, FailureKind::Credentials);
    let ledger = tenant.ledger();
    let ended = ledger.last().expect("the run has ended");
    let started = ended.record.facts["exports"].as_u64().expect("a number");
    let engine = tenant.engine();
    let clock = QuotaClock::read(engine.host, None);
    let left = quota::left(&engine.tenant().expect("the store is there"), 50, clock);
    let left = left.expect("the quota can be read").exports;
    assert!(started > 0);
    assert_eq!(started, u64::from(50 - left), "each start is counted against the quota");
}

#[tokio::test]
async fn a_secret_that_was_replaced_is_read_again() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let before = Secret::new("the secret of yesterday".to_owned());
    let (options, cancellation) = (RunOptions::default(), Cancellation::default());
    let progress = Progress::none();
    let running = run::run(tenant.engine(), Some(before), &options, &progress, &cancellation);
    assert_eq!(running.await.expect("the source has the new one").ending, Ending::Complete);
}

#[tokio::test]
async fn a_host_that_is_down_is_unreachable() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let nowhere = "http://127.0.0.1:9".to_owned();
    let overrides =
        EndpointOverrides { login: nowhere.clone(), api: nowhere.clone(), files: nowhere };
    tenant.settings.endpoints = Endpoints::overridden(&overrides).expect("loopback is allowed");
    assert_eq!(kind(tenant.run().await).0, FailureKind::Unreachable);
    assert!(tenant.published().is_none());
}

#[tokio::test]
async fn if_no_export_can_be_used_nothing_is_published() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.simulator.update(|behaviour| behaviour.missing.extend(SavedQuery::ALL));
    let finished = tenant.run().await.expect("the steps fail, and not the run");
    assert_eq!(finished.ending, Ending::Failed(FailureKind::Configuration));
    assert!(finished.generation.is_none() && tenant.published().is_none());
}

#[tokio::test]
async fn a_run_without_any_query_is_a_mistake_of_the_settings() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.settings.queries.clear();
    let (kind, words) = kind(tenant.run().await);
    assert_eq!(kind, FailureKind::Configuration);
    assert!(words.contains("no step would fetch anything"), "{words}");
}

#[tokio::test]
async fn a_step_or_type_that_does_not_exist_is_refused_with_the_nearest_name() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let steps = RunOptions { steps: vec!["devices".to_owned()], ..RunOptions::default() };
    let types =
        RunOptions { accept_shrink: vec!["nexthink_devices".to_owned()], ..RunOptions::default() };
    for (options, nearest) in [(steps, "fetch-devices"), (types, "nexthink_device")] {
        let (kind, words) = kind(tenant.run_with(&options).await);
        assert_eq!(kind, FailureKind::Configuration);
        assert!(words.contains(&format!("did you mean `{nearest}`")), "{words}");
    }
    assert!(tenant.ledger().is_empty(), "nothing was begun");
}

#[tokio::test]
async fn more_exports_than_a_day_has_are_refused_before_any_is_started() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.settings.daily_exports = 3;
    let (kind, words) = kind(tenant.run().await);
    assert_eq!(kind, FailureKind::Configuration);
    assert!(words.contains("needs 4 exports"), "{words}");
    tenant.settings.daily_exports = 4;
    assert_eq!(tenant.run().await.expect("four are enough").ending, Ending::Complete);
    assert_eq!(self::kind(tenant.run().await).0, FailureKind::Deferred, "the day has no more");
}

#[tokio::test]
async fn a_store_that_another_process_writes_to_is_locked() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let held = tenant.engine().lock().expect("it is free");
    let (kind, words) = kind(tenant.run().await);
    assert_eq!(kind, FailureKind::Locked);
    assert!(words.contains("the test of acme"), "{words}");
    drop(held);
    tenant.run().await.expect("it is free again");
}

#[tokio::test]
async fn a_tenant_of_another_region_does_not_build_on_this_one() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    tenant.settings.region = "us".parse().expect("a region");
    let (kind, words) = kind(tenant.run().await);
    assert_eq!(kind, FailureKind::Configuration);
    assert!(words.contains("of region eu"), "{words}");
}

#[tokio::test]
async fn pseudonyms_without_a_key_are_refused_with_the_command_that_makes_one() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.settings.privacy.policy =
        policy(Profile::Pseudonymous, &[]).expect("nothing is overridden");
    let (kind, words) = kind(tenant.run().await);
    assert_eq!(kind, FailureKind::Configuration);
    assert!(words.contains("`nexthink-graph privacy key new`"), "{words}");
    assert!(tenant.published().is_none());
}
