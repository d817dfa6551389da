//! The end of an erasure, on record.

use core_erasure::SearchReport;
use core_erasure::certificate::{
    Certificate, ErasureRecord, is_certified, record_end, was_searched,
};
use core_erasure::damage;
use core_erasure::search::Search;
use core_erasure::subject::{Subject, SubjectKind};
use core_store::{DamagedGeneration, LedgerHead};
use serde_json::{Value, json};

use crate::kit::{LOG, Place, list_of, suppress, user};

fn certificate(id: &str) -> Certificate {
    Certificate {
        id: id.to_owned(),
        at: "2026-03-10T00:00:00Z".to_owned(),
        tenant: "acme.eu".to_owned(),
        kind: "user",
        reason: "gdpr-request".to_owned(),
        was_interrupted: false,
        suppressed_identifiers: 2,
        shared_identifiers: Some(0),
        generations: Vec::new(),
        rows_removed: 1,
        texts_emptied: 0,
        events_removed: 0,
        findings_removed: 0,
        damaged_generations_removed: Vec::new(),
        possible_mentions: json!([{ "rows": 2 }, { "rows": 3 }]),
        raw_files_removed: 0,
        files_scanned: 1,
        tables_scanned: 1,
        acts_in_ledger: 0,
        also_kept: Vec::new(),
        delivered_to: Vec::new(),
        ledger: serde_json::from_value::<LedgerHead>(json!({ "sequence": 1, "hash": "00" }))
            .unwrap_or_else(|error| panic!("the head of a ledger: {error}")),
    }
}

/// A store with Zoe, and what a search for her finds in it.
fn found() -> (Place, Subject, SearchReport) {
    let place = Place::new();
    place.publish(1, &[("nexthink_user", vec![user("u-zoe-1234", json!({}))])]);
    let zoe = place.find(SubjectKind::User, &["u-zoe-1234"]).expect("it is one");
    let search = Search::new(&zoe).expect("there are few identifiers");
    let report = search.search_all(place.tenant(), LOG).expect("everything can be read");
    (place, zoe, report)
}

#[test]
fn an_erasure_is_certified_only_if_nothing_was_found() {
    let (place, _, found) = found();
    let is = |id| {
        let tenant = place.tenant();
        (
            is_certified(tenant, id).expect("it can be read"),
            was_searched(tenant, id).expect("it can be read"),
        )
    };
    assert_eq!(is("e-1"), (false, false));
    record_end(&place.lock, &certificate("e-1"), &found).expect("there is room");
    assert_eq!(is("e-1"), (false, true), "something was found");
    record_end(&place.lock, &certificate("e-1"), &SearchReport::default()).expect("there is room");
    assert_eq!(is("e-1"), (true, false), "nothing was found, and what was is forgotten");
    assert_eq!(is("e-2"), (false, false), "another erasure");
}

#[test]
fn what_was_found_is_written_down_by_its_place_without_values() {
    let (place, _, found) = found();
    record_end(&place.lock, &certificate("e-1"), &found).expect("there is room");
    let text =
        place.tenant().state("uncertified-e-1").expect("it can be read").expect("it is there");
    let places: Vec<String> = serde_json::from_slice(&text).expect("a list");
    assert!(places.iter().any(|name| name.ends_with(": nexthink_user")), "{places:?}");
    assert!(!String::from_utf8_lossy(&text).contains("zoe"));
}

#[test]
fn a_certificate_counts_the_possible_mentions_and_hides_what_is_usual() {
    let whole = certificate("e-1");
    assert_eq!(whole.possible_mentions(), 5);
    let json = serde_json::to_value(&whole).expect("it is plain data");
    assert_eq!(json.get("wasInterrupted"), None);
    let interrupted =
        Certificate { was_interrupted: true, possible_mentions: Value::Null, ..whole };
    assert_eq!(interrupted.possible_mentions(), 0);
    let json = serde_json::to_value(&interrupted).expect("it is plain data");
    assert_eq!(json["wasInterrupted"], true);
}

#[test]
fn the_list_alone_tells_what_an_erasure_was_about() {
    let (place, zoe, _) = found();
    let mut list = list_of("e-1", &zoe);
    let pc = place.find(SubjectKind::Device, &["pc-1"]).expect("it is one");
    suppress(&mut list, "e-2", &pc);
    let record = ErasureRecord::new(&list, "e-1");
    assert_eq!((record.kind, record.identifiers), (SubjectKind::User, zoe.identifiers.len()));
    assert_eq!(
        (record.at.as_str(), record.reason.as_str()),
        ("2026-03-10T00:00:00Z", "gdpr-request")
    );
    assert_eq!(ErasureRecord::new(&list, "e-2").kind, SubjectKind::Device);
    assert_eq!(ErasureRecord::new(&list, "e-3").identifiers, 0);
}

#[test]
fn damage_is_told_with_the_loss_and_the_command_that_mends_it() {
    let id = "01JN7Z1M800000000000000001";
    let damaged = |is_current, rows| DamagedGeneration {
        id: id.parse().expect("it is an ULID"),
        is_current,
        rows,
        reason: "a file is missing".to_owned(),
    };
    let older = damaged(false, Some(12));
    assert_eq!(damage::describe(&older), format!("{id} (12 entities and relationships)"));
    assert_eq!(
        damage::describe(&damaged(false, None)),
        format!("{id} (its manifest cannot be read either)")
    );
    let shortfall = damage::shortfall("graph", &older);
    assert!(
        shortfall.contains("`graph privacy suppression apply --remove-damaged`"),
        "{shortfall}"
    );
    let published = damaged(true, Some(12));
    let shortfall = damage::shortfall("graph", &published);
    assert!(
        shortfall.contains("the published generation") && shortfall.contains("CURRENT"),
        "{shortfall}"
    );
    assert!(damage::refuse_published("graph", std::slice::from_ref(&older)).is_ok());
    let refused =
        damage::refuse_published("graph", &[older, published]).expect_err("readers need it");
    assert_eq!(refused.kind(), core_erasure::ErrorKind::Data);
    assert!(refused.to_string().contains("a file is missing"), "{refused}");
}
