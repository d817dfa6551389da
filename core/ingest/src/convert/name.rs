//! Names of machines and of people, and serial numbers.

use super::email::is_legal_label;

/// What manufacturers leave in place of a serial number, in lower case.
const PLACEHOLDER_SERIALS: &[&str] = &[
    "-",
    "0",
    "default string",
    "empty",
    "invalid",
    "n/a",
    "na",
    "none",
    "not applicable",
    "not available",
    "not specified",
    "null",
    "o.e.m.",
    "oem",
    "serial number",
    "system serial number",
    "to be filled by o.e.m.",
    "to be filled by oem",
    "unknown",
];

/// A legal host name of 2 to 63 characters; of a dotted name the first label.
pub fn host_name(cell: &str) -> Option<&str> {
    let label = cell.split_once('.').map_or(cell, |(first, _)| first);
    let legal = label.len() >= 2 && is_legal_label(label);
    // A name with an illegal domain is no name of a host at all, such as `J. Doe's laptop`.
    (legal && (label.len() == cell.len() || domain_name(cell).is_some())).then_some(label)
}

/// The name itself if it has a dot and all its labels are legal.
pub fn domain_name(cell: &str) -> Option<&str> {
    let legal = cell.contains('.') && cell.len() <= 253 && cell.split('.').all(is_legal_label);
    // Four numbers are an address, not a name.
    (legal && cell.parse::<std::net::Ipv4Addr>().is_err()).then_some(cell)
}

/// A serial number, unless it is one of the words that stand for none, or a row of `0`, `x`, `.` or `-`.
pub fn serial_number(cell: &str) -> Option<&str> {
    let lower = cell.to_ascii_lowercase();
    let first = lower.bytes().next()?;
    let is_filler =
        matches!(first, b'0' | b'x' | b'.' | b'-') && lower.bytes().all(|it| it == first);
    let is_placeholder = is_filler || PLACEHOLDER_SERIALS.contains(&lower.as_str());
    (!is_placeholder).then_some(cell)
}

/// The first word of a full name of at least two.
pub fn first_name(cell: &str) -> Option<&str> {
    split_name(cell).map(|(first, _)| first)
}

/// All but the first word of a full name of at least two.
pub fn last_name(cell: &str) -> Option<&str> {
    split_name(cell).map(|(_, rest)| rest)
}

/// The account of `DOMAIN\account` or `account@domain`.
pub fn login_name(cell: &str) -> Option<&str> {
    let account = cell.rsplit_once('\\').map_or(cell, |(_, account)| account);
    let account = account.split_once('@').map_or(account, |(account, _)| account);
    (!account.is_empty()).then_some(account)
}

fn split_name(cell: &str) -> Option<(&str, &str)> {
    let (first, rest) = cell.trim().split_once(char::is_whitespace)?;
    Some((first, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_legal_host_names_are_host_names() {
        let table = [
            ("LON-LT-0042", Some("LON-LT-0042"), None),
            ("lon1.acme.example", Some("lon1"), Some("lon1.acme.example")),
            ("x", None, None),
            ("a_b", None, None),
            ("-ab", None, None),
            ("ab-", None, None),
            ("Büro-PC", None, None),
            ("J. Doe's laptop", None, None),
            ("Janes MacBook Pro", None, None),
            ("lon1..example", None, None),
            ("10.0.0.5", None, None),
            ("", None, None),
        ];
        for (cell, host, domain) in table {
            assert_eq!(host_name(cell), host, "{cell}");
            assert_eq!(domain_name(cell), domain, "{cell}");
        }
        assert_eq!(host_name(&"a".repeat(63)), Some("a".repeat(63).as_str()));
        assert_eq!(host_name(&"a".repeat(64)), None);
    }

    #[test]
    fn placeholders_are_no_serial_numbers() {
        for cell in ["To be filled by O.E.M.", "None", "0", "00000000", "xxxx", "-", "", "N/A"] {
            assert_eq!(serial_number(cell), None, "{cell}");
        }
        for cell in ["7G5K2X3", "1111111", "0000A1"] {
            assert_eq!(serial_number(cell), Some(cell));
        }
    }

    #[test]
    fn a_full_name_has_at_least_two_words() {
        let table = [
            ("Jane Doe", Some(("Jane", "Doe"))),
            ("Ana  María de la Cruz", Some(("Ana", "María de la Cruz"))),
            ("Madonna", None),
            ("", None),
        ];
        for (cell, expected) in table {
            assert_eq!(first_name(cell).zip(last_name(cell)), expected, "{cell}");
        }
    }

    #[test]
    fn a_login_name_has_no_domain() {
        for (cell, expected) in [
            ("ACME\\jdoe", Some("jdoe")),
            ("jdoe@kanopy", Some("jdoe")),
            ("jdoe", Some("jdoe")),
            ("ACME\\", None),
            ("", None),
        ] {
            assert_eq!(login_name(cell), expected, "{cell}");
        }
    }
}
