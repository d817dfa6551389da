//! Points in time.
//!
//! Nexthink documents the literal `2024-07-15 10:15:00` but not what an export writes, so ISO 8601
//! with `T`, a fraction and a zone is accepted too. A time without a zone is in the tenant's zone,
//! which the configuration names.
//!
//! Many programs write the earliest time that they can express for "never": the years 1, 1601 and
//! 1899, or 1970-01-01. Nothing that Nexthink reports happened before the end of that day, so every
//! such time is read as never, whatever its zone.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const MILLISECONDS_A_DAY: i64 = 86_400_000;

/// The last day that means never.
const LAST_DAY_OF_NEVER: &[u8] = b"1970-01-01";

/// The time that a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Milliseconds since 1970-01-01 UTC.
    At(i64),
    /// A time that means never.
    Never,
    /// A text that is not a time.
    Unreadable,
}

/// Reads a cell as [`timestamp`] does, and tells a time that means never from a text that is not a
/// time.
pub fn time(cell: &str, zone: &TimeZone) -> Time {
    match cell.as_bytes().get(..10) {
        Some(date) if date <= LAST_DAY_OF_NEVER && means_never(date, cell, zone) => Time::Never,
        _ => timestamp(cell, zone).map_or(Time::Unreadable, Time::At),
    }
}

/// Returns true if a cell that begins with a date up to [`LAST_DAY_OF_NEVER`] is a time or that
/// date alone. A year, month or day of zero, which no calendar has, also means never.
fn means_never(date: &[u8], cell: &str, zone: &TimeZone) -> bool {
    let is_date = date.iter().enumerate().all(|(place, byte)| match place {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let is_zero = date.starts_with(b"0000-") || date.ends_with(b"-00");
    is_date && (cell.len() == date.len() || is_zero || timestamp(cell, zone).is_some())
}

/// Milliseconds since 1970-01-01 UTC of `YYYY-MM-DD hh:mm:ss`, with `T` in place of the space, and
/// with an optional fraction and zone (`Z`, `+02:00`, `+0200`).
///
/// A time without a zone is in `zone`. Where the clock was set back and the time occurs twice, the
/// first one counts; where the clock was set forward and the time was skipped, it is read as if the
/// clock had not changed.
pub fn timestamp(cell: &str, zone: &TimeZone) -> Option<i64> {
    let bytes = cell.as_bytes();
    let (date, time, rest) = (bytes.get(..10)?, bytes.get(11..19)?, bytes.get(19..)?);
    if !matches!(bytes[10], b' ' | b'T' | b't') {
        return None;
    }
    let days = date_as_days(date)?;
    let time_of_day = clock_as_milliseconds(time)?;
    let (fraction, rest) = split_fraction(rest)?;
    let local = days * MILLISECONDS_A_DAY + time_of_day + fraction;
    if !rest.is_empty() {
        return Some(local - offset_as_milliseconds(rest)?);
    }
    if *zone == TimeZone::UTC { Some(local) } else { local_as_instant(local, zone) }
}

/// The instant at which the clocks of a zone show a time, given as if it were UTC.
fn local_as_instant(local: i64, zone: &TimeZone) -> Option<i64> {
    let shown: DateTime = TimeZone::UTC.to_datetime(jiff::Timestamp::from_millisecond(local).ok()?);
    let instant = zone.to_ambiguous_timestamp(shown).compatible().ok()?;
    Some(instant.as_millisecond())
}

fn date_as_days(date: &[u8]) -> Option<i64> {
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&date[..4])?, digits(&date[5..7])?, digits(&date[8..])?);
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    Some(days_from_civil(year, month, day))
}

fn clock_as_milliseconds(time: &[u8]) -> Option<i64> {
    if time[2] != b':' || time[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (digits(&time[..2])?, digits(&time[3..5])?, digits(&time[6..])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(((hour * 60 + minute) * 60 + second) * 1000)
}

/// Splits off the milliseconds of an optional fraction.
fn split_fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(fraction) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let len = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&len) {
        return None;
    }
    let (digits_of_fraction, rest) = fraction.split_at(len);
    let places = digits_of_fraction.iter().chain(b"00").take(3);
    let milliseconds = places.fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    Some((milliseconds, rest))
}

fn offset_as_milliseconds(zone: &[u8]) -> Option<i64> {
    let (sign, digits_of_zone) = match zone {
        [b'Z' | b'z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match digits_of_zone {
        [a, b, b':', c, d] | [a, b, c, d] => (digits(&[*a, *b])?, digits(&[*c, *d])?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some(sign * (hours * 60 + minutes) * 60_000)
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
    })
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar
/// (<https://howardhinnant.github.io/date_algorithms.html#days_from_civil>).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn g1_times_in_every_accepted_form() {
        let instant = Some(1_795_000_000_000);
        let table = [
            ("2026-11-18 11:06:40", instant),
            ("2026-11-18T11:06:40", instant),
            ("2026-11-18T11:06:40Z", instant),
            ("2026-11-18T13:06:40+02:00", instant),
            ("2026-11-18T05:36:40-0530", instant),
            ("2026-11-18 11:06:40.1", Some(1_795_000_000_100)),
            ("2026-11-18 11:06:40.123456789Z", Some(1_795_000_000_123)),
            ("1969-12-31 23:59:59", Some(-1000)),
            ("2024-02-29 00:00:00", Some(1_709_164_800_000)),
            ("1601-01-01 00:00:00", Some(-11_644_473_600_000)),
            ("0001-01-01 00:00:00", Some(-62_135_596_800_000)),
            ("9999-12-31 23:59:59.999", Some(253_402_300_799_999)),
            ("2026-11-18 11:06:40.123Z", Some(1_795_000_000_123)),
            ("2026-11-18 11:06:40.123456Z", Some(1_795_000_000_123)),
        ];
        for (cell, expected) in table {
            assert_eq!(timestamp(cell, &TimeZone::UTC), expected, "{cell}");
        }
    }

    #[test]
    fn g1_other_texts_are_not_times() {
        let table = [
            "",
            "0",
            "-",
            "-1",
            "9223372036854775808",
            "1795000000000",
            "18.11.2026 11:06",
            "11/18/2026 11:06:40 AM",
            "2016-12-31 23:59:60Z",
            "10000-01-01 00:00:00",
            "-0001-01-01 00:00:00",
            "1795000000",
            "2026-11-18",
            "2026-13-01 00:00:00",
            "2026-02-29 00:00:00",
            "2026-11-18 24:00:00",
            "2026-11-18 11:06:60",
            "0000-01-01 00:00:00",
            "2026-11-18 11:06:40.",
            "2026-11-18 11:06:40 CET",
            "2026-11-18 11:06:40+2",
            "18/11/2026 11:06:40",
            "2026-11-18 11:06:4é",
            "2026-11-18x11:06:40",
            "20261118T110640Z",
            "2026-11-18 11:06:40.1234567890",
        ];
        for cell in table {
            assert_eq!(timestamp(cell, &TimeZone::UTC), None, "{cell}");
        }
    }

    #[test]
    fn g17_times_that_mean_never_are_recognized() {
        for cell in [
            "0001-01-01 00:00:00",
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00.0000000+00:00",
            "0001-01-01",
            "0000-00-00 00:00:00",
            "1600-12-31T19:00:00-05:00",
            "1601-01-01 00:00:00",
            "1753-01-01 00:00:00",
            "1899-12-30 00:00:00",
            "1900-01-01T00:00:00",
            "1969-12-31 19:00:00",
            "1970-01-01 00:00:00",
            "1970-01-01T01:00:00+01:00",
        ] {
            assert_eq!(time(cell, &TimeZone::UTC), Time::Never, "{cell}");
        }
        for cell in ["1970-01-01 Jane", "0001-01-01 x", "0", "-", "1899", "1601/01/01 00:00:00", ""]
        {
            assert_eq!(time(cell, &TimeZone::UTC), Time::Unreadable, "{cell}");
        }
        for (cell, expected) in
            [("1970-01-02 00:00:00", 86_400_000), ("2026-11-18T11:06:40Z", 1_795_000_000_000)]
        {
            assert_eq!(time(cell, &TimeZone::UTC), Time::At(expected), "{cell}");
        }
    }

    #[test]
    fn g15_a_time_without_a_zone_is_in_the_tenants_zone() {
        let zurich = TimeZone::get("Europe/Zurich").expect("a zone of the database");
        let table = [
            ("2026-11-18 12:06:40", "2026-11-18T11:06:40Z"),
            ("2026-07-01 12:00:00", "2026-07-01T10:00:00Z"),
            // A zone in the text wins.
            ("2026-07-01 12:00:00Z", "2026-07-01T12:00:00Z"),
            // 02:30 occurred twice on 2026-10-25: the first one counts.
            ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),
            // 02:30 was skipped on 2026-03-29.
            ("2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),
        ];
        for (cell, expected) in table {
            let expected: jiff::Timestamp = expected.parse().expect("an instant");
            assert_eq!(timestamp(cell, &zurich), Some(expected.as_millisecond()), "{cell}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_calendar_library(second in -62_135_596_800_i64..253_370_764_800) {
            let expected = jiff::Timestamp::from_second(second).expect("within jiff's range");
            prop_assert_eq!(timestamp(&expected.to_string(), &TimeZone::UTC), Some(second * 1000));
        }

        #[test]
        fn g1_never_panics(cell in "\\PC{0,30}") {
            let _ = timestamp(&cell, &TimeZone::UTC);
        }
    }
}
