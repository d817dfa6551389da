//! Random queries over random graphs: the engine answers as the plain evaluator does.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use core_j1ql::Environment;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use crate::j1ql::estate::{Checked, Estate, NOW_MS, TestTable, edges, entities, lists, text};
use crate::j1ql::twin::{self, Edge, Entity, SmallGraph, Value};

/// Each graph is published, which takes most of the time; so many queries ask it.
const QUERIES_A_GRAPH: usize = 25;
const GRAPHS: u32 = 10;

const TEXTS: [&str; 6] = ["", "x", "X", "xy", "it's", "é%"];
const TYPES: [(&str, &[&str]); 3] =
    [("a", &["A"]), ("b", &["B", "Shared"]), ("c", &["C", "Shared"])];
/// The types of relationships: the class and the places of both ends in `TYPES`.
const RELATIONS: [(&str, &str, usize, usize); 4] = [
    ("a_has_b", "HAS", 0, 1),
    ("b_has_c", "HAS", 1, 2),
    ("a_uses_c", "USES", 0, 2),
    ("a_knows_a", "KNOWS", 0, 0),
];

#[test]
fn the_engine_answers_as_the_plain_evaluator_does() -> Checked {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let config = Config { cases: GRAPHS, failure_persistence: None, ..Config::default() };
    let queries = prop::collection::vec(query(), QUERIES_A_GRAPH);
    let answered = Cell::new(0);
    let result = TestRunner::new(config).run(&(graph(), queries), |(graph, queries)| {
        runtime.block_on(check(&graph, &queries, &answered))
    });
    // Most queries have to be answered, or nothing is compared.
    let asked = usize::try_from(GRAPHS)? * QUERIES_A_GRAPH;
    assert!(answered.get() * 2 > asked, "{} of {asked} queries were answered", answered.get());
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, (graph, _))) => Err(format!("{reason}\n{graph:#?}").into()),
        Err(error) => Err(error.into()),
    }
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
        let (parsed, _) = core_j1ql::parse(query).map_err(|error| failed(&error.render(query)))?;
        // Types that nothing relates are an error and no empty answer.
        if let Err(error) = estate.session.compile_j1ql(query, environment) {
            prop_assert!(error.message.starts_with("there is no relationship"), "{query}: {error}");
            continue;
        }
        let mut rows =
            estate.answer(query, &[]).await.map_err(|error| failed(&error))?.split_off(1);
        let mut expected: Vec<String> =
            twin::answer(graph, &parsed).iter().map(|row| row.join(",")).collect();
        rows.sort();
        expected.sort();
        prop_assert_eq!(rows, expected, "{}", query);
        answered.set(answered.get() + 1);
    }
    Ok(())
}

fn graph() -> impl Strategy<Value = SmallGraph> {
    let value = (
        prop::option::of(select(&TEXTS[..])),
        prop::option::of(-1_i64..3),
        prop::option::of(prop::collection::vec(select(&TEXTS[..]), 0..3)),
    );
    let entities = prop::collection::vec((0..TYPES.len(), value), 0..9);
    let edges = prop::collection::vec((0..RELATIONS.len(), 0_usize..9, 0_usize..9), 0..14);
    (entities, edges).prop_map(|(entities, edges)| {
        let entities: Vec<Entity> = entities
            .into_iter()
            .enumerate()
            .map(|(number, (kind, value))| {
                let (type_name, classes) = TYPES[kind];
                let (text, count, list) = value;
                let mut properties = BTreeMap::new();
                properties.extend(text.map(|text| ("t".to_owned(), Value::Text(text.to_owned()))));
                // Only some types have these, so that the others have nothing in their place.
                if kind != 1 {
                    properties.extend(count.map(|count| ("n".to_owned(), Value::Number(count))));
                }
                if kind != 2 {
                    let items = list.map(|list| list.into_iter().map(str::to_owned).collect());
                    properties.extend(items.map(|items| ("l".to_owned(), Value::List(items))));
                }
                let key = format!("{type_name}{number}");
                let classes = classes.iter().map(|class| (*class).to_owned()).collect();
                Entity { key, type_name: type_name.to_owned(), classes, properties }
            })
            .collect();
        let edges = drawn(&entities, &edges);
        SmallGraph { entities, edges }
    })
}

/// Draws edges between entities of the right types, each once.
fn drawn(entities: &[Entity], wanted: &[(usize, usize, usize)]) -> Vec<Edge> {
    let of_type = |kind: usize| -> Vec<usize> {
        let is_of = |number: &usize| entities[*number].type_name == TYPES[kind].0;
        (0..entities.len()).filter(is_of).collect()
    };
    let mut edges: Vec<Edge> = Vec::new();
    for (relation, from, to) in wanted {
        let (_, class, from_type, to_type) = RELATIONS[*relation];
        let (froms, tos) = (of_type(from_type), of_type(to_type));
        if froms.is_empty() || tos.is_empty() {
            continue;
        }
        let class = class.to_owned();
        let edge = Edge { class, from: froms[from % froms.len()], to: tos[to % tos.len()] };
        let is_same = |known: &Edge| {
            (&known.class, known.from, known.to) == (&edge.class, edge.from, edge.to)
        };
        if !edges.iter().any(is_same) {
            edges.push(edge);
        }
    }
    edges
}

fn tables(graph: &SmallGraph) -> Vec<TestTable> {
    let mut tables = Vec::new();
    for (kind, (name, classes)) in TYPES.iter().enumerate() {
        let rows: Vec<&Entity> =
            graph.entities.iter().filter(|entity| entity.type_name == *name).collect();
        let keys: Vec<_> = rows.iter().map(|entity| Some(entity.key.as_str())).collect();
        let texts: Vec<_> = rows
            .iter()
            .map(|entity| match entity.properties.get("t") {
                Some(Value::Text(text)) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let mut columns = vec![("_key", text(&keys)), ("t", text(&texts))];
        if kind != 1 {
            let numbers = rows.iter().map(|entity| match entity.properties.get("n") {
                Some(Value::Number(number)) => Some(*number),
                _ => None,
            });
            columns.push(("n", Arc::new(numbers.collect::<Int64Array>()) as ArrayRef));
        }
        if kind != 2 {
            let items: Vec<Option<Vec<&str>>> = rows
                .iter()
                .map(|entity| match entity.properties.get("l") {
                    Some(Value::List(items)) => Some(items.iter().map(String::as_str).collect()),
                    _ => None,
                })
                .collect();
            let items: Vec<_> = items.iter().map(Option::as_deref).collect();
            columns.push(("l", lists(&items)));
        }
        tables.push(entities(name, classes, columns).expect("columns of one length"));
    }
    for (name, class, from, to) in RELATIONS {
        let pairs: Vec<(&str, &str)> = graph
            .edges
            .iter()
            .filter(|edge| {
                edge.class == class && graph.entities[edge.from].type_name == TYPES[from].0
            })
            .map(|edge| {
                (graph.entities[edge.from].key.as_str(), graph.entities[edge.to].key.as_str())
            })
            .collect();
        let ends = (TYPES[from].0, TYPES[to].0);
        tables.push(edges(name, class, ends, &pairs).expect("columns of one length"));
    }
    tables
}

fn quoted() -> impl Strategy<Value = String> {
    select(&TEXTS[..]).prop_map(|text| format!("\"{text}\""))
}

fn comparison(prefix: &'static str) -> impl Strategy<Value = String> {
    let text_operator = select(vec!["=", "!=", "<", ">=", "~=", "^=", "$=", "!~=", "!^=", "!$="]);
    let list_operator = select(vec!["=", "!=", "~=", "^=", "$=", "!~=", "!^=", "!$="]);
    let number_operator = select(vec!["=", "!=", "<", "<=", ">", ">="]);
    let texts = || {
        prop_oneof![
            3 => quoted(),
            1 => (quoted(), quoted()).prop_map(|(one, other)| format!("({one} OR {other})")),
            1 => (quoted(), quoted()).prop_map(|(one, other)| format!("({one} AND {other})")),
        ]
    };
    let undefined = (select(vec!["t", "n", "l", "none"]), select(vec!["=", "!="]));
    prop_oneof![
        3 => (text_operator, texts()).prop_map(move |(operator, value)| format!("{prefix}t {operator} {value}")),
        2 => (list_operator, texts()).prop_map(move |(operator, value)| format!("{prefix}l {operator} {value}")),
        2 => (number_operator.clone(), -1..3).prop_map(move |(operator, value)| format!("{prefix}n {operator} {value}")),
        1 => (number_operator, -1..3).prop_map(move |(operator, value)| format!("{value} {operator} {prefix}n")),
        1 => undefined.prop_map(move |(property, operator)| format!("{prefix}{property} {operator} undefined")),
    ]
}

fn filter(prefix: &'static str) -> impl Strategy<Value = String> {
    comparison(prefix).prop_recursive(2, 6, 3, |inner| {
        let parts = prop::collection::vec(inner, 2..4);
        (parts, select(vec![" AND ", " OR "]))
            .prop_map(|(parts, word)| format!("({})", parts.join(word)))
    })
}

fn head() -> impl Strategy<Value = (String, Option<String>)> {
    let names =
        select(vec!["*", "*", "A", "B", "Shared", "a", "b", "c", "(A|B)", "(a|Shared)", "'X'"]);
    (names.prop_map(str::to_owned), prop::option::weighted(0.4, filter("")))
}

/// A step: whether it is negated, its verb, its direction and what it leads to.
type StepParts = (bool, &'static str, &'static str, (String, Option<String>));

fn step() -> impl Strategy<Value = StepParts> {
    let verbs = vec!["RELATES TO", "RELATES TO", "HAS", "USES", "KNOWS", "(has|Uses)"];
    (prop::bool::weighted(0.2), select(verbs), select(vec!["", "", ">>", "<<"]), head())
}

fn query() -> impl Strategy<Value = String> {
    let elements = prop::collection::vec((prop::bool::weighted(0.25), step()), 0..4);
    let returned = 0_usize..5;
    let condition = prop::option::weighted(0.3, filter("e0."));
    (head(), elements, condition, returned).prop_map(|(start, elements, condition, returned)| {
        let mut parts = vec![format!("FIND {} AS e0", entity(&start))];
        let mut names = vec!["e0".to_owned()];
        for (number, (is_optional, (is_negated, verb, direction, head))) in
            elements.iter().enumerate()
        {
            let bang = if *is_negated { "!" } else { "" };
            let step = format!("THAT {bang}{verb} {direction} {}", entity(head));
            let name = format!("e{}", number + 1);
            match (is_negated, is_optional) {
                (true, _) => parts.push(step),
                (false, true) => {
                    parts.push(format!("({step} AS {name})? AS g{number}"));
                    names.extend([name, format!("g{number}")]);
                }
                (false, false) => {
                    parts.push(format!("{step} AS {name}"));
                    names.push(name);
                }
            }
        }
        if let Some(condition) = condition {
            parts.push(format!("WHERE {condition}"));
        }
        let last = names.last().expect("there is the first");
        let keys: Vec<String> = names.iter().map(|name| format!("{name}._key")).collect();
        let returned = match returned {
            0 => format!("count({last}), count(e0.t)"),
            1 => format!("e0._type, count({last}), sum(e0.n)"),
            2 => format!("{last}._key, count(e0), min(e0.n), max(e0.n)"),
            _ => keys.join(", "),
        };
        parts.push(format!("RETURN {returned}"));
        parts.join(" ")
    })
}

fn entity((head, filter): &(String, Option<String>)) -> String {
    match filter {
        Some(filter) => format!("{head} WITH {filter}"),
        None => head.clone(),
    }
}
