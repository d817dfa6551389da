//! A thousand tenants for thirty days in virtual time, and seeded mixtures of everything that can happen.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use core_fleet::{Ended, Fleet, Missed, TenantSettings, TenantState, Timetable};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const TENANTS: usize = 1_000;
const DAYS: i64 = 30;

/// Runs at once, at most. A thousand runs of five minutes each hour need 84.
const PLACES: usize = 100;

fn start() -> Timestamp {
    "2026-03-01T00:00:00Z".parse().expect("it is a time")
}

/// The events of a fleet in a while.
#[derive(Default)]
struct Played {
    /// Runs by tenant.
    runs: BTreeMap<String, u32>,
    /// The time for which each run waited for a place.
    lateness: Vec<SignedDuration>,
    most_at_once: usize,
}

/// Plays a fleet. `outcome` says how long a run takes and how it ends.
fn play(
    fleet: &mut Fleet,
    until: Timestamp,
    places: usize,
    mut outcome: impl FnMut(&str, Timestamp) -> (SignedDuration, Ended),
) -> Played {
    let mut played = Played::default();
    let mut clock = start();
    let mut running: BinaryHeap<Reverse<(Timestamp, String, usize)>> = BinaryHeap::new();
    let mut endings: Vec<Ended> = Vec::new();
    while clock < until {
        while running.peek().is_some_and(|Reverse((end, ..))| *end <= clock) {
            let Some(Reverse((_, name, ending))) = running.pop() else { break };
            fleet.ended(&name, endings[ending], clock);
        }
        for started in fleet.next(clock, places - running.len()) {
            let (takes, ended) = outcome(&started.tenant, clock);
            endings.push(ended);
            *played.runs.entry(started.tenant.clone()).or_default() += 1;
            played.lateness.push(clock.duration_since(started.due));
            running.push(Reverse((clock + takes, started.tenant, endings.len() - 1)));
        }
        played.most_at_once = played.most_at_once.max(running.len());
        let next_end = running.peek().map(|Reverse((end, ..))| *end);
        // A due tenant without a place waits for the end of a run.
        let next_due = fleet.wake_at(clock).filter(|due| *due > clock);
        let Some(next) = next_end.into_iter().chain(next_due).min() else { break };
        clock = next;
    }
    played
}

fn fleet_of(tenants: usize, timetable: &Timetable) -> Fleet {
    let mut fleet = Fleet::default();
    for number in 0..tenants {
        let settings = TenantSettings { timetable: timetable.clone(), missed: Missed::Once };
        fleet.set(&format!("tenant-{number}"), settings, None, start());
    }
    fleet
}

#[test]
fn a_thousand_tenants_for_a_month_are_on_time_and_none_starves() {
    let mut numbers = Rng::with_seed(7);
    let mut fleet = fleet_of(TENANTS, &Timetable::Every(Duration::from_hours(1)));
    let until = start() + SignedDuration::from_hours(24 * DAYS);
    let mut played = play(&mut fleet, until, PLACES, |tenant, _| {
        let seconds = 120 + i64::try_from(numbers.u64(..180)).unwrap_or(0);
        let takes = SignedDuration::from_secs(seconds);
        match (tenant, numbers.u64(..100)) {
            ("tenant-13", _) => (takes, Ended::Panicked),
            ("tenant-14", _) => (takes, Ended::Failed),
            (_, 0..3) => (takes, Ended::Unreachable),
            _ => (takes, Ended::Published),
        }
    });
    assert_eq!(played.most_at_once, PLACES, "all were due at first, and the limit holds");
    played.lateness.sort_unstable();
    let p99 = played.lateness[played.lateness.len() * 99 / 100];
    assert!(p99 < SignedDuration::from_hours(1), "p99 of the lateness is {p99:?}");
    let poisoned = ["tenant-13", "tenant-14"].map(|name| played.runs.remove(name));
    assert_eq!(poisoned, [Some(1), Some(5)], "they are paused");
    let hours = u32::try_from(24 * DAYS).unwrap_or(0);
    assert_eq!(played.runs.len(), TENANTS - 2);
    for (name, runs) in &played.runs {
        assert!(*runs >= hours - 1, "{name} ran {runs} times in {hours} hours");
    }
}

#[test]
fn tenants_that_are_due_in_the_same_minute_drain_in_the_order_of_their_time() {
    let timetable = Timetable::parse_cron("0 6 * * *", "UTC").expect("it is one");
    let mut fleet = fleet_of(TENANTS, &timetable);
    let until = start() + SignedDuration::from_hours(23);
    let mut order = Vec::new();
    // The first runs, at midnight, and those at six.
    let played = play(&mut fleet, until, 50, |tenant, clock| {
        order.push((clock, tenant.to_owned()));
        (SignedDuration::from_mins(4), Ended::Published)
    });
    assert!(played.runs.values().all(|runs| *runs == 2), "each ran at first and at six");
    let at_six = &order[TENANTS..];
    assert!(at_six.is_sorted_by_key(|(clock, _)| *clock));
    // 1,000 runs of four minutes in 50 places take eighty minutes.
    let last = at_six.last().expect("they ran").0;
    assert!(last < start() + SignedDuration::from_mins(6 * 60 + 81), "{last}");
}

#[derive(Debug, Clone)]
enum Move {
    Sleep(i64),
    JumpBack(i64),
    Set(usize, u8),
    Remove(usize),
    Resume(usize),
    End(usize, u8),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let tenant = 0..4_usize;
    let one = prop_oneof![
        4 => (1..3_000_i64).prop_map(Move::Sleep),
        1 => (1..200_000_i64).prop_map(Move::JumpBack),
        2 => (tenant.clone(), 0..4_u8).prop_map(|(tenant, kind)| Move::Set(tenant, kind)),
        1 => tenant.clone().prop_map(Move::Remove),
        1 => tenant.clone().prop_map(Move::Resume),
        5 => (tenant, 0..7_u8).prop_map(|(tenant, how)| Move::End(tenant, how)),
    ];
    prop::collection::vec(one, 1..80)
}

fn settings_of(kind: u8) -> TenantSettings {
    let timetable = match kind {
        0 => Timetable::Disabled,
        1 => Timetable::Every(Duration::from_hours(1)),
        2 => Timetable::Every(Duration::from_hours(24)),
        _ => Timetable::parse_cron("*/20 * * * *", "UTC").expect("it is one"),
    };
    TenantSettings { timetable, missed: if kind == 1 { Missed::Skip } else { Missed::Once } }
}

fn ended(how: u8, clock: Timestamp) -> Ended {
    match how {
        0 | 1 => Ended::Published,
        2 => Ended::Unreachable,
        3 => Ended::CredentialsRefused,
        4 => Ended::Deferred { not_before: clock + SignedDuration::from_hours(3) },
        5 => Ended::Failed,
        _ => Ended::Stopped,
    }
}

proptest! {
    #[test]
    fn whatever_happens_no_tenant_runs_twice_at_once_and_each_that_is_enabled_runs_again(
        moves in moves(),
        places in 1..4_usize,
    ) {
        let mut fleet = Fleet::default();
        let mut clock = start();
        let mut running: Vec<String> = Vec::new();
        for one in moves {
            let name = |tenant: usize| format!("tenant-{tenant}");
            match one {
                Move::Sleep(seconds) => clock += SignedDuration::from_secs(seconds),
                Move::JumpBack(seconds) => clock -= SignedDuration::from_secs(seconds),
                Move::Set(tenant, kind) => _ = fleet.set(&name(tenant), settings_of(kind), None, clock),
                Move::Remove(tenant) => fleet.remove(&name(tenant)),
                Move::Resume(tenant) => fleet.resume(&name(tenant), clock),
                Move::End(tenant, how) => {
                    running.retain(|other| *other != name(tenant));
                    fleet.ended(&name(tenant), ended(how, clock), clock);
                }
            }
            for started in fleet.next(clock, places.saturating_sub(running.len())) {
                prop_assert!(!running.contains(&started.tenant), "{} runs already", started.tenant);
                prop_assert!(started.due <= clock);
                running.push(started.tenant);
            }
            prop_assert!(running.len() <= places);
        }
        for name in running {
            fleet.ended(&name, Ended::Published, clock);
        }
        // Whoever is enabled and not paused is due within the longest wait there is.
        let latest = clock + SignedDuration::from_hours(25);
        for tenant in fleet.status() {
            if matches!(tenant.state, TenantState::Waiting { .. }) {
                fleet.wake_at(clock);
                let state = fleet.status().into_iter().find(|other| other.name == tenant.name);
                let Some(TenantState::Waiting { due, .. }) = state.map(|other| other.state) else { continue };
                prop_assert!(due <= latest, "{} waits until {due}", tenant.name);
            }
        }
    }
}
