//! Plausibility of the clock: data is removed by age, so a wrong clock would remove it too early or
//! keep it too long.

use serde::{Deserialize, Serialize};

pub(super) const HOUR_MS: u64 = 60 * 60 * 1000;
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;

/// The most milliseconds by which the clock may be behind an earlier time: systems correct theirs
/// by seconds.
const BEHIND_MS: u64 = 10 * 60 * 1000;
/// The most milliseconds by which it may be ahead of an earlier time without confirmation: a daily
/// run of which one was missed.
const AHEAD_MS: u64 = 60 * HOUR_MS;
/// The milliseconds after which a second observation confirms a time far ahead.
const CONFIRMED_MS: u64 = 12 * HOUR_MS;

/// The verdict on the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "clock")]
pub enum ClockVerdict {
    /// It continues from the last observed time.
    Steady,
    /// It is behind an observed time, so nothing is removed.
    Behind {
        /// That time, in milliseconds since 1970-01-01 UTC.
        seen_ms: u64,
    },
    /// It is far ahead of the last observed time, so nothing is removed until it is observed to
    /// continue from there. After a long pause that happens with the second run.
    Jumped {
        /// The last observed time, in milliseconds since 1970-01-01 UTC.
        seen_ms: u64,
    },
}

/// The observed times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeenTimes {
    /// The latest plausible time.
    pub(super) believed_ms: Option<u64>,
    /// A time far ahead of it that is not confirmed yet.
    pub(super) jumped_to_ms: Option<u64>,
}

/// Judges a time, and records it. `newest_ms` is the newest time in the store, for a store without
/// a record.
pub(super) fn judge(
    seen: SeenTimes,
    newest_ms: u64,
    now_ms: u64,
    accept: bool,
) -> (ClockVerdict, SeenTimes) {
    let believed = SeenTimes { believed_ms: Some(now_ms), jumped_to_ms: None };
    if accept {
        return (ClockVerdict::Steady, believed);
    }
    let Some(seen_ms) = seen.believed_ms else {
        if newest_ms > now_ms.saturating_add(BEHIND_MS) {
            return (ClockVerdict::Behind { seen_ms: newest_ms }, seen);
        }
        return (ClockVerdict::Steady, believed);
    };
    if now_ms.saturating_add(BEHIND_MS) < seen_ms {
        return (ClockVerdict::Behind { seen_ms }, SeenTimes { jumped_to_ms: None, ..seen });
    }
    if now_ms <= seen_ms.saturating_add(AHEAD_MS) {
        let believed_ms = Some(now_ms.max(seen_ms));
        return (ClockVerdict::Steady, SeenTimes { believed_ms, jumped_to_ms: None });
    }
    match seen.jumped_to_ms {
        Some(before) if now_ms >= before.saturating_add(CONFIRMED_MS) => {
            (ClockVerdict::Steady, believed)
        }
        // Observed again too early to confirm: the first observation counts.
        Some(before) if now_ms >= before => (ClockVerdict::Jumped { seen_ms }, seen),
        _ => (ClockVerdict::Jumped { seen_ms }, SeenTimes { jumped_to_ms: Some(now_ms), ..seen }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 1_000 * DAY_MS;

    fn seen(believed_ms: u64, jumped_to_ms: Option<u64>) -> SeenTimes {
        SeenTimes { believed_ms: Some(believed_ms), jumped_to_ms }
    }

    #[test]
    fn a_clock_that_continues_from_its_last_time_is_steady() {
        let jumped = ClockVerdict::Jumped { seen_ms: DAY };
        let behind = ClockVerdict::Behind { seen_ms: DAY };
        let steady = ClockVerdict::Steady;
        let far = DAY + 10 * DAY_MS;
        // The observed time, the time now, the verdict, the record.
        let table = [
            (SeenTimes::default(), DAY, steady, seen(DAY, None)),
            (seen(DAY, None), DAY + HOUR_MS, steady, seen(DAY + HOUR_MS, None)),
            (seen(DAY, None), DAY - 1_000, steady, seen(DAY, None)),
            (seen(DAY, None), DAY - HOUR_MS, behind, seen(DAY, None)),
            (seen(DAY, Some(far)), DAY - HOUR_MS, behind, seen(DAY, None)),
            (seen(DAY, None), DAY + AHEAD_MS, steady, seen(DAY + AHEAD_MS, None)),
            (seen(DAY, None), far, jumped, seen(DAY, Some(far))),
            (seen(DAY, Some(far)), far + HOUR_MS, jumped, seen(DAY, Some(far))),
            (seen(DAY, Some(far)), far - 1, jumped, seen(DAY, Some(far - 1))),
            (seen(DAY, Some(far)), far + DAY_MS, steady, seen(far + DAY_MS, None)),
            (seen(DAY, Some(far)), DAY + DAY_MS, steady, seen(DAY + DAY_MS, None)),
            // The last moment that is still as before, and the first that is not.
            (seen(DAY, None), DAY - BEHIND_MS, steady, seen(DAY, None)),
            (seen(DAY, None), DAY - BEHIND_MS - 1, behind, seen(DAY, None)),
            (seen(DAY, None), DAY + AHEAD_MS + 1, jumped, seen(DAY, Some(DAY + AHEAD_MS + 1))),
            (seen(DAY, Some(far)), far, jumped, seen(DAY, Some(far))),
            (seen(DAY, Some(far)), far + CONFIRMED_MS - 1, jumped, seen(DAY, Some(far))),
            (seen(DAY, Some(far)), far + CONFIRMED_MS, steady, seen(far + CONFIRMED_MS, None)),
        ];
        for (before, now, verdict, after) in table {
            assert_eq!(judge(before, 0, now, false), (verdict, after), "{before:?} at {now}");
        }
    }

    #[test]
    fn a_clock_behind_the_newest_item_of_a_new_store_is_detected() {
        let (verdict, after) = judge(SeenTimes::default(), DAY, DAY - DAY_MS, false);
        assert_eq!(verdict, ClockVerdict::Behind { seen_ms: DAY });
        assert_eq!(after, SeenTimes::default());
        let (verdict, _) = judge(SeenTimes::default(), DAY, DAY - BEHIND_MS - 1, false);
        assert_eq!(verdict, ClockVerdict::Behind { seen_ms: DAY });
        let (verdict, after) = judge(SeenTimes::default(), DAY, DAY - BEHIND_MS, false);
        assert_eq!((verdict, after), (ClockVerdict::Steady, seen(DAY - BEHIND_MS, None)));
    }

    #[test]
    fn an_accepted_clock_is_steady() {
        let far = DAY + 10 * DAY_MS;
        for now in [DAY - DAY_MS, far] {
            let judged = judge(seen(DAY, Some(far)), DAY, now, true);
            assert_eq!(judged, (ClockVerdict::Steady, seen(now, None)));
        }
    }
}
