#![doc = include_str!("../README.md")]

use std::fmt;

/// The time by which Nexthink's clock is ahead of this machine's, exact to some seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    ahead_ms: i64,
}

impl ClockOffset {
    /// A larger difference than this is a disagreement, in milliseconds: the one tolerance for quota, exports
    /// and the audit trail.
    ///
    /// A `Date` header is exact to a second, and the answer that carries it may take a minute to come, so a
    /// smaller difference says nothing about either clock. Hosts that synchronise their clocks are within
    /// seconds of each other, so a larger one means that a clock is wrong.
    pub const TOLERANCE_MS: u64 = 2 * 60 * 1000;

    /// An offset that is known, in milliseconds.
    pub fn from_ahead_ms(ahead_ms: i64) -> Self {
        Self { ahead_ms }
    }

    /// Compares two readings of one moment, both in milliseconds since 1970-01-01 UTC: `server_ms` by
    /// Nexthink's clock, `local_ms` by this machine's. Returns nothing for readings that no calendar
    /// reaches.
    pub fn between(server_ms: i64, local_ms: u64) -> Option<Self> {
        server_ms.checked_sub_unsigned(local_ms).map(|ahead_ms| Self { ahead_ms })
    }

    /// Nexthink's time minus this machine's, in milliseconds; negative if Nexthink's clock is behind.
    pub fn ahead_ms(self) -> i64 {
        self.ahead_ms
    }

    /// Returns whether one of the two clocks must be wrong: they differ by more than two minutes.
    pub fn is_disagreement(self) -> bool {
        self.ahead_ms.unsigned_abs() > Self::TOLERANCE_MS
    }

    /// The time that counts at Nexthink when this machine's clock says `local_ms`, both in
    /// milliseconds since 1970-01-01 UTC.
    ///
    /// That is Nexthink's own if the clocks disagree. Otherwise it is this machine's, which is more
    /// exact.
    pub fn reference_ms(self, local_ms: u64) -> u64 {
        if self.is_disagreement() {
            local_ms.saturating_add_signed(self.ahead_ms)
        } else {
            local_ms
        }
    }

    /// Returns the time of this machine's clock when [`reference_ms`](Self::reference_ms) is `reference_ms`.
    pub fn local_ms(self, reference_ms: u64) -> u64 {
        let ahead_ms = if self.is_disagreement() { self.ahead_ms } else { 0 };
        reference_ms.saturating_add_signed(ahead_ms.saturating_neg())
    }
}

impl fmt::Display for ClockOffset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.ahead_ms.unsigned_abs() / 1000;
        let (size, unit) = match seconds {
            0..120 => (seconds, "s"),
            120..7_200 => (seconds / 60, "min"),
            7_200..172_800 => (seconds / 3_600, "h"),
            _ => (seconds / 86_400, "days"),
        };
        let direction = if self.ahead_ms > 0 { "behind" } else { "ahead of" };
        write!(formatter, "this machine's clock is {size} {unit} {direction} Nexthink's")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: u64 = 1_772_359_200_000;
    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;

    fn offset(ahead_ms: i64) -> ClockOffset {
        let server_ms = i64::try_from(LOCAL).expect("in this century") + ahead_ms;
        ClockOffset::between(server_ms, LOCAL).expect("both are within the calendar")
    }

    #[test]
    fn nexthinks_clock_counts_where_ours_disagrees_by_minutes() {
        for (ahead_ms, disagrees) in [
            (0, false),
            (999, false),
            (-2 * MINUTE, false),
            (2 * MINUTE, false),
            (2 * MINUTE + 1, true),
            (-2 * MINUTE - 1, true),
            (60 * MINUTE, true),
            (-2 * DAY, true),
            (20 * 365 * DAY, true),
        ] {
            let offset = offset(ahead_ms);
            assert_eq!(offset.is_disagreement(), disagrees, "{ahead_ms}");
            let expected = if disagrees { LOCAL.saturating_add_signed(ahead_ms) } else { LOCAL };
            assert_eq!(offset.reference_ms(LOCAL), expected, "{ahead_ms}");
            assert_eq!(offset.local_ms(expected), LOCAL, "{ahead_ms}");
        }
    }

    #[test]
    fn a_disagreement_is_told_in_one_unit_and_with_its_direction() {
        for (ahead_ms, expected) in [
            (90_000, "this machine's clock is 90 s behind Nexthink's"),
            (-10 * MINUTE, "this machine's clock is 10 min ahead of Nexthink's"),
            (5 * 60 * MINUTE, "this machine's clock is 5 h behind Nexthink's"),
            (-365 * DAY, "this machine's clock is 365 days ahead of Nexthink's"),
        ] {
            assert_eq!(offset(ahead_ms).to_string(), expected);
        }
    }

    #[test]
    fn readings_beyond_the_calendar_give_no_offset() {
        assert_eq!(ClockOffset::between(i64::MIN, 1), None);
        assert_eq!(ClockOffset::between(-1, u64::MAX), None);
    }
}
