//! E-mail addresses.

use super::list::{enclosed_list, list_items};

/// The mark that follows the original address in the user principal name of a Microsoft Entra
/// guest.
const GUEST_MARK: &str = "#ext#@";

/// The e-mail addresses of a cell.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Emails {
    /// The addresses in lower case, in the order of the cell, each once.
    pub addresses: Vec<String>,
    /// True if an item of the cell is neither an address nor a known name without a mailbox.
    pub unreadable: bool,
}

/// One item of a cell of addresses.
enum Item {
    Address(String),
    /// A name without a mailbox, or without one that its form proves.
    NoMailbox,
    Unreadable,
}

/// Returns the e-mail addresses that a cell certainly holds.
///
/// An address is legal if JupiterOne's data model accepts it: an unquoted local part and a domain
/// of at least two labels. Commas and semicolons separate items; white space does so only if each
/// part is an address, so that `john smith@acme.example` never becomes the address of another
/// person. For the same reason all items of a list without brackets must be addresses.
pub fn emails(cell: &str) -> Emails {
    let mut found = Emails::default();
    for item in list_items(cell) {
        match read_item(item) {
            Item::Address(address) => found.add(address),
            Item::NoMailbox => {}
            Item::Unreadable => found.add_words(item),
        }
    }
    if found.unreadable && enclosed_list(cell).is_none() {
        found.addresses.clear();
    }
    found
}

/// The domain of a legal address.
pub fn email_domain(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Returns true for a label of a domain: letters, digits and inner hyphens, at most 63.
pub fn is_domain_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl Emails {
    fn add(&mut self, address: String) {
        if !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
    }

    /// Adds the words of an item if all of them are addresses.
    fn add_words(&mut self, item: &str) {
        let words = item.split_whitespace().map(|word| match read_item(word) {
            Item::Address(address) => Some(address),
            Item::NoMailbox | Item::Unreadable => None,
        });
        match words.collect::<Option<Vec<String>>>() {
            Some(addresses) => addresses.into_iter().for_each(|address| self.add(address)),
            None => self.unreadable = true,
        }
    }
}

fn read_item(item: &str) -> Item {
    let address = item.to_ascii_lowercase();
    if let Some((original, tenant)) = address.split_once(GUEST_MARK) {
        // The name is not a mailbox of the tenant's domain, whatever else it is.
        return match original_address(original) {
            Some(address) if is_domain(tenant) => Item::Address(address),
            _ => Item::NoMailbox,
        };
    }
    if !is_legal(&address) {
        return Item::Unreadable;
    }
    // The account of a computer has the form of an address but no mailbox.
    if address.contains("$@") { Item::NoMailbox } else { Item::Address(address) }
}

/// Returns the address with which a guest was invited. Entra replaces its `@` by `_`, and also
/// characters that a user principal name cannot have, so only a single `_` proves where the domain
/// begins.
fn original_address(name: &str) -> Option<String> {
    let (local, domain) = name.split_once('_').filter(|(_, domain)| !domain.contains('_'))?;
    let address = format!("{local}@{domain}");
    is_legal(&address).then_some(address)
}

fn is_legal(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    address.len() <= 254
        && local.split('.').all(|part| !part.is_empty() && part.bytes().all(is_local_byte))
        && is_domain(domain)
}

fn is_domain(text: &str) -> bool {
    text.contains('.') && text.split('.').all(is_domain_label)
}

fn is_local_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_read(table: &[(&str, &[&str], bool)]) {
        for (cell, addresses, unreadable) in table {
            let addresses = addresses.iter().map(|&address| address.to_owned()).collect();
            assert_eq!(emails(cell), Emails { addresses, unreadable: *unreadable }, "{cell}");
        }
    }

    #[test]
    fn g23_only_legal_addresses_are_kept() {
        assert_read(&[
            ("Jane.Doe@Acme.Example", &["jane.doe@acme.example"], false),
            ("o+tag@sub.acme.example", &["o+tag@sub.acme.example"], false),
            ("", &[], false),
            ("jdoe@localhost", &[], true),
            ("jdoe", &[], true),
            ("@acme.example", &[], true),
            ("a..b@acme.example", &[], true),
            ("jané@acme.example", &[], true),
            ("a@-acme.example", &[], true),
            ("a@acme..example", &[], true),
            ("a@b@acme.example", &[], true),
            ("SMTP:a@acme.example", &[], true),
        ]);
    }

    #[test]
    fn g18_an_address_is_never_split() {
        assert_read(&[
            ("o'neill@acme.example", &["o'neill@acme.example"], false),
            ("'o'neill@acme.example'", &["o'neill@acme.example"], false),
            ("['o'neill@acme.example']", &["o'neill@acme.example"], false),
            ("M.O'Brien@acme.example", &["m.o'brien@acme.example"], false),
            ("o\u{2019}neill@acme.example", &[], true),
            ("john smith@acme.example", &[], true),
            ("\"john smith\"@acme.example", &[], true),
            ("Doe, jane@acme.example", &[], true),
            ("doe;jane@acme.example", &[], true),
            ("[jane]@acme.example", &[], true),
            ("a@b.example|c@d.example", &[], true),
        ]);
    }

    #[test]
    fn g18_a_list_of_addresses_is_read_in_every_unambiguous_form() {
        let both: &[&str] = &["a@b.example", "o'neill@b.example"];
        for cell in [
            "a@b.example; O'Neill@B.example",
            "a@b.example,o'neill@b.example",
            "a@b.example o'neill@b.example",
            "['a@b.example', 'o'neill@b.example']",
            "[\"a@b.example\",\"o'neill@b.example\",\"A@b.example\"]",
            "[a@b.example o'neill@b.example]",
        ] {
            assert_read(&[(cell, both, false)]);
        }
        assert_read(&[
            ("[\"a@b.example\", \"jdoe\"]", &["a@b.example"], true),
            ("a@b.example; jdoe", &[], true),
        ]);
    }

    #[test]
    fn g21_a_guest_name_is_no_mailbox_unless_it_proves_the_original_address() {
        let tenant = "#EXT#@acme.onmicrosoft.com";
        for (name, expected) in [
            ("jane.doe_partner.example", Some("jane.doe@partner.example")),
            ("Jane.O'Neill_Partner.example", Some("jane.o'neill@partner.example")),
            // `jane_doe@` and `jane+doe@` are both written like this.
            ("jane_doe_partner.example", None),
            ("jane.doe", None),
            ("_partner.example", None),
            ("jane_localhost", None),
        ] {
            let expected: Vec<&str> = expected.into_iter().collect();
            assert_read(&[(&format!("{name}{tenant}"), &expected, false)]);
        }
        assert_read(&[("LON-LT-0042$@acme.example", &[], false)]);
    }

    #[test]
    fn the_domain_follows_the_at_sign() {
        assert_eq!(email_domain("jane@acme.example"), "acme.example");
    }
}
