//! Rows of one key that contradict each other: which of them wins never depends on their order.

use core_ingest::graph::Graph;
use core_ingest::step::StepIngest;
use core_model::step::Step;
use proptest::prelude::*;

use crate::support::{ingest, listed, listed_graph};
use crate::types::PARCELS;

const HEADER: &str = "parcel.uid,parcel.seen,parcel.sent,parcel.name,parcel.weight,parcel.kind,parcel.fragile,parcel.tags\n";

/// The graph of rows in batches of a few.
fn graph_of(step: &'static Step, rows: &[String], batch_rows: usize) -> String {
    let mut graph = Graph::default();
    let mut ingest = StepIngest::new(step, &graph).with_batch_rows(batch_rows);
    ingest.push(format!("{HEADER}{}\n", rows.join("\n")).as_bytes()).expect("accepted");
    let tables = ingest.finish().expect("accepted");
    graph.add(tables);
    listed_graph(graph, step)
}

#[test]
fn g5_the_newest_row_wins_then_the_one_with_the_greater_values() {
    let table = [
        // The later time wins, whatever else the rows say.
        ("p,2026-01-02 00:00:00,,a,1,,,", "p,2026-01-01 00:00:00,,b,2,,,"),
        // Any time wins over none, and over one that cannot be read.
        ("p,2026-01-02 00:00:00,,a,,,,", "p,,,b,,,,"),
        ("p,2026-01-02 00:00:00,,a,,,,", "p,9999,,b,,,,"),
        // The second time decides where the first does not.
        ("p,,2026-01-02 00:00:00,a,,,,", "p,,2026-01-01 00:00:00,b,,,,"),
        ("p,,,b,,,,", "p,,,a,,,,"),
        ("p,,,,10,,,", "p,,,,9,,,"),
        ("p,,,,-1,,,", "p,,,,,,,"),
        ("p,,,,,,no,", "p,,,,,,,"),
        ("p,,,,,,yes,", "p,,,,,,no,"),
        ("p,,,,,,,10.0.0.1 10.0.0.2", "p,,,,,,,10.0.0.1"),
    ];
    for (winner, loser) in table {
        let alone = listed(&PARCELS, &format!("{HEADER}{winner}\n"));
        for rows in [[winner, loser], [loser, winner]] {
            let rows = rows.map(str::to_owned);
            assert_eq!(graph_of(&PARCELS, &rows, 1024), alone, "{winner} wins over {loser}");
        }
    }
}

#[test]
fn g5_rows_that_contradict_each_other_are_counted() {
    let mut graph = Graph::default();
    let rows = "p,,,a,,,,\np,,,b,,,,\np,,,b,,,,\nq,,,a,,,,\n";
    let account = ingest(&mut graph, &PARCELS, &format!("{HEADER}{rows}"));
    let counts = graph.entity_table("shop_parcel").expect("made").counts();
    assert_eq!((counts.entities, counts.identical, counts.conflicting), (2, 0, 2));
    assert_eq!((account.used, account.merged), (2, 2));
}

#[test]
fn g5_so_many_contradictions_that_they_are_settled_in_between_change_nothing() {
    let times: Vec<String> = (0..9000)
        .map(|it| {
            format!(
                "p{},2026-01-01 {:02}:{:02}:{:02},,n{it},,,,",
                it % 7,
                it / 3600,
                it / 60 % 60,
                it % 60
            )
        })
        .collect();
    let mut reversed = times.clone();
    reversed.reverse();
    let ascending = graph_of(&PARCELS, &times, 1024);
    assert_eq!(graph_of(&PARCELS, &reversed, 1024), ascending);
    for last in 8993..9000 {
        assert!(ascending.contains(&format!("name: \"n{last}\"")), "{ascending}");
    }
}

#[test]
fn g16_an_alert_is_what_its_latest_times_say() {
    // Like an alert: `seen` is when it was triggered, `sent` when it recovered.
    let open = "p,2026-01-01 00:00:00,,open,,,,";
    let closed = "p,2026-01-01 00:00:00,2026-01-01 01:00:00,closed,,,,";
    let again = "p,2026-01-02 00:00:00,,again,,,,";
    for (rows, expected) in [
        (&[open, closed][..], "closed"),
        (&[closed, open], "closed"),
        (&[closed, again, open], "again"),
    ] {
        let rows: Vec<String> = rows.iter().map(|&it| it.to_owned()).collect();
        assert!(graph_of(&PARCELS, &rows, 1).contains(&format!("name: \"{expected}\"")));
    }
}

/// Rows of few keys with few values each, so that they often meet.
fn row() -> impl Strategy<Value = String> {
    let time = "(2026-01-0[12] 00:00:00|x)?";
    ("[pq]", time, time, "[ab]?", "[12x]?", "[KkM]?", "(yes|no|x)?", "(10\\.0\\.0\\.[12] ?){0,2}")
        .prop_map(|(uid, seen, sent, name, weight, kind, fragile, tags)| {
            [uid, seen, sent, name, weight, kind, fragile, tags].join(",")
        })
}

proptest! {
    #[test]
    fn g5_the_order_of_rows_never_matters(
        (rows, shuffled) in prop::collection::vec(row(), 1..12)
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        batch_rows in 1_usize..5,
    ) {
        let expected = graph_of(&PARCELS, &rows, 1024);
        prop_assert_eq!(graph_of(&PARCELS, &shuffled, batch_rows), expected);
    }

    #[test]
    fn g4_a_row_that_comes_again_changes_nothing(rows in prop::collection::vec(row(), 1..12)) {
        let twice = [&rows[..], &rows].concat();
        prop_assert_eq!(graph_of(&PARCELS, &twice, 3), graph_of(&PARCELS, &rows, 3));
    }
}
