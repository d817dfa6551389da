//! The canonical form in which identifiers are compared, so that all spellings of a name mean one
//! person.

use core_model::cell::is_placeholder_serial;
use core_model::column::IdentifierKind;
use unicode_normalization::UnicodeNormalization as _;

/// Returns the kind and the canonical form of an identifier.
///
/// Surrounding white space is removed, Unicode's compatible characters are unified (NFKC), and case
/// is folded; in a person's name inner white space is collapsed too. SIDs are upper case because
/// Windows writes them so. A login name in the form of an address is compared as an address, so a
/// user whose user name is the UPN matches the UPN and the e-mail address.
///
/// `None` if the value is not an identifier: placeholders of serial numbers and well-known SIDs
/// identify no one.
pub fn canonical(identifier_kind: IdentifierKind, value: &str) -> Option<(IdentifierKind, String)> {
    let value = value.trim_matches(is_blank);
    if value.is_empty() {
        return None;
    }
    let folded = fold(value);
    let folded = folded.trim_matches(is_blank);
    let identifies_no_one = match identifier_kind {
        IdentifierKind::Serial => is_placeholder_serial(folded),
        IdentifierKind::Sid => is_well_known_sid(folded),
        _ => folded.is_empty(),
    };
    if identifies_no_one {
        return None;
    }
    Some(match identifier_kind {
        IdentifierKind::Login if is_address(folded) => (IdentifierKind::Address, folded.to_owned()),
        IdentifierKind::Sid => (identifier_kind, folded.to_uppercase()),
        IdentifierKind::PersonName => {
            (identifier_kind, folded.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        _ => (identifier_kind, folded.to_owned()),
    })
}

/// Returns true if a user name looks like the hash that a Collector reports instead of a name if
/// configured so (Nexthink documentation, Collector level anonymization). The form is not
/// documented, so any text of hexadecimal digits with the length of a common hash counts.
pub fn looks_hashed(value: &str) -> bool {
    let value = value.trim();
    matches!(value.len(), 32 | 40 | 56 | 64 | 96 | 128)
        && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns true for a character that surrounds an identifier but is no part of it: white space, or
/// the replacement character that the decoder writes for a NUL, with which some programs pad names.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || character == char::REPLACEMENT_CHARACTER
}

/// Returns true if a SID, in lower case, is the same on every machine, such as that of the account
/// `SYSTEM`. SIDs of accounts and machines begin with `s-1-5-21-`, those of Microsoft Entra with
/// `s-1-12-1-`.
fn is_well_known_sid(sid: &str) -> bool {
    let is_universal =
        ["s-1-0-", "s-1-1-", "s-1-2-", "s-1-3-"].iter().any(|prefix| sid.starts_with(prefix));
    is_universal || (sid.starts_with("s-1-5-") && !sid.starts_with("s-1-5-21-"))
}

/// Unifies compatible characters and folds case.
fn fold(value: &str) -> String {
    if value.is_ascii() {
        return value.to_ascii_lowercase();
    }
    let composed: String = value.nfkc().collect();
    // Via upper case, so that `ß`, `ẞ` and `ss`, and the two lower-case forms of sigma, are equal.
    let folded = composed.to_lowercase().to_uppercase().to_lowercase().replace('ς', "σ");
    folded.nfkc().collect()
}

fn is_address(value: &str) -> bool {
    let mut parts = value.split('@');
    let (account, host) = (parts.next(), parts.next());
    let is_present = |part: Option<&str>| part.is_some_and(|text| !text.is_empty());
    is_present(account) && is_present(host) && parts.next().is_none() && !value.contains('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_an_identifier_have_one_canonical_form() {
        let table: &[(IdentifierKind, &[&str], (IdentifierKind, &str))] = &[
            (
                IdentifierKind::Address,
                &["jane.doe@acme.example", " Jane.Doe@ACME.example\t", "ＪＡＮＥ.doe@acme.example"],
                (IdentifierKind::Address, "jane.doe@acme.example"),
            ),
            (
                IdentifierKind::Login,
                &["ACME\\jdoe", "acme\\JDoe"],
                (IdentifierKind::Login, "acme\\jdoe"),
            ),
            (
                IdentifierKind::Login,
                &["jane.doe@acme.example", "JANE.DOE@acme.example"],
                (IdentifierKind::Address, "jane.doe@acme.example"),
            ),
            (
                IdentifierKind::Sid,
                &["S-1-5-21-1004", "s-1-5-21-1004 "],
                (IdentifierKind::Sid, "S-1-5-21-1004"),
            ),
            (
                IdentifierKind::PersonName,
                &["José  Müller", "JOSÉ MÜLLER", "Jose\u{301} Mu\u{308}ller", "José\u{a0}Müller"],
                (IdentifierKind::PersonName, "josé müller"),
            ),
            (
                IdentifierKind::PersonName,
                &["Groß", "GROSS", "gross"],
                (IdentifierKind::PersonName, "gross"),
            ),
            (
                IdentifierKind::PersonName,
                &["ΟΔΟΣ", "οδος", "οδοσ"],
                (IdentifierKind::PersonName, "οδοσ"),
            ),
            (
                IdentifierKind::DeviceName,
                &["LON-LT-0042", "lon-lt-0042"],
                (IdentifierKind::DeviceName, "lon-lt-0042"),
            ),
        ];
        for (identifier_kind, values, (expected_kind, expected)) in table {
            for value in *values {
                let found = canonical(*identifier_kind, value);
                assert_eq!(found, Some((*expected_kind, (*expected).to_owned())), "{value}");
            }
        }
    }

    #[test]
    fn canonicalization_is_idempotent() {
        for value in ["Straße", "İstanbul", "ﬁnn", "ŉ", "ΐ", "ǰ", "ﬀ@x", "Å", "ẞ", "ſ"]
        {
            let (identifier_kind, once) =
                canonical(IdentifierKind::DeviceName, value).expect("not empty");
            assert_eq!(
                canonical(identifier_kind, &once),
                Some((identifier_kind, once.clone())),
                "{value}"
            );
        }
    }

    #[test]
    fn an_empty_text_is_not_an_identifier() {
        for value in ["", " ", "\t\u{a0}\u{3000}"] {
            assert_eq!(canonical(IdentifierKind::Login, value), None);
        }
    }

    #[test]
    fn g19_shared_placeholders_are_not_identifiers() {
        for (identifier_kind, value) in [
            (IdentifierKind::Serial, "To be filled by O.E.M"),
            (IdentifierKind::Serial, "Default string"),
            (IdentifierKind::Serial, "0000000"),
            (IdentifierKind::Sid, "S-1-5-18"),
            (IdentifierKind::Sid, "S-1-5-32-544"),
            (IdentifierKind::Sid, "S-1-1-0"),
        ] {
            assert_eq!(canonical(identifier_kind, value), None, "{value}");
        }
        for (identifier_kind, value) in [
            (IdentifierKind::Serial, "7G5K2X3"),
            (IdentifierKind::Sid, "S-1-5-21-1004336348-1177238915-682003330-500"),
            (IdentifierKind::Sid, "S-1-12-1-1004-1177-682-1103"),
            (IdentifierKind::DeviceName, "none"),
        ] {
            assert!(canonical(identifier_kind, value).is_some(), "{value}");
        }
    }

    #[test]
    fn replacement_characters_around_an_identifier_are_trimmed() {
        let padded = canonical(IdentifierKind::Login, "ACME\\jdoe\u{fffd}\u{fffd}");
        assert_eq!(padded, canonical(IdentifierKind::Login, "ACME\\jdoe"));
    }

    #[test]
    fn different_identifiers_stay_different() {
        let table = [
            (IdentifierKind::Login, "ACME\\jdoe", "OTHER\\jdoe"),
            (IdentifierKind::Login, "jdoe", "jdoe@acme.example"),
            (IdentifierKind::Login, "a\\b@c", "b@c"),
            (IdentifierKind::PersonName, "Jose", "José"),
            (IdentifierKind::UserUid, "u-1", "u-11"),
        ];
        for (identifier_kind, one, other) in table {
            assert_ne!(canonical(identifier_kind, one), canonical(identifier_kind, other), "{one}");
        }
    }

    #[test]
    fn hashes_are_distinguished_from_names() {
        let table = [
            ("5f4dcc3b5aa765d61d8327deb882cf99", true),
            ("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", true),
            ("5f4dcc3b5aa765d61d8327deb882cf9g", false),
            ("ACME\\jdoe", false),
            ("deadbeef", false),
        ];
        for (value, expected) in table {
            assert_eq!(looks_hashed(value), expected, "{value}");
        }
    }
}
