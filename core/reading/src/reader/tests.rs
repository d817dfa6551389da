//! Readers of a store with generations that have no tables, and of one that has nothing yet.

use std::cell::Cell;

use core_query::QueryResult;

use super::*;
use crate::testing::{Fixture, IDS};

fn told<T>(result: Result<T, Failure>) -> String {
    format!("{:#}", result.map(drop).expect_err("it is refused").error)
}

#[test]
fn a_generation_is_the_published_one_or_the_one_that_is_named() {
    let fixture = Fixture::new(3);
    let reader = fixture.reader(None);
    for (as_of, expected) in [
        (None, IDS[2]),
        (Some("current"), IDS[2]),
        (Some("previous"), IDS[1]),
        (Some("2026-03-01"), IDS[0]),
        (Some(IDS[1]), IDS[1]),
    ] {
        let generation = reader.generation(as_of).map_err(|failure| failure.error);
        assert_eq!(generation.expect("it is kept").id().as_str(), expected, "{as_of:?}");
    }
    assert!(told(reader.generation(Some("2026-02-01"))).contains("there is no generation from"));
    assert!(told(reader.generation(Some("soon"))).contains("names no generation"));
}

#[test]
fn the_first_generation_has_none_before_it_and_without_one_a_run_is_advised() {
    let fixture = Fixture::new(1);
    let expected = "there is no generation before the published one";
    assert_eq!(told(fixture.reader(None).generation(Some("previous"))), expected);
    let fixture = Fixture::new(0);
    let expected = "tenant acme has no generation yet: `nexthink-graph run` publishes one";
    assert_eq!(told(fixture.reader(None).generation(None)), expected);
}

#[tokio::test]
async fn a_store_without_anything_cannot_be_opened_and_says_what_is_missing() {
    let fixture = Fixture::new(0);
    let reader = fixture.reader(None);
    assert!(told(reader.open(Opening::default()).await).contains("has no generation yet"));
    assert!(told(reader.open_events().await).starts_with("there are no events of the audit trail"));
}

#[test]
fn the_past_ends_with_the_generation_that_is_asked_and_leaves_out_what_cannot_be_read() {
    let fixture = Fixture::new(3);
    let last = IDS[1].parse().expect("it is an ID");
    let ids = |past: &Past| -> Vec<String> {
        past.generations.iter().map(|generation| generation.id().to_string()).collect()
    };
    let past = Past::up_to(&fixture.tenant, &last, None).map_err(|failure| failure.error);
    let past = past.expect("it can be read");
    assert_eq!((ids(&past), past.remark()), (vec![IDS[1].to_owned(), IDS[0].to_owned()], None));

    let since = "2026-03-02T00:00:00Z".parse().expect("it is a time");
    let past = Past::up_to(&fixture.tenant, &last, Some(since)).map_err(|failure| failure.error);
    assert_eq!(ids(&past.expect("it can be read")), [IDS[1]]);

    let folder = fixture.folder.path().join("store/acme/generations").join(IDS[0]);
    std::fs::write(folder.join("manifest.json"), "{").expect("it is ours");
    let past = Past::up_to(&fixture.tenant, &last, None).map_err(|failure| failure.error);
    let past = past.expect("the others can be read");
    assert_eq!(ids(&past), [IDS[1]]);
    let expected = "the history lacks 1 generation, which cannot be read: `history` says why";
    assert_eq!(past.remark().as_deref(), Some(expected));
}

#[test]
fn a_time_since_which_nothing_was_made_is_read_like_every_other() {
    let fixture = Fixture::new(1);
    let reader = fixture.reader(None);
    let since = |text: &str| reader.since(text).map(|time| time.to_string()).ok();
    // The clock of the fixture shows 2026-03-04T10:00:00Z.
    assert_eq!(since("2d").as_deref(), Some("2026-03-02T10:00:00Z"));
    assert_eq!(since("2026-03-01").as_deref(), Some("2026-03-01T00:00:00Z"));
    assert_eq!(since("soon"), None);
}

#[tokio::test]
async fn a_value_for_a_parameter_that_a_query_does_not_have_is_refused() {
    let fixture = Fixture::new(1);
    let reader = fixture.reader(None);
    let (_, session) = reader
        .open(Opening::default())
        .await
        .map_err(|failure| failure.error)
        .expect("there is a generation");
    let given = BTreeMap::from([("name".to_owned(), "a".to_owned())]);
    let refused = told(reader.translate(&session, "FIND * WITH name = 'a'", &given));
    assert!(refused.contains("name"), "{refused}");
    let refused = told(reader.translate(&session, "FIND", &BTreeMap::new()));
    assert!(!refused.is_empty());
}

#[tokio::test]
async fn tables_of_the_users_files_are_made_for_queries_that_name_them() {
    let fixture = Fixture::new(1);
    let own = fixture.folder.path().join("own");
    for folder in [None, Some(own.as_path())] {
        let reader = fixture.reader(folder);
        let (_, mut session) = reader
            .open(Opening::default())
            .await
            .map_err(|failure| failure.error)
            .expect("there is a generation");
        let named = reader.add_named(&mut session, "select * from nexthink_device").await;
        assert!(named.is_ok(), "no file is needed");
        for (table, file) in
            [("software_eol", "products.json"), ("advisory_match", "advisories.csv")]
        {
            let refused = told(reader.add_named(&mut session, &format!("FIND {table}")).await);
            let expected = format!("the table {table} is made from software/{file}, which is not");
            assert!(refused.starts_with(&expected), "{refused}");
        }
    }
}

#[test]
fn questions_are_the_shipped_ones_and_those_in_the_folder_of_the_user() {
    let fixture = Fixture::new(0);
    let shipped = fixture.reader(None).questions().map_err(|failure| failure.error);
    let shipped = shipped.expect("they are part of the program").list().count();
    assert!(shipped > 0);
    let own = fixture.folder.path().join("own");
    std::fs::create_dir_all(own.join("questions")).expect("it is ours");
    std::fs::write(own.join("questions/mine.toml"), "title = 3\n").expect("it is ours");
    let refused = told(fixture.reader(Some(&own)).questions());
    assert!(refused.contains("mine"), "{refused}");
}

#[tokio::test]
async fn an_answer_is_recorded_once_and_asked_again_only_until_something_is_printed() {
    let fixture = Fixture::new(1);
    let reader = fixture.reader(None);
    let progress = crate::Progress::default();
    for _ in 0..2 {
        progress.record_query(&reader, None, "select 1");
    }
    let entries = fixture.tenant.ledger().entries().expect("it can be read");
    let events: Vec<_> = entries.iter().map(|entry| entry.record.event.as_str()).collect();
    assert_eq!(events, ["query"]);
    let attempts = Cell::new(0);
    let failed: Result<QueryResult, &str> = progress
        .retried(&reader, || {
            attempts.set(attempts.get() + 1);
            async { Err("it fails for another reason") }
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(attempts.get(), 1, "no file was replaced");
}
