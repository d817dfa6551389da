//! The quota: reservations, starts, reverted starts and the record on disk.

use std::time::Duration;

use core_nexthink::{ClockOffset, NexthinkError};

use super::*;
use crate::testing::{Place, host};

const HOUR_MS: u64 = 3_600_000;

impl Place {
    fn quota(&self, limit: u32) -> Quota {
        Quota::open(&self.lock, limit, &host()).expect("nothing is damaged")
    }

    /// A quota by a clock that is some hours later than that of a test.
    fn quota_later(&self, limit: u32, hours: u64) -> Quota {
        let mut later = host();
        let now = Moment(host().now().0 + hours * HOUR_MS);
        later.clock = Arc::new(move || now);
        Quota::open(&self.lock, limit, &later).expect("nothing is damaged")
    }
}

fn start(quota: &Quota, exports: u32) {
    let mut reservation = quota.reserve(exports).expect("there are enough");
    for _ in 0..exports {
        reservation.start().expect("it is promised");
    }
}

#[test]
fn what_is_promised_to_one_is_not_there_for_another() {
    let place = Place::new();
    let quota = place.quota(5);
    let first = quota.reserve(3).expect("there are enough");
    assert_eq!(quota.reserve(3).expect_err("two are left"), 2);
    assert_eq!(quota.reserve_up_to(9).exports(), 2);
    drop(first);
    assert_eq!(quota.reserve(5).expect("the promise was given back").exports(), 5);
}

#[test]
fn a_start_takes_from_the_promise_first_and_then_from_the_rest() {
    let place = Place::new();
    let quota = place.quota(3);
    let mut one = quota.reserve(1).expect("there are enough");
    let other = quota.reserve(1).expect("there are enough");
    one.start().expect("it is promised");
    one.start().expect("one is left beside the promises");
    let refused = one.start().expect_err("the last one is promised to another");
    assert!(matches!(refused, NexthinkError::QuotaExhausted { limit: 3, .. }), "{refused}");
    drop(other);
    one.start().expect("it was given back");
}

#[test]
fn an_exhausted_day_says_when_the_next_export_may_start() {
    let place = Place::new();
    let quota = place.quota(1);
    start(&quota, 1);
    let Err(NexthinkError::QuotaExhausted { not_before_ms, .. }) = quota.reserve_up_to(1).start()
    else {
        panic!("the day is used up")
    };
    let waited = not_before_ms - host().now().0;
    assert!((24 * HOUR_MS..24 * HOUR_MS + 60_000).contains(&waited), "{waited}");
}

#[test]
fn a_start_that_was_refused_is_promised_again() {
    let place = Place::new();
    let quota = place.quota(1);
    let mut only = quota.reserve(1).expect("there is one");
    only.start().expect("it is promised");
    only.take_back();
    assert_eq!(only.exports(), 1);
    only.start().expect("it was taken back");
    assert!(only.start().is_err());
}

#[test]
fn a_promise_is_split_and_joined_without_loss() {
    let place = Place::new();
    let quota = place.quota(5);
    let mut all = quota.reserve(5).expect("there are enough");
    let mut some = all.take(2);
    let more = all.take(9);
    assert_eq!([all.exports(), some.exports(), more.exports()], [0, 2, 3]);
    some.add(more);
    assert_eq!(some.exports(), 5);
    drop(some);
    assert_eq!(quota.reserve_up_to(9).exports(), 5);
}

#[test]
fn starts_are_on_record_before_anything_is_requested_and_count_for_a_day() {
    let place = Place::new();
    start(&place.quota(5), 2);
    assert_eq!(place.quota(5).reserve_up_to(9).exports(), 3, "another run sees them");
    assert_eq!(place.quota_later(5, 23).reserve_up_to(9).exports(), 3);
    assert_eq!(place.quota_later(5, 25).reserve_up_to(9).exports(), 5);
}

#[test]
fn a_run_begins_only_if_the_rest_of_the_day_is_enough_for_it() {
    // The limit, the used exports, the queries, their parts, and the answer.
    let table = [
        (10, 0, 10, 0, None),
        (10, 0, 0, 0, None),
        (10, 10, 0, 0, None),
        (10, 4, 6, 0, None),
        (10, 4, 7, 0, Some(FailureKind::Deferred)),
        (10, 4, 4, 3, Some(FailureKind::Deferred)),
        (10, 0, 4, 7, None),
        (10, 7, 4, 7, Some(FailureKind::Deferred)),
        (10, 0, 11, 0, Some(FailureKind::Configuration)),
    ];
    for (limit, used, wholes, parts, expected) in table {
        let place = Place::new();
        let quota = place.quota(limit);
        start(&quota, used);
        let checked = quota.check_run(ExportEstimate { wholes, parts });
        let kind = checked.as_ref().err().map(|failure| failure.kind);
        assert_eq!(kind, expected, "{used} of {limit} used, {wholes} and {parts} needed");
        if let Err(Failure { kind: FailureKind::Deferred, error }) = checked {
            assert!(error.to_string().contains("not before 2026-03-02T10:00:"), "{error}");
        }
    }
}

#[test]
fn a_wait_that_nexthink_asks_for_binds_the_next_run_until_it_is_over() {
    let place = Place::new();
    place.quota(5).defer(Duration::from_hours(2));
    let refused = place.quota(5).check_deferral().expect_err("it has just been asked for");
    assert_eq!(refused.kind, FailureKind::Deferred);
    assert!(refused.error.to_string().contains("not before 2026-03-01T12:00:00Z"));
    assert!(place.quota(5).deferred_until().is_some());
    assert!(place.quota_later(5, 3).check_deferral().is_ok());
    assert_eq!(place.quota_later(5, 3).deferred_until(), None);
}

#[test]
fn a_clock_that_is_behind_what_is_on_record_decides_nothing() {
    let place = Place::new();
    let ahead = place.quota_later(5, 48);
    start(&ahead, 1);
    ahead.defer(Duration::from_hours(1));
    // By its own clock, this run is two days before the request to wait.
    assert!(place.quota(5).check_deferral().is_ok());
}

#[test]
fn what_was_noted_ahead_of_nexthinks_clock_counts_for_a_day_from_now() {
    let place = Place::new();
    start(&place.quota_later(5, 24 * 30), 2);
    let quota = place.quota(5);
    let offset = ClockOffset::from_ahead_ms(-600_000);
    quota.set_clock(Some(offset)).expect("there is room");
    assert_eq!(quota.reserve_up_to(9).exports(), 3);
    assert_eq!(place.quota_later(5, 26).reserve_up_to(9).exports(), 5, "not for thirty days");
}

#[test]
fn the_rest_of_a_day_is_told_without_the_lock() {
    let place = Place::new();
    let quota = place.quota(5);
    start(&quota, 2);
    quota.defer(Duration::from_mins(1));
    let clock = QuotaClock::read(&host(), None);
    let left = left(place.lock.tenant(), 5, clock).expect("nothing is damaged");
    assert_eq!((left.exports, left.of), (3, 5));
    assert!(left.deferred_until.is_some_and(|until| until > host().now()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_export_that_takes_long_to_be_counted_keeps_no_other_task_waiting() {
    let place = Place::new();
    let quota = place.quota(5);
    let (go, gone) = std::sync::mpsc::channel();
    let (begun, is_begun) = tokio::sync::oneshot::channel();
    let slow = tokio::spawn({
        let quota = quota.clone();
        async move {
            let _counted = quota.counted();
            begun.send(()).expect("the test waits for it");
            // As a bucket that does not answer. The time is over only if the test fails.
            wait_in_place(|| gone.recv_timeout(Duration::from_secs(20)))
        }
    });
    is_begun.await.expect("it sends");
    let waiting = tokio::spawn(async move { quota.deferred_until() });
    // Its answer from Nexthink, which must be read.
    let other = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        go.send(())
    });
    assert!(slow.await.expect("it ends").is_ok(), "the other task went on");
    assert_eq!(waiting.await.expect("it ends"), None);
    assert!(other.await.is_ok());
}

#[test]
fn a_damaged_record_may_be_removed() {
    let place = Place::new();
    place.lock.set_state(STATE, b"not a record").expect("there is room");
    let refused = Quota::open(&place.lock, 5, &host()).expect_err("it is damaged");
    assert!(refused.error.to_string().contains("may be removed"), "{}", refused.error);
}
