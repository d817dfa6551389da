//! Every byte and cell is searched, with the names and by the list alone.

use core_erasure::SearchReport;
use core_erasure::cleansing::Cleanser;
use core_erasure::list_search;
use core_erasure::search::Search;
use core_erasure::subject::{Subject, SubjectKind};
use core_store::LedgerRecord;
use serde_json::{Map, json};

use crate::kit::{LOG, Place, alert, device, edge, suppressions_of, user};

const USERS: &str = "nexthink_user";

/// A store that names Zoe in a row, an edge, a free text and an event.
fn place() -> (Place, Subject) {
    let place = Place::new();
    let zoe = json!({
        "upn": "zoe@acme.example",
        "username": ["ACME\\zoe"],
        "name": "Zoe Young",
        "displayName": "Zoe Young",
    });
    place.publish(
        1,
        &[
            (USERS, vec![user("u-zoe-1234", zoe), user("u-eve-5678", json!({}))]),
            ("nexthink_alert", vec![alert("a-1", json!({ "triggerValue": "zoe@acme.example" }))]),
            (
                "nexthink_account_has_user",
                vec![edge("nexthink_account:acme", "nexthink_user:u-zoe-1234")],
            ),
        ],
    );
    place.append_events(&[("ACME\\zoe", "logged in"), ("ACME\\eve", "logged in")]);
    let zoe = place.find(SubjectKind::User, &["zoe@acme.example"]).expect("it is one");
    (place, zoe)
}

fn search(place: &Place, subject: &Subject) -> SearchReport {
    let search = Search::new(subject).expect("there are few identifiers");
    search.search_all(place.tenant(), LOG).expect("everything can be read")
}

/// The tables and logs of a report without the ID of the generation. The bytes of a small table's file are not
/// compressed, so that the search with names finds them too.
fn names(report: &SearchReport) -> Vec<String> {
    let names = report.certain.names();
    let tables = names.iter().filter(|name| !name.ends_with(".parquet"));
    tables.map(|name| name.rsplit(": ").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_person_is_found_in_every_kind_of_place() {
    let (place, zoe) = place();
    let report = search(&place, &zoe);
    let expected = ["nexthink_account_has_user", "nexthink_alert", USERS, "events"];
    assert_eq!(names(&report), expected);
    assert_eq!(report.scanned_tables, 4);
    assert!(report.scanned_files > 4);
}

#[test]
fn nothing_is_left_after_cleansing_by_either_search() {
    let (place, zoe) = place();
    let suppressions = suppressions_of(&zoe);
    place.cleanse(&suppressions);
    assert!(search(&place, &zoe).certain.names().is_empty());
    let by_list = list_search::search(place.tenant(), LOG, &suppressions).expect("it can be read");
    assert!(by_list.certain.names().is_empty(), "{:?}", by_list.certain);
}

#[test]
fn the_search_by_the_list_alone_finds_the_same_places() {
    let (place, zoe) = place();
    let with_names = names(&search(&place, &zoe));
    let by_list = list_search::search(place.tenant(), LOG, &suppressions_of(&zoe));
    assert_eq!(names(&by_list.expect("it can be read")), with_names);
}

#[test]
fn a_preview_counts_what_an_erasure_would_remove_and_changes_nothing() {
    let (place, zoe) = place();
    let suppressions = suppressions_of(&zoe);
    let search = Search::new(&zoe).expect("there are few identifiers");
    for _ in 0..2 {
        let cleanser = Cleanser::new(&suppressions);
        let preview = search.preview(place.tenant(), LOG, &zoe, &cleanser).expect("it can be read");
        assert_eq!(preview.rows.values().copied().collect::<Vec<_>>(), [2], "a user and an edge");
        assert_eq!((preview.texts, preview.events), (1, 1));
        assert!(preview.certain.names().is_empty(), "{:?}", preview.certain);
    }
}

#[test]
fn a_word_that_may_be_the_name_is_only_possible_and_has_no_value() {
    let place = Place::new();
    let zoe = user("u-zoe-1234", json!({ "name": "Zoe Young", "displayName": "Zoe Young" }));
    let alerts = vec![alert("a-1", json!({ "monitorName": "report for Zoe Young" }))];
    place.publish(1, &[(USERS, vec![zoe]), ("nexthink_alert", alerts)]);
    let zoe = place.find(SubjectKind::User, &["u-zoe-1234"]).expect("it is one");
    place.cleanse(&suppressions_of(&zoe));
    let report = search(&place, &zoe);
    assert!(report.certain.names().is_empty(), "{:?}", report.certain);
    assert_eq!(report.possible.rows(), 1);
    let keys: Vec<_> = report.possible.0.values().flat_map(|place| &place.keys).collect();
    assert_eq!(keys, ["nexthink_alert:a-1"]);
    let json = report.possible.to_json().to_string();
    assert!(json.contains("monitorName") && !json.contains("a-1"), "{json}");
    assert!(!json.contains("Zoe"), "{json}");
}

#[test]
fn a_file_is_searched_in_every_encoding() {
    let (place, zoe) = place();
    place.cleanse(&suppressions_of(&zoe));
    let utf16: Vec<u8> = "zoe@acme.example".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&str, &[u8], bool); 5] = [
        ("plain", b"{\"to\":\"zoe@acme.example\"}", true),
        ("escaped", b"{\"to\":\"zoe%40acme.example\"}", true),
        ("utf16", &utf16, true),
        ("longer", b"{\"to\":\"o'zoe@acme.example\"}", false),
        ("other", b"{\"to\":\"eve@acme.example\"}", false),
    ];
    for (name, bytes, _) in &cases {
        place.lock.set_state(name, bytes).expect("there is room");
    }
    let report = search(&place, &zoe);
    for (name, _, is_found) in cases {
        let file = format!("{name}.json");
        let found = report.certain.names().iter().any(|place| place.ends_with(&file));
        assert_eq!(found, is_found, "{name}: {:?}", report.certain.names());
    }
}

#[test]
fn a_name_in_the_name_of_a_file_is_found() {
    let (place, zoe) = place();
    place.cleanse(&suppressions_of(&zoe));
    place.lock.set_state("notes-S-1-5-21-7", b"{}").expect("there is room");
    assert!(search(&place, &zoe).certain.names().is_empty());
    let with_sid = place.find(SubjectKind::User, &["S-1-5-21-7"]).expect("it is one");
    let names = search(&place, &with_sid).certain.names().len();
    assert_eq!(names, 1);
}

#[test]
fn the_next_owner_is_no_trace_of_the_erased_person() {
    let place = Place::new();
    let row = |uid, sid| user(uid, json!({ "upn": "desk@acme.example", "sid": sid }));
    place.publish(1, &[(USERS, vec![row("u-first-1", "S-1-5-21-1")])]);
    let first = place.find(SubjectKind::User, &["u-first-1"]).expect("it is one");
    let suppressions = suppressions_of(&first);
    place.publish(2, &[(USERS, vec![row("u-second-2", "S-1-5-21-2")])]);
    place.cleanse(&suppressions);
    let by_list = list_search::search(place.tenant(), LOG, &suppressions).expect("it can be read");
    assert!(by_list.certain.names().is_empty(), "{:?}", by_list.certain);
}

#[test]
fn a_device_is_found_by_its_name_in_its_own_context_only() {
    let place = Place::new();
    place.publish(
        1,
        &[("nexthink_device", vec![device("d-one-1234", json!({ "hostname": "reception" }))])],
    );
    let pc = place.find(SubjectKind::Device, &["reception"]).expect("it is one");
    place.cleanse(&suppressions_of(&pc));
    place.append_events(&[("eve", "opened \\\\reception\\share"), ("eve", "met at the reception")]);
    let report = search(&place, &pc);
    let records = ("events".to_owned(), "raw".to_owned());
    let found = report.certain.0.get(&records).map(|place| place.rows);
    assert_eq!(found, Some(1), "{:?}", report.certain);
}

/// An entry of the ledger by this user of the operating system, with this fact.
fn act(place: &Place, who: &str, name: &str, fact: &str) {
    let record = LedgerRecord {
        at: "2026-03-10T00:00:00Z".to_owned(),
        at_ms: 1_773_100_800_000,
        who: who.to_owned(),
        event: "explorer_read".to_owned(),
        facts: Map::from_iter([(name.to_owned(), json!(fact))]),
    };
    place.tenant().ledger().append(&record).expect("there is room");
}

#[test]
fn what_an_erased_person_did_stays_in_the_ledger_and_is_counted() {
    let (place, zoe) = place();
    act(&place, "uid 7 (root)", "user", "zoe@acme.example");
    act(&place, "ACME\\zoe", "user", "eve@acme.example");
    act(&place, "uid 7 (root)", "user", "eve@acme.example");
    let suppressions = suppressions_of(&zoe);
    place.cleanse(&suppressions);
    let by_list =
        || list_search::search(place.tenant(), LOG, &suppressions).expect("it can be read");
    for report in [search(&place, &zoe), by_list()] {
        assert!(report.certain.names().is_empty(), "{:?}", report.certain);
        assert_eq!(report.acts_in_ledger, 2);
    }
    act(&place, "uid 7 (root)", "client", "zoe@acme.example");
    for report in [search(&place, &zoe), by_list()] {
        assert_eq!(Vec::from_iter(report.certain.names()), ["ledger/entries.ndjson"]);
        assert_eq!(report.acts_in_ledger, 2);
    }
}
