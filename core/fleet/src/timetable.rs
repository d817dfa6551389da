//! The times at which a tenant is due: never, at an interval, or by a cron pattern in a time zone.

use std::fmt;
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The shortest interval. Nexthink allows about a dozen runs a day; the quota defers the rest.
const SHORTEST: Duration = Duration::from_mins(1);

/// The longest interval.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// Nexthink's daily quota allows about a dozen runs a day, so that a timetable with more due times than that cannot be
/// kept. Milliseconds.
const SHORTEST_KEPT_MS: u64 = 2 * 3_600 * 1_000;

/// Tenants with the same cron pattern start within this time after it, so that a fleet does not call all at once.
/// Milliseconds.
const CRON_JITTER_MS: u64 = 60_000;

/// The times at which a tenant is due.
#[derive(Debug, Clone, PartialEq)]
pub enum Timetable {
    /// Never; someone starts each run by hand.
    Disabled,
    /// Once in each interval, at a point that depends on the tenant's name.
    Every(Duration),
    /// At the times of a cron pattern, within a minute.
    Cron {
        /// The pattern: minute, hour, day of the month, month, day of the week.
        pattern: Box<Cron>,
        /// The zone whose clock the pattern is about.
        zone: TimeZone,
    },
}

/// A timetable that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimetableError {
    /// The text is no interval.
    #[error(
        "write DISABLED or a number of minutes, hours or days, such as `30 minutes` or `1 day`"
    )]
    NoInterval,
    /// The interval is out of bounds.
    #[error("an interval is from 1 minute to 366 days")]
    OutOfBounds,
    /// The text is no cron pattern.
    #[error("this is no cron pattern ({reason}); five fields are needed, such as `0 6 * * 1-5`")]
    NoPattern {
        /// The complaint of the parser.
        reason: String,
    },
    /// The pattern matches no time.
    #[error("this cron pattern never comes")]
    NeverDue,
    /// The zone is not known.
    #[error("there is no time zone of this name; write one such as Europe/Zurich or UTC")]
    NoZone,
}

impl Timetable {
    /// Parses an interval: `DISABLED`, or a number of minutes, hours or days.
    ///
    /// # Errors
    ///
    /// [`TimetableError::NoInterval`] and [`TimetableError::OutOfBounds`].
    pub fn parse_interval(text: &str) -> Result<Self, TimetableError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("disabled") {
            return Ok(Self::Disabled);
        }
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| TimetableError::NoInterval)?;
        let unit_seconds = match unit.trim().to_ascii_lowercase().as_str() {
            "m" | "min" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 24 * 3600,
            _ => return Err(TimetableError::NoInterval),
        };
        let seconds = number.checked_mul(unit_seconds).ok_or(TimetableError::OutOfBounds)?;
        let interval = Duration::from_secs(seconds);
        if !(SHORTEST..=LONGEST).contains(&interval) {
            return Err(TimetableError::OutOfBounds);
        }
        Ok(Self::Every(interval))
    }

    /// Parses a cron pattern of five fields and the name of its zone.
    ///
    /// # Errors
    ///
    /// [`TimetableError::NoPattern`], [`TimetableError::NoZone`], and [`TimetableError::NeverDue`] for a pattern such
    /// as `0 0 31 2 *`.
    pub fn parse_cron(pattern: &str, zone: &str) -> Result<Self, TimetableError> {
        let zone = TimeZone::get(zone).map_err(|_| TimetableError::NoZone)?;
        // Without this, a sixth field would be seconds: `*/10 * * * * *` would start a run every ten seconds.
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let pattern = parser
            .parse(pattern)
            .map_err(|error| TimetableError::NoPattern { reason: error.to_string() })?;
        let start = Timestamp::UNIX_EPOCH.to_zoned(zone.clone());
        pattern.find_next_occurrence(&start, false).map_err(|_| TimetableError::NeverDue)?;
        Ok(Self::Cron { pattern: Box::new(pattern), zone })
    }

    /// Returns the first due time after another time. Tenants of different names are spread by `spread`, a hash of
    /// the name: over the whole interval, or over a minute for a cron pattern. So the times are the same after a
    /// restart, without any state.
    pub fn next_after(&self, after: Timestamp, spread: u64) -> Option<Timestamp> {
        match self {
            Self::Disabled => None,
            Self::Every(interval) => {
                let interval = i64::try_from(interval.as_millis()).ok()?;
                let phase = i64::try_from(spread % interval.unsigned_abs()).ok()?;
                let begun = (after.as_millisecond() - phase).div_euclid(interval);
                Timestamp::from_millisecond(phase + (begun + 1) * interval).ok()
            }
            Self::Cron { pattern, zone } => {
                let jitter = Duration::from_millis(spread % CRON_JITTER_MS);
                let before = after.checked_sub(jitter).ok()?.to_zoned(zone.clone());
                let next = pattern.find_next_occurrence(&before, false).ok()?;
                next.timestamp().checked_add(jitter).ok()
            }
        }
    }

    /// Counts the due times after one time and up to another, `most` at most; none without a timetable. Due times less
    /// than two hours after one that was counted are not, since the quota defers their runs.
    pub fn due_between(
        &self,
        after: Timestamp,
        until: Timestamp,
        spread: u64,
        most: u32,
    ) -> Option<u32> {
        if *self == Self::Disabled {
            return None;
        }
        let (mut count, mut after) = (0, after);
        while count < most
            && let Some(due) = self.next_after(after, spread).filter(|due| *due <= until)
        {
            count += 1;
            // A due time exactly two hours later counts.
            let pause = Duration::from_millis(SHORTEST_KEPT_MS - 1);
            let Ok(next) = due.checked_add(pause) else { break };
            after = next;
        }
        Some(count)
    }
}

impl fmt::Display for Timetable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => formatter.write_str("disabled"),
            Self::Every(interval) => {
                let minutes = interval.as_secs() / 60;
                let (number, unit) = match minutes {
                    whole if whole % (24 * 60) == 0 => (whole / (24 * 60), "day"),
                    whole if whole % 60 == 0 => (whole / 60, "hour"),
                    _ => (minutes, "minute"),
                };
                let plural = if number == 1 { "" } else { "s" };
                write!(formatter, "every {number} {unit}{plural}")
            }
            Self::Cron { pattern, zone } => {
                let zone = zone.iana_name().unwrap_or("UTC");
                write!(formatter, "cron {} in {zone}", pattern.as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("the test writes a time")
    }

    #[test]
    fn an_interval_is_disabled_or_minutes_hours_or_days() {
        let table = [
            ("DISABLED", Ok("disabled")),
            ("disabled", Ok("disabled")),
            ("30 minutes", Ok("every 30 minutes")),
            ("60 minutes", Ok("every 1 hour")),
            ("1 hour", Ok("every 1 hour")),
            ("12h", Ok("every 12 hours")),
            ("1 day", Ok("every 1 day")),
            ("7 Days", Ok("every 7 days")),
            ("0 minutes", Err(TimetableError::OutOfBounds)),
            ("367 days", Err(TimetableError::OutOfBounds)),
            ("99999999999999999999 days", Err(TimetableError::NoInterval)),
            ("9999999999999999999 days", Err(TimetableError::OutOfBounds)),
            ("30", Err(TimetableError::NoInterval)),
            ("30 seconds", Err(TimetableError::NoInterval)),
            ("-1 day", Err(TimetableError::NoInterval)),
            ("1.5 hours", Err(TimetableError::NoInterval)),
            ("", Err(TimetableError::NoInterval)),
        ];
        for (text, expected) in table {
            let parsed = Timetable::parse_interval(text).map(|timetable| timetable.to_string());
            assert_eq!(parsed, expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_cron_pattern_has_five_fields_a_zone_and_comes_some_day() {
        let parsed = Timetable::parse_cron("0 6 * * 1-5", "Europe/Zurich");
        assert_eq!(
            parsed.map(|timetable| timetable.to_string()),
            Ok("cron 0 6 * * 1-5 in Europe/Zurich".to_owned())
        );
        assert_eq!(Timetable::parse_cron("0 6 * * *", "Europe/Zurig"), Err(TimetableError::NoZone));
        assert_eq!(Timetable::parse_cron("0 0 31 2 *", "UTC"), Err(TimetableError::NeverDue));
        let daily = Timetable::parse_cron("@daily", "UTC").expect("it is a pattern");
        assert_eq!(
            daily.next_after(at("2026-03-01T10:20:00Z"), 0),
            Some(at("2026-03-02T00:00:00Z"))
        );
        let others = ["*/10 * * * * *", "0 0 6 * * 1-5", "0 0 6 * * * 2027"];
        for pattern in ["", "0 6 * *", "61 6 * * *", "six"].into_iter().chain(others) {
            let refused = Timetable::parse_cron(pattern, "UTC");
            assert!(
                matches!(refused, Err(TimetableError::NoPattern { .. })),
                "{pattern}: {refused:?}"
            );
        }
    }

    #[test]
    fn an_interval_is_due_once_in_each_at_the_tenants_own_point() {
        let hourly = Timetable::Every(Duration::from_hours(1));
        let start = at("2026-03-01T10:20:00Z");
        let spread = 30 * 60 * 1000;
        let first = hourly.next_after(start, spread).expect("it is due");
        assert_eq!(first, at("2026-03-01T10:30:00Z"));
        assert_eq!(hourly.next_after(first, spread), Some(at("2026-03-01T11:30:00Z")));
        assert_eq!(hourly.next_after(start, 0), Some(at("2026-03-01T11:00:00Z")));
        assert_eq!(
            hourly.next_after(at("1969-12-31T23:40:00Z"), spread),
            Some(at("1970-01-01T00:30:00Z"))
        );
    }

    #[test]
    fn a_cron_pattern_follows_the_clock_of_its_zone_through_summer_time() {
        let timetable = Timetable::parse_cron("30 2 * * *", "Europe/Zurich").expect("it is one");
        // 02:30 does not exist on 2026-03-29 and exists twice on 2026-10-25.
        let table = [
            ("2026-03-27T12:00:00Z", "2026-03-28T01:30:00Z"),
            ("2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
            ("2026-03-29T12:00:00Z", "2026-03-30T00:30:00Z"),
            ("2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            ("2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        ];
        for (after, expected) in table {
            assert_eq!(timetable.next_after(at(after), 0), Some(at(expected)), "after {after}");
        }
    }

    #[test]
    fn due_times_are_counted_as_far_as_the_quota_allows_their_runs() {
        let every = |hours| Timetable::Every(Duration::from_hours(hours));
        let weekdays = Timetable::parse_cron("0 6 * * 1-5", "UTC").expect("it is one");
        // 2026-03-06 is a Friday.
        let table = [
            (every(6), "2026-03-06T06:00:00Z", "2026-03-06T11:59:59Z", Some(0)),
            (every(6), "2026-03-06T06:00:00Z", "2026-03-06T12:00:00Z", Some(1)),
            (every(6), "2026-03-06T06:00:00Z", "2026-03-07T06:00:00Z", Some(4)),
            (every(2), "2026-03-06T06:00:00Z", "2026-03-06T12:00:00Z", Some(3)),
            (every(1), "2026-03-06T06:00:00Z", "2026-03-06T12:00:00Z", Some(3)),
            (every(1), "2026-03-06T06:00:00Z", "2026-03-08T12:00:00Z", Some(9)),
            (every(6), "2026-03-06T06:00:00Z", "2026-03-01T06:00:00Z", Some(0)),
            (weekdays.clone(), "2026-03-06T06:00:00Z", "2026-03-09T05:59:59Z", Some(0)),
            (weekdays, "2026-03-06T06:00:00Z", "2026-03-11T06:00:00Z", Some(3)),
            (Timetable::Disabled, "2026-03-06T06:00:00Z", "2026-03-11T06:00:00Z", None),
        ];
        for (timetable, after, until, expected) in table {
            let counted = timetable.due_between(at(after), at(until), 0, 9);
            assert_eq!(counted, expected, "{timetable}: {after} to {until}");
        }
    }

    #[test]
    fn tenants_with_one_pattern_are_spread_over_a_minute() {
        let timetable = Timetable::parse_cron("0 6 * * *", "UTC").expect("it is one");
        let start = at("2026-03-01T00:00:00Z");
        let first = timetable.next_after(start, 59_000).expect("it is due");
        assert_eq!(first, at("2026-03-01T06:00:59Z"));
        // Between the pattern's time and the tenant's own the run is still to come.
        assert_eq!(timetable.next_after(at("2026-03-01T06:00:10Z"), 59_000), Some(first));
        assert_eq!(timetable.next_after(first, 59_000), Some(at("2026-03-02T06:00:59Z")));
    }
}
