//! The record of export starts: the rest of the daily quota, and the time when it grows again.
//!
//! It is pure; its owner stores it as JSON. Nexthink does not document its day (which zone, by the calendar or
//! rolling), so a day is the past 24 hours here: this window never allows more exports than any other interpretation
//! would.

use serde::{Deserialize, Serialize};

const DAY_MS: u64 = 24 * 3_600_000;

/// Nexthink's limits are daily: a longer time to wait comes from a clock that was set.
const LONGEST_DEFERRAL_MS: u64 = 7 * DAY_MS;

/// The times at which exports of a tenant were started, and the time until which Nexthink asked to wait.
///
/// All times are milliseconds since 1970-01-01 UTC by Nexthink's clock, as far as the caller knows it
/// ([`ClockOffset::reference_ms`](crate::ClockOffset::reference_ms)). A start that lies in the future
/// counts as one of this moment: a clock that is wrong for one run neither gives quota back nor, once
/// the ledger was [corrected](Self::correct), blocks for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
#[expect(clippy::struct_field_names, reason = "the unit belongs to the name of a time")]
pub struct QuotaState {
    /// Invariant: in the order in which they were counted.
    starts_ms: Vec<u64>,
    not_before_ms: Option<u64>,
    /// When `not_before_ms` was noted.
    deferred_at_ms: Option<u64>,
}

/// The ledger as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    starts_ms: Vec<u64>,
    not_before_ms: Option<u64>,
    #[serde(default)]
    deferred_at_ms: Option<u64>,
}

/// The version of [`Stored`].
const VERSION: u32 = 1;

impl TryFrom<Stored> for QuotaState {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let Stored { version, starts_ms, not_before_ms, deferred_at_ms } = stored;
        if version != VERSION {
            return Err(format!("version {version} is not known, only {VERSION}"));
        }
        Ok(Self { starts_ms, not_before_ms, deferred_at_ms })
    }
}

impl From<QuotaState> for Stored {
    fn from(ledger: QuotaState) -> Self {
        let QuotaState { starts_ms, not_before_ms, deferred_at_ms } = ledger;
        Self { version: VERSION, starts_ms, not_before_ms, deferred_at_ms }
    }
}

impl QuotaState {
    /// Returns the number of exports that are left of `limit` a day.
    pub fn left(&self, limit: u32, now_ms: u64) -> u32 {
        let used = self.counting(now_ms).count();
        limit.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
    }

    /// When `needed` exports can be started, if not now: the quota for them is there by then, and
    /// Nexthink does not want to be left alone any more.
    ///
    /// More than `limit` never fit into a day; the answer is then when all of `limit` do.
    pub fn earliest(&self, limit: u32, needed: u32, now_ms: u64) -> Option<u64> {
        let freed = |start_ms: u64| start_ms.min(now_ms).saturating_add(DAY_MS);
        let mut freed_ms: Vec<u64> = self.counting(now_ms).map(freed).collect();
        freed_ms.sort_unstable();
        let kept = usize::try_from(limit - needed.min(limit)).unwrap_or(usize::MAX);
        let too_many = freed_ms.len().saturating_sub(kept);
        let by_quota = too_many.checked_sub(1).map(|last| freed_ms[last]);
        by_quota.max(self.deferred_until(now_ms))
    }

    /// Counts an export that is about to be started.
    pub fn count(&mut self, now_ms: u64) {
        self.starts_ms.push(now_ms);
    }

    /// Takes the last count back: that export was not started.
    pub fn take_back(&mut self) {
        self.starts_ms.pop();
    }

    /// Notes that Nexthink does not want to be called before `until_ms` (HTTP 429).
    pub fn defer(&mut self, until_ms: u64, now_ms: u64) {
        self.not_before_ms = self.not_before_ms.max(Some(until_ms));
        self.deferred_at_ms = Some(now_ms);
    }

    /// Until when Nexthink does not want to be called, if that is not over.
    pub fn deferred_until(&self, now_ms: u64) -> Option<u64> {
        let longest = now_ms.saturating_add(LONGEST_DEFERRAL_MS);
        self.not_before_ms.filter(|until_ms| *until_ms > now_ms).map(|until| until.min(longest))
    }

    /// The latest moment that is noted here: a clock that is before it is wrong, or was.
    pub fn latest_ms(&self) -> Option<u64> {
        self.starts_ms.iter().copied().max().max(self.deferred_at_ms)
    }

    /// Drops times that no longer matter by Nexthink's clock, and dates those in its future to `now_ms`, since a
    /// clock that was ahead recorded them.
    pub fn correct(&mut self, now_ms: u64) {
        self.starts_ms = self.counting(now_ms).map(|start_ms| start_ms.min(now_ms)).collect();
        self.keep_deferral(now_ms);
    }

    /// Drops times that no longer matter by a clock that Nexthink has not confirmed. Starts within the coming week
    /// stay as they are: this clock may be behind, and a later run with the right time must still find the day's
    /// exports. Times more than a week ahead were certainly recorded by a wrong clock.
    pub fn prune(&mut self, now_ms: u64) {
        let longest = now_ms.saturating_add(LONGEST_DEFERRAL_MS);
        let kept = self.counting(now_ms);
        self.starts_ms = kept.map(|start| if start > longest { now_ms } else { start }).collect();
        self.keep_deferral(now_ms);
    }

    fn keep_deferral(&mut self, now_ms: u64) {
        self.not_before_ms = self.deferred_until(now_ms);
        let noted = self.deferred_at_ms.filter(|_| self.not_before_ms.is_some());
        self.deferred_at_ms = noted.map(|noted_ms| noted_ms.min(now_ms));
    }

    /// The starts of the past day, and those that lie in the future.
    fn counting(&self, now_ms: u64) -> impl Iterator<Item = u64> {
        let is_counted = move |start_ms: &u64| now_ms.saturating_sub(*start_ms) < DAY_MS;
        self.starts_ms.iter().copied().filter(is_counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core_clock::ClockOffset;

    const HOUR: u64 = 3_600_000;
    const NOW: u64 = 1_000 * DAY_MS;

    fn ledger(starts_ms: &[u64]) -> QuotaState {
        QuotaState { starts_ms: starts_ms.to_vec(), ..QuotaState::default() }
    }

    #[test]
    fn starts_count_for_a_day() {
        for (starts_ms, left) in [
            (vec![], 3),
            (vec![NOW], 2),
            (vec![NOW - DAY_MS + 1], 2),
            (vec![NOW - DAY_MS], 3),
            (vec![0, NOW - HOUR, NOW - 2 * HOUR], 1),
            (vec![NOW; 3], 0),
            (vec![NOW; 9], 0),
            (vec![NOW + HOUR, u64::MAX], 1),
        ] {
            assert_eq!(ledger(&starts_ms).left(3, NOW), left, "{starts_ms:?}");
        }
    }

    #[test]
    fn the_earliest_time_is_when_enough_starts_are_a_day_ago() {
        let starts_ms = [NOW - HOUR, NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - 30 * HOUR];
        let ledger = ledger(&starts_ms);
        for (limit, needed, expected) in [
            (4, 1, None),
            (4, 0, None),
            (4, 2, Some(NOW + 21 * HOUR)),
            (4, 3, Some(NOW + 22 * HOUR)),
            (4, 4, Some(NOW + 23 * HOUR)),
            (4, 9, Some(NOW + 23 * HOUR)),
            (3, 1, Some(NOW + 21 * HOUR)),
            (2, 1, Some(NOW + 22 * HOUR)),
            (0, 1, Some(NOW + 23 * HOUR)),
            (50, 47, None),
        ] {
            let earliest = ledger.earliest(limit, needed, NOW);
            assert_eq!(earliest, expected, "{needed} of {limit}");
            let Some(at) = earliest.filter(|_| needed <= limit) else { continue };
            assert!(ledger.left(limit, at) >= needed, "{needed} of {limit} at that time");
            assert!(ledger.left(limit, at - 1) < needed, "{needed} of {limit} just before");
        }
    }

    #[test]
    fn a_start_is_counted_and_taken_back() {
        let mut ledger = ledger(&[NOW - DAY_MS, NOW - HOUR]);
        ledger.count(NOW);
        assert_eq!(ledger.left(50, NOW), 48);
        ledger.take_back();
        assert_eq!(ledger.left(50, NOW), 49);
        ledger.take_back();
        ledger.take_back();
        assert_eq!(ledger.left(50, NOW), 50);
    }

    #[test]
    fn what_a_clock_ahead_has_noted_counts_for_a_day_once_nexthinks_clock_is_known() {
        let mut ledger = QuotaState::default();
        let wrong = NOW + 3_650 * DAY_MS;
        ledger.count(wrong);
        ledger.defer(wrong + HOUR, wrong);
        assert_eq!(ledger.left(1, NOW), 0);
        assert_eq!(ledger.earliest(1, 1, NOW), Some(NOW + LONGEST_DEFERRAL_MS));
        for correct in [QuotaState::correct, QuotaState::prune] {
            let mut ledger = ledger.clone();
            correct(&mut ledger, NOW);
            assert_eq!(ledger.left(1, NOW + DAY_MS - 1), 0);
            assert_eq!(ledger.left(1, NOW + DAY_MS), 1);
            assert_eq!(ledger.deferred_until(NOW + LONGEST_DEFERRAL_MS), None);
            assert_eq!(ledger.latest_ms(), Some(NOW));
        }
    }

    #[test]
    fn j23_a_clock_behind_that_nexthink_does_not_confirm_forgets_nothing() {
        for behind in [HOUR, DAY_MS, 2 * DAY_MS, 7 * DAY_MS] {
            let mut ledger = ledger(&[NOW - HOUR, NOW]);
            ledger.prune(NOW - behind);
            assert_eq!(ledger.left(2, NOW - behind), 0, "{behind}");
            ledger.prune(NOW + HOUR);
            assert_eq!(ledger.left(2, NOW + HOUR), 0, "{behind}");
            assert_eq!(ledger.left(2, NOW + DAY_MS), 2, "{behind}");
        }
    }

    /// A machine whose clock is wrong in one run or in all of them, and the rest of four exports a day in each of its
    /// runs.
    #[test]
    fn j23_no_jump_of_this_machines_clock_changes_what_is_left() {
        const YEAR: i64 = 365 * 24 * 3_600_000;
        let hour = i64::try_from(HOUR).expect("it is small");
        let hours_and_left = [(0, 4), (1, 2), (2, 0), (23, 0), (24, 2), (25, 4), (26, 4)];
        let jumps = [-20 * YEAR, -48 * hour, -hour, -180_000, 0, 180_000, hour, 48 * hour, YEAR];
        // In all runs, in one of them, and from one of them on.
        let runs_that_are_off: [&[usize]; 6] =
            [&[0, 1, 2, 3, 4, 5, 6], &[0], &[1], &[2], &[4], &[3, 4, 5, 6]];
        for (jump_ms, off) in jumps.iter().flat_map(|jump| runs_that_are_off.map(|off| (jump, off)))
        {
            let mut ledger = QuotaState::default();
            for (run, (hour, expected)) in hours_and_left.into_iter().enumerate() {
                let server_ms = NOW + hour * HOUR;
                let jump_ms = if off.contains(&run) { *jump_ms } else { 0 };
                // DST moves no clock that counts from 1970, so an hour stands for a zone that was mistaken.
                let local_ms =
                    (NOW + 20 * 365 * DAY_MS + hour * HOUR).saturating_add_signed(jump_ms);
                let server_ms = server_ms + 20 * 365 * DAY_MS;
                let signed = i64::try_from(server_ms).expect("in this century");
                let offset = ClockOffset::between(signed, local_ms).expect("within the calendar");
                let now_ms = offset.reference_ms(local_ms);
                ledger.correct(now_ms);
                assert_eq!(ledger.left(4, now_ms), expected, "{jump_ms} in {off:?}, run {run}");
                (0..expected.min(2)).filter(|_| run < 2).for_each(|_| ledger.count(now_ms));
            }
        }
    }

    #[test]
    fn a_deferral_lasts_until_its_time_and_never_gets_shorter() {
        let mut ledger = QuotaState::default();
        ledger.defer(NOW + 2 * HOUR, NOW);
        ledger.defer(NOW + HOUR, NOW);
        for (now_ms, expected) in [
            (NOW, Some(NOW + 2 * HOUR)),
            (NOW + 2 * HOUR - 1, Some(NOW + 2 * HOUR)),
            (NOW + 2 * HOUR, None),
        ] {
            assert_eq!(ledger.deferred_until(now_ms), expected);
            assert_eq!(ledger.earliest(50, 1, now_ms), expected);
        }
        ledger.prune(NOW + 2 * HOUR);
        assert_eq!(ledger, QuotaState::default());
    }

    #[test]
    fn what_is_written_is_read_again_and_anything_else_is_refused() {
        let mut ledger = ledger(&[NOW - HOUR, NOW]);
        ledger.defer(NOW + HOUR, NOW);
        let json = serde_json::to_string(&ledger).expect("numbers are JSON");
        assert_eq!(serde_json::from_str::<QuotaState>(&json).expect("our own"), ledger);
        for (what, broken) in [
            ("nothing", String::new()),
            ("half of it", json[..json.len() / 2].to_owned()),
            ("another version", json.replace("\"version\":1", "\"version\":2")),
            ("no version", json.replace("\"version\":1,", "")),
            ("a member more", json.replace('{', "{\"more\":1,")),
            ("a negative time", json.replace('[', "[-1,")),
        ] {
            assert_ne!(broken, json, "{what}");
            assert!(serde_json::from_str::<QuotaState>(&broken).is_err(), "{what}");
        }
    }
}
