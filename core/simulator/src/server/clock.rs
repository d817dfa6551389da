//! The tenant's own clock, and the forms of its dates.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::behaviour::RetryAfterForm;
use crate::row::civil_date;

/// A clock with the time since the start and the calendar time. It follows tokio's time, so a test
/// that pauses the one pauses the other.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// Since 1970.
    started_at: Duration,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the tenant is another machine, which has a clock of its own"
    )]
    pub(crate) fn start() -> Self {
        let started_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self { started: Instant::now(), started_at: started_at.unwrap_or_default() }
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The seconds since 1970 by a clock that is this many seconds ahead.
    pub(crate) fn calendar(&self, offset_seconds: i64) -> u64 {
        (self.started_at + self.now()).as_secs().saturating_add_signed(offset_seconds)
    }
}

/// The value of a `retry-after` that requests a wait from `now`, in seconds since 1970.
pub(crate) fn retry_after(form: &RetryAfterForm, now: u64, wait: Duration) -> Option<String> {
    let then = now.saturating_add(wait.as_secs());
    Some(match form {
        RetryAfterForm::Seconds => wait.as_secs().to_string(),
        RetryAfterForm::Imf => imf_date(then),
        RetryAfterForm::Rfc850 => rfc850_date(then),
        RetryAfterForm::Asctime => asctime_date(then),
        RetryAfterForm::Iso8601 => iso_date(then) + "Z",
        RetryAfterForm::None => return None,
        RetryAfterForm::Literal(text) => text.clone(),
    })
}

const DAYS: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The parts of a date in UTC.
pub(crate) struct Parts {
    pub(crate) year: u64,
    pub(crate) month: u64,
    pub(crate) day: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
    day_name: &'static str,
    month_name: &'static str,
}

impl Parts {
    /// Splits seconds since 1970 into the parts of a date.
    pub(crate) fn new(seconds: u64) -> Self {
        let days = seconds / 86_400;
        let (year, month, day) = civil_date(days);
        // Day 0 was a Thursday.
        let name = |names: &[&'static str], position: u64| {
            names[usize::try_from(position).expect("at most 11")]
        };
        Self {
            year,
            month,
            day,
            hour: seconds / 3_600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            day_name: name(&DAYS, days % 7),
            month_name: name(&MONTHS, month - 1),
        }
    }

    /// The days from 1970 to a date, if the date exists.
    pub(crate) fn days_to(year: u64, month: u64, day: u64) -> Option<u64> {
        // No year is longer, so this is at or before the year's first day; the search goes on from
        // here.
        let first = year.checked_sub(1970)? * 365;
        let leap_days = (year - 1970) / 4 + 1;
        (first..first + 366 + leap_days).find(|days| civil_date(*days) == (year, month, day))
    }

    fn time_of_day(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
pub(crate) fn imf_date(seconds: u64) -> String {
    let date = Parts::new(seconds);
    let (day_name, time) = (&date.day_name[..3], date.time_of_day());
    format!("{day_name}, {:02} {} {:04} {time} GMT", date.day, date.month_name, date.year)
}

fn rfc850_date(seconds: u64) -> String {
    let date = Parts::new(seconds);
    let (day_name, time) = (date.day_name, date.time_of_day());
    format!("{day_name}, {:02}-{}-{:02} {time} GMT", date.day, date.month_name, date.year % 100)
}

fn asctime_date(seconds: u64) -> String {
    let date = Parts::new(seconds);
    let (day_name, time) = (&date.day_name[..3], date.time_of_day());
    format!("{day_name} {} {:2} {time} {:04}", date.month_name, date.day, date.year)
}

/// `Nov  6 08:49:37`, without a year or a zone.
pub(crate) fn syslog_date(seconds: u64) -> String {
    let date = Parts::new(seconds);
    format!("{} {:2} {}", date.month_name, date.day, date.time_of_day())
}

/// `1994-11-06T08:49:37`, without a zone.
pub(crate) fn iso_date(seconds: u64) -> String {
    let date = Parts::new(seconds);
    format!("{:04}-{:02}-{:02}T{}", date.year, date.month, date.day, date.time_of_day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_written_in_each_form() {
        let literal = RetryAfterForm::Literal("soon".to_owned());
        // The example of RFC 9110, section 5.6.7, seven seconds on.
        for (form, expected) in [
            (RetryAfterForm::Seconds, Some("7")),
            (RetryAfterForm::Imf, Some("Sun, 06 Nov 1994 08:49:37 GMT")),
            (RetryAfterForm::Rfc850, Some("Sunday, 06-Nov-94 08:49:37 GMT")),
            (RetryAfterForm::Asctime, Some("Sun Nov  6 08:49:37 1994")),
            (RetryAfterForm::Iso8601, Some("1994-11-06T08:49:37Z")),
            (RetryAfterForm::None, None),
            (literal, Some("soon")),
        ] {
            let written = retry_after(&form, 784_111_770, Duration::from_secs(7));
            assert_eq!(written.as_deref(), expected, "{form:?}");
        }
    }
}
