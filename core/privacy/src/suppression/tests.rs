//! Tests of the suppression list and its matcher.

use super::*;
use crate::pseudonym::Pseudonyms;

/// The identifiers of an erasure, the time when a row was first seen, the row's identifiers, and
/// true if it is suppressed.
type Case<'a> = (&'a [(IdentifierKind, &'a str)], &'a str, &'a [(IdentifierKind, &'a str)], bool);

const ERASURE: Erasure<'_> =
    Erasure { id: "e-1", since: "2026-11-22T10:00:00Z", reason: "request" };

fn ring(first: u8) -> KeyRing {
    KeyRing::new("2026-11-22T10:00:00Z", &[first; 64])
}

fn of_jane(keys: &KeyRing) -> SuppressionList {
    let mut list = SuppressionList::new(keys);
    let jane = [
        (IdentifierKind::Address, "jane.doe@acme.example"),
        (IdentifierKind::UserUid, "u-1"),
        (IdentifierKind::Sid, " "),
    ];
    assert_eq!(list.suppress(keys, "acme.eu", ERASURE, jane), Ok(2));
    list
}

#[test]
fn an_erased_person_is_recognized_by_any_identifier() {
    let keys = ring(1);
    let known = of_jane(&keys).matcher(&keys, "acme.eu", "").expect("the same key");
    let table = [
        (IdentifierKind::Address, "Jane.Doe@acme.example", true),
        (IdentifierKind::Login, "JANE.DOE@acme.example", true),
        (IdentifierKind::UserUid, "u-1", true),
        (IdentifierKind::UserUid, "u-2", false),
        (IdentifierKind::DeviceUid, "u-1", false),
        (IdentifierKind::Sid, "", false),
    ];
    for (identifier_kind, value, expected) in table {
        assert_eq!(known.has(identifier_kind, value), expected, "{value}");
    }
    let elsewhere = of_jane(&keys).matcher(&keys, "acme.us", "").expect("the same key");
    assert!(!elsewhere.has(IdentifierKind::UserUid, "u-1"));
}

#[test]
fn a_list_round_trips_and_contains_no_name() {
    let keys = ring(1);
    let list = of_jane(&keys);
    let text = list.to_text();
    assert_eq!(SuppressionList::parse(&text), Ok(list));
    assert!(!text.contains("jane") && !text.contains("u-1"), "{text}");
    let pseudonym = Pseudonyms::new(&keys, "acme.eu").of(IdentifierKind::UserUid, "u-1");
    let token = pseudonym
        .as_deref()
        .and_then(|pseudonym| pseudonym.rsplit('-').next())
        .expect("there is one");
    assert!(!text.contains(token), "a pseudonym must not lead to the suppressed");
}

#[test]
fn each_erasure_has_its_lasting_identifiers_once_and_survives_a_rotation() {
    let mut keys = ring(1);
    let mut list = of_jane(&keys);
    keys.rotate("2026-12-01T10:00:00Z", &[9; 32]);
    let again =
        [(IdentifierKind::Address, "JANE.DOE@ACME.EXAMPLE"), (IdentifierKind::UserUid, "u-7")];
    let erasure = Erasure { id: "e-2", ..ERASURE };
    // The period of a reusable identifier starts again; a lasting one is listed once.
    assert_eq!(list.suppress(&keys, "acme.eu", erasure, again), Ok(2));
    for added in [1, 0] {
        let same = [(IdentifierKind::UserUid, "u-1")];
        assert_eq!(list.suppress(&keys, "acme.eu", erasure, same), Ok(added));
    }
    let is_suppressed = |list: &SuppressionList| {
        list.matcher(&keys, "acme.eu", "").expect("lasting").has(IdentifierKind::UserUid, "u-1")
    };
    assert!(is_suppressed(&list));
    // The other erasure of the same person is in force still.
    assert_eq!((list.lift("e-1"), list.entries().len()), (2, 3));
    assert!(is_suppressed(&list));
    assert_eq!((list.lift("e-2"), list.entries().len()), (3, 0));
    assert!(!is_suppressed(&list));
}

#[test]
fn the_list_of_another_key_is_rejected() {
    let list = of_jane(&ring(1));
    let other = ring(2);
    let refused = list.matcher(&other, "acme.eu", "").err();
    assert!(matches!(refused, Some(PrivacyError::OtherSuppressionKey { .. })));
    assert!(list.clone().suppress(&other, "acme.eu", ERASURE, []).is_err());
}

#[test]
fn a_file_that_is_not_a_list_is_rejected() {
    let text = of_jane(&ring(1)).to_text();
    let table = [
        String::new(),
        text.replace("\"version\": 2", "\"version\": 3"),
        text.replace("user-uid", "unknown"),
        text.replacen("\"token\": \"", "\"token\": \"00", 1),
    ];
    for text in table {
        assert!(SuppressionList::parse(&text).is_err(), "{text}");
    }
}

#[test]
fn a_text_is_checked_in_clear_and_encoded() {
    let keys = ring(1);
    let mut list = of_jane(&keys);
    let logins = [(IdentifierKind::Login, "ACME\\jdoe"), (IdentifierKind::Login, "jdoe")];
    list.suppress(&keys, "acme.eu", ERASURE, logins).expect("the same key");
    let known = list.matcher(&keys, "acme.eu", "").expect("the same key");
    let table = [
        ("a call from <Jane.Doe@acme.example>.", true),
        ("{\"user\":\"ACME\\\\jdoe\"}", true),
        ("user=acme\\jdoe;host=x", true),
        ("mail%3A jane.doe%40acme.example", true),
        ("token amFuZS5kb2VAYWNtZS5leGFtcGxl was used", true),
        ("ssh jdoe@10.0.0.1", true),
        ("jdoe", true),
        ("nobody@acme.example and jdoe", false),
        ("", false),
    ];
    let mut cache = MentionCache::default();
    for (text, expected) in table.into_iter().chain(table) {
        assert_eq!(known.are_named_in(Position::Text, text, &mut cache), expected, "{text}");
    }
}

#[test]
fn a_device_name_is_not_an_account_name() {
    let keys = ring(1);
    let mut list = SuppressionList::new(&keys);
    let portal = [(IdentifierKind::DeviceName, "PORTAL")];
    list.suppress(&keys, "acme.eu", ERASURE, portal).expect("the same key");
    let known = list.matcher(&keys, "acme.eu", "").expect("the same key");
    let named =
        |position, text: &str| known.are_named_in(position, text, &mut MentionCache::default());
    assert!(named(Position::Text, "portal"));
    assert!(!named(Position::Account, "portal") && !named(Position::Label, "Portal"));
    assert!(!named(Position::Text, "[Portal|LOGIN|20101|anna] User logged in"));
}

#[test]
fn a_reusable_identifier_does_not_suppress_its_next_owner() {
    let keys = ring(1);
    let login = (IdentifierKind::Login, "ACME\\jdoe");
    let address = (IdentifierKind::Address, "jane.doe@acme.example");
    let (uid, sid) = ((IdentifierKind::UserUid, "u-1"), (IdentifierKind::Sid, "S-1-5-21-7"));
    let suppressed =
        |identifiers: &[(IdentifierKind, &str)], from: &str, row: &[(IdentifierKind, &str)]| {
            let mut list = SuppressionList::new(&keys);
            let identifiers = identifiers.iter().copied();
            list.suppress(&keys, "acme.eu", ERASURE, identifiers).expect("the same key");
            let known = list.matcher(&keys, "acme.eu", from).expect("the same key");
            known.has_row(row.iter().copied())
        };
    let pseudonym =
        Pseudonyms::new(&keys, "acme.eu").of(IdentifierKind::UserUid, "u-1").expect("one");
    let (other, empty) = ((IdentifierKind::UserUid, "u-2"), (IdentifierKind::Sid, ""));
    let (before, after) = ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    let table: &[Case<'_>] = &[
        // The owner, by anything known.
        (&[uid, sid, login], before, &[uid, login], true),
        (&[uid, sid, login], after, &[uid], true),
        (&[uid, sid, login], before, &[other, sid, login], true),
        (&[uid, sid, login], before, &[login], true),
        (&[uid, sid, login], before, &[empty, login], true),
        (&[uid, login], before, &[(IdentifierKind::DeviceUid, "d-1"), login], true),
        // The next owner.
        (&[uid, sid, login], before, &[other, login], false),
        (&[uid, sid, login], before, &[(IdentifierKind::Sid, "S-1-5-21-8"), login], false),
        // Another uid with the address is the same person, another SID is not.
        (&[uid, sid, address], before, &[other, address], true),
        (&[uid, sid, address], before, &[(IdentifierKind::Sid, "S-1-5-21-8"), address], false),
        (&[uid, address], before, &[(IdentifierKind::Sid, "S-1-5-21-8"), address], true),
        (&[uid, sid, address], after, &[other, address], false),
        // A row without a lasting identifier, after the period.
        (&[uid, sid, login], after, &[login], false),
        // No lasting identifier of the owner was known.
        (&[login], before, &[other, login], true),
        (&[login], after, &[other, login], true),
        (&[(IdentifierKind::UserUid, &pseudonym), login], after, &[other, login], true),
        // The operator's text may be a uid or a login.
        (
            &[(IdentifierKind::UserUid, "jdoe"), (IdentifierKind::Login, "jdoe")],
            before,
            &[other, (IdentifierKind::Login, "jdoe")],
            true,
        ),
        (&[uid], before, &[other], false),
    ];
    for (number, (identifiers, from, row, expected)) in table.iter().enumerate() {
        assert_eq!(suppressed(identifiers, from, row), *expected, "row {number}");
    }
}

#[test]
fn a_uid_learned_during_a_run_is_suppressed_for_the_rest_of_it() {
    let keys = ring(1);
    let mut known = of_jane(&keys).matcher(&keys, "acme.eu", "").expect("the same key");
    known.add(IdentifierKind::UserUid, "u-99");
    assert!(known.has(IdentifierKind::UserUid, "u-99"));
    let mut nothing = Suppressions::default();
    nothing.add(IdentifierKind::UserUid, "u-99");
    assert!(nothing.is_empty() && !nothing.has(IdentifierKind::UserUid, "u-99"));
}
