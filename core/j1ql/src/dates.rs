//! Moments relative to now, by the calendar in UTC.

use jiff::{Span as Duration, Timestamp, civil, tz::TimeZone};

use crate::diagnostic::{J1qlError, Span};
use crate::syntax::{Date, DateBase, Offset, Unit};

/// Returns the moment in milliseconds since 1970-01-01 UTC.
pub(crate) fn resolve(date: &Date, now_ms: i64, span: Span) -> Result<i64, J1qlError> {
    let base = match date.base {
        DateBase::Now => now_ms,
        DateBase::At(ms) => ms,
    };
    let moment = date.offsets.iter().try_fold(base, |ms, offset| moved(ms, *offset));
    moment.ok_or_else(|| J1qlError::new(span, "the date is beyond the calendar"))
}

/// Reads a year, a month, a day or a time of ISO 8601; without a zone in UTC. Milliseconds since
/// 1970-01-01 UTC.
pub(crate) fn moment_ms(text: &str) -> Option<i64> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_millisecond());
    }
    let completed = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => text.to_owned(),
    };
    let local = completed.parse::<civil::DateTime>().ok()?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

fn moved(ms: i64, Offset { amount, unit }: Offset) -> Option<i64> {
    let duration = match unit {
        Unit::Hour => Duration::new().try_hours(amount),
        Unit::Day => Duration::new().try_days(amount),
        Unit::Month => Duration::new().try_months(amount),
        Unit::Year => Duration::new().try_years(amount),
    };
    let start = Timestamp::from_millisecond(ms).ok()?.to_zoned(TimeZone::UTC);
    Some(start.checked_add(duration.ok()?).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("a time").as_millisecond()
    }

    #[test]
    fn months_and_years_are_those_of_the_calendar() {
        let cases = [
            ("2026-03-31T12:00:00Z", -1, Unit::Month, "2026-02-28T12:00:00Z"),
            ("2024-02-29T00:00:00Z", 1, Unit::Year, "2025-02-28T00:00:00Z"),
            ("2026-03-29T00:30:00Z", 1, Unit::Day, "2026-03-30T00:30:00Z"),
            ("2026-01-01T00:00:00Z", -36, Unit::Hour, "2025-12-30T12:00:00Z"),
        ];
        for (from, amount, unit, expected) in cases {
            assert_eq!(moved(at(from), Offset { amount, unit }), Some(at(expected)), "{from}");
        }
    }

    #[test]
    fn a_date_beyond_the_calendar_is_an_error() {
        let offsets = vec![Offset { amount: i64::MAX, unit: Unit::Year }];
        let date = Date { base: DateBase::Now, offsets };
        assert!(resolve(&date, 0, Span { start: 0, end: 1 }).is_err());
    }
}
