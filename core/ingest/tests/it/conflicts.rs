//! Rows of one key that contradict each other: the winner never depends on their order.

use core_ingest::graph::Graph;
use core_ingest::step::StepIngest;
use core_model::step::Step;
use proptest::prelude::*;

use crate::support::{ingest, listed, listed_graph};
use crate::types::PARCELS;

const HEADER: &str = "parcel.uid,parcel.seen,parcel.sent,parcel.name,parcel.weight,parcel.kind,parcel.fragile,parcel.tags\n";

/// Lists the graph of rows that come in batches of this size.
fn list_graph(step: &'static Step, rows: &[String], batch_rows: usize) -> String {
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
        // Any time wins over none, and over an unreadable one.
        ("p,2026-01-02 00:00:00,,a,,,,", "p,,,b,,,,"),
        ("p,2026-01-02 00:00:00,,a,,,,", "p,9999,,b,,,,"),
        // The second time decides if the first is equal or missing.
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
            assert_eq!(list_graph(&PARCELS, &rows, 1024), alone, "{winner} wins over {loser}");
        }
    }
}

#[test]
fn g5_conflicting_rows_are_counted() {
    let mut graph = Graph::default();
    let rows = "p,,,a,,,,\np,,,b,,,,\np,,,b,,,,\nq,,,a,,,,\n";
    let account = ingest(&mut graph, &PARCELS, &format!("{HEADER}{rows}"));
    let counts = graph.entity_table("shop_parcel").expect("made").counts();
    assert_eq!((counts.entities, counts.identical, counts.conflicting), (2, 0, 2));
    assert_eq!((account.used, account.merged), (2, 2));
}

#[test]
fn g5_applying_many_conflicts_early_changes_nothing() {
    let times: Vec<String> = (0..9000)
        .map(|number| {
            format!(
                "p{},2026-01-01 {:02}:{:02}:{:02},,n{number},,,,",
                number % 7,
                number / 3600,
                number / 60 % 60,
                number % 60
            )
        })
        .collect();
    let mut reversed = times.clone();
    reversed.reverse();
    let ascending = list_graph(&PARCELS, &times, 1024);
    assert_eq!(list_graph(&PARCELS, &reversed, 1024), ascending);
    for last in 8993..9000 {
        assert!(ascending.contains(&format!("name: \"n{last}\"")), "{ascending}");
    }
}

#[test]
fn g16_the_row_with_the_latest_times_describes_an_alert() {
    // Like an alert: `seen` is when it was triggered, `sent` when it recovered.
    let open = "p,2026-01-01 00:00:00,,open,,,,";
    let closed = "p,2026-01-01 00:00:00,2026-01-01 01:00:00,closed,,,,";
    let again = "p,2026-01-02 00:00:00,,again,,,,";
    for (rows, expected) in [
        (&[open, closed][..], "closed"),
        (&[closed, open], "closed"),
        (&[closed, again, open], "again"),
    ] {
        let rows: Vec<String> = rows.iter().map(|&row| row.to_owned()).collect();
        assert!(list_graph(&PARCELS, &rows, 1).contains(&format!("name: \"{expected}\"")));
    }
}

/// Rows of few keys with few values each, so that they often conflict.
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
        let expected = list_graph(&PARCELS, &rows, 1024);
        prop_assert_eq!(list_graph(&PARCELS, &shuffled, batch_rows), expected);
    }

    #[test]
    fn g4_a_repeated_row_changes_nothing(rows in prop::collection::vec(row(), 1..12)) {
        let twice = [&rows[..], &rows].concat();
        prop_assert_eq!(list_graph(&PARCELS, &twice, 3), list_graph(&PARCELS, &rows, 3));
    }
}
