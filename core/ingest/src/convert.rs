//! From the text of a cell to a value or nothing: one pure function for each rule.
//!
//! A cell that a rule cannot read gives nothing, never an error: one odd value does not cost a
//! device. The callers hand in cells without surrounding white space.

use std::borrow::Cow;

mod address;
mod email;
mod name;
mod timestamp;

pub use address::{Addresses, addresses};
pub use email::{email_domain, emails};
pub use name::{domain_name, first_name, host_name, last_name, login_name, serial_number};
pub use timestamp::timestamp;

/// The items of a cell that holds a list: separated by commas, semicolons or spaces, bare or as
/// `['a', 'b']` or `["a","b"]`. How Nexthink writes a list into an export is not documented.
pub fn list_items(cell: &str) -> impl Iterator<Item = &str> {
    let separates =
        |it: char| it.is_ascii_whitespace() || matches!(it, '[' | ']' | ',' | ';' | '\'' | '"');
    cell.split(separates).filter(|item| !item.is_empty())
}

/// A version: the text itself, or the items of a list with dots between them.
pub fn version(cell: &str) -> Cow<'_, str> {
    match cell.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(items) => Cow::Owned(list_items(items).collect::<Vec<_>>().join(".")),
        None => Cow::Borrowed(cell),
    }
}

/// A whole number; a fraction of zero is allowed, anything else is not.
pub fn integer(cell: &str) -> Option<i64> {
    let whole = cell.split_once('.').map_or(Some(cell), |(whole, fraction)| {
        (!fraction.is_empty() && fraction.bytes().all(|it| it == b'0')).then_some(whole)
    })?;
    whole.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_however_it_is_written() {
        for cell in ["a b", "a,b", "a; b", "['a', 'b']", "[\"a\",\"b\"]", "[a, b]", " a\nb "] {
            assert_eq!(list_items(cell).collect::<Vec<_>>(), ["a", "b"], "{cell}");
        }
        assert_eq!(list_items("[]").count(), 0);
    }

    #[test]
    fn a_version_has_dots_however_it_is_written() {
        for (cell, expected) in [
            ("22631.4317", "22631.4317"),
            ("[10, 0, 22631]", "10.0.22631"),
            ("['10','0']", "10.0"),
            ("[]", ""),
            ("24A335", "24A335"),
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
