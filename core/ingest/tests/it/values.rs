//! Values and keys of cells.

use std::collections::BTreeSet;

use core_ingest::graph::Graph;
use core_ingest::rejection::QuarantineReason;
use proptest::prelude::*;

use crate::support::{ingest, listed};
use crate::types::{PARCEL, PARCELS};

/// The value of one cell of a column, as the listing shows it.
fn value(column: &str, property: &str, cell: &str) -> Option<String> {
    let cell = cell.replace('"', "\"\"");
    let listed = listed(&PARCELS, &format!("parcel.uid,{column}\np,\"{cell}\"\n"));
    let prefix = format!("{property}: ");
    listed.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
}

fn name(cell: &str) -> Option<String> {
    value("parcel.name", "name", cell)
}

#[test]
fn f21_only_ascii_white_space_around_a_value_is_trimmed() {
    for cell in ["a", " a ", "\ta\n", "  a", "a\r\n"] {
        assert_eq!(name(cell).as_deref(), Some("\"a\""), "{cell:?}");
    }
    for cell in ["\u{a0}a", "a\u{200b}", "\u{202e}a", "\u{3000}a", "a b"] {
        assert_eq!(name(cell), Some(format!("{cell:?}")), "{cell:?}");
    }
}

#[test]
fn f22_only_an_empty_cell_is_null() {
    for cell in ["null", "NULL", "-", "N/A", "none", "0"] {
        assert_eq!(name(cell), Some(format!("{cell:?}")));
        assert_eq!(value("parcel.kind", "kind", cell), Some(format!("{:?}", cell.to_lowercase())));
    }
    for cell in ["", "  "] {
        assert_eq!(value("parcel.kind", "kind", cell), None);
    }
}

#[test]
fn g1_g3_unreadable_values_are_null_and_counted() {
    let mut graph = Graph::default();
    let rows = "a,yesterday,NaN\nb,2026-02-30 00:00:00,\"1,5\"\nc,2026-01-01 00:00:00,7\nd,,\n";
    ingest(&mut graph, &PARCELS, &format!("parcel.uid,parcel.seen,parcel.weight\n{rows}"));
    let table = graph.entity_table(PARCEL.type_name).expect("made");
    assert_eq!(table.unreadable().collect::<Vec<_>>(), [("seenOn", 2), ("weight", 2)]);
    assert_eq!(value("parcel.weight", "weight", "1e400"), None);
    assert_eq!(value("parcel.weight", "weight", "-0").as_deref(), Some("0"));
}

#[test]
fn g17_times_that_mean_never_are_null_and_counted_separately() {
    let mut graph = Graph::default();
    let rows =
        "a,1970-01-01 00:00:00\nb,0001-01-01T00:00:00Z\nc,yesterday\nd,2026-01-01 00:00:00\n";
    ingest(&mut graph, &PARCELS, &format!("parcel.uid,parcel.seen\n{rows}"));
    let table = graph.entity_table(PARCEL.type_name).expect("made");
    assert_eq!(table.never_times().collect::<Vec<_>>(), [("seenOn", 2)]);
    assert_eq!(table.unreadable().collect::<Vec<_>>(), [("seenOn", 1)]);
    assert_eq!(value("parcel.seen", "seenOn", "1601-01-01 00:00:00"), None);
}

#[test]
fn g17_a_property_with_only_never_times_does_not_keep_its_old_value() {
    let mut graph = Graph::default();
    let rows = "parcel.uid,parcel.name,parcel.sent,parcel.seen,parcel.weight,parcel.kind,parcel.tags,parcel.fragile\na,,1970-01-01 00:00:00,x,,,,\n";
    ingest(&mut graph, &PARCELS, rows);
    let table = graph.entity_table(PARCEL.type_name).expect("made");
    assert_eq!(table.doubtful_properties().collect::<Vec<_>>(), ["seenOn"]);
}

#[test]
fn g23_unreadable_values_are_counted_for_every_kind() {
    let mut graph = Graph::default();
    let header = "parcel.uid,parcel.tags,parcel.fragile,parcel.weight\n";
    let rows = "a,10.0.0.1/24,yes,1\nb,10.0.0.1|10.0.0.2,perhaps,x\nc,\"10.0.0.1, x\",no,2\nd,,,\n";
    ingest(&mut graph, &PARCELS, &format!("{header}{rows}"));
    let table = graph.entity_table(PARCEL.type_name).expect("made");
    let unreadable: Vec<_> = table.unreadable().collect();
    assert_eq!(unreadable, [("weight", 1), ("tags", 2), ("fragile", 1)]);
    assert_eq!(value("parcel.tags", "tags", "10.0.0.1/24, x").as_deref(), Some("[\"10.0.0.1\"]"));
}

#[test]
fn g2_a_time_more_than_48_hours_ahead_is_kept_and_counted() {
    let now: jiff::Timestamp = "2026-11-18T12:00:00Z".parse().expect("a time");
    let mut graph = Graph::default();
    let rows = "a,2026-11-18 12:00:00\nb,2026-11-20 12:00:00\nc,2026-11-20 12:00:01\nd,9999-01-01 00:00:00\ne,\n";
    ingest(&mut graph, &PARCELS, &format!("parcel.uid,parcel.seen\n{rows}"));
    let table = graph.entity_table(PARCEL.type_name).expect("made");
    assert_eq!(table.future_times(now).collect::<Vec<_>>(), [("seenOn", 2)]);
    assert!(value("parcel.seen", "seenOn", "9999-01-01 00:00:00").is_some());
}

#[test]
fn g6_keys_that_differ_by_case_stay_distinct_and_are_counted() {
    let count = |rows: &str| {
        let mut graph = Graph::default();
        ingest(&mut graph, &PARCELS, &format!("parcel.uid\n{rows}"));
        let table = graph.entity_table(PARCEL.type_name).expect("made");
        (table.len(), table.keys_that_differ_by_case())
    };
    assert_eq!(count("ab\ncd\n"), (2, 0));
    assert_eq!(count("AB\nCD\n"), (2, 0));
    assert_eq!(count("ab\nAB\nAb\ncd\n"), (4, 3));
    assert_eq!(count(" ab\nab \n"), (1, 0));
}

#[test]
fn g7_a_row_without_a_key_is_quarantined() {
    let mut graph = Graph::default();
    let account = ingest(&mut graph, &PARCELS, "parcel.uid,parcel.name\n,a\n  ,b\n\"\",c\nd,d\n");
    assert_eq!((account.used, account.quarantined()), (1, 3));
    let listed = &account.decoder.quarantine.listed;
    assert!(listed.iter().all(|row| row.reason == QuarantineReason::NoKey));
}

#[test]
fn g8_two_keys_with_the_same_name_are_two_entities() {
    let mut graph = Graph::default();
    ingest(&mut graph, &PARCELS, "parcel.uid,parcel.name\nold,PC-1\nnew,PC-1\n");
    assert_eq!(graph.entity_table(PARCEL.type_name).expect("made").len(), 2);
}

#[test]
fn g9_a_key_may_have_any_visible_text_up_to_256_bytes() {
    let key = |cell: &str| {
        let mut graph = Graph::default();
        let account = ingest(&mut graph, &PARCELS, &format!("parcel.uid\n\"{cell}\"\n"));
        account.decoder.quarantine.listed.first().map(|row| row.reason)
    };
    for cell in
        ["..", "../../etc", "#", "a|b", "a:b", "%7C", "a/b\\c", "葛\u{e0100}", &"é".repeat(128)]
    {
        assert_eq!(key(cell), None, "{cell}");
    }
    assert_eq!(key(&"x".repeat(64 * 1024)), Some(QuarantineReason::LongKey));
    assert_eq!(key(&"x".repeat(257)), Some(QuarantineReason::LongKey));
    for cell in [
        "a\u{1b}b",
        "a\nb",
        "a\u{7f}",
        "a\u{200d}b",
        "a\u{34f}",
        "\u{61c}a",
        "a\u{3164}",
        "\u{a0}a",
        "\u{fffd}",
    ] {
        assert_eq!(key(cell), Some(QuarantineReason::InvisibleKey), "{cell:?}");
    }
}

#[test]
fn g10_known_and_unknown_words_of_an_enumeration_are_stored_in_lower_case() {
    for (cell, expected) in [("BOX", "\"box\""), ("Box", "\"box\""), ("new_kind", "\"new_kind\"")] {
        assert_eq!(value("parcel.kind", "kind", cell).as_deref(), Some(expected));
    }
}

#[test]
fn g11_yes_and_no_are_read_in_any_case_and_anything_else_is_null() {
    for (cell, expected) in [
        ("yes", Some("true")),
        ("YES", Some("true")),
        ("No", Some("false")),
        ("true", None),
        ("1", None),
        ("", None),
    ] {
        assert_eq!(value("parcel.fragile", "fragile", cell).as_deref(), expected, "{cell}");
    }
}

#[test]
fn g13_hostile_text_is_stored_unchanged() {
    for cell in [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "@SUM(1)",
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "' OR 1=1; --",
        "\"}) DETACH DELETE n //",
        "\u{1b}[31mred\u{1b}[0m",
        "${jndi:ldap://x.example}",
        "{{7*7}}",
        "../../../etc/passwd",
        "Ω≈ç√∫˜µ≤≥÷ 田中さん 👾 الكل",
        "Z\u{351}\u{36b}a",
    ] {
        assert_eq!(name(cell), Some(format!("{cell:?}")));
    }
}

#[test]
fn g14_two_spellings_of_a_name_are_one_entity_if_the_key_is_equal() {
    let (composed, decomposed) = ("Jos\u{e9}", "Jose\u{301}");
    let rows = [format!("p,{composed}\n"), format!("p,{decomposed}\n")];
    let header = "parcel.uid,parcel.name\n";
    let one = listed(&PARCELS, &format!("{header}{}{}", rows[0], rows[1]));
    assert_eq!(listed(&PARCELS, &format!("{header}{}{}", rows[1], rows[0])), one);
    assert_eq!(one.matches("_key").count(), 1);
}

proptest! {
    #[test]
    fn g9_keys_map_back_to_their_uids_and_are_unique(
        uids in prop::collection::btree_set("[a%|:#.7C\n\u{1b}é]{0,4}|\\PC{0,8}", 1..20),
    ) {
        let mut keys = BTreeSet::new();
        for uid in &uids {
            let mut key = String::new();
            PARCEL.write_key(uid, &mut key);
            prop_assert!(!key.contains('|') && !key.chars().any(char::is_control));
            let back = PARCEL.uid_of_key(&key);
            prop_assert_eq!(back.as_ref(), Some(uid));
            keys.insert(key);
        }
        prop_assert_eq!(keys.len(), uids.len());
    }

    #[test]
    fn g1_g3_no_cell_makes_the_mapping_fail(cell in "[0-9TZ:. +-]{0,24}|\\PC{0,30}") {
        for (column, property) in [("parcel.seen", "seenOn"), ("parcel.weight", "weight")] {
            if let Some(number) = value(column, property, &cell) {
                prop_assert!(number.parse::<i64>().is_ok());
            }
        }
    }
}
