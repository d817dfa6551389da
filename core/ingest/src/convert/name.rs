//! Names of machines and accounts, and serial numbers.

use core_model::cell::{is_domain_label, is_placeholder_serial};

/// A legal host name of 2 to 63 characters: the first label of a dotted name.
pub fn host_name(cell: &str) -> Option<&str> {
    let name = without_root(cell);
    let label = name.split_once('.').map_or(name, |(first, _)| first);
    let legal = label.len() >= 2 && is_domain_label(label);
    // A name with an illegal domain, such as `J. Doe's laptop`, is not a host name.
    (legal && (label.len() == name.len() || is_domain_name(name))).then_some(label)
}

/// The name without a trailing root dot, if it has a dot and all its labels are legal.
pub fn domain_name(cell: &str) -> Option<&str> {
    Some(without_root(cell)).filter(|name| is_domain_name(name))
}

fn is_domain_name(name: &str) -> bool {
    let legal = name.contains('.') && name.len() <= 253 && name.split('.').all(is_domain_label);
    // Four numbers are an address, not a name.
    legal && name.parse::<std::net::Ipv4Addr>().is_err()
}

/// A serial number, unless the cell holds a placeholder.
pub fn serial_number(cell: &str) -> Option<&str> {
    (!is_placeholder_serial(cell)).then_some(cell)
}

/// The account of `DOMAIN\account` or `account@domain`; `None` for a name in any other form.
pub fn login_name(cell: &str) -> Option<&str> {
    let account = match cell.split_once('\\') {
        Some((_, account)) if account.contains('\\') => return None,
        Some((_, account)) => account,
        None => cell,
    };
    let account = match account.split_once('@') {
        Some((_, domain)) if domain.is_empty() || domain.contains('@') => return None,
        Some((account, _)) => account,
        None => account,
    };
    (!account.is_empty()).then_some(account)
}

/// Removes the trailing dot that stands for the DNS root.
fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_legal_names_are_host_names() {
        let table = [
            ("LON-LT-0042", Some("LON-LT-0042"), None),
            ("lon1.acme.example", Some("lon1"), Some("lon1.acme.example")),
            ("lon1.acme.example.", Some("lon1"), Some("lon1.acme.example")),
            ("lon1.", Some("lon1"), None),
            ("lon1.acme.example..", None, None),
            (".", None, None),
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
    fn placeholders_are_not_serial_numbers() {
        for cell in ["To be filled by O.E.M.", "None", "0", "00000000", "xxxx", "-", "", "N/A"] {
            assert_eq!(serial_number(cell), None, "{cell}");
        }
        for cell in ["7G5K2X3", "1111111", "0000A1"] {
            assert_eq!(serial_number(cell), Some(cell));
        }
    }

    #[test]
    fn a_login_name_has_no_domain() {
        for (cell, expected) in [
            ("ACME\\jdoe", Some("jdoe")),
            ("jdoe@kanopy", Some("jdoe")),
            ("jdoe", Some("jdoe")),
            ("AzureAD\\jane@acme.example", Some("jane")),
            ("o'neill@kanopy", Some("o'neill")),
            ("ACME\\", None),
            ("ACME\\EU\\jdoe", None),
            ("jane@acme@kanopy", None),
            ("jane@", None),
            ("@kanopy", None),
            ("", None),
        ] {
            assert_eq!(login_name(cell), expected, "{cell}");
        }
    }
}
