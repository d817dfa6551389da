//! The time at the beginning of a line: ISO 8601, syslog or seconds since 1970, in a configured zone
//! where it names none. Nexthink does not document which of them a trail has.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

/// The months as syslog writes them (RFC 3164, section 4.1.2).
const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Reads the times of a trail.
#[derive(Debug, Clone)]
pub struct TimeReader {
    zone: TimeZone,
    /// Times without a year are not later than this.
    latest: Timestamp,
}

/// A time as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// A point in time.
    Instant(Timestamp),
    /// By a clock whose zone is not said.
    Local(DateTime),
    /// The same without a year: month, day, time.
    Yearless(i8, i8, Time),
}

/// The end of 1970-01-01, in milliseconds since its beginning. No audit trail is that old.
const FIRST_REAL_MS: i64 = 86_400_000;

impl TimeReader {
    /// For a trail whose times are of `zone` where they name none, and that was read at `read_ms`,
    /// milliseconds since 1970-01-01 UTC.
    pub fn new(zone: TimeZone, read_ms: i64) -> Self {
        let read = Timestamp::from_millisecond(read_ms).unwrap_or(Timestamp::MAX);
        // A clock that is ahead must not move its events to the year before.
        let latest = read.checked_add(48.hours()).unwrap_or(Timestamp::MAX);
        Self { zone, latest }
    }

    /// The time that a line begins with, in milliseconds since 1970-01-01 UTC.
    pub(crate) fn read(&self, line: &[u8]) -> Option<i64> {
        let time = match time_prefix(line)? {
            Written::Instant(time) => time,
            Written::Local(time) => self.instant(time)?,
            Written::Yearless(month, day, time) => self.with_year(month, day, time)?,
        };
        // The years 1, 1601 and 1899 and 1970-01-01 stand for a time that is not known.
        Some(time.as_millisecond()).filter(|instant| *instant >= FIRST_REAL_MS)
    }

    /// Returns the earlier instant of a time that a clock shows twice; a time that it skips is read
    /// as if it had not.
    fn instant(&self, time: DateTime) -> Option<Timestamp> {
        self.zone.to_timestamp(time).ok()
    }

    /// The latest year that does not put the time into the future.
    fn with_year(&self, month: i8, day: i8, time: Time) -> Option<Timestamp> {
        let year = self.latest.to_zoned(self.zone.clone()).year();
        // The 29th of February is up to eight years away.
        (0..=8).find_map(|back| {
            let date = Date::new(year.checked_sub(back)?, month, day).ok()?;
            self.instant(date.to_datetime(time)).filter(|instant| *instant <= self.latest)
        })
    }
}

/// The time that a line begins with, maybe after `<priority>`, `<priority>1 ` or an opening bracket.
pub(crate) fn time_prefix(line: &[u8]) -> Option<Written> {
    let mut text = line;
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    if let Some(rest) = after_priority(text) {
        text = rest;
    }
    if let [b'[', rest @ ..] = text {
        text = rest;
    }
    iso(text).or_else(|| syslog(text)).or_else(|| epoch(text))
}

fn after_priority(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"<")?;
    let end = text.iter().take(4).position(|byte| *byte == b'>')?;
    let rest = &text[end + 1..];
    (end > 0 && text[..end].iter().all(u8::is_ascii_digit))
        .then(|| rest.strip_prefix(b"1 ").unwrap_or(rest))
}

/// A number of exactly `count` digits at the beginning, and the rest.
fn digits(text: &[u8], count: usize) -> Option<(i64, &[u8])> {
    let (number, rest) = text.split_at_checked(count)?;
    let value = number.iter().try_fold(0_i64, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'))
    })?;
    Some((value, rest))
}

fn small(value: i64) -> Option<i8> {
    i8::try_from(value).ok()
}

fn iso(text: &[u8]) -> Option<Written> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix(b"-")?, 2)?;
    let (day, rest) = digits(rest.strip_prefix(b"-")?, 2)?;
    let date = Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
    let [b'T' | b't' | b' ', rest @ ..] = rest else { return None };
    let (time, rest) = clock(rest)?;
    let written = date.to_datetime(time);
    match offset(rest) {
        Some(offset) => offset.to_timestamp(written).ok().map(Written::Instant),
        None => Some(Written::Local(written)),
    }
}

/// `10:00:00`, with a fraction of seconds after a dot or a comma, and the rest.
fn clock(text: &[u8]) -> Option<(Time, &[u8])> {
    let (hour, rest) = digits(text, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(b":")?, 2)?;
    let (second, mut rest) = digits(rest.strip_prefix(b":")?, 2)?;
    let mut nanoseconds = 0;
    if let [b'.' | b',', fraction @ ..] = rest {
        let count = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count > 0 {
            let mut scale = 100_000_000;
            for byte in fraction[..count].iter().take(9) {
                nanoseconds += i32::from(byte - b'0') * scale;
                scale /= 10;
            }
            rest = &fraction[count..];
        }
    }
    // A leap second is the last of its minute.
    let second = small(second)?.min(if second == 60 { 59 } else { i8::MAX });
    let time = Time::new(small(hour)?, small(minute)?, second, nanoseconds).ok()?;
    Some((time, rest))
}

/// `Z`, `+01:00`, `+0100` or `+01`, maybe after a space.
fn offset(text: &[u8]) -> Option<Offset> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    let (sign, rest) = match text {
        [b'Z' | b'z', next, ..] if next.is_ascii_alphanumeric() => return None,
        [b'Z' | b'z', ..] => return Some(Offset::UTC),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = digits(rest, 2)?;
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let minutes = digits(rest, 2).map_or(0, |(minutes, _)| minutes);
    let seconds = sign * (hours * 3600 + minutes * 60);
    Offset::from_seconds(i32::try_from(seconds).ok()?).ok()
}

/// `Mar  1 10:00:00`, without a year.
fn syslog(text: &[u8]) -> Option<Written> {
    let (name, rest) = text.split_at_checked(3)?;
    let month = MONTHS.iter().position(|month| *month == name)? + 1;
    let rest = rest.strip_prefix(b" ")?;
    let (day, rest) = match rest {
        [b' ', rest @ ..] => digits(rest, 1)?,
        [_, b' ', ..] => digits(rest, 1)?,
        _ => digits(rest, 2)?,
    };
    let (time, _) = clock(rest.strip_prefix(b" ")?)?;
    let (month, day) = (i8::try_from(month).ok()?, small(day)?);
    // A leap year has every possible day.
    Date::new(2024, month, day).ok()?;
    Some(Written::Yearless(month, day, time))
}

/// Ten digits of seconds or thirteen of milliseconds since 1970, maybe with a fraction.
fn epoch(text: &[u8]) -> Option<Written> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_over = |rest: &[u8]| {
        rest.first().is_none_or(|byte| byte.is_ascii_whitespace() || b"].:,".contains(byte))
    };
    if !matches!(count, 10 | 13) {
        return None;
    }
    let (number, rest) = digits(text, count)?;
    let time = match count {
        10 => Timestamp::from_second(number),
        _ => Timestamp::from_millisecond(number),
    };
    let mut time = time.ok().filter(|_| is_over(rest))?;
    if let ([b'.', fraction @ ..], 10) = (rest, count)
        && let Some((milliseconds, _)) = digits(fraction, 3)
    {
        time = time.checked_add(milliseconds.milliseconds()).ok()?;
    }
    Some(Written::Instant(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a time at the beginning of March 2026 with the clock of a zone.
    fn read(zone: &str, line: &str) -> Option<String> {
        let latest: Timestamp = "2026-03-01T12:00:00Z".parse().expect("a time");
        let zone = TimeZone::get(zone).expect("a zone");
        let ms = TimeReader::new(zone, latest.as_millisecond()).read(line.as_bytes())?;
        Some(Timestamp::from_millisecond(ms).expect("in the calendar").to_string())
    }

    #[test]
    fn every_form_of_a_time_is_read() {
        for (line, expected) in [
            ("2026-03-01T10:00:00Z x", "2026-03-01T10:00:00Z"),
            ("2026-03-01T10:00:00.123Z x", "2026-03-01T10:00:00.123Z"),
            ("2026-03-01 10:00:00,5 x", "2026-03-01T09:00:00.5Z"),
            ("2026-03-01 10:00:00 [P|", "2026-03-01T09:00:00Z"),
            ("2026-07-01 10:00:00 [P|", "2026-07-01T08:00:00Z"),
            ("2026-03-01T10:00:00+05:30 x", "2026-03-01T04:30:00Z"),
            ("2026-03-01 10:00:00 +0200 x", "2026-03-01T08:00:00Z"),
            ("2026-03-01T10:00:00-08 x", "2026-03-01T18:00:00Z"),
            ("[2026-03-01 10:00:00] [P|", "2026-03-01T09:00:00Z"),
            ("<34>1 2026-03-01T10:00:00Z host", "2026-03-01T10:00:00Z"),
            ("<34>Mar  1 10:00:00 host", "2026-03-01T09:00:00Z"),
            ("Mar  1 10:00:00 host", "2026-03-01T09:00:00Z"),
            ("Mar 1 10:00:00 host", "2026-03-01T09:00:00Z"),
            ("Dec 31 23:30:00 host", "2025-12-31T22:30:00Z"),
            ("Mar  3 10:00:00 host", "2026-03-03T09:00:00Z"),
            ("Mar  4 10:00:00 host", "2025-03-04T09:00:00Z"),
            ("Feb 29 10:00:00 host", "2024-02-29T09:00:00Z"),
            ("1772359200 x", "2026-03-01T10:00:00Z"),
            ("1772359200.250 x", "2026-03-01T10:00:00.25Z"),
            ("1772359200123 x", "2026-03-01T10:00:00.123Z"),
            ("2026-03-01T23:59:60Z x", "2026-03-01T23:59:59Z"),
            // Shown twice when the clock goes back, and skipped when it goes forward.
            ("2025-10-26 02:30:00 x", "2025-10-26T00:30:00Z"),
            ("2025-03-30 02:30:00 x", "2025-03-30T01:30:00Z"),
        ] {
            assert_eq!(read("Europe/Zurich", line).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for line in [
            "",
            "x",
            "2026-03-01",
            "2026-13-01 10:00:00",
            "2026-02-30 10:00:00",
            "26-03-01 10:00:00",
            "2026-03-01 25:00:00",
            "2026-03-01 10:61:00",
            "Mrz  1 10:00:00",
            "Feb 30 10:00:00",
            "Mar 1",
            "177235920 x",
            "17723592000 x",
            "1772359200x",
            "<>2026",
            // Values that mean an unknown time.
            "0001-01-01T00:00:00Z x",
            "1601-01-01 00:00:00 x",
            "1899-12-30 00:00:00 x",
            "1970-01-01 01:00:00 x",
            "0000000000 x",
            "<999999>Mar",
            "[P|A|1|x]",
        ] {
            assert_eq!(read("UTC", line), None, "{line}");
        }
    }
}
