//! Reads the `Retry-After` header in every form that is documented or seen.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::Offset;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// A longer wait than this counts as unreadable: known limits are daily.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// The three forms of an HTTP date (RFC 9110, section 5.6.7).
const HTTP_DATES: [&str; 3] =
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// Returns how long the headers of an answer ask to wait.
pub fn requested_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    parse_wait(text(RETRY_AFTER)?, text(DATE))
}

/// Returns the server's clock by its `Date` header, in milliseconds since 1970-01-01 UTC.
pub fn server_time_ms(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    date.and_then(parse_time).map(Timestamp::as_millisecond)
}

/// Returns how long `retry_after` asks to wait.
///
/// It is a number of seconds, an HTTP date, or an ISO 8601 time (Nexthink documents "the date and
/// time"). A date counts from `date`, the server's own clock, never from this machine's. Without
/// `date`, and for anything past, absurd or unreadable, the result is `None`.
fn parse_wait(retry_after: &str, date: Option<&str>) -> Option<Duration> {
    let retry_after = retry_after.trim();
    let wait = if let Some(seconds) = whole_seconds(retry_after) {
        Duration::from_secs(seconds)
    } else {
        let until = parse_time(retry_after)?.duration_since(parse_time(date?.trim())?);
        Duration::try_from(until).ok()?
    };
    (!wait.is_zero() && wait <= LONGEST).then_some(wait)
}

/// Reads a number of seconds. HTTP knows whole ones only (RFC 9110, section 10.2.3), but gateways write
/// fractions, which are rounded up: a call that comes too early is refused again.
fn whole_seconds(text: &str) -> Option<u64> {
    let Some((whole, fraction)) = text.split_once('.') else { return text.parse().ok() };
    let is_fraction =
        (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    let seconds: u64 = whole.parse().ok().filter(|_| is_fraction)?;
    seconds.checked_add(u64::from(fraction.bytes().any(|digit| digit != b'0')))
}

/// Parses a time in any of these forms.
fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    HTTP_DATES.iter().find_map(|format| {
        let mut time = strtime::parse(format, text).ok()?;
        time.set_offset(Some(Offset::UTC));
        time.to_timestamp().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: Option<&str> = Some("Sun, 01 Mar 2026 10:00:00 GMT");

    #[test]
    fn b2_b5_b17_every_form_of_the_header_is_read() {
        let rows = [
            ("7", None, Some(7)),
            (" 7 ", DATE, Some(7)),
            ("Sun, 01 Mar 2026 10:00:07 GMT", DATE, Some(7)),
            ("Sunday, 01-Mar-26 10:00:07 GMT", DATE, Some(7)),
            ("Sun Mar  1 10:00:07 2026", DATE, Some(7)),
            ("2026-03-01T10:00:07Z", DATE, Some(7)),
            ("2026-03-01T11:00:07+01:00", DATE, Some(7)),
            ("Mon, 02 Mar 2026 00:00:00 GMT", DATE, Some(14 * 3600)),
            ("2026-03-01T10:00:07Z", Some("2026-03-01T10:00:00Z"), Some(7)),
            // A day of difference between the clocks changes nothing, only the server's counts.
            ("Sat, 28 Feb 2026 10:00:07 GMT", Some("Sat, 28 Feb 2026 10:00:00 GMT"), Some(7)),
            ("Sun, 01 Mar 2026 10:00:07 GMT", None, None),
            ("Sun, 01 Mar 2026 10:00:07 GMT", Some("no date"), None),
            ("Sun, 01 Mar 2026 09:59:00 GMT", DATE, None),
            ("Sun, 01 Mar 2036 10:00:00 GMT", DATE, None),
            ("0", DATE, None),
            ("-5", DATE, None),
            ("7.5", DATE, Some(8)),
            ("0.25", None, Some(1)),
            ("7.000", None, Some(7)),
            ("7.", DATE, None),
            (".5", DATE, None),
            ("7.5e3", DATE, None),
            ("1.5.2", DATE, None),
            ("+7", DATE, Some(7)),
            ("1000000000000000000", DATE, None),
            ("99999999999999999999999999", DATE, None),
            ("soon", DATE, None),
            ("", DATE, None),
        ];
        for (header, date, expected) in rows {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(parse_wait(header, date), expected, "{header:?} at {date:?}");
        }
    }
}
