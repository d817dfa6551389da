//! Retention: removals are in the ledger first, and a clock that jumped removes nothing.

use core_engine::run::RunOptions;
use core_engine::{Moment, ledger};
use core_store::{ClockVerdict, Retention};

use super::support::{NOON, Tenant};
use super::world::World;

const DAY_MS: u64 = 86_400_000;

/// Retention at a time, without anything that is pinned.
fn retention(tenant: &Tenant, now_ms: u64, accept_clock: bool) -> Retention<'_> {
    Retention { windows: &tenant.settings.retention, pinned: &[], now_ms, accept_clock }
}

fn events(tenant: &Tenant) -> Vec<String> {
    tenant.ledger().iter().map(|entry| entry.record.event.clone()).collect()
}

/// A tenant that has published three times, each an hour after the other.
async fn tenant() -> Tenant {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    for hour in 0..3_u64 {
        let now = Moment(NOON.0 + hour * 3_600_000);
        tenant.host.clock = std::sync::Arc::new(move || now);
        tenant.simulator.update(|behaviour| behaviour.tenant.alerts += 1);
        tenant.run().await.expect("it runs");
    }
    tenant
}

#[tokio::test]
async fn nothing_goes_while_everything_is_young_and_the_ledger_has_no_entry() {
    let tenant = tenant().await;
    let lock = tenant.engine().lock().expect("the lock is free");
    let before = events(&tenant);
    let now = tenant.host.now().0;
    let (plan, events_removed) =
        ledger::retain(&tenant.host, &lock, retention(&tenant, now, false)).expect("it is planned");
    assert_eq!((plan.removals.len(), events_removed), (0, 0));
    assert_eq!(events(&tenant), before);
}

#[tokio::test]
async fn old_generations_go_but_the_published_one_stays() {
    let tenant = tenant().await;
    let lock = tenant.engine().lock().expect("the lock is free");
    let stored = tenant.engine().tenant().expect("the store is there");
    let kept = stored.history().expect("it can be listed").len();
    assert!(kept > 1, "{kept}");
    let published = tenant.published().expect("it is published").id().to_string();
    // A clock that goes on for years is believed once a person says so.
    let late = NOON.0 + 2_000 * DAY_MS;
    let (plan, _) =
        ledger::retain(&tenant.host, &lock, retention(&tenant, late, true)).expect("it goes");
    assert!(!plan.removals.is_empty());
    let left: Vec<String> = stored
        .history()
        .expect("it can be listed")
        .iter()
        .map(|entry| entry.id.to_string())
        .collect();
    assert_eq!(left, [published]);
    assert!(events(&tenant).contains(&"retention".to_owned()), "{:?}", events(&tenant));
}

#[tokio::test]
async fn a_clock_that_jumped_removes_nothing_until_a_person_accepts_it() {
    let tenant = tenant().await;
    let lock = tenant.engine().lock().expect("the lock is free");
    let stored = tenant.engine().tenant().expect("the store is there");
    let kept = stored.history().expect("it can be listed").len();
    // The clock of the test and the simulated tenant's disagree, so that no run has noted a time.
    ledger::retain(&tenant.host, &lock, retention(&tenant, NOON.0, true)).expect("a time is noted");
    for (now_ms, is_behind) in [(NOON.0 - 30 * DAY_MS, true), (NOON.0 + 2_000 * DAY_MS, false)] {
        let (plan, _) = ledger::retain(&tenant.host, &lock, retention(&tenant, now_ms, false))
            .expect("it is planned");
        assert_eq!(
            matches!(plan.clock, ClockVerdict::Behind { .. }),
            is_behind,
            "{:?}",
            plan.clock
        );
        assert_ne!(plan.clock, ClockVerdict::Steady);
        assert!(plan.removals.is_empty(), "{:?}", plan.removals);
    }
    assert_eq!(stored.history().expect("it can be listed").len(), kept);
}

#[tokio::test]
async fn a_run_whose_clock_disagrees_with_nexthinks_removes_nothing_by_age() {
    let world = World::start("acme", 1, NOON).await;
    let run = async || world.run(&RunOptions::default()).await.expect("it runs");
    let first = run().await.generation.expect("it is published");
    world.pass(DAY_MS);
    run().await;
    let is_kept = || world.store().generation(&first).is_ok();
    // Years later, as only this machine's clock says.
    world.set_ahead(i64::try_from(2_000 * DAY_MS).expect("a time"));
    run().await;
    assert!(is_kept());
    // Years later by both clocks, once the time that has passed is believed.
    world.set_ahead(0);
    world.pass(2_000 * DAY_MS);
    run().await;
    assert!(is_kept(), "a clock that jumps is not believed at once");
    world.pass(DAY_MS);
    run().await;
    assert!(!is_kept());
}

#[tokio::test]
async fn a_dry_run_names_what_would_go_and_what_is_compared_with_stays() {
    let mut tenant = tenant().await;
    let stored = tenant.engine().tenant().expect("the store is there");
    let kept = || stored.history().expect("it can be listed").len();
    let before = kept();
    // The clock of the test and the simulated tenant's disagree, so that no run has noted a time.
    let noted = core_engine::retention::retain(tenant.engine(), &stored, false, true);
    assert!(noted.is_ok_and(|report| report.plan.removals.is_empty()));
    let late = Moment(NOON.0 + 2_000 * DAY_MS);
    tenant.host.clock = std::sync::Arc::new(move || late);
    let engine = tenant.engine();
    let retain = |is_dry_run, accept_clock| {
        let report = core_engine::retention::retain(engine, &stored, is_dry_run, accept_clock);
        report.map_err(|failure| failure.error).expect("the store can be used")
    };
    assert!(retain(false, false).refusal("graph").is_some(), "the clock has jumped");
    let dry = retain(true, true);
    assert!(dry.is_dry_run && !dry.plan.removals.is_empty());
    assert_eq!(kept(), before, "nothing was removed");
    let done = retain(false, true);
    assert_eq!(done.plan.removals.len(), dry.plan.removals.len());
    assert_eq!(kept(), 1, "the published one stays");
}
