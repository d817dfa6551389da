//! Values in binary, as Postgres sends them.

use bytes::{BufMut as _, BytesMut};

use super::Cell;
use crate::kind::Kind;

/// Days from 1970, where ours are counted from, to 2000, where those of Postgres are.
const EPOCH_DAYS: i32 = 10_957;

/// The same in microseconds.
pub(crate) const EPOCH_MICROSECONDS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// Appends a value.
pub(super) fn write(cell: &Cell<'_>, out: &mut BytesMut) {
    match cell {
        Cell::Bool(value) => out.put_u8(u8::from(*value)),
        // The values were cast from a type of this width.
        Cell::Integer(value, Kind::Int2) => out.put_i16(i16::try_from(*value).unwrap_or(i16::MAX)),
        Cell::Integer(value, Kind::Int4) => out.put_i32(i32::try_from(*value).unwrap_or(i32::MAX)),
        Cell::Integer(value, Kind::Oid) => out.put_u32(u32::try_from(*value).unwrap_or(0)),
        Cell::Integer(value, _) => out.put_i64(*value),
        Cell::Single(value) => out.put_f32(*value),
        Cell::Double(value) => out.put_f64(*value),
        Cell::Number(value, scale) => number(out, *value, *scale),
        Cell::Text(text) => out.put_slice(text.as_bytes()),
        Cell::Day(days) => out.put_i32(days.saturating_sub(EPOCH_DAYS)),
        Cell::Time(microseconds, _) => {
            out.put_i64(microseconds.saturating_sub(EPOCH_MICROSECONDS));
        }
        Cell::Interval(value) => {
            out.put_i64(value.nanoseconds / 1_000);
            out.put_i32(value.days);
            out.put_i32(value.months);
        }
        Cell::Texts(items) => {
            list(out, items, Kind::Text, |out, item| out.put_slice(item.as_bytes()));
        }
        Cell::Integers(items) => list(out, items, Kind::Int8, |out, item| out.put_i64(*item)),
    }
}

/// Appends a list of one dimension.
fn list<T>(out: &mut BytesMut, items: &[Option<T>], kind: Kind, item: impl Fn(&mut BytesMut, &T)) {
    out.put_i32(i32::from(!items.is_empty()));
    out.put_i32(i32::from(items.iter().any(Option::is_none)));
    out.put_u32(kind.oid());
    if items.is_empty() {
        return;
    }
    out.put_i32(i32::try_from(items.len()).unwrap_or(i32::MAX));
    // The number of the first item.
    out.put_i32(1);
    for value in items {
        let Some(value) = value else {
            out.put_i32(-1);
            continue;
        };
        let start = out.len();
        out.put_i32(0);
        item(out, value);
        let length = i32::try_from(out.len() - start - 4).unwrap_or(i32::MAX);
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// Appends a number as digits of base 10,000: those before the point, then those after it.
fn number(out: &mut BytesMut, value: i128, scale: i8) {
    let scale = u32::try_from(scale).unwrap_or(0);
    // Filled up, so that groups of four digits end at the point and at the end.
    let places = scale.next_multiple_of(4);
    let unit = 10_u128.pow(scale);
    let (mut whole, rest) = (value.unsigned_abs() / unit, value.unsigned_abs() % unit);
    let mut digits = Vec::new();
    while whole > 0 {
        digits.push(group(whole));
        whole /= 10_000;
    }
    digits.reverse();
    let weight = digits.len();
    let text = format!(
        "{rest:0>width$}{:0<fill$}",
        "",
        width = scale as usize,
        fill = (places - scale) as usize
    );
    if scale > 0 {
        let groups = text.as_bytes().chunks(4);
        digits
            .extend(groups.map(|group| {
                group.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0'))
            }));
    }
    while digits.last() == Some(&0) {
        digits.pop();
    }
    out.put_i16(i16::try_from(digits.len()).unwrap_or(i16::MAX));
    out.put_i16(i16::try_from(weight).map_or(i16::MAX, |weight| weight - 1));
    out.put_u16(if value < 0 { 0x4000 } else { 0 });
    out.put_u16(u16::try_from(scale).unwrap_or(u16::MAX));
    for digit in digits {
        out.put_i16(digit);
    }
}

/// The last four digits.
fn group(number: u128) -> i16 {
    i16::try_from(number % 10_000).unwrap_or_default()
}
