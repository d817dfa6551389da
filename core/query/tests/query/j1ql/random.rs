//! Random queries over random graphs: the engine answers as the plain evaluator does.

mod graphs;
mod queries;

use std::cell::Cell;
use std::collections::BTreeMap;

use core_j1ql::Environment;
use core_j1ql::syntax::Query;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use self::graphs::{graph, tables};
use self::queries::query;
use crate::j1ql::estate::{Checked, Estate, NOW_MS};
use crate::j1ql::rewrite::fill;
use crate::j1ql::twin::{self, Entity, SmallGraph, Value};

/// Each graph is published, which takes most of the time; so many queries ask it.
const QUERIES_A_GRAPH: usize = 25;
const GRAPHS: u32 = 10;
/// With this variable there are 50 graphs with 200 queries each.
const WHOLE: &str = "RANDOM_J1QL";

#[test]
fn the_engine_answers_as_the_plain_evaluator_does() -> Checked {
    let (graphs, queries) = if is_whole() { (50, 200) } else { (GRAPHS, QUERIES_A_GRAPH) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let config = Config { cases: graphs, failure_persistence: None, ..Config::default() };
    let strategy = (graph(), prop::collection::vec(query(), queries));
    let answered = Cell::new(0);
    let result = TestRunner::new(config)
        .run(&strategy, |(graph, queries)| runtime.block_on(check(&graph, &queries, &answered)));
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, (graph, _))) => {
            return Err(format!("{reason}\n{graph:#?}").into());
        }
        Err(error) => return Err(error.into()),
    }
    // Most queries have to be answered, or nothing is compared.
    let asked = usize::try_from(graphs)? * queries;
    assert!(answered.get() * 2 > asked, "{} of {asked} queries were answered", answered.get());
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a test that is made longer by hand")]
fn is_whole() -> bool {
    std::env::var_os(WHOLE).is_some()
}

/// Found by the test above: the rows were counted by statistics, which held the condition for always true.
#[tokio::test]
async fn a_column_without_any_value_fulfils_no_comparison() -> Checked {
    let properties = BTreeMap::from([("t".to_owned(), Value::Text(String::new()))]);
    let entity = Entity {
        key: "a0".to_owned(),
        type_name: "a".to_owned(),
        classes: vec!["A".to_owned()],
        properties,
    };
    let graph = SmallGraph { entities: vec![entity], edges: Vec::new() };
    let queries = [
        "FIND (A|B) AS e0 WHERE e0.n > 2 RETURN count(e0), count(e0.t)",
        "FIND A WITH n <= 2 AS e0 RETURN count(e0)",
    ];
    check(&graph, &queries.map(str::to_owned), &Cell::new(0))
        .await
        .map_err(|error| error.to_string().into())
}

async fn check(
    graph: &SmallGraph,
    queries: &[String],
    answered: &Cell<usize>,
) -> Result<(), TestCaseError> {
    let failed = |error: &dyn std::fmt::Display| TestCaseError::fail(error.to_string());
    let estate = Estate::publish(tables(graph)).await.map_err(|error| failed(&error))?;
    let parameters = BTreeMap::new();
    let environment = Environment { now_ms: NOW_MS, parameters: &parameters };
    for query in queries {
        let (mut parsed, _) =
            core_j1ql::parse(query).map_err(|error| failed(&error.render(query)))?;
        // Types that nothing relates are an error and no empty answer.
        if let Err(error) = estate.session.compile_j1ql(query, environment) {
            prop_assert!(error.message.starts_with("there is no relationship"), "{query}: {error}");
            continue;
        }
        let rows = estate.answer(query, &[]).await.map_err(|error| failed(&error))?.split_off(1);
        fill(&mut parsed, NOW_MS, &parameters);
        let (rows, expected) = comparable(&parsed, rows, &twin::answer(graph, &parsed));
        prop_assert_eq!(rows, expected, "{}", query);
        answered.set(answered.get() + 1);
    }
    Ok(())
}

/// Both answers in a form in which they are equal if they say the same.
fn comparable(
    query: &Query,
    mut rows: Vec<String>,
    expected: &[Vec<String>],
) -> (Vec<String>, Vec<String>) {
    if query.returns.is_none() {
        // The evaluator gives the key, which is the first column.
        for row in &mut rows {
            *row = row.split(',').next().unwrap_or_default().to_owned();
        }
    }
    let mut expected: Vec<String> = expected.iter().map(|row| row.join(",")).collect();
    if query.order.is_empty() {
        rows.sort();
        expected.sort();
    }
    (rows, expected)
}
