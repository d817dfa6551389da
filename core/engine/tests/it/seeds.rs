//! Runs with their deliveries on a simulated disk that fails, is killed or loses its power, as a seed decides: what is
//! published is whole at every moment, and the next run makes everything right without a person.
//!
//! The gate tries some seeds. `cargo xtask torture seeds` tries thousands; each failure names its seed.

use core_engine::run::RunOptions;
use core_engine::{Ending, Moment};
use fastrand::Rng;

use super::estate::{assert_true, objects_in};
use super::world::{HOUR_MS, World};

/// The number of seeds that the gate tries.
const SEEDS: u64 = 15;
/// 2026-03-01T00:00:00Z.
const START: Moment = Moment(1_772_323_200_000);

/// The time for which events are kept.
const EVENTS_DAYS: u64 = 10;

/// The faults, the more likely ones several times.
const FAULTS: [&str; 10] =
    ["power", "power", "power", "power", "kill", "kill-after", "torn", "enospc", "eio", "eio"];

/// A number that `cargo xtask torture` sets.
#[expect(clippy::disallowed_methods, reason = "a switch for this test alone")]
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A tenant of which old generations go after some seeds, so that no seed takes longer than the one before.
async fn world(name: &str) -> World {
    let mut world = World::start(name, 1, START).await;
    let retention = &mut world.tenant.settings.retention;
    retention.generations.keep_days = 1;
    retention.generations.keep_all_days = 1;
    retention.ledger_days = 10;
    retention.events_days = EVENTS_DAYS;
    for _ in 0..2 {
        run_well(&world, "at first").await;
    }
    world
}

/// Runs and delivers, which must be complete and true.
async fn run_well(world: &World, case: &str) {
    world.pass(6 * HOUR_MS);
    let finished = match world.run(&RunOptions::default()).await {
        Ok(finished) => finished,
        Err(failure) => panic!("{case}: the next run: {:#}", failure.error),
    };
    let shortfalls = finished.report.shortfalls();
    assert_eq!(finished.ending, Ending::Complete, "{case}: the next run: {shortfalls:?}");
    let delivered = world.deliver().await;
    assert!(delivered.is_ok_and(|delivered| delivered.is_whole()), "{case}: the next delivery");
    let (now, truth) = (world.published(), world.truth());
    assert_true(case, &now, &now, &truth, true);
    world.assert_delivered(case);
    world.assert_whole(case);
    world.assert_events(case, START, EVENTS_DAYS);
}

/// Draws a fault at any operation of a run with its delivery.
fn fault(random: &mut Rng, operations: usize) -> String {
    let kind = FAULTS[random.usize(..FAULTS.len())];
    let lasts = if kind.starts_with('e') && random.bool() { "+" } else { "" };
    let seed = if kind == "power" { format!(":{}", random.u64(..)) } else { String::new() };
    format!("{kind}@{}{lasts}{seed}", random.usize(1..=operations))
}

/// Lets a run with its delivery meet a fault, and looks at what is left.
async fn try_seed(world: &World, seed: u64, operations: usize) {
    let mut random = Rng::with_seed(seed);
    world.change(|estate| {
        estate.alerts = 10 + random.u32(..5);
        estate.users = 18 + random.u32(..4);
        estate.devices = 28 + random.u32(..4);
    });
    let fault = fault(&mut random, operations);
    let case = format!("seed {seed}, {fault} of {operations}");
    let before = world.store().current().expect("it can be read").expect("it is published");
    let (known, truth) = (objects_in(&before), world.truth());
    world.pass(6 * HOUR_MS);
    world.disk.start_with_fault(&fault);
    let finished = world.run(&RunOptions::default()).await;
    let delivered = if finished.is_ok() { Some(world.deliver().await) } else { None };
    let is_alive = !world.disk.is_dead();
    world.disk.start();
    let current = world.store().current().unwrap_or_else(|error| panic!("{case}: {error}"));
    let current = current.unwrap_or_else(|| panic!("{case}: nothing is published any more"));
    current.verify().unwrap_or_else(|error| panic!("{case}: {error}"));
    let now = objects_in(&current);
    let is_new = current.id() != before.id();
    let complete = finished.as_ref().is_ok_and(|run| run.ending == Ending::Complete) && is_alive;
    assert_true(&case, &known, &now, &truth, complete);
    if let Ok(finished) = &finished
        && is_alive
    {
        assert_eq!(finished.generation.is_some(), is_new, "{case}: what it said was published");
    }
    if delivered.is_some_and(|delivered| delivered.is_ok()) && is_alive {
        world.assert_delivered(&case);
    }
    run_well(world, &case).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n1_n2_n13_a_run_on_a_simulated_disk_that_fails_is_made_up_for_by_the_next() {
    let world = world("acme").await;
    world.disk.start();
    run_well(&world, "counting").await;
    let operations = world.disk.operations();
    assert!(operations > 100, "{operations} operations");
    let first = number("TORTURE_SEED").unwrap_or(0);
    let seeds = number("TORTURE_SEEDS").unwrap_or(SEEDS);
    for seed in first..first + seeds {
        try_seed(&world, seed, operations).await;
    }
}
