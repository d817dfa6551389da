//! The list of erased people in its two places.

use core_erasure::ErasureError;
use core_erasure::ErrorKind;
use core_erasure::lists::{SUPPRESSIONS, copy_path, erasure_ids};
use core_erasure::subject::SubjectKind;
use core_privacy::suppression::SuppressionList;
use serde_json::json;

use crate::kit::{EVER, Place, keys, list_of, suppress, user};

/// A store with one user, and a list that has erased another.
fn place_and_list() -> (Place, SuppressionList) {
    let place = Place::new();
    place.publish(1, &[("nexthink_user", vec![user("u-zoe-1", json!({}))])]);
    let gone = place.find(SubjectKind::User, &["max@acme.example"]).expect("it is one");
    (place, list_of("e-1", &gone))
}

#[test]
fn a_store_that_names_no_erasure_needs_no_list() {
    let place = Place::new();
    assert!(place.people().read(place.tenant()).expect("there is none").is_none());
    assert!(place.people().check_store(place.tenant()).is_ok());
}

#[test]
fn a_store_that_names_erasures_is_refused_without_any_list() {
    let (place, list) = place_and_list();
    place.lock.set_erasures(&erasure_ids(&list)).expect("there is room");
    let error = place.people().read(place.tenant()).expect_err("the list is lost");
    assert_eq!(error.kind(), ErrorKind::Data);
    let message = error.to_string();
    assert!(
        message.contains("names 1 erasures") && message.contains("suppressions.json"),
        "{message}"
    );
}

#[test]
fn either_place_alone_is_enough_and_both_are_merged() {
    let (place, mut list) = place_and_list();
    let people = place.people();
    people.save(&place.lock, &list).expect("there is room");
    // The store's list is older than the copy.
    let older = list.to_text();
    let zoe = place.find(SubjectKind::User, &["u-zoe-1"]).expect("it is one");
    suppress(&mut list, "e-2", &zoe);
    people.save(&place.lock, &list).expect("there is room");
    place.lock.set_state(SUPPRESSIONS, older.as_bytes()).expect("there is room");
    let read = people.read(place.tenant()).expect("both are whole").expect("there is one");
    assert_eq!(erasure_ids(&read).len(), 2);
    place.lock.remove_state(SUPPRESSIONS).expect("it is there");
    let copy = people.read(place.tenant()).expect("it is whole").expect("the copy is there");
    assert_eq!(erasure_ids(&copy).len(), 2);
    core_files::remove_file(&people.copy_path()).expect("it is there");
    place.lock.set_state(SUPPRESSIONS, older.as_bytes()).expect("there is room");
    let stored = people.read(place.tenant()).expect("it is whole").expect("it is in the store");
    assert_eq!(erasure_ids(&stored).len(), 1);
}

#[test]
fn a_missing_or_older_place_is_written_again() {
    let (place, list) = place_and_list();
    let people = place.people();
    people.save(&place.lock, &list).expect("there is room");
    core_files::remove_file(&people.copy_path()).expect("it is there");
    people.restore(&place.lock, &list).expect("there is room");
    assert!(people.copy_path().exists());
    place.lock.set_state(SUPPRESSIONS, b"{}").expect("there is room");
    people.restore(&place.lock, &list).expect("there is room");
    let stored = place.tenant().state(SUPPRESSIONS).expect("it can be read");
    assert_eq!(stored.as_deref(), Some(list.to_text().as_bytes()));
}

#[test]
fn a_store_that_is_older_than_the_list_is_refused_until_it_is_cleansed() {
    let (place, list) = place_and_list();
    let people = place.people();
    people.save(&place.lock, &list).expect("there is room");
    let error = people.check_store(place.tenant()).expect_err("it may hold an erased person");
    assert!(matches!(error, ErasureError::OlderStore { .. }), "{error}");
    assert!(error.to_string().contains("`nexthink-graph privacy suppression apply`"), "{error}");
    place.lock.set_erasures(&erasure_ids(&list)).expect("there is room");
    assert!(people.check_store(place.tenant()).is_ok());
}

#[test]
fn a_store_that_has_nothing_is_not_taken_for_an_older_one() {
    let (_, list) = place_and_list();
    let place = Place::new();
    let people = place.people();
    core_files::replace_file(&people.copy_path(), list.to_text().as_bytes())
        .expect("there is room");
    assert!(place.tenant().is_empty().expect("it can be read"));
    people.check_store(place.tenant()).expect("it holds no one");
    place.lock.set_state("delivered-somewhere", b"{}").expect("there is room");
    assert!(people.check_store(place.tenant()).is_err(), "it has something");
}

#[test]
fn a_damaged_list_is_an_error_that_names_its_place_in_either() {
    let (place, list) = place_and_list();
    let people = place.people();
    place.lock.set_state(SUPPRESSIONS, b"not a list").expect("there is room");
    let error = people.read(place.tenant()).expect_err("it is damaged");
    assert!(
        error.to_string().starts_with("suppressions.json in the store cannot be read"),
        "{error}"
    );
    people.save(&place.lock, &list).expect("there is room");
    core_files::replace_file(&people.copy_path(), &[0xff, 0xfe]).expect("there is room");
    let error = people.read(place.tenant()).expect_err("it is damaged");
    assert!(error.to_string().starts_with(&people.copy_path().display().to_string()), "{error}");
}

#[test]
fn a_list_of_another_key_is_refused() {
    let (place, list) = place_and_list();
    let people = place.people();
    let file = people.key_file.lock().expect("the lock is free");
    let other = core_privacy::keys::KeyRing::new(
        "2026-01-01T00:00:00Z",
        &[8; core_privacy::keys::NEW_RING_BYTES],
    );
    file.save(&other).expect("there is room");
    drop(file);
    let Err(error) = people.matcher(Some(&list), EVER) else { panic!("the key is another one") };
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("restore the right key file"), "{error}");
}

#[test]
fn a_matcher_needs_the_keys_only_if_someone_was_erased() {
    let (place, list) = place_and_list();
    let people = place.people();
    let empty = SuppressionList::new(&keys());
    assert!(people.matcher(None, EVER).expect("there is none").is_empty());
    assert!(people.matcher(Some(&empty), EVER).expect("it has no entry").is_empty());
    let Err(error) = people.matcher(Some(&list), EVER) else { panic!("there is no key file") };
    assert!(error.to_string().contains("`nexthink-graph privacy key new`"), "{error}");
    people.key_file.lock().and_then(|file| file.save(&keys())).expect("there is room");
    assert!(!people.matcher(Some(&list), EVER).expect("the key is there").is_empty());
}

#[test]
fn tenants_and_regions_share_no_copy() {
    let key = std::path::Path::new("folder/key");
    let paths = [("acme", "eu"), ("acme", "us"), ("other", "eu")]
        .map(|(tenant, region)| copy_path(key, tenant, region).display().to_string());
    assert_eq!(
        paths,
        [
            "folder/key.acme.eu.suppressions.json",
            "folder/key.acme.us.suppressions.json",
            "folder/key.other.eu.suppressions.json"
        ]
    );
}

#[test]
fn an_exposed_key_file_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let key_file = place.people().key_file;
    key_file.lock().and_then(|file| file.save(&keys())).expect("there is room");
    assert!(key_file.load().is_ok());
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&place.key_file, open).expect("it is ours");
    let Err(error) = key_file.load() else { panic!("others can read it") };
    assert_eq!(error.kind(), ErrorKind::Configuration);
}
