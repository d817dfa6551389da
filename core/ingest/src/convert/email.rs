//! E-mail addresses.

use super::list_items;

/// The legal addresses of a cell in lower case, each once. Legal is what JupiterOne's data model
/// accepts: an unquoted local part and a domain of at least two labels.
pub fn emails(cell: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for item in list_items(cell) {
        let address = item.to_ascii_lowercase();
        if is_legal(&address) && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

/// The domain of a legal address.
pub fn email_domain(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

fn is_legal(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    address.len() <= 254
        && !local.is_empty()
        && local.split('.').all(|it| !it.is_empty() && it.bytes().all(is_local_byte))
        && domain.contains('.')
        && domain.split('.').all(is_legal_label)
}

fn is_local_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte)
}

/// A label of a domain: letters, digits and inner hyphens, at most 63.
pub(super) fn is_legal_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_legal_addresses_are_kept() {
        let table: &[(&str, &[&str])] = &[
            ("Jane.Doe@Acme.Example", &["jane.doe@acme.example"]),
            ("a@b.example; A@B.example", &["a@b.example"]),
            ("o+tag@sub.acme.example", &["o+tag@sub.acme.example"]),
            ("jdoe@localhost", &[]),
            ("jdoe", &[]),
            ("@acme.example", &[]),
            ("a..b@acme.example", &[]),
            ("jané@acme.example", &[]),
            ("a@-acme.example", &[]),
            ("a@acme..example", &[]),
            ("a@b@acme.example", &[]),
        ];
        for (cell, expected) in table {
            assert_eq!(emails(cell), *expected, "{cell}");
        }
    }

    #[test]
    fn the_domain_is_what_follows_the_sign() {
        assert_eq!(email_domain("jane@acme.example"), "acme.example");
    }
}
