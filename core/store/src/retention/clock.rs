//! Whether the clock can be believed: data is removed by age, so a clock that is wrong would remove it
//! early or keep it too long.

use serde::{Deserialize, Serialize};

pub(super) const HOUR_MS: u64 = 60 * 60 * 1000;
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;

/// How far behind an earlier time the clock may be: systems correct theirs by seconds.
const BEHIND_MS: u64 = 10 * 60 * 1000;
/// How far ahead of an earlier time it may be without question: a run a day of which one is missing.
const AHEAD_MS: u64 = 60 * HOUR_MS;
/// How much later a second look must be that confirms a time far ahead.
const CONFIRMED_MS: u64 = 12 * HOUR_MS;

/// What is thought of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "clock")]
pub enum ClockVerdict {
    /// It goes on from the time that was seen last.
    Steady,
    /// It is behind a time that was seen before, so nothing is removed.
    Behind {
        /// That time, milliseconds since 1970-01-01 UTC.
        seen_ms: u64,
    },
    /// It is far ahead of the time that was seen last, so nothing is removed until it is seen to go
    /// on from there. After a long pause that is what happens with the second run.
    Jumped {
        /// The time that was seen last, milliseconds since 1970-01-01 UTC.
        seen_ms: u64,
    },
}

/// The times that were seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeenTimes {
    /// The latest that was believed.
    pub(super) believed_ms: Option<u64>,
    /// One far ahead of it that was not believed yet.
    pub(super) jumped_to_ms: Option<u64>,
}

/// Judges a time, and remembers it. `newest_ms` is the newest time in the store, for a store that was
/// never looked at before.
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
        // Seen again too early to tell: the first look counts.
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
    fn a_clock_is_believed_while_it_goes_on_from_where_it_was() {
        let jumped = ClockVerdict::Jumped { seen_ms: DAY };
        let behind = ClockVerdict::Behind { seen_ms: DAY };
        let steady = ClockVerdict::Steady;
        let far = DAY + 10 * DAY_MS;
        // What was seen, what it is now, the verdict, what is remembered.
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
        ];
        for (before, now, verdict, after) in table {
            assert_eq!(judge(before, 0, now, false), (verdict, after), "{before:?} at {now}");
        }
    }

    #[test]
    fn a_store_that_was_never_looked_at_is_newer_than_a_clock_that_is_behind() {
        let (verdict, after) = judge(SeenTimes::default(), DAY, DAY - DAY_MS, false);
        assert_eq!(verdict, ClockVerdict::Behind { seen_ms: DAY });
        assert_eq!(after, SeenTimes::default());
    }

    #[test]
    fn a_clock_that_is_accepted_is_believed() {
        let far = DAY + 10 * DAY_MS;
        for now in [DAY - DAY_MS, far] {
            let judged = judge(seen(DAY, Some(far)), DAY, now, true);
            assert_eq!(judged, (ClockVerdict::Steady, seen(now, None)));
        }
    }
}
