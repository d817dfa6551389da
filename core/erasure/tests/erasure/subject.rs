//! Whom a request is about: what is proof, and what is not.

use std::collections::BTreeSet;

use core_erasure::ErasureError;
use core_erasure::subject::{AllPseudonyms, SubjectKind};
use core_model::column::IdentifierKind;
use core_privacy::pseudonym::Pseudonyms;
use serde_json::json;

use crate::kit::{NAME, Place, device, keys, user};

const USERS: &str = "nexthink_user";
const DEVICES: &str = "nexthink_device";

fn has(
    identifiers: &BTreeSet<(IdentifierKind, String)>,
    identifier_kind: IdentifierKind,
    text: &str,
) -> bool {
    identifiers
        .iter()
        .any(|(known, form)| *known == identifier_kind && form.eq_ignore_ascii_case(text))
}

#[test]
fn one_identifier_leads_to_all_others_of_every_generation() {
    let place = Place::new();
    let old = user("u-zoe-1", json!({ "username": ["ACME\\zoe"], "upn": "zoe@acme.example" }));
    place.publish(1, &[(USERS, vec![old, user("u-eve-1", json!({}))])]);
    let new = user("u-zoe-1", json!({ "upn": "zoe.new@acme.example", "sid": "S-1-5-21-7" }));
    place.publish(2, &[(USERS, vec![new])]);
    let zoe = place.find(SubjectKind::User, &["zoe@acme.example"]).expect("it is one");
    for (identifier_kind, text) in [
        (IdentifierKind::UserUid, "u-zoe-1"),
        (IdentifierKind::Login, "ACME\\zoe"),
        (IdentifierKind::Address, "zoe.new@acme.example"),
        (IdentifierKind::Sid, "S-1-5-21-7"),
    ] {
        assert!(has(&zoe.identifiers, identifier_kind, text), "{text}: {:?}", zoe.identifiers);
    }
    assert_eq!(zoe.keys, BTreeSet::from(["nexthink_user:u-zoe-1".to_owned()]));
    assert_eq!(zoe.rows.values().copied().collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn what_is_found_nowhere_is_still_a_subject_since_it_may_come() {
    let place = Place::new();
    place.publish(1, &[(USERS, vec![user("u-eve-1", json!({}))])]);
    let unknown = place.find(SubjectKind::User, &[" zoe@acme.example "]).expect("it is no error");
    assert!(unknown.keys.is_empty());
    assert_eq!(unknown.texts, BTreeSet::from(["zoe@acme.example".to_owned()]));
    assert!(has(&unknown.identifiers, IdentifierKind::Address, "zoe@acme.example"));
}

#[test]
fn a_store_without_the_type_has_no_rows_of_it() {
    let place = Place::new();
    place.publish(1, &[(USERS, vec![user("u-eve-1", json!({}))])]);
    let none = place.find(SubjectKind::Device, &["pc-1"]).expect("it is no error");
    assert!(none.keys.is_empty() && none.rows.values().all(|rows| *rows == 0));
}

#[test]
fn an_address_that_two_have_identifies_neither() {
    let place = Place::new();
    let shared = json!({ "upn": "desk@acme.example" });
    let both = vec![user("u-one-1", shared.clone()), user("u-two-2", shared)];
    let generation = place.publish(1, &[(USERS, both)]);
    let error = place.find(SubjectKind::User, &["desk@acme.example"]).expect_err("it is of two");
    let ErasureError::Ambiguous { owners: 2, generation: named } = error else {
        panic!("another error: {error}")
    };
    assert_eq!(named, generation.id().to_string());
}

#[test]
fn what_others_have_too_is_set_aside_if_the_subject_is_named_by_its_uid() {
    let place = Place::new();
    let one = user("u-one-1", json!({ "upn": "desk@acme.example", "sid": "S-1-5-21-1" }));
    let two = user("u-two-2", json!({ "upn": "desk@acme.example", "sid": "S-1-5-21-2" }));
    place.publish(1, &[(USERS, vec![one, two])]);
    let found = place.find(SubjectKind::User, &["u-one-1"]).expect("a uid is of one");
    assert!(has(&found.shared, IdentifierKind::Address, "desk@acme.example"));
    assert!(!has(&found.identifiers, IdentifierKind::Address, "desk@acme.example"));
    assert!(has(&found.identifiers, IdentifierKind::Sid, "S-1-5-21-1"));
    assert!(!has(&found.identifiers, IdentifierKind::Sid, "S-1-5-21-2"));
    assert_eq!(found.keys.len(), 1);
}

#[test]
fn several_uids_name_one_person_who_is_there_twice() {
    let place = Place::new();
    let shared = json!({ "upn": "zoe@acme.example" });
    place.publish(1, &[(USERS, vec![user("u-one-1", shared.clone()), user("u-two-2", shared)])]);
    let zoe = place.find(SubjectKind::User, &["u-one-1", "u-two-2"]).expect("they are one");
    assert_eq!(zoe.keys.len(), 2);
    assert!(has(&zoe.identifiers, IdentifierKind::Address, "zoe@acme.example"));
    assert!(zoe.shared.is_empty(), "{:?}", zoe.shared);
}

#[test]
fn an_address_that_was_given_to_a_successor_identifies_neither() {
    let place = Place::new();
    let with_sid = |uid, sid| user(uid, json!({ "upn": "desk@acme.example", "sid": sid }));
    place.publish(1, &[(USERS, vec![with_sid("u-first-1", "S-1-5-21-1")])]);
    place.publish(2, &[(USERS, vec![with_sid("u-second-2", "S-1-5-21-2")])]);
    let error = place.find(SubjectKind::User, &["desk@acme.example"]).expect_err("it was of two");
    assert!(matches!(error, ErasureError::Reused { owners: 2 }), "{error}");
    let first = place.find(SubjectKind::User, &["u-first-1"]).expect("a uid is of one");
    assert!(has(&first.shared, IdentifierKind::Address, "desk@acme.example"));
    assert!(!has(&first.identifiers, IdentifierKind::UserUid, "u-second-2"));
    assert_eq!(first.rows.values().copied().collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn a_new_uid_with_the_same_sid_is_the_same_person() {
    let place = Place::new();
    let row = |uid| user(uid, json!({ "upn": "zoe@acme.example", "sid": "S-1-5-21-7" }));
    place.publish(1, &[(USERS, vec![row("u-first-1")])]);
    place.publish(2, &[(USERS, vec![row("u-second-2")])]);
    let zoe = place.find(SubjectKind::User, &["zoe@acme.example"]).expect("they are one");
    assert!(has(&zoe.identifiers, IdentifierKind::UserUid, "u-first-1"));
    assert!(has(&zoe.identifiers, IdentifierKind::UserUid, "u-second-2"));
    assert_eq!(zoe.keys.len(), 2);
}

#[test]
fn a_name_that_a_namesake_bears_is_not_the_subjects_alone() {
    let place = Place::new();
    let named =
        |uid, name, upn| user(uid, json!({ "name": name, "displayName": name, "upn": upn }));
    let rows = vec![
        named("u-one-1", "Zoe Young", "zoe@acme.example"),
        named("u-two-2", "Zoe Young", "zoe2@acme.example"),
        named("u-six-6", "Max Lone", "max@acme.example"),
    ];
    place.publish(1, &[(USERS, rows)]);
    let zoe = place.find(SubjectKind::User, &["zoe@acme.example"]).expect("it is one");
    assert!(zoe.names.is_empty(), "{:?}", zoe.names);
    let max = place.find(SubjectKind::User, &["max@acme.example"]).expect("it is one");
    assert_eq!(max.names, BTreeSet::from(["Max Lone".to_owned()]));
}

#[test]
fn a_typed_uid_is_not_taken_for_a_login_once_it_is_known() {
    let place = Place::new();
    place.publish(1, &[(USERS, vec![user("u-zoe-1", json!({ "username": ["ACME\\zoe"] }))])]);
    let zoe = place.find(SubjectKind::User, &["u-zoe-1"]).expect("it is one");
    assert!(has(&zoe.identifiers, IdentifierKind::UserUid, "u-zoe-1"));
    assert!(!has(&zoe.identifiers, IdentifierKind::Login, "u-zoe-1"), "{:?}", zoe.identifiers);
}

#[test]
fn a_person_is_found_by_the_key_that_queries_show() {
    let place = Place::new();
    place.publish(1, &[(USERS, vec![user("u-zoe-1", json!({ "username": ["ACME\\zoe"] }))])]);
    let zoe = place.find(SubjectKind::User, &["nexthink_user:u-zoe-1"]).expect("it is one");
    assert_eq!(zoe.keys, BTreeSet::from(["nexthink_user:u-zoe-1".to_owned()]));
    assert!(has(&zoe.identifiers, IdentifierKind::UserUid, "u-zoe-1"));
}

#[test]
fn a_person_behind_a_pseudonym_is_found_by_the_address() {
    let keys = keys();
    let pseudonyms = Pseudonyms::new(&keys, NAME);
    let [uid, upn] =
        [(IdentifierKind::UserUid, "u-zoe-1"), (IdentifierKind::Address, "zoe@acme.example")].map(
            |(identifier_kind, text)| {
                pseudonyms.of(identifier_kind, text).expect("it is an identifier")
            },
        );
    let place = Place::new();
    place.publish(1, &[(USERS, vec![user(&uid, json!({ "upn": upn }))])]);
    let all = AllPseudonyms::new(&keys, NAME);
    let zoe = place.find_with(SubjectKind::User, &["zoe@acme.example"], &all).expect("it is one");
    assert_eq!(zoe.keys, BTreeSet::from([format!("nexthink_user:{uid}")]));
    assert!(has(&zoe.identifiers, IdentifierKind::UserUid, &uid));
    let without = place.find(SubjectKind::User, &["zoe@acme.example"]).expect("it is no error");
    assert!(without.keys.is_empty(), "without the key it cannot be known");
}

#[test]
fn a_device_is_found_by_its_name_and_not_by_a_users() {
    let place = Place::new();
    let tables = [
        (DEVICES, vec![device("d-one-1", json!({ "hostname": "pc-1", "name": "pc-1" }))]),
        (USERS, vec![user("u-zoe-1", json!({ "username": ["pc-1"] }))]),
    ];
    place.publish(1, &tables);
    let found = place.find(SubjectKind::Device, &["PC-1"]).expect("it is one");
    assert_eq!(found.keys, BTreeSet::from(["nexthink_device:d-one-1".to_owned()]));
    assert!(has(&found.identifiers, IdentifierKind::DeviceUid, "d-one-1"));
}

#[test]
fn the_types_of_people_and_devices_are_those_whose_key_is_their_uid() {
    let names = [SubjectKind::User, SubjectKind::Device]
        .map(|kind| kind.entity_type().map(|entity| entity.type_name));
    assert_eq!(names, [Some(USERS), Some(DEVICES)]);
}
