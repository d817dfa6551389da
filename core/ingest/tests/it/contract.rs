//! The header contract: the columns that an export must have, may lack, and may have besides.

use core_ingest::graph::Graph;
use core_ingest::outcome::ShrinkGuard;
use core_ingest::rejection::{QuarantineReason, RejectionReason};
use core_ingest::step::IngestError;
use proptest::prelude::*;

use crate::support::{ingest, listed, rejected};
use crate::types::{PARCEL, PARCELS, THINGS};

fn without_key(near: &[&str]) -> IngestError {
    let near = near.iter().map(|&name| name.to_owned()).collect();
    IngestError::MissingKey { columns: vec!["parcel.uid"], near }
}

#[test]
fn e15_a_header_alone_is_an_export_of_no_rows() {
    let account = ingest(&mut Graph::default(), &PARCELS, "parcel.uid,parcel.name\n");
    assert_eq!((account.read(), account.files), (0, 1));
    // The shrink guard decides whether it may empty the estate.
    assert!(ShrinkGuard::default().rejects(100, 100));
    assert!(!ShrinkGuard::default().rejects(0, 0));
}

#[test]
fn e16_a_file_that_is_not_csv_is_rejected_without_showing_its_content() {
    let secret = "jane.doe@acme.example";
    let files = [
        (format!("<html><body>{secret}</body></html>"), "page of the web"),
        (
            format!("<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>{secret}"),
            "AccessDenied",
        ),
        (format!("<Error><Code>{secret}</Code></Error>"), "XML"),
        (format!("{{\"error\": \"{secret}\"}}"), "JSON"),
        (format!("[\"{secret}\"]"), "JSON"),
        (format!("%PDF-1.7 {secret}"), "PDF"),
        (format!("{secret};x\n{secret};y\n"), "semicolons"),
        (format!("{secret}\n"), "parcel.uid"),
    ];
    for (file, expected) in files {
        let error = rejected(&PARCELS, file.as_bytes());
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let message = format!("{error}: {}", source.unwrap_or_default());
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains(secret) && !format!("{error:?}").contains(secret), "{message}");
    }
}

#[test]
fn f12_each_missing_column_is_named_and_only_the_key_is_required() {
    let columns = PARCELS.columns();
    for missing in &columns {
        let header: Vec<&str> =
            columns.iter().filter(|column| *column != missing).copied().collect();
        let export = format!("{}\n", header.join(","));
        if *missing == PARCEL.key_column {
            assert_eq!(rejected(&PARCELS, export.as_bytes()), without_key(&[]));
        } else {
            let account = ingest(&mut Graph::default(), &PARCELS, &export);
            assert_eq!(account.missing_columns, [*missing]);
        }
    }
}

#[test]
fn f13_other_spellings_of_the_key_column_are_suggested() {
    for near in ["uid", "Parcel UID", "parcel_uid", "ParcelUid", "PARCEL-UID"] {
        let error = rejected(&PARCELS, format!("{near},parcel.name\n1,a\n").as_bytes());
        assert_eq!(error, without_key(&[near]));
        assert_eq!(
            error.to_string(),
            format!(
                "the export has no column `parcel.uid`; list it in the saved query under this very \
                 name (it has `{near}`)"
            )
        );
    }
    // Another case, or the namespace of the table before the name, is the same column.
    for same in ["Parcel.UID", "shop.parcel.uid", " parcel.uid "] {
        let account = ingest(&mut Graph::default(), &PARCELS, &format!("{same}\n1\n"));
        assert_eq!(account.used, 1, "{same}");
    }
}

#[test]
fn f15_undeclared_columns_are_counted_and_ignored() {
    let mut graph = Graph::default();
    let account =
        ingest(&mut graph, &PARCELS, "salary,parcel.uid,parcel.name,x\n9000,1,a,secret\n");
    assert_eq!(account.unknown_columns, 2);
    let listed = crate::support::listed_graph(graph, &PARCELS);
    assert!(!listed.contains("9000") && !listed.contains("secret"), "{listed}");
}

#[test]
fn f17_a_file_without_a_header_is_rejected_without_showing_its_cells() {
    let error = rejected(&PARCELS, b"0f3a-11,Jane's parcel\n0f3a-12,other\n");
    assert_eq!(error, without_key(&[]));
}

#[test]
fn f18_preambles_two_line_headers_and_second_tables_are_never_taken_for_rows() {
    for file in ["Parcels of today\nparcel.uid,parcel.name\n1,a\n", "Parcel,Owner\nUid,Name\n1,a\n"]
    {
        assert_eq!(rejected(&PARCELS, file.as_bytes()), without_key(&[]), "{file}");
    }
    let two_tables = "parcel.uid,parcel.name\n1,a\n\nparcel.uid,parcel.kind\n1,box\n";
    let account = ingest(&mut Graph::default(), &PARCELS, two_tables);
    let listed = &account.decoder.quarantine.listed;
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].line, listed[0].reason), (4, QuarantineReason::RepeatedHeader));
}

#[test]
fn h1_a_changed_query_is_rejected_or_its_missing_columns_are_named() {
    let (key, name) = ("parcel.uid", "parcel.name");
    // Dropped or renamed: the key is vital, all other properties keep their values.
    assert_eq!(rejected(&PARCELS, b"parcel.name\na\n"), without_key(&[]));
    let mut graph = Graph::default();
    let account = ingest(&mut graph, &PARCELS, &format!("{key},parcel.title\n1,a\n"));
    assert!(account.missing_columns.contains(&name));
    assert_eq!(account.unknown_columns, 1);
    let table = graph.entity_table(PARCEL.type_name).expect("made");
    assert!(table.doubtful_properties().any(|name| name == "name"));
    // An end of the edges is dropped: no edge of the type may be removed.
    let account = ingest(&mut Graph::default(), &THINGS, "thing.uid\n1\n");
    assert_eq!(account.missing_ends, ["shop_shelf_has_thing"]);
    // An added `where` or `limit` shows as a shrinking estate.
    assert!(ShrinkGuard::default().rejects(10_000, 9_000));
}

#[test]
fn d11_the_results_of_another_query_are_rejected() {
    let other = |type_name| IngestError::OtherQuery { type_name };
    for file in ["parcel.uid,van.name\n1,a\n", "parcel.uid,van.uid,van.PARCEL\n1,2,3\n"] {
        assert_eq!(rejected(&PARCELS, file.as_bytes()), other("shop_parcel"), "{file}");
    }
    // The shelf of a thing, and other columns of its derived key, do not describe a thing.
    let file = "shelf.uid,shelf.name,thing.serial\ns1,a,1\n";
    assert_eq!(rejected(&THINGS, file.as_bytes()), other("shop_thing"));
    // Any describing column is enough, also below another namespace, and so is the key alone.
    for file in [
        "parcel.uid\n1\n",
        "parcel.uid,Parcel.#mine,van.uid\n1,2,3\n",
        "parcel.uid,shop.parcel.name\n1,a\n",
        "parcel.uid,x\n1,2\n",
    ] {
        let account = ingest(&mut Graph::default(), &PARCELS, file);
        assert_eq!(account.used, 1, "{file}");
    }
}

#[test]
fn h3_an_aggregated_query_is_rejected() {
    for file in ["parcel.kind,number_of_parcels\nbox,12\n", "start_time,value\n2026-01-01,3\n"] {
        assert_eq!(rejected(&PARCELS, file.as_bytes()), without_key(&[]), "{file}");
    }
}

#[test]
fn a_rejection_is_the_source_of_its_error() {
    let error = rejected(&PARCELS, b"");
    assert_eq!(error.to_string(), "the file is not the CSV that Nexthink exports");
    let IngestError::Rejected(rejection) = error else { panic!("a refusal") };
    assert_eq!(rejection.reason, RejectionReason::Empty);
}

proptest! {
    #[test]
    fn f14_the_order_of_columns_and_extra_columns_change_nothing(
        order in Just((0..9).collect::<Vec<usize>>()).prop_shuffle(),
        cells in prop::collection::vec("[a-c0-2]{0,2}", 9),
    ) {
        let columns = PARCELS.columns();
        let mut names: Vec<&str> = columns.clone();
        names.resize(9, "something.else");
        let mut cells = cells;
        let key = columns.iter().position(|column| *column == "parcel.uid").expect("a key");
        cells[key] = "p".to_owned();
        let line = |order: &[usize], text: &dyn Fn(usize) -> String| -> String {
            order.iter().map(|&index| text(index)).collect::<Vec<_>>().join(",")
        };
        let file = |order: &[usize]| {
            let header = line(order, &|index| names[index].to_owned());
            format!("{header}\n{}\n", line(order, &|index| cells[index].clone()))
        };
        let declared: Vec<usize> = (0..columns.len()).collect();
        prop_assert_eq!(listed(&PARCELS, &file(&order)), listed(&PARCELS, &file(&declared)));
    }
}
