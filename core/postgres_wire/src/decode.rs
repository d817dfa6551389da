//! Values of parameters, as clients send them in text or in binary.

use std::fmt::Write as _;

use core_query::ParameterValue;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::encode::EPOCH_MICROSECONDS;
use crate::error::{WireError, state};

/// The most digits of a number in binary that are read.
const MAX_DIGITS: i16 = 1_000;

/// Reads a value of a type, which is told by its number; text of an unknown type is read by what the query needs.
pub(crate) fn value(
    name: usize,
    oid: u32,
    is_binary: bool,
    bytes: Option<&[u8]>,
) -> Result<ParameterValue, WireError> {
    let Some(bytes) = bytes else { return Ok(ParameterValue::Null) };
    let read = if is_binary { binary(oid, bytes) } else { text(oid, bytes) };
    read.ok_or_else(|| {
        let code = if is_binary { state::INVALID_BINARY } else { state::INVALID_TEXT };
        let form = if is_binary { "binary" } else { "text" };
        WireError::new(
            code,
            format!("the value of parameter ${name} is not a {form} value of the type {oid}"),
        )
    })
}

fn text(oid: u32, bytes: &[u8]) -> Option<ParameterValue> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(match oid {
        16 => ParameterValue::Boolean(boolean(text)?),
        20 | 21 | 23 | 26 => ParameterValue::Integer(text.trim().parse().ok()?),
        700 | 701 => ParameterValue::Number(number(text.trim())?),
        1009 | 1015 => ParameterValue::Texts(list(text)?),
        _ => ParameterValue::Written(text.to_owned()),
    })
}

/// Reads a truth value in any form that Postgres takes.
fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Reads a number; Rust knows the words for those that are not finite.
fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

fn binary(oid: u32, bytes: &[u8]) -> Option<ParameterValue> {
    Some(match oid {
        16 => ParameterValue::Boolean(*bytes.first().filter(|_| bytes.len() == 1)? != 0),
        21 => ParameterValue::Integer(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        23 => ParameterValue::Integer(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        26 => ParameterValue::Integer(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        20 => ParameterValue::Integer(i64::from_be_bytes(bytes.try_into().ok()?)),
        700 => ParameterValue::Number(f32::from_be_bytes(bytes.try_into().ok()?).into()),
        701 => ParameterValue::Number(f64::from_be_bytes(bytes.try_into().ok()?)),
        1082 => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            let day =
                Date::constant(2000, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?);
            ParameterValue::Written(day.ok()?.to_string())
        }
        1114 | 1184 => {
            let microseconds = i64::from_be_bytes(bytes.try_into().ok()?);
            let microseconds = microseconds.checked_add(EPOCH_MICROSECONDS)?;
            ParameterValue::Written(Timestamp::from_microsecond(microseconds).ok()?.to_string())
        }
        1700 => ParameterValue::Written(numeric(bytes)?),
        1009 | 1015 => ParameterValue::Texts(binary_list(bytes)?),
        // Texts of any kind, and types whose binary form is their text.
        18 | 19 | 25 | 114 | 705 | 1042 | 1043 | 0 => {
            ParameterValue::Written(std::str::from_utf8(bytes).ok()?.to_owned())
        }
        _ => return None,
    })
}

/// Takes numbers from the start of bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn short(&mut self) -> Option<i16> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i16::from_be_bytes(*first))
    }

    fn integer(&mut self) -> Option<i32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i32::from_be_bytes(*first))
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(first)
    }
}

/// Reads a number of digits of base 10,000 as text.
fn numeric(bytes: &[u8]) -> Option<String> {
    let mut reader = Reader(bytes);
    let (count, weight) = (reader.short()?, reader.short()?);
    let (sign, scale) = (reader.short()?.cast_unsigned(), reader.short()?);
    if !(0..=MAX_DIGITS).contains(&count) || weight.unsigned_abs() > MAX_DIGITS.unsigned_abs() {
        return None;
    }
    let mut text = String::new();
    match sign {
        0 => {}
        0x4000 => text.push('-'),
        _ => return None,
    }
    let digits: Vec<i16> = (0..count).map(|_| reader.short()).collect::<Option<_>>()?;
    if digits.iter().any(|digit| !(0..10_000).contains(digit)) || !reader.0.is_empty() {
        return None;
    }
    let digit = |place: i16| {
        let place = usize::try_from(place).ok()?;
        digits.get(place).copied()
    };
    text.push('0');
    for place in 0..=weight.max(-1) {
        group(&mut text, digit(place));
    }
    let scale =
        usize::try_from(scale).ok().filter(|scale| *scale <= MAX_DIGITS.unsigned_abs().into())?;
    if scale > 0 {
        let first = weight + 1;
        let groups = i16::try_from(scale.div_ceil(4)).ok()?;
        let mut places = String::new();
        for place in first..first + groups {
            group(&mut places, digit(place));
        }
        text.push('.');
        text.push_str(&places[..scale]);
    }
    Some(text)
}

/// Appends the four digits of a number of base 10,000. Writing to memory does not fail.
fn group(text: &mut String, digit: Option<i16>) {
    let _ = write!(text, "{:04}", digit.unwrap_or(0));
}

/// Reads a list of one dimension whose items are texts.
fn binary_list(bytes: &[u8]) -> Option<Vec<Option<String>>> {
    let mut reader = Reader(bytes);
    let dimensions = reader.integer()?;
    let (_has_nulls, _type) = (reader.integer()?, reader.integer()?);
    if dimensions == 0 {
        return Some(Vec::new());
    }
    if dimensions != 1 {
        return None;
    }
    let (count, _first) = (reader.integer()?, reader.integer()?);
    let mut items = Vec::new();
    for _ in 0..count {
        let item = match reader.integer()? {
            -1 => None,
            length => {
                let item = reader.bytes(usize::try_from(length).ok()?)?;
                Some(std::str::from_utf8(item).ok()?.to_owned())
            }
        };
        items.push(item);
    }
    reader.0.is_empty().then_some(items)
}

/// Reads a list such as `{a,"b c",NULL}`.
pub(crate) fn list(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    if inner.trim().is_empty() {
        return Some(items);
    }
    let mut rest = inner.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        let mut item = String::new();
        let is_quoted = rest.next_if_eq(&'"').is_some();
        loop {
            match rest.peek() {
                None if is_quoted => return None,
                None => break,
                Some('"') if is_quoted => {
                    rest.next();
                    break;
                }
                Some(',') if !is_quoted => break,
                Some('{' | '}' | '"') if !is_quoted => return None,
                Some('\\') => {
                    rest.next();
                    item.push(rest.next()?);
                }
                Some(_) => item.extend(rest.next()),
            }
        }
        let is_null = !is_quoted && item.trim().eq_ignore_ascii_case("null");
        let item = if is_quoted { item } else { item.trim_end().to_owned() };
        items.push((!is_null).then_some(item));
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        match rest.next() {
            None => return Some(items),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The type, whether the value is binary, its bytes, and what is read or the code of the error.
    type Case<'a> = (u32, bool, &'a [u8], Result<ParameterValue, &'a str>);

    #[test]
    fn values_are_read_by_their_types_in_both_forms() {
        let written = |text: &str| Ok(ParameterValue::Written(text.to_owned()));
        let texts = |texts: &[Option<&str>]| {
            Ok(ParameterValue::Texts(texts.iter().map(|text| text.map(str::to_owned)).collect()))
        };
        let table: [Case<'_>; 19] = [
            (20, false, b"-7", Ok(ParameterValue::Integer(-7))),
            (20, true, &(-7_i64).to_be_bytes(), Ok(ParameterValue::Integer(-7))),
            (23, true, &7_i32.to_be_bytes(), Ok(ParameterValue::Integer(7))),
            (23, true, &7_i64.to_be_bytes(), Err("22P03")),
            (20, false, b"seven", Err("22P02")),
            (16, false, b"on", Ok(ParameterValue::Boolean(true))),
            (16, true, &[0], Ok(ParameterValue::Boolean(false))),
            (701, true, &1.5_f64.to_be_bytes(), Ok(ParameterValue::Number(1.5))),
            (0, false, b"2026-03-01", written("2026-03-01")),
            (25, true, "näme".as_bytes(), written("näme")),
            (25, true, b"\xff", Err("22P03")),
            (1082, true, &1_i32.to_be_bytes(), written("2000-01-02")),
            (1184, true, &1_500_000_i64.to_be_bytes(), written("2000-01-01T00:00:01.5Z")),
            (1700, true, b"\0\x02\0\0\x40\0\0\x02\0\x01\x13\x88", written("-00001.50")),
            (1700, true, b"\0\x01\xff\xff\0\0\0\x04\0\x01", written("0.0001")),
            (
                1009,
                false,
                b"{a,\"b \\\" c\", NULL,}",
                texts(&[Some("a"), Some("b \" c"), None, Some("")]),
            ),
            (1009, false, b"{a", Err("22P02")),
            (
                1009,
                true,
                b"\0\0\0\x01\0\0\0\x01\0\0\0\x19\0\0\0\x02\0\0\0\x01\0\0\0\x01a\xff\xff\xff\xff",
                texts(&[Some("a"), None]),
            ),
            (600, true, b"point", Err("22P03")),
        ];
        for (oid, is_binary, bytes, expected) in table {
            let read = value(1, oid, is_binary, Some(bytes));
            assert_eq!(read.map_err(|error| error.state), expected, "{oid} {bytes:?}");
        }
        assert_eq!(value(1, 20, false, None), Ok(ParameterValue::Null));
    }

    #[test]
    fn no_value_of_a_client_is_shown_in_an_error() {
        let refused = value(2, 23, false, Some(b"Jane Doe")).expect_err("it is no number");
        assert_eq!(refused.message, "the value of parameter $2 is not a text value of the type 23");
    }
}
