//! Values as texts, in the form that Postgres writes with its default settings and the time zone UTC.

use std::fmt::{Display, Write as _};

use arrow_array::types::IntervalMonthDayNano;
use bytes::{BufMut as _, BytesMut};
use jiff::Timestamp;
use jiff::civil::Date;

use super::Cell;

/// Appends a value.
pub(super) fn write(cell: &Cell<'_>, out: &mut BytesMut) {
    match cell {
        Cell::Bool(value) => out.put_u8(if *value { b't' } else { b'f' }),
        Cell::Integer(value, _) => put(out, value),
        Cell::Single(value) => float(out, value, value.is_finite(), value.is_nan()),
        Cell::Double(value) => float(out, value, value.is_finite(), value.is_nan()),
        Cell::Number(value, scale) => number(out, *value, *scale),
        Cell::Text(text) => out.put_slice(text.as_bytes()),
        Cell::Day(days) => match Date::constant(1970, 1, 1)
            .checked_add(jiff::Span::new().try_days(*days).unwrap_or_default())
        {
            Ok(day) => put(out, &day.strftime("%Y-%m-%d")),
            Err(_) => out.put_slice(b"infinity"),
        },
        Cell::Time(microseconds, is_utc) => match Timestamp::from_microsecond(*microseconds) {
            Ok(time) if *is_utc => put(out, &time.strftime("%Y-%m-%d %H:%M:%S%.f+00")),
            Ok(time) => put(out, &time.strftime("%Y-%m-%d %H:%M:%S%.f")),
            Err(_) => out.put_slice(b"infinity"),
        },
        Cell::Interval(value) => interval(out, *value),
        Cell::Texts(items) => list(out, items, |out, item| quoted(out, item)),
        Cell::Integers(items) => list(out, items, put),
    }
}

/// Appends what can be displayed. Writing to memory does not fail.
fn put<T: Display>(out: &mut BytesMut, value: &T) {
    let _ = write!(out, "{value}");
}

fn float(out: &mut BytesMut, value: &impl Display, is_finite: bool, is_nan: bool) {
    if is_finite {
        put(out, value);
    } else if is_nan {
        out.put_slice(b"NaN");
    } else {
        // Rust writes `inf`.
        let text = value.to_string();
        out.put_slice(if text.starts_with('-') { b"-Infinity" } else { b"Infinity" });
    }
}

/// Appends a number with so many digits after the point.
fn number(out: &mut BytesMut, value: i128, scale: i8) {
    let scale = usize::try_from(scale).unwrap_or(0);
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, places) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    put(out, &format_args!("{sign}{whole}{point}{places}"));
}

/// Appends a period of time, such as `1 mon 2 days 03:04:05.6`.
fn interval(out: &mut BytesMut, value: IntervalMonthDayNano) {
    let IntervalMonthDayNano { months, days, nanoseconds } = value;
    let mut parts = Vec::new();
    for (amount, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if amount != 0 {
            parts.push(format!("{amount} {unit}{}", if amount == 1 { "" } else { "s" }));
        }
    }
    let microseconds = (nanoseconds / 1_000).unsigned_abs();
    if microseconds > 0 || parts.is_empty() {
        let sign = if nanoseconds < 0 { "-" } else { "" };
        let seconds = microseconds / 1_000_000;
        let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let places = format!(".{:06}", microseconds % 1_000_000);
        let places = places.trim_end_matches('0').trim_end_matches('.');
        parts.push(format!("{sign}{hours:02}:{minutes:02}:{rest:02}{places}"));
    }
    put(out, &parts.join(" "));
}

fn list<T>(out: &mut BytesMut, items: &[Option<T>], item: impl Fn(&mut BytesMut, &T)) {
    out.put_u8(b'{');
    for (place, value) in items.iter().enumerate() {
        if place > 0 {
            out.put_u8(b',');
        }
        match value {
            Some(value) => item(out, value),
            None => out.put_slice(b"NULL"),
        }
    }
    out.put_u8(b'}');
}

/// Appends an item of a list, in quotes if it could be read as something else.
fn quoted(out: &mut BytesMut, item: &str) {
    let is_special = |c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_whitespace();
    if !item.is_empty() && !item.eq_ignore_ascii_case("null") && !item.contains(is_special) {
        out.put_slice(item.as_bytes());
        return;
    }
    out.put_u8(b'"');
    for byte in item.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(byte);
    }
    out.put_u8(b'"');
}
