//! The audit trail as a part of runs: alone, after a generation, from the table, again, and when it cannot be read.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use core_audit::{HOUR_MS, Span};
use core_engine::audit::{
    AuditReport, Backfill, Collection, LOG, Notes, Period, check_settings, older_than,
};
use core_engine::interruption::Signals;
use core_engine::privacy::policy;
use core_engine::run::{Finished, RunOptions};
use core_engine::settings::{Audit, AuditSource, AuditTable, AuditTrails};
use core_engine::{Cancellation, Ending, Failure, FailureKind, Moment, StopReason};
use core_nexthink::Trail;
use core_privacy::profile::Profile;
use core_simulator::{Answer, Fault, FaultAction, FaultPoint, SavedQuery};

use super::erasures::make_keys;
use super::support::{Known, NOON, rows};
use super::world::{DAY_MS, World};

mod forms;

const STEP: &str = "fetch-audit";

/// A tenant with an audit trail whose clocks agree, between two events of the trail.
async fn world() -> World {
    World::start("acme", 1, Moment(NOON.0 + 300_000)).await
}

fn audit(world: &mut World) -> &mut Audit {
    world.tenant.settings.audit.as_mut().expect("it is configured")
}

fn trails(world: &mut World) -> &mut AuditTrails {
    match &mut audit(world).source {
        AuditSource::Trails(trails) => trails,
        AuditSource::Table(_) => panic!("trails are configured"),
    }
}

/// Reads the table of the trail, through a saved query of three days.
fn with_table(world: &mut World, account: &str) {
    world.tenant.simulator.update(|behaviour| behaviour.audit.table_hours = 72);
    let [time, code, message] = ["time", "code", "message"].map(str::to_owned);
    let query = "#j1_audit".parse().expect("a query ID");
    let account = account.to_owned();
    let audit = audit(world);
    audit.source =
        AuditSource::Table(AuditTable { query, time, account, code, message, hours: 72 });
    audit.windows.source_retention_ms = 72 * HOUR_MS;
}

/// Lets the audit trail answer with a status.
fn fail(world: &World, status: u16) {
    world.tenant.simulator.update(|behaviour| {
        let answer = FaultAction::Answer(Answer::from_status(status));
        behaviour.faults = vec![Fault::new(FaultPoint::Audit, answer)];
    });
}

async fn run(world: &World) -> Finished {
    world.run(&RunOptions::default()).await.expect("it runs")
}

/// Reads the events and nothing else.
async fn run_alone(world: &World) -> Finished {
    let options = RunOptions { steps: vec![STEP.to_owned()], ..RunOptions::default() };
    world.run(&options).await.expect("it runs")
}

fn report(finished: &Finished) -> &AuditReport {
    finished.report.audit.as_ref().expect("the trail is read")
}

/// The number of events in the store.
fn stored(world: &World) -> u64 {
    world.store().events(LOG).expect("it can be read").rows()
}

#[tokio::test]
async fn events_alone_publish_nothing_and_leave_what_is_published() {
    let mut world = world().await;
    run(&world).await;
    let published = world.tenant.published().expect("it is published").id().clone();
    let before = stored(&world);
    world.pass(3 * 3_600_000);
    let finished = run_alone(&world).await;
    assert_eq!((finished.ending, finished.generation.clone()), (Ending::Complete, None));
    assert!(report(&finished).added() > 0);
    assert_eq!(stored(&world), before + report(&finished).added());
    assert_eq!(world.tenant.published().expect("it is published").id(), &published);
    let ledger = world.tenant.ledger();
    let last: Vec<_> = ledger.iter().rev().take(2).map(|entry| &entry.record.event).collect();
    assert_eq!(last, ["run_ended", "run_started"]);

    // Without a trail there is nothing to do, which is a mistake of the caller.
    world.tenant.settings.audit = None;
    let options = RunOptions { steps: vec![STEP.to_owned()], ..RunOptions::default() };
    let Err(refused) = world.run(&options).await else { panic!("there is no trail") };
    assert_eq!(refused.kind, FailureKind::Configuration);
}

#[tokio::test]
async fn a_trail_that_fails_makes_the_run_partial_and_the_next_one_reads_the_gap() {
    let world = world().await;
    fail(&world, 500);
    let finished = run(&world).await;
    assert_eq!(finished.ending, Ending::Partial);
    assert!(finished.generation.is_some(), "the generation is unaffected");
    assert!(finished.report.steps.iter().all(|step| step.outcome.lacks_nothing()));
    let failed = report(&finished);
    assert!(!failed.is_complete());
    assert_eq!((failed.trails[0].gaps.len(), stored(&world)), (1, 0));

    world.heal();
    let finished = run(&world).await;
    assert_eq!(finished.ending, Ending::Complete, "{:?}", report(&finished).shortfalls());
    // The whole day that is wanted, at six lines an hour.
    assert!(stored(&world) >= 6 * 23, "{}", stored(&world));
}

#[tokio::test]
async fn events_alone_that_cannot_be_read_fail_the_run_with_the_kind_of_the_reason() {
    let mut world = world().await;
    trails(&mut world).password = Arc::new(Known("wrong-canary"));
    let finished = run_alone(&world).await;
    assert_eq!(finished.ending, Ending::Failed(FailureKind::Credentials));
    let told = report(&finished).shortfalls().join("\n");
    assert!(!told.is_empty() && !told.contains("canary"), "{told}");
}

#[tokio::test]
async fn an_account_that_is_refused_is_tried_for_one_trail_and_what_the_others_lack_is_on_record() {
    let mut world = world().await;
    let trails = trails(&mut world);
    trails.password = Arc::new(Known("wrong"));
    trails.trails.push(Trail::Engine("engine-01".parse().expect("a name")));
    let finished = run(&world).await;
    let [portal, engine] = report(&finished).trails.as_slice() else { panic!("there are two") };
    assert!(portal.reason.is_some());
    let reason = engine.reason.as_deref();
    assert_eq!(reason, Some("not asked for, since it would fail like portal"));
    assert_eq!(engine.gaps.len(), 1);
    let log = world.store().events(LOG).expect("it can be read");
    let notes = Notes::of(&log).expect("they can be read");
    assert_eq!(notes.trails.keys().collect::<Vec<_>>(), ["engine/engine-01", "portal"]);
}

#[tokio::test]
async fn an_engine_that_is_down_keeps_no_other_trail_from_being_read() {
    let mut world = world().await;
    world.tenant.simulator.update(|behaviour| {
        behaviour.audit.unreachable.insert("engine-01".to_owned());
    });
    let engine = |name: &str| Trail::Engine(name.parse().expect("a name"));
    trails(&mut world).trails = vec![engine("engine-01"), engine("engine-02"), Trail::Portal];
    let finished = run(&world).await;
    assert_eq!(finished.ending, Ending::Partial);
    let read = report(&finished).trails.iter().map(|trail| trail.added > 0);
    assert_eq!(read.collect::<Vec<_>>(), [false, true, true]);
}

#[tokio::test]
async fn the_table_is_one_more_export_and_each_of_its_events_is_there_once() {
    let mut world = world().await;
    with_table(&mut world, "account");
    let first = run(&world).await;
    assert_eq!(first.ending, Ending::Complete, "{:?}", report(&first).shortfalls());
    let events = stored(&world);
    assert!(events > 0);
    let starts = world.tenant.simulator.requests().exports;
    assert_eq!(starts[&SavedQuery::AuditLogs], 1);
    let second = run_alone(&world).await;
    assert_eq!((second.ending, report(&second).added()), (Ending::Complete, 0));
    assert!(report(&second).trails[0].records > 0, "they were read again");
    assert_eq!(stored(&world), events);
}

#[tokio::test]
async fn a_truncated_table_keeps_its_rows_and_stays_a_gap_until_an_answer_is_whole() {
    let mut world = world().await;
    with_table(&mut world, "account");
    let cap = |rows| {
        world.tenant.simulator.update(|behaviour| {
            behaviour.row_caps.insert(SavedQuery::AuditLogs, rows);
        });
    };
    cap(40);
    let cut = run(&world).await;
    assert_eq!(cut.ending, Ending::Partial);
    let trail = &report(&cut).trails[0];
    assert_eq!((trail.added, trail.gaps.len()), (40, 1));
    cap(u64::MAX);
    let whole = run(&world).await;
    assert_eq!(whole.ending, Ending::Complete, "{:?}", report(&whole).shortfalls());
    assert!(stored(&world) > 40);
}

#[tokio::test]
async fn a_table_without_a_configured_column_adds_nothing_and_is_not_fetched_from_its_download() {
    let mut world = world().await;
    with_table(&mut world, "who");
    for exports in [1, 2] {
        let finished = run(&world).await;
        assert_eq!(finished.ending, Ending::Partial);
        let reason = report(&finished).trails[0].reason.clone().unwrap_or_default();
        assert!(reason.contains("has no column `who`"), "{reason}");
        // What was refused once would be refused again.
        assert_eq!(world.tenant.simulator.requests().exports[&SavedQuery::AuditLogs], exports);
    }
    assert_eq!(stored(&world), 0);
}

#[tokio::test]
async fn events_are_added_only_under_the_privacy_settings_of_those_that_are_stored() {
    let mut world = world().await;
    run(&world).await;
    let before = stored(&world);
    make_keys(&world.tenant);
    world.tenant.settings.privacy.policy =
        policy(Profile::Pseudonymous, &[]).expect("no overrides");
    world.pass(3 * 3_600_000);
    let finished = run(&world).await;
    assert_eq!(finished.ending, Ending::Partial);
    let told = report(&finished).shortfalls().join("\n");
    assert!(told.contains("`nexthink-graph backfill audit --start-over --from TIME`"), "{told}");
    assert_eq!(stored(&world), before);
    let engine = world.tenant.engine();
    let refused = check_settings(engine, &world.store()).expect_err("they differ");
    assert_eq!(refused.kind, FailureKind::Configuration);

    // Clear names are what is stored already, whatever the profile says.
    audit(&mut world).clear_names = true;
    check_settings(world.tenant.engine(), &world.store()).expect("they are alike");
}

/// Reads the last two days again.
async fn read_again(
    world: &World,
    starts_over: bool,
    removed: &mut Option<u64>,
) -> Result<AuditReport, Failure> {
    let engine = world.tenant.engine();
    let now = i64::try_from(world.now()).expect("a time");
    // Whole hours are asked for, and the tenant's clock goes on during the test: 48 hours exactly would become 49.
    let begin = now - 48 * HOUR_MS + HOUR_MS / 2;
    let period = Period::new(begin, now, 365, now).expect("it is kept");
    let audit = engine.settings.audit.as_ref().expect("it is configured");
    let backfill = Backfill { engine, audit, period, starts_over };
    backfill.run(&NoSignals, |events| *removed = Some(events)).await
}

/// No signal comes.
struct NoSignals;

impl Signals for NoSignals {
    type Guard = ();

    async fn next(&self) -> StopReason {
        pending().await
    }

    fn guard(&self, _: &Cancellation, _: Duration, _: &'static str) {}
}

#[tokio::test]
async fn a_period_that_is_read_again_adds_what_is_new_and_starting_over_replaces_everything() {
    let world = world().await;
    run(&world).await;
    let of_a_day = stored(&world);
    let mut removed = None;
    let report = read_again(&world, false, &mut removed).await.expect("it can be read");
    assert!(report.is_complete(), "{:?}", report.shortfalls());
    assert_eq!(removed, None);
    let of_two_days = stored(&world);
    assert_eq!(of_two_days, of_a_day + report.added(), "none is there twice");
    assert!(of_two_days >= 2 * of_a_day - 6, "{of_a_day} {of_two_days}");

    let report = read_again(&world, true, &mut removed).await.expect("it can be read");
    assert!(report.is_complete(), "{:?}", report.shortfalls());
    assert_eq!((removed, stored(&world)), (Some(of_two_days), of_two_days));
}

#[tokio::test]
async fn nothing_is_removed_for_a_new_start_while_the_trail_cannot_be_read() {
    let mut world = world().await;
    run(&world).await;
    let before = stored(&world);
    trails(&mut world).password = Arc::new(Known("wrong"));
    let mut removed = None;
    let refused = read_again(&world, true, &mut removed).await.expect_err("it is refused");
    assert_eq!((refused.kind, removed), (FailureKind::Credentials, None));
    assert_eq!(stored(&world), before);
}

#[tokio::test]
async fn a_reading_that_is_stopped_keeps_whole_windows_only() {
    let world = world().await;
    let cancellation = Cancellation::default();
    cancellation.request(StopReason::Interrupted);
    let engine = world.tenant.engine();
    let lock = engine.lock().expect("the lock is free");
    let audit = engine.settings.audit.as_ref().expect("it is configured");
    let reading = Collection {
        engine,
        audit,
        lock: &lock,
        again: Some(Span { from_ms: 0, to_ms: 1 }),
        login_ahead_ms: None,
        cancellation: &cancellation,
    };
    let report = reading.read(None).await;
    assert!(!report.is_complete());
    assert_eq!((report.added(), stored(&world)), (0, 0));
}

#[tokio::test]
async fn events_go_by_their_own_window_of_retention_and_objects_stay() {
    let mut world = world().await;
    run(&world).await;
    let generation = world.tenant.published().expect("it is published");
    let devices = rows(&generation, "nexthink_device");
    world.tenant.settings.retention.events_days = 1;
    // Day by day, since a clock that jumps is not believed.
    for _ in 0..3 {
        world.pass(DAY_MS);
        run(&world).await;
    }
    let from_ms = world.now() - DAY_MS;
    assert_eq!(older_than(&world.store(), from_ms).expect("it can be read"), 0);
    assert!(stored(&world) > 0);
    let published = world.tenant.published().expect("it is published");
    assert_eq!(rows(&published, "nexthink_device"), devices);
}

/// Reads the new events of every trail; none if the store cannot be locked.
async fn read_new(world: &World) -> Option<AuditReport> {
    let engine = world.tenant.engine();
    let lock = engine.lock().ok()?;
    let audit = engine.settings.audit.as_ref().expect("it is configured");
    let cancellation = &Cancellation::default();
    let reading =
        Collection { engine, audit, lock: &lock, again: None, login_ahead_ms: None, cancellation };
    Some(reading.read(None).await)
}

fn assert_complete(report: Option<AuditReport>) {
    let report = report.expect("the lock is free");
    assert!(report.is_complete(), "{:?}", report.shortfalls());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n2_a_disk_that_is_full_for_a_moment_of_a_reading_costs_no_event() {
    let world = world().await;
    let start = Moment(world.now());
    run(&world).await;
    let mut operation = 1;
    loop {
        world.pass(6 * 3_600_000);
        world.disk.start_with_fault(&format!("enospc@{operation}"));
        let report = read_new(&world).await;
        let was_full = world.disk.operations() >= operation;
        world.disk.start();
        if !was_full {
            assert_complete(report);
            break;
        }
        operation += 1;
    }
    assert!(operation > 10, "only {operation} operations");
    world.pass(3 * DAY_MS);
    let report = read_new(&world).await;
    assert_complete(report);
    world.assert_events("a full disk", start, 300);
}
