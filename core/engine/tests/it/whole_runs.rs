//! A run with everything that follows it: a part that fails or is stopped keeps no other from its work, and what is
//! published stays published.

use std::cell::RefCell;
use std::future::pending;
use std::time::Duration;

use core_delta::DeltaSettings;
use core_engine::destinations::DestinationKind;
use core_engine::interruption::Signals;
use core_engine::run::RunOptions;
use core_engine::settings::Delta;
use core_engine::whole_run::{Conclusion, Ended, FailedRun, Part, Rules, Watcher, WholeRun};
use core_engine::{Cancellation, Ending, Failure, FailureKind, Progress, StopReason};
use core_simulator::{JupiterOne, SavedQuery};
use tokio::sync::Notify;

use super::deliveries;
use super::support::{NOON, Tenant};

const STOPPED: FailureKind = FailureKind::Stopped(StopReason::Terminated);

/// The world around a run: it keeps what it is told, and sends a signal when a part begins.
#[derive(Default)]
struct World {
    signal_at: Option<Part>,
    rules_fail: bool,
    heard: RefCell<Vec<String>>,
    signal: Notify,
}

impl World {
    fn hear(&self, text: String) {
        self.heard.borrow_mut().push(text);
    }

    fn reach(&self, part: Part) {
        if self.signal_at == Some(part) {
            self.signal.notify_one();
        }
    }

    async fn run(&self, tenant: &Tenant) -> Result<Ended<u8>, FailedRun<u8>> {
        let secret = tenant.settings.read_client_secret().expect("it is known");
        let run = WholeRun {
            engine: tenant.engine(),
            secret: Some(secret),
            options: &RunOptions::default(),
            signals: self,
            watcher: self,
            rules: self,
            is_quiet: false,
        };
        run.run().await
    }

    /// Runs, and expects that the run itself does not fail.
    async fn ended(&self, tenant: &Tenant) -> Ended<u8> {
        match self.run(tenant).await {
            Ok(ended) => ended,
            Err(FailedRun { failure, .. }) => panic!("{:#}", failure.error),
        }
    }

    /// Runs, and expects that the run itself fails.
    async fn failed(&self, tenant: &Tenant) -> FailedRun<u8> {
        match self.run(tenant).await {
            Ok(_) => panic!("it runs"),
            Err(failed) => failed,
        }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.take()
    }
}

impl Signals for World {
    type Guard = ();

    async fn next(&self) -> StopReason {
        match self.signal_at {
            Some(_) => self.signal.notified().await,
            None => pending().await,
        }
        StopReason::Terminated
    }

    fn guard(&self, _: &Cancellation, _: Duration, _: &'static str) {}
}

impl Watcher for World {
    fn note(&self, text: &str) {
        self.hear(text.to_owned());
    }

    fn begin(&self, part: Part) -> Progress {
        self.hear(format!("begin {part:?}"));
        self.reach(part);
        Progress::none()
    }

    fn end(&self, part: Part) {
        self.hear(format!("end {part:?}"));
    }
}

impl Rules for World {
    type Report = u8;

    async fn evaluate(&self) -> Result<u8, Failure> {
        self.hear("rules".to_owned());
        if self.signal_at == Some(Part::Rules) {
            self.reach(Part::Rules);
            tokio::time::sleep(Duration::from_millis(10)).await;
            // A second signal, since these rules do not see the first.
            self.reach(Part::Rules);
            pending::<()>().await;
        }
        if self.rules_fail {
            return Err(Failure::new(FailureKind::DataRefused, anyhow::anyhow!("no book")));
        }
        Ok(7)
    }
}

fn with_delta(tenant: &mut Tenant) {
    let settings = DeltaSettings { folder: tenant.folder().join("lake"), keep_days: 7 };
    tenant.settings.delta = Some(Delta { settings, after_run: true });
}

/// A tenant whose runs deliver to a simulated JupiterOne and to a folder of Delta tables.
async fn tenant_with_destinations() -> (Tenant, JupiterOne) {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let (jupiterone, settings) = deliveries::start().await;
    tenant.settings.jupiterone = Some(settings);
    with_delta(&mut tenant);
    (tenant, jupiterone)
}

/// The kinds of the deliveries that failed.
fn failures(ended: &Ended<u8>) -> Vec<(DestinationKind, FailureKind)> {
    let failed = ended.deliveries.iter();
    failed.filter_map(|(kind, delivered)| Some((*kind, delivered.as_ref().err()?.kind))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_parts_come_in_this_order_and_their_results_are_in_the_report() {
    let (tenant, jupiterone) = tenant_with_destinations().await;
    let world = World::default();
    let ended = world.ended(&tenant).await;
    assert_eq!(
        world.heard(),
        [
            "begin Run",
            "end Run",
            "begin Delivery(JupiterOne)",
            "end Delivery(JupiterOne)",
            "begin Delivery(Delta)",
            "end Delivery(Delta)",
            "rules",
        ]
    );
    assert_eq!((ended.ending(), ended.rules.as_ref().ok()), (Ending::Complete, Some(&7)));
    assert_eq!(ended.finished.report.exit_code, 50);
    assert_eq!(jupiterone.jobs().len(), 1);
    let report = &ended.finished.report;
    assert_eq!(report.delivery.as_ref().map(|object| &object["result"]), Some(&"delivered".into()));
    assert_eq!(report.mirrors.keys().collect::<Vec<_>>(), ["delta"]);
    let head = tenant.engine().tenant().expect("the store is there").ledger().head();
    assert_eq!(report.ledger, head.expect("it can be read"), "after the deliveries");
}

#[tokio::test]
async fn a_run_without_destinations_is_followed_by_the_rules_alone() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let world = World::default();
    let ended = world.ended(&tenant).await;
    assert_eq!(world.heard(), ["begin Run", "end Run", "rules"]);
    assert!(ended.deliveries.is_empty() && ended.finished.report.delivery.is_none());
}

#[tokio::test]
async fn a_destination_that_is_not_to_follow_a_run_gets_nothing() {
    let (mut tenant, jupiterone) = tenant_with_destinations().await;
    tenant.settings.delta.as_mut().expect("it is set").after_run = false;
    tenant.settings.jupiterone.as_mut().expect("it is set").after_run = false;
    let ended = World::default().ended(&tenant).await;
    assert!(ended.deliveries.is_empty() && jupiterone.jobs().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_fails_keeps_no_other_part_from_its_work() {
    let (mut tenant, jupiterone) = tenant_with_destinations().await;
    core_files::replace_file(&tenant.folder().join("lake"), b"no folder").expect("it is ours");
    let world = World::default();
    let ended = world.ended(&tenant).await;
    assert_eq!(failures(&ended), [(DestinationKind::Delta, FailureKind::DestinationFailed)]);
    assert_eq!((jupiterone.jobs().len(), ended.rules.as_ref().ok()), (1, Some(&7)));
    assert!(tenant.published().is_some(), "the generation is safe");
    assert_eq!(ended.ending(), Ending::Failed(FailureKind::DestinationFailed));
    assert_eq!(ended.conclusion(true), Conclusion::Ending(ended.ending()));
    let report = &ended.finished.report;
    assert_eq!((report.exit_code, &report.mirrors["delta"]["result"]), (53, &"failed".into()));
    let reason = report.mirrors["delta"]["reason"].as_str().expect("it has a reason");
    assert!(!reason.is_empty(), "{reason}");

    // The next run delivers what this one could not.
    core_files::remove_file_if_present(&tenant.folder().join("lake")).expect("it is ours");
    with_delta(&mut tenant);
    let ended = world.ended(&tenant).await;
    assert_eq!(failures(&ended), []);
}

#[tokio::test]
async fn what_an_earlier_run_has_published_is_delivered_by_one_that_publishes_nothing() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let world = World::default();
    tenant.simulator.update(|behaviour| behaviour.missing.extend(SavedQuery::ALL));
    with_delta(&mut tenant);
    let ended = world.ended(&tenant).await;
    assert!(ended.deliveries.is_empty(), "there is nothing to deliver");
    tenant.simulator.update(|behaviour| behaviour.missing.clear());
    tenant.settings.delta = None;
    world.ended(&tenant).await;
    tenant.simulator.update(|behaviour| behaviour.missing.extend(SavedQuery::ALL));
    with_delta(&mut tenant);
    let ended = world.ended(&tenant).await;
    assert!(ended.finished.generation.is_none());
    assert_eq!((ended.deliveries.len(), failures(&ended)), (1, vec![]));
    assert_eq!(ended.ending(), Ending::Failed(FailureKind::Configuration), "that of the run");
}

#[tokio::test]
async fn rules_that_fail_are_what_a_complete_run_ends_with() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let world = World { rules_fail: true, ..World::default() };
    let ended = world.ended(&tenant).await;
    assert_eq!(ended.ending(), Ending::Complete);
    assert_eq!(ended.conclusion(false), Conclusion::RulesFailed);
    let failure = ended.rules.expect_err("they fail");
    assert_eq!(failure.kind, FailureKind::DataRefused);
    assert_eq!(ended.finished.report.exit_code, 50, "the report is that of the run");
}

#[tokio::test]
async fn a_run_that_has_failed_tells_the_rules_where_there_may_be_something_to_tell() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let world = World::default();
    let held = tenant.engine().lock().expect("it is free");
    let failed = world.failed(&tenant).await;
    assert_eq!((failed.failure.kind, failed.rules.is_none()), (FailureKind::Locked, true));
    drop(held);
    assert_eq!(world.heard(), ["begin Run", "end Run"]);
    tenant.with_secret("wrong");
    let failed = world.failed(&tenant).await;
    assert_eq!(failed.failure.kind, FailureKind::Credentials);
    assert_eq!(failed.rules.and_then(Result::ok), Some(7));
    assert_eq!(world.heard(), ["begin Run", "end Run", "rules"]);
    tenant.settings.queries.clear();
    let failed = world.failed(&tenant).await;
    assert_eq!((failed.failure.kind, failed.rules.is_none()), (FailureKind::Configuration, true));
}

#[tokio::test]
async fn a_destination_that_refuses_the_key_stops_a_run_before_an_export_is_paid_for() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let (jupiterone, _) = deliveries::start().await;
    tenant.settings.jupiterone = Some(deliveries::settings(jupiterone.url(), "another-key"));
    let world = World::default();
    let failed = world.failed(&tenant).await;
    assert_eq!(failed.failure.kind, FailureKind::DestinationFailed);
    assert_eq!(world.heard(), ["rules"], "the run has not begun");
    assert!(tenant.ledger().is_empty() && tenant.published().is_none());
}

#[tokio::test]
async fn a_signal_before_the_end_of_a_run_publishes_nothing_and_nothing_follows() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let world = World { signal_at: Some(Part::Run), ..World::default() };
    let failed = world.failed(&tenant).await;
    assert_eq!((failed.failure.kind, failed.rules.is_none()), (STOPPED, true));
    let told = failed.failure.error.to_string();
    assert_eq!(told, "stopped by a signal; nothing was published");
    assert!(tenant.published().is_none());
    assert_eq!(world.heard(), ["begin Run", "end Run"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_between_two_parts_stops_those_that_come_and_keeps_those_that_were() {
    let (tenant, jupiterone) = tenant_with_destinations().await;
    let delta = Part::Delivery(DestinationKind::Delta);
    let world = World { signal_at: Some(delta), ..World::default() };
    let ended = world.ended(&tenant).await;
    assert_eq!(failures(&ended), [(DestinationKind::Delta, STOPPED)]);
    assert_eq!(jupiterone.jobs().len(), 1, "the first delivery is done");
    assert!(tenant.published().is_some());
    assert_eq!(ended.ending(), Ending::Failed(STOPPED));
    assert_eq!(ended.finished.report.exit_code, 52, "the report says what the process does");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_while_rules_are_evaluated_leaves_the_generation_and_says_so() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let world = World { signal_at: Some(Part::Rules), ..World::default() };
    let ended = world.ended(&tenant).await;
    let failure = ended.rules.as_ref().expect_err("they were stopped");
    assert_eq!(failure.kind, STOPPED);
    let told = failure.error.to_string();
    assert!(
        told.contains("the generation is published, and the rules were not evaluated"),
        "{told}"
    );
    assert_eq!(ended.conclusion(false), Conclusion::RulesFailed);
    assert!(tenant.published().is_some());
}
