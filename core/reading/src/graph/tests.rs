//! Reads of the graph of a few devices and a package.

use super::*;
use crate::testing::{ESTATE, Fixture};

async fn open<'a>(reader: &'a Reader<'a>) -> OpenGraph<'a> {
    OpenGraph::new(reader, None, None).await.map_err(|failure| failure.error).expect("it is there")
}

/// Returns the reason why there is no entity, and the number of candidates.
fn reason<T>(found: Result<T, NotFound>) -> (String, usize) {
    match found.map(drop).expect_err("there is none") {
        NotFound::Failed(failure) => (failure.error.to_string(), 0),
        NotFound::Unclear { lookup, failure } => match *lookup {
            Lookup::Found(_) => panic!("it is found"),
            Lookup::Ambiguous(page) | Lookup::NotFound(page) => {
                (failure.error.to_string(), page.hits.len())
            }
        },
    }
}

#[tokio::test]
async fn an_entity_is_named_by_its_key_or_by_a_name_that_it_alone_has() {
    let fixture = Fixture::estate();
    let reader = fixture.reader(None);
    let graph = open(&reader).await;
    for (text, key) in [("d1", "d1"), ("LAP-1", "d1"), ("lap-1", "d1"), ("Editor", "p1")] {
        let shown = graph.show(text).await.map_err(|found| format!("{found:?}"));
        assert_eq!(shown.expect("it is one").entity.reference.key, key, "{text}");
    }
    let several = "2 entities are named LAP-2: name the one by its key".to_owned();
    assert_eq!(reason(graph.show("LAP-2").await), (several, 2));
    let part = "no entity has the key or name LAP; the entities above contain it".to_owned();
    assert_eq!(reason(graph.show("LAP").await), (part, 3));
    let (text, candidates) = reason(graph.show("printer").await);
    assert_eq!(
        (text.starts_with("no entity has the key or name printer: "), candidates),
        (true, 0)
    );
}

#[tokio::test]
async fn neighbors_are_followed_as_far_as_is_asked() {
    let fixture = Fixture::estate();
    let reader = fixture.reader(None);
    let graph = open(&reader).await;
    let keys = async |depth, limit| {
        let around =
            graph.neighbors("d1", depth, limit).await.map_err(|found| format!("{found:?}"));
        let around = serde_json::to_string(&around.expect("it is there")).expect("it is JSON");
        ["d2", "d3", "p1"].map(|key| around.contains(&format!("\"{key}\"")))
    };
    assert_eq!(keys(1, 25).await, [false, false, true]);
    assert_eq!(keys(2, 25).await, [true, false, true]);
}

#[tokio::test]
async fn a_path_is_found_or_a_sentence_says_that_there_is_none() {
    let fixture = Fixture::estate();
    let reader = fixture.reader(None);
    let graph = open(&reader).await;
    let path = async |to: &str, length, through_account| {
        let path = graph.path("d1", to, length, through_account).await;
        path.map_err(|found| format!("{found:?}")).expect("both are there").map(drop)
    };
    assert_eq!(path("d2", 2, false).await, Ok(()));
    let one = "no path of at most 1 relationship leads from LAP-1 to LAP-2, and not through the account: \
               --through-account allows that";
    assert_eq!(path("d2", 1, false).await, Err(one.to_owned()));
    let none = "no path of at most 6 relationships leads from LAP-1 to LAP-2";
    assert_eq!(path("d3", 6, true).await, Err(none.to_owned()));
}

#[tokio::test]
async fn a_search_of_a_type_that_is_not_there_names_those_that_are() {
    let fixture = Fixture::estate();
    let reader = fixture.reader(None);
    let graph = open(&reader).await;
    let found = async |types: &[&str], limit| {
        let types: Vec<String> = types.iter().map(|&name| name.to_owned()).collect();
        let page = graph.search("lap", &types, limit).await;
        page.map(|page| page.hits.len()).map_err(|failure| failure.error.to_string())
    };
    assert_eq!(found(&[], 20).await, Ok(3));
    assert_eq!(found(&[], 2).await, Ok(2));
    assert_eq!(found(&["nexthink_package"], 20).await, Ok(0));
    let unknown = found(&["printer"], 20).await.expect_err("there is no such type");
    let expected = "there is no type printer: the types are nexthink_device, nexthink_package";
    assert_eq!(unknown, expected);
}

#[tokio::test]
async fn each_read_is_in_the_ledger_and_a_search_that_is_refused_is_none() {
    let fixture = Fixture::estate();
    let reader = fixture.reader(None);
    let graph = open(&reader).await;
    let _ = graph.show("printer").await;
    let _ = graph.neighbors("d1", 1, 1).await;
    let _ = graph.path("d1", "d2", 2, false).await;
    let _ = graph.search("lap", &["printer".to_owned()], 1).await;
    let _ = graph.search("lap", &[], 1).await;
    let entries = fixture.tenant.ledger().entries().expect("it can be read");
    let verbs: Vec<_> = entries
        .iter()
        .map(|entry| {
            assert_eq!(entry.record.event, "graph_read");
            assert_eq!(entry.record.facts["generation"], ESTATE);
            entry.record.facts["verb"].as_str().unwrap_or_default().to_owned()
        })
        .collect();
    assert_eq!(verbs, ["show", "neighbors", "path", "search"]);
}
