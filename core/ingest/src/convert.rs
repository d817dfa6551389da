//! Conversion of a cell's text to a value: one pure function per rule.
//!
//! A rule returns nothing for a cell that it cannot read, never an error: one odd value does not
//! cost a device. Callers pass cells without surrounding white space.

use std::borrow::Cow;

mod address;
mod name;
mod person;
mod timestamp;

use core_model::cell::{enclosed_list, list_items};

pub use address::{Addresses, addresses};
pub use name::{domain_name, host_name, login_name, serial_number};
pub use person::{first_name, last_name};
pub use timestamp::{Time, time, timestamp};

/// A version: the text itself, or the items of a list joined with dots. Only brackets around parts
/// of a version make a list: `[beta]` is a text.
pub fn version(cell: &str) -> Cow<'_, str> {
    let is_part = |item: &str| {
        item.starts_with(|character: char| character.is_ascii_digit())
            && item.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte))
    };
    match enclosed_list(cell) {
        Some(_) if list_items(cell).all(is_part) => {
            Cow::Owned(list_items(cell).collect::<Vec<_>>().join("."))
        }
        _ => Cow::Borrowed(cell),
    }
}

/// A whole number. A fraction of zero is accepted, any other text is not.
pub fn integer(cell: &str) -> Option<i64> {
    let whole = cell.split_once('.').map_or(Some(cell), |(whole, fraction)| {
        (!fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0')).then_some(whole)
    })?;
    whole.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g22_every_spelling_of_a_version_becomes_dotted() {
        for (cell, expected) in [
            ("22631.4317", "22631.4317"),
            ("[10, 0, 22631]", "10.0.22631"),
            ("['10','0']", "10.0"),
            ("[]", ""),
            ("24A335", "24A335"),
            ("[1.0-rc1]", "1.0-rc1"),
            ("[beta]", "[beta]"),
            ("[1, 'x y']", "[1, 'x y']"),
            ("1.0 [x64]", "1.0 [x64]"),
        ] {
            assert_eq!(version(cell), expected);
        }
    }

    #[test]
    fn g3_only_whole_numbers_are_integers() {
        let table = [
            ("0", Some(0)),
            ("-7", Some(-7)),
            ("900.0", Some(900)),
            ("1.5", None),
            ("1.", None),
            ("1,5", None),
            ("0x10", None),
            ("NaN", None),
            ("1e3", None),
            ("-0", Some(0)),
            ("inf", None),
            ("1e400", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("18446744073709551616", None),
        ];
        for (cell, expected) in table {
            assert_eq!(integer(cell), expected, "{cell}");
        }
    }
}
