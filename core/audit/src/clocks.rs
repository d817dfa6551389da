//! The time at Nexthink, as far as the known clocks agree.

use core_clock::ClockOffset;

/// The readings of the known clocks when an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// The clock of this machine, in milliseconds since 1970-01-01 UTC.
    pub local_ms: i64,
    /// The `Date` header of the answer, in milliseconds since 1970-01-01 UTC.
    pub server_ms: Option<i64>,
    /// By how much another host of Nexthink, the login host, is ahead of this machine. Milliseconds.
    pub witness_ahead_ms: Option<i64>,
}

impl Clocks {
    /// Returns the earliest and the latest time that it may be at Nexthink.
    ///
    /// Both are the `Date` header where a second clock confirms it. A single header that nothing
    /// confirms may itself be the wrong one: then it is some time between the two clocks.
    pub fn bounds(&self) -> (i64, i64) {
        let Some(server_ms) = self.server_ms() else { return (self.local_ms, self.local_ms) };
        let confirms = |ms: i64| ms.abs_diff(server_ms) <= ClockOffset::TOLERANCE_MS;
        if confirms(self.local_ms) || self.witness_ms().is_some_and(confirms) {
            return (server_ms, server_ms);
        }
        (self.local_ms.min(server_ms), self.local_ms.max(server_ms))
    }

    /// Returns how far Nexthink is ahead of this machine, if the two disagree.
    pub fn disagreement(&self) -> Option<ClockOffset> {
        let ahead_ms = self.server_ms()?.saturating_sub(self.local_ms);
        Some(ClockOffset::from_ahead_ms(ahead_ms)).filter(|offset| offset.is_disagreement())
    }

    /// The clock of Nexthink: that of the answer, else that of the login host, which alone confirms
    /// nothing.
    fn server_ms(&self) -> Option<i64> {
        let login_ms = self.witness_ahead_ms.map(|ahead| self.local_ms.saturating_add(ahead));
        self.server_ms.or(login_ms)
    }

    fn witness_ms(&self) -> Option<i64> {
        self.server_ms?;
        self.witness_ahead_ms.map(|ahead| self.local_ms.saturating_add(ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    const NOW: i64 = 1_772_366_400_000;

    #[test]
    fn a_clock_counts_where_a_second_one_confirms_it() {
        // Nexthink and the login host against this machine; the earliest and latest time; a warning.
        for (server, login, earliest, latest, warns) in [
            (None, None, 0, 0, false),
            (Some(0), None, 0, 0, false),
            (Some(2 * MINUTE), None, 2 * MINUTE, 2 * MINUTE, false),
            (Some(-2 * MINUTE), Some(HOUR), -2 * MINUTE, -2 * MINUTE, false),
            (Some(2 * MINUTE + 1), None, 0, 2 * MINUTE + 1, true),
            (Some(4 * MINUTE), None, 0, 4 * MINUTE, true),
            (Some(4 * MINUTE), Some(3 * MINUTE), 4 * MINUTE, 4 * MINUTE, true),
            // Two hosts of Nexthink agree, so that it is this machine that is wrong.
            (Some(HOUR), Some(HOUR), HOUR, HOUR, true),
            (Some(-HOUR), Some(MINUTE - HOUR), -HOUR, -HOUR, true),
            // It is not known which of them is wrong.
            (Some(HOUR), None, 0, HOUR, true),
            (Some(-HOUR), None, -HOUR, 0, true),
            (Some(HOUR), Some(0), 0, HOUR, true),
            (Some(HOUR), Some(-HOUR), 0, HOUR, true),
            (None, Some(HOUR), 0, HOUR, true),
            (None, Some(MINUTE), MINUTE, MINUTE, false),
        ] {
            let clocks = Clocks {
                local_ms: NOW,
                server_ms: server.map(|ahead| NOW + ahead),
                witness_ahead_ms: login,
            };
            let case = format!("{server:?} {login:?}");
            assert_eq!(clocks.bounds(), (NOW + earliest, NOW + latest), "{case}");
            assert_eq!(clocks.disagreement().is_some(), warns, "{case}");
        }
    }
}
