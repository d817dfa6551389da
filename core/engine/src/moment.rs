//! Points in time.

use std::time::Duration;

/// A point in time, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// Returns the moment this much later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Returns the moment as a timestamp, or the last possible timestamp if it is beyond the
    /// calendar.
    pub fn to_timestamp(self) -> jiff::Timestamp {
        let milliseconds = i64::try_from(self.0).unwrap_or(i64::MAX);
        jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::MAX)
    }

    /// Returns the moment in RFC 3339, to the second.
    pub fn to_rfc3339(self) -> String {
        let milliseconds = i64::try_from(self.0).unwrap_or(i64::MAX);
        let moment = jiff::Timestamp::from_millisecond(milliseconds);
        moment.map_or_else(|_| "out of range".to_owned(), |time| format!("{time:.0}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_to_the_second_and_one_beyond_the_calendar_says_so() {
        let table = [
            (0, "1970-01-01T00:00:00Z"),
            (1_772_359_200_999, "2026-03-01T10:00:00Z"),
            (u64::MAX, "out of range"),
        ];
        for (milliseconds, expected) in table {
            assert_eq!(Moment(milliseconds).to_rfc3339(), expected);
        }
    }

    #[test]
    fn a_wait_never_ends_before_it_begins() {
        let table = [
            (5, Duration::from_millis(7), 12),
            (u64::MAX, Duration::from_secs(1), u64::MAX),
            (5, Duration::MAX, u64::MAX),
        ];
        for (begins, wait, ends) in table {
            assert_eq!(Moment(begins).after(wait), Moment(ends), "{begins} after {wait:?}");
        }
        assert_eq!(Moment(u64::MAX).to_timestamp(), jiff::Timestamp::MAX);
    }
}
