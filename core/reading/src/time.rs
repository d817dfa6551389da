//! Times as people write them.

use core_audit::HOUR_MS;
use core_engine::Failure;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

/// Reads a date, a time by the clock of a zone, a time with its own zone, or days before now such as `7d`. Returns
/// milliseconds since 1970-01-01 UTC.
///
/// # Errors
///
/// The text is none of these.
pub fn parse_time(text: &str, zone: &TimeZone, now_ms: i64) -> Result<i64, Failure> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u16>().ok()) {
        return Ok(now_ms - i64::from(days) * 24 * HOUR_MS);
    }
    let date = || text.parse::<Date>().map(|date| date.to_datetime(Time::midnight()));
    let local = text.parse::<DateTime>().or_else(|_| date());
    let time = local.and_then(|local| zone.to_timestamp(local));
    time.map(Timestamp::as_millisecond).map_err(|_| {
        Failure::configuration(format!(
            "{text} is no time: write 2026-03-01, 2026-03-01T10:00:00, 2026-03-01T10:00:00Z, or 7d for 7 \
             days ago"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_day_a_time_of_a_zone_or_some_days_ago() {
        let zurich = TimeZone::get("Europe/Zurich").expect("it is in the database");
        let now = "2026-03-08T12:00:00Z";
        let now_ms = now.parse::<Timestamp>().expect("it is a time").as_millisecond();
        for (text, zone, expected) in [
            ("2026-03-01", &TimeZone::UTC, "2026-03-01T00:00:00Z"),
            ("2026-03-01", &zurich, "2026-02-28T23:00:00Z"),
            ("2026-07-01T10:00:00", &zurich, "2026-07-01T08:00:00Z"),
            ("2026-07-01T10:00:00Z", &zurich, "2026-07-01T10:00:00Z"),
            ("2026-07-01T10:00:00+05:00", &zurich, "2026-07-01T05:00:00Z"),
            ("7d", &zurich, "2026-03-01T12:00:00Z"),
            ("0d", &zurich, now),
        ] {
            let parsed = parse_time(text, zone, now_ms).map_err(|failure| failure.error);
            let parsed = Timestamp::from_millisecond(parsed.expect(text)).expect("it is a time");
            assert_eq!(parsed.to_string(), expected, "{text}");
        }
        for text in ["", "yesterday", "2026-02-30", "d", "-1d", "70000d", "2026-03-01T25:00:00"] {
            let failure = parse_time(text, &zurich, now_ms).expect_err(text);
            assert!(failure.error.to_string().contains("is no time"), "{text}");
        }
    }
}
