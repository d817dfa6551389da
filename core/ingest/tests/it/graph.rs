//! Entities and edges, case by case and against the twin; carry-over.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::panic::{self, AssertUnwindSafe};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt32Type;
use core_ingest::graph::{Graph, SortedGraph};
use core_ingest::listing;
use core_ingest::rejection::RejectionReason;
use core_ingest::step::{IngestError, ReadError, RowAccount, StepIngest};
use core_ingest::values::Tag;
use proptest::prelude::*;

use crate::support::{ingest, rejected};
use crate::twin;
use crate::types::{SHELF, SHELF_HAS_THING, SHELVES, THING, THINGS};

fn things_of_things(mut graph: Graph) -> (Vec<RecordBatch>, Vec<RecordBatch>) {
    graph.add_empty(&SHELVES);
    things_of(graph)
}

fn things_of(graph: Graph) -> (Vec<RecordBatch>, Vec<RecordBatch>) {
    let graph = graph.sort();
    (batches(&graph, THING.type_name), edge_batches(&graph))
}

fn batches(graph: &SortedGraph, type_name: &str) -> Vec<RecordBatch> {
    let entities = graph.entities().find(|table| table.entity.type_name == type_name);
    let entities = entities.expect("the type was made");
    let batches = entities.batches(&[]).expect("they are kept");
    batches.collect::<Result<_, _>>().expect("the schema fits")
}

fn edge_batches(graph: &SortedGraph) -> Vec<RecordBatch> {
    let edges = graph.edges().next().expect("the type was made");
    let batches = graph.edge_batches(edges).expect("the schema fits");
    batches.iter().collect::<Result<_, _>>().expect("the schema fits")
}

const TWO_SHELVES: &str = "shelf.uid\ns1\ns2\n";

#[test]
fn g4_rows_of_a_known_key_add_their_edges_and_count_as_identical_or_conflicting() {
    let mut graph = Graph::default();
    ingest(&mut graph, &SHELVES, TWO_SHELVES);
    let account = ingest(
        &mut graph,
        &THINGS,
        "shelf.uid,thing.uid,thing.name,thing.label\n\
         s1,t1,one,red\n\
         s2,t1,one,red\n\
         s1,t1,one,red\n\
         s1,t1,uno,red\n\
         s1,t2,,\n\
         ,t3,three,\n\
         s9,t1,one,red\n\
         s1,,lost,\n",
    );
    insta::assert_snapshot!(listing::list(graph, &THINGS).expect("the schema fits"), @r#"
    shop_thing: Some(EntityCounts { entities: 3, identical: 3, conflicting: 1, carried_over: 0 })
    shop_shelf_has_thing: Some(EdgeCounts { edges: 3, duplicates: 2, dangling: 1, unlinked: 1, carried_over: 0 })

    _key: "shop_thing:t1"
    name: "uno"
    displayName: "uno"
    label: "red"

    _key: "shop_thing:t2"
    name: "t2"
    displayName: "t2"

    _key: "shop_thing:t3"
    name: "three"
    displayName: "three"

    shop_shelf:s1 HAS shop_thing:t1 label: Some("red")
    shop_shelf:s1 HAS shop_thing:t2 label: None
    shop_shelf:s2 HAS shop_thing:t1 label: Some("red")
    "#);
    assert_eq!((account.read(), account.used, account.merged, account.quarantined()), (8, 5, 2, 1));
}

#[test]
fn f12_a_missing_key_column_rejects_the_export_and_any_other_does_not() {
    let error = rejected(&THINGS, b"shelf.uid,thing.name\ns1,one\n");
    assert_eq!(error, IngestError::MissingKey { columns: vec!["thing.uid"], near: vec![] });
    let mut graph = Graph::default();
    ingest(&mut graph, &SHELVES, TWO_SHELVES);
    let account = ingest(&mut graph, &THINGS, "x,thing.uid,thing.#mine\n1,t1,2\n");
    assert_eq!(account.missing_columns, ["shelf.uid", "thing.name", "thing.label"]);
    assert_eq!(account.unknown_columns, 2);
}

#[test]
fn a_truncated_export_leaves_nothing_behind() {
    let error = rejected(&THINGS, b"thing.uid,thing.name\nt1,one\nt2,\"tw");
    let IngestError::Rejected(rejection) = error else { panic!("a refusal: {error:?}") };
    assert_eq!((rejection.line, rejection.reason), (3, RejectionReason::Unterminated));
}

#[test]
fn f21_a_row_with_an_overlong_or_invisible_key_is_quarantined() {
    let mut graph = Graph::default();
    let long = "k".repeat(257);
    let export = format!(
        "thing.uid\n{}\n{long}\nt\u{200b}1\nt\u{a0}1\nt\u{202e}1\nt\u{3000}1\n",
        &long[1..]
    );
    let account = ingest(&mut graph, &THINGS, &export);
    assert_eq!((account.used, account.quarantined()), (1, 5));
}

#[test]
fn a_tag_is_on_every_entity() {
    let mut graph = Graph::default();
    ingest(&mut graph, &SHELVES, TWO_SHELVES);
    let tags = [Tag { name: "tag.AccountName".to_owned(), value: "Acme".to_owned() }];
    let closed = graph.close(SHELF.type_name).expect("it was made");
    let mut batches = closed.sorted().batches(&tags).expect("they are kept");
    let batch = batches.next().expect("there are shelves").expect("the schema fits");
    let column = batch.column_by_name("tag.AccountName").expect("the tag is a column");
    assert_eq!(column.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["Acme", "Acme"]);
}

#[test]
fn objects_that_an_incomplete_run_misses_are_carried_over_and_new_values_win() {
    let mut before = Graph::default();
    ingest(&mut before, &SHELVES, TWO_SHELVES);
    let export = "shelf.uid,thing.uid,thing.name,thing.label\ns1,t|1,old,red\ns2,t2,two,blue\n";
    ingest(&mut before, &THINGS, export);
    let (things, edges) = things_of(before);

    let mut now = Graph::default();
    ingest(&mut now, &SHELVES, "shelf.uid\ns1\n");
    ingest(&mut now, &THINGS, "shelf.uid,thing.uid,thing.name\ns1,t|1,new\ns1,t3,three\n");
    assert_eq!(now.count_missing(&THING, &things[0]).expect("a table of things"), 1);
    now.carry_over_entities(&THING, &things[0]).expect("a table of things");
    now.carry_over_edges(&SHELF_HAS_THING, &edges[0]).expect("a table of edges");

    insta::assert_snapshot!(listing::list(now, &THINGS).expect("the schema fits"), @r#"
    shop_thing: Some(EntityCounts { entities: 2, identical: 0, conflicting: 0, carried_over: 1 })
    shop_shelf_has_thing: Some(EdgeCounts { edges: 2, duplicates: 0, dangling: 0, unlinked: 0, carried_over: 0 })

    _key: "shop_thing:t2"
    name: "two"
    displayName: "two"
    label: "blue"

    _key: "shop_thing:t3"
    name: "three"
    displayName: "three"

    _key: "shop_thing:t%7C1"
    name: "new"
    displayName: "new"

    shop_shelf:s1 HAS shop_thing:t3 label: None
    shop_shelf:s1 HAS shop_thing:t%7C1 label: None
    "#);
}

#[test]
fn a_row_without_a_key_gets_one_derived_from_its_identifying_columns() {
    let mut graph = Graph::default();
    ingest(&mut graph, &SHELVES, TWO_SHELVES);
    let rows = "s1,,one,A1,Acme\ns2,,one,A1,Acme\ns1,,two,A,1Acme\ns1,t1,three,,\ns1,,lost,,\n";
    let header = "shelf.uid,thing.uid,thing.name,thing.serial,thing.maker\n";
    let account = ingest(&mut graph, &THINGS, &format!("{header}{rows}"));
    assert_eq!((account.used, account.quarantined()), (4, 1));
    assert_eq!(account.missing_columns, ["thing.label"], "what is unlisted is not missed");
    let without_uid = header.replace("thing.uid,", "");
    let rows = "s1,one,A1,Acme\ns1,four,A4,Acme\n";
    let mut again = Graph::default();
    ingest(&mut again, &SHELVES, TWO_SHELVES);
    ingest(&mut again, &THINGS, &format!("{without_uid}{rows}"));
    let keys = |graph: Graph| -> BTreeSet<String> {
        let (things, _) = things_of(graph);
        let keys = things[0].column_by_name("_key").expect("a key").as_string::<i32>();
        keys.iter().flatten().map(str::to_owned).collect()
    };
    let (first, second) = (keys(graph), keys(again));
    assert_eq!((first.len(), second.len()), (3, 2));
    assert_eq!(first.intersection(&second).count(), 1, "the same cells make the same key");
}

#[test]
fn an_export_without_an_end_of_its_edges_reports_it() {
    let mut graph = Graph::default();
    ingest(&mut graph, &SHELVES, TWO_SHELVES);
    let account = ingest(&mut graph, &THINGS, "thing.uid,thing.name\nt1,one\n");
    assert_eq!(account.missing_ends, [SHELF_HAS_THING.type_name]);
    let account = ingest(&mut graph, &THINGS, "thing.uid,shelf.uid\nt1,s1\n");
    assert_eq!(account.missing_ends, [""; 0]);
}

#[test]
fn a_property_that_the_export_lacks_keeps_its_value() {
    let mut before = Graph::default();
    ingest(&mut before, &SHELVES, TWO_SHELVES);
    ingest(&mut before, &THINGS, "shelf.uid,thing.uid,thing.name,thing.label\ns1,t1,one,red\n");
    let (things, _) = things_of(before);

    let mut now = Graph::default();
    ingest(&mut now, &SHELVES, TWO_SHELVES);
    ingest(&mut now, &THINGS, "shelf.uid,thing.uid,thing.label\ns1,t1,\ns1,t2,blue\n");
    let doubtful_properties =
        now.entity_table(THING.type_name).expect("made").doubtful_properties();
    assert_eq!(doubtful_properties.collect::<Vec<_>>(), ["name", "displayName"]);
    now.keep_earlier(&THING, &things).expect("a table of things");
    let listing = listing::list(now, &THINGS).expect("the schema fits");
    // The label was listed and is empty, so it is removed; the name was not listed, so it stays.
    assert!(listing.contains("_key: \"shop_thing:t1\"\nname: \"one\"\ndisplayName: \"one\"\n\n"));
    assert!(listing.contains("_key: \"shop_thing:t2\"\nname: \"t2\"\n"));
}

#[test]
fn a_property_that_is_never_null_gets_a_default_if_the_earlier_generation_lacks_it() {
    let keys: arrow_array::StringArray = vec!["shop_thing:t7"].into();
    let batch = RecordBatch::try_from_iter([("_key", std::sync::Arc::new(keys) as _)]);
    let mut graph = Graph::default();
    ingest(&mut graph, &SHELVES, TWO_SHELVES);
    graph.add_empty(&THINGS);
    graph.carry_over_entities(&THING, &batch.expect("one column")).expect("a table of things");
    let listing = listing::list(graph, &THINGS).expect("the schema fits");
    assert!(listing.contains("name: \"t7\"\ndisplayName: \"t7\"\n"), "{listing}");
}

#[test]
fn edges_count_as_missing_unless_another_step_removed_an_end() {
    let mut before = Graph::default();
    ingest(&mut before, &SHELVES, TWO_SHELVES);
    ingest(&mut before, &THINGS, "shelf.uid,thing.uid\ns1,t1\ns1,t2\ns1,t3\ns2,t1\ns2,t4\n");
    let (_, edges) = things_of(before);
    let mut now = Graph::default();
    ingest(&mut now, &SHELVES, "shelf.uid\ns1\n");
    ingest(&mut now, &THINGS, "shelf.uid,thing.uid\ns1,t1\n,t2\n");
    // s1-t1 is here; s1-t2 is missing, and so is s1-t3 together with its thing; s2 went with its
    // edges.
    let missing = now.count_missing_edges(&THINGS, &SHELF_HAS_THING, &edges[0]);
    assert_eq!(missing.expect("a table of edges"), 2);
}

#[test]
fn g12_a_huge_text_is_cut_at_a_character_and_marked() {
    let mut graph = Graph::default();
    let name = "é".repeat(3000);
    ingest(&mut graph, &THINGS, &format!("thing.uid,thing.name\nt1,{name}\n"));
    let (things, _) = things_of_things(graph);
    let names = things[0].column_by_name("name").expect("a property").as_string::<i32>();
    assert_eq!(names.value(0), format!("{}…", &name[..4096]));
}

#[test]
fn rows_in_any_order_give_the_same_tables() {
    let rows = ["s1,t1,one,red", "s2,t1,one,red", "s2,t2,two,", "s1,t3,three,"];
    let tables = |order: &[usize]| {
        let mut graph = Graph::default();
        ingest(&mut graph, &SHELVES, TWO_SHELVES);
        let rows: Vec<&str> = order.iter().map(|&row| rows[row]).collect();
        let header = "shelf.uid,thing.uid,thing.name,thing.label";
        ingest(&mut graph, &THINGS, &format!("{header}\n{}\n", rows.join("\n")));
        things_of(graph)
    };
    let expected = tables(&[0, 1, 2, 3]);
    assert_eq!(tables(&[3, 2, 1, 0]), expected);
    assert_eq!(tables(&[2, 0, 3, 1, 1, 2]), expected);
}

/// Reads the graph of things back into the twin's shape.
fn read_back(graph: Graph, account: &RowAccount) -> twin::Graph {
    let of_entities = graph.entity_table(THING.type_name).expect("made").counts();
    let of_edges = graph.edges(SHELF_HAS_THING.type_name).expect("made").counts();
    let mut found = twin::Graph {
        identical: of_entities.identical,
        conflicting: of_entities.conflicting,
        dangling: of_edges.dangling,
        unlinked: of_edges.unlinked,
        used: account.used,
        merged: account.merged,
        without_key: account.quarantined(),
        ..twin::Graph::default()
    };
    let (things, edges) = things_of(graph);
    for batch in &things {
        let text = |name| batch.column_by_name(name).expect("a property").as_string::<i32>();
        let (keys, names, labels) = (text("_key"), text("name"), text("label"));
        for row in 0..batch.num_rows() {
            let uid = THING.uid_of_key(keys.value(row)).expect("a key of the type");
            let value = |text: Option<&str>| text.map(str::to_owned);
            let values =
                (value(names.iter().nth(row).flatten()), value(labels.iter().nth(row).flatten()));
            found.things.insert(uid, values);
        }
    }
    for batch in &edges {
        let ends = ["_fromEntityKey", "_toEntityKey"].map(|name| {
            let column = batch.column_by_name(name).expect("an end").as_dictionary::<UInt32Type>();
            column.downcast_dict::<arrow_array::StringArray>().expect("texts")
        });
        for (from, to) in ends[0].into_iter().zip(ends[1]) {
            let from = SHELF.uid_of_key(from.expect("never null")).expect("a key");
            let to = THING.uid_of_key(to.expect("never null")).expect("a key");
            assert!(found.edges.insert((from, to)), "an edge is there once");
        }
    }
    found
}

proptest! {
    #[test]
    fn columns_agree_with_rows(
        rows in prop::collection::vec(
            ("(s[0-9])?", "(t[0-9])?", "[ab,\"\né]{0,2}", "[ab]{0,1}"), 0..60),
        batch_rows in 1_usize..9,
        chunk in 1_usize..50,
    ) {
        let rows: Vec<[String; 4]> = rows.into_iter()
            .map(|(shelf, uid, name, label)| [shelf, uid, name.trim_ascii().to_owned(), label])
            .collect();
        let shelves: BTreeSet<String> = (0..6).map(|number| format!("s{number}")).collect();
        let mut graph = Graph::default();
        let export: Vec<String> = shelves.iter().cloned().collect();
        ingest(&mut graph, &SHELVES, &format!("shelf.uid\n{}\n", export.join("\n")));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["shelf.uid", "thing.uid", "thing.name", "thing.label"]).expect("memory");
        for row in &rows {
            writer.write_record(row).expect("memory");
        }
        let export = writer.into_inner().expect("memory");
        let mut ingest = StepIngest::new(&THINGS, &graph).with_batch_rows(batch_rows);
        for chunk in export.chunks(chunk) {
            ingest.push(chunk).expect("accepted");
        }
        let tables = ingest.finish().expect("accepted");
        let account = tables.account.clone();
        graph.add(tables);
        prop_assert_eq!(read_back(graph, &account), twin::map(&rows, &shelves));
    }
}

/// A reader that returns a few bytes at a time, and may then fail.
struct Slow<'a> {
    bytes: &'a [u8],
    fails: bool,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() && self.fails {
            return Err(io::Error::other("the checksum is wrong"));
        }
        let (now, later) = self.bytes.split_at(self.bytes.len().min(buffer.len()).min(700));
        buffer[..now.len()].copy_from_slice(now);
        self.bytes = later;
        Ok(now.len())
    }
}

/// Enough rows for several blocks to wait; two threads quarantine some of them.
fn many_rows() -> String {
    let mut csv = "shelf.uid,thing.uid,thing.name,thing.label\n".to_owned();
    for row in 0..60_000 {
        match row % 1_000 {
            998 => csv.push_str("s1,only two cells\n"),
            999 => csv.push_str("s1,,no key,\n"),
            _ => writeln!(csv, "s{},t{},\"thing, {}\",", row % 3, row / 2, row / 2)
                .expect("a text takes everything"),
        }
    }
    csv
}

#[test]
fn reading_on_several_threads_equals_reading_on_one() {
    let csv = many_rows();
    let mut expected = Graph::default();
    ingest(&mut expected, &SHELVES, TWO_SHELVES);
    let account = ingest(&mut expected, &THINGS, &csv);
    let mut graph = Graph::default();
    ingest(&mut graph, &SHELVES, TWO_SHELVES);
    let mut threaded = StepIngest::new(&THINGS, &graph);
    let n_bytes = threaded.read(&mut Slow { bytes: csv.as_bytes(), fails: false });
    assert_eq!(n_bytes.expect("accepted"), csv.len() as u64);
    let tables = threaded.finish().expect("accepted");
    assert_eq!(tables.account, account);
    assert_eq!(tables.account.quarantined(), 120);
    graph.add(tables);
    assert_eq!(things_of(graph), things_of(expected));
}

#[test]
fn a_failing_or_rejected_file_ends_on_all_threads() {
    let mut graph = Graph::default();
    ingest(&mut graph, &SHELVES, TWO_SHELVES);
    let read = |csv: &str, fails| {
        StepIngest::new(&THINGS, &graph).read(&mut Slow { bytes: csv.as_bytes(), fails })
    };
    let rows = many_rows();
    assert!(matches!(read(&rows, true), Err(ReadError::Bytes(_))));
    let stray = format!("{rows}s1,t\"1,,\n{rows}");
    assert!(matches!(read(&stray, true), Err(ReadError::Rejected(IngestError::Rejected(_)))));
    // The missing column of the first batch is reported, not the later failure of the bytes.
    let other = rows.replacen("thing.uid", "other.uid", 1);
    let rejected = read(&other, true);
    assert!(matches!(rejected, Err(ReadError::Rejected(IngestError::MissingKey { .. }))));
}

/// A reader that panics.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("it is broken")
    }
}

#[test]
fn a_panic_on_any_thread_ends_the_pipeline_and_is_propagated() {
    let graph = Graph::default();
    let mut ingest = StepIngest::new(&THINGS, &graph);
    let csv = many_rows();
    let mut broken = csv.as_bytes().chain(Broken);
    let caught = panic::catch_unwind(AssertUnwindSafe(|| ingest.read(&mut broken)));
    let said = caught.expect_err("it panics").downcast::<&str>();
    assert_eq!(said.ok().as_deref(), Some(&"it is broken"));
}

#[test]
fn values_that_edges_do_not_need_can_be_released_once_written() {
    let mut graph = Graph::default();
    ingest(&mut graph, &SHELVES, TWO_SHELVES);
    ingest(&mut graph, &THINGS, "shelf.uid,thing.uid,thing.name,thing.label\ns1,t1,one,blue\n");
    let closed = graph.close(THING.type_name).expect("it was made");
    closed.sorted().keep_only(|property| property == "label");
    let graph = graph.sort();
    let batch = &edge_batches(&graph)[0];
    let labels = batch.column_by_name("label").expect("a property").as_dictionary::<UInt32Type>();
    assert_eq!(labels.values().as_string::<i32>().value(0), "blue");
    let error = closed.sorted().batches(&[]).err().expect("its values are gone");
    assert!(error.to_string().contains("no values of name of shop_thing are kept"), "{error}");
}
