//! The rules of a fleet, case by case, and a month of a thousand tenants.

use std::time::Duration;

use core_fleet::{
    DueReason, Ended, Fleet, LastRun, Missed, Notice, PauseReason, TenantSettings, TenantState,
    Timetable,
};
use jiff::{SignedDuration, Timestamp};

mod month;

const NOW: &str = "2026-03-02T08:00:00Z";

fn now() -> Timestamp {
    NOW.parse().expect("it is a time")
}

fn minutes(number: i64) -> SignedDuration {
    SignedDuration::from_mins(number)
}

fn hourly(missed: Missed) -> TenantSettings {
    TenantSettings { timetable: Timetable::Every(Duration::from_hours(1)), missed }
}

/// A fleet of one tenant that is running since `now()`.
fn running() -> Fleet {
    let mut fleet = Fleet::default();
    fleet.set("acme", hourly(Missed::Once), None, now());
    assert_eq!(fleet.next(now(), 1).len(), 1, "a first run is due at once");
    fleet
}

fn state(fleet: &Fleet) -> TenantState {
    fleet.status()[0].state
}

fn due(fleet: &Fleet) -> (Timestamp, DueReason) {
    match state(fleet) {
        TenantState::Waiting { due, reason } => (due, reason),
        other => panic!("it does not wait: {other:?}"),
    }
}

#[test]
fn a_run_is_followed_by_the_next_time_of_the_timetable() {
    let mut fleet = running();
    assert_eq!(fleet.next(now() + minutes(90), 1), [], "a tenant never runs twice at once");
    assert_eq!(fleet.ended("acme", Ended::Published, now() + minutes(5)), None);
    let (next, reason) = due(&fleet);
    assert_eq!(reason, DueReason::Timetable);
    assert!(next > now() && next <= now() + minutes(60), "{next}");
    assert_eq!(fleet.wake_at(now() + minutes(5)), Some(next));
    assert_eq!(fleet.next(next - minutes(1), 1), []);
    assert_eq!(fleet.next(next, 0), [], "no place is free");
    assert_eq!(fleet.next(next + minutes(1), 1)[0].due, next);
}

#[test]
fn times_that_passed_during_a_run_or_a_pause_of_the_program_are_made_up_for_once_or_left_out() {
    for (missed, is_due) in [(Missed::Once, true), (Missed::Skip, false)] {
        let mut fleet = Fleet::default();
        let last = LastRun { started: now() - minutes(600), ended: None };
        fleet.set("acme", hourly(missed), Some(last), now());
        assert_eq!(fleet.next(now(), 1).len(), usize::from(is_due), "{missed:?} after a restart");
        let mut fleet = running();
        fleet.set("acme", hourly(missed), None, now());
        fleet.ended("acme", Ended::Published, now() + minutes(200));
        assert_eq!(fleet.next(now() + minutes(200), 1).len(), usize::from(is_due), "{missed:?}");
        fleet.ended("acme", Ended::Published, now() + minutes(201));
        assert_eq!(fleet.next(now() + minutes(201), 1), [], "{missed:?}: once is once");
    }
}

#[test]
fn a_source_that_is_out_of_reach_is_tried_again_ever_more_rarely_and_never_given_up() {
    let mut fleet = running();
    let mut clock = now();
    let mut waits = Vec::new();
    for _ in 0..12 {
        assert_eq!(fleet.ended("acme", Ended::Unreachable, clock), None);
        let (next, reason) = due(&fleet);
        assert_eq!(reason, DueReason::Unreachable);
        waits.push(next.duration_since(clock));
        clock = next;
        assert_eq!(fleet.next(clock, 1).len(), 1);
    }
    assert!(waits[0] >= minutes(5) && waits[0] <= minutes(6), "{waits:?}");
    assert!(waits.is_sorted() && waits[1] > waits[0], "{waits:?}");
    assert_eq!(waits.last(), Some(&minutes(6 * 60)));
    assert_eq!(fleet.ended("acme", Ended::Published, clock), Some(Notice::Recovered(12)));
    assert_eq!(due(&fleet).1, DueReason::Timetable);
}

#[test]
fn refused_credentials_are_not_tried_again_for_an_hour() {
    let mut fleet = running();
    fleet.ended("acme", Ended::CredentialsRefused, now());
    assert_eq!(due(&fleet), (now() + minutes(60), DueReason::CredentialsRefused));
    fleet.resume("acme", now() + minutes(1));
    assert_eq!(due(&fleet), (now() + minutes(1), DueReason::CredentialsRefused));
}

#[test]
fn a_deferral_lasts_until_its_time_and_no_wrong_time_makes_it_last_for_ever() {
    let mut fleet = running();
    let not_before = now() + minutes(300);
    fleet.ended("acme", Ended::Deferred { not_before }, now());
    assert_eq!(due(&fleet), (not_before, DueReason::Quota));
    let mut fleet = running();
    fleet.ended("acme", Ended::Deferred { not_before: now() - minutes(9) }, now());
    assert_eq!(fleet.next(now(), 1), [], "a time that is over does not make a busy loop");
    assert_eq!(fleet.next(now() + minutes(1), 1).len(), 1);
    fleet.ended("acme", Ended::Deferred { not_before: Timestamp::MAX }, now());
    assert!(fleet.wake_at(now()).is_some_and(|due| due <= now() + minutes(25 * 60)));
}

#[test]
fn a_tenant_that_fails_five_times_in_a_row_is_paused_until_it_is_changed_or_resumed() {
    let fail = |fleet: &mut Fleet, times: usize| {
        let mut notices = Vec::new();
        for _ in 0..times {
            notices.extend(fleet.ended("acme", Ended::Failed, now()));
            let later = fleet.wake_at(now()).unwrap_or_else(now);
            fleet.next(later, 1);
        }
        notices
    };
    let mut fleet = running();
    assert_eq!(fail(&mut fleet, 4), []);
    assert_eq!(fail(&mut fleet, 1), [Notice::Paused(PauseReason::Failures(5))]);
    assert_eq!(fleet.next(now() + minutes(100_000), 1), []);
    fleet.set("acme", hourly(Missed::Once), None, now());
    assert_eq!(state(&fleet), TenantState::Paused(PauseReason::Failures(5)), "nothing changed");
    fleet.set("acme", hourly(Missed::Skip), None, now());
    assert_eq!(due(&fleet).1, DueReason::Timetable);

    let mut fleet = running();
    let paused = fleet.ended("acme", Ended::Panicked, now());
    assert_eq!(paused, Some(Notice::Paused(PauseReason::Panicked)), "once is enough for a defect");
    fleet.resume("acme", now());
    assert_eq!(due(&fleet).1, DueReason::Timetable);
}

#[test]
fn a_removed_tenant_finishes_its_run_and_is_gone_then() {
    let mut fleet = running();
    fleet.remove("acme");
    assert_eq!(fleet.status().len(), 1);
    assert_eq!(fleet.ended("acme", Ended::Failed, now()), None);
    assert_eq!(fleet.status(), []);
    assert_eq!(fleet.ended("acme", Ended::Failed, now()), None, "a late end does no harm");

    let mut fleet = running();
    fleet.remove("acme");
    fleet.set("acme", hourly(Missed::Once), None, now());
    fleet.ended("acme", Ended::Published, now());
    assert_eq!(fleet.status().len(), 1, "its file came back in time");
}

#[test]
fn a_change_of_one_tenant_touches_no_other() {
    let mut fleet = Fleet::default();
    for name in ["acme", "zeta"] {
        fleet.set(name, hourly(Missed::Once), None, now());
        fleet.next(now(), 1);
        fleet.ended(name, Ended::Published, now());
    }
    let before = fleet.status();
    let disabled = TenantSettings { timetable: Timetable::Disabled, missed: Missed::Once };
    assert!(fleet.set("acme", disabled, None, now()));
    assert_eq!(state(&fleet), TenantState::Disabled);
    assert!(!fleet.set("zeta", hourly(Missed::Once), None, now()));
    assert_eq!(fleet.status()[1], before[1]);
    fleet.remove("acme");
    assert_eq!(fleet.status(), before[1..]);
}

#[test]
fn no_jump_of_the_clock_starts_a_run_twice_or_stops_them() {
    let jumps = [
        minutes(-20 * 365 * 24 * 60),
        minutes(-24 * 60),
        minutes(-61),
        minutes(60),
        minutes(365 * 24 * 60),
    ];
    for jump in jumps {
        let mut fleet = running();
        fleet.ended("acme", Ended::Published, now());
        let clock = now() + jump;
        let started: usize = (0..24 * 60)
            .map(|minute| {
                let clock = clock + minutes(minute);
                let started = fleet.next(clock, 1).len();
                if started > 0 {
                    fleet.ended("acme", Ended::Published, clock);
                }
                started
            })
            .sum();
        assert!((24..=25).contains(&started), "{jump:?}: {started} runs in a day");
    }
}

#[test]
fn a_summary_counts_what_tenants_do_and_says_when_the_next_one_runs() {
    let mut fleet = Fleet::default();
    assert_eq!(fleet.summary(), "0 tenants");
    fleet.set("acme", hourly(Missed::Once), None, now());
    assert_eq!(fleet.summary(), "1 tenant; next run at 2026-03-02T08:00:00Z");
    assert_eq!(fleet.next(now(), 1).len(), 1);
    assert_eq!(fleet.summary(), "1 tenant, 1 running");
    fleet.ended("acme", Ended::Panicked, now());
    let disabled = TenantSettings { timetable: Timetable::Disabled, missed: Missed::Once };
    for name in ["globex", "initech"] {
        fleet.set(name, disabled.clone(), None, now());
    }
    assert_eq!(fleet.summary(), "3 tenants, 1 paused, 2 disabled");
}
