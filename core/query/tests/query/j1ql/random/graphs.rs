//! Random graphs, small enough to be walked by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, TimestampMillisecondArray};
use proptest::option::of as optional;
use proptest::prelude::*;
use proptest::sample::select;

use crate::j1ql::estate::{NOW_MS, TestTable, edges, entities, lists, text};
use crate::j1ql::twin::{Edge, Entity, SmallGraph, Value};

pub(super) const TEXTS: [&str; 6] = ["", "x", "X", "xy", "it's", "é%"];
const TYPES: [(&str, &[&str]); 3] =
    [("a", &["A"]), ("b", &["B", "Shared"]), ("c", &["C", "Shared"])];
/// The types of relationships: the class and the places of both ends in `TYPES`.
const RELATIONS: [(&str, &str, usize, usize); 4] = [
    ("a_has_b", "HAS", 0, 1),
    ("b_has_c", "HAS", 1, 2),
    ("a_uses_c", "USES", 0, 2),
    ("a_knows_a", "KNOWS", 0, 0),
];
const HALF_DAY_MS: i64 = 43_200_000;

/// Returns whether a type has a property. Others have nothing in its place, which must be undefined.
fn has(kind: usize, property: &str) -> bool {
    match property {
        "n" => kind != 1,
        "l" | "d" => kind != 2,
        "b" => kind == 0,
        _ => true,
    }
}

fn properties() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let text = select(&TEXTS[..]).prop_map(|text| Value::Text(text.to_owned()));
    let list = prop::collection::vec(select(&TEXTS[..]), 0..3)
        .prop_map(|items| Value::List(items.into_iter().map(str::to_owned).collect()));
    let time = (-4_i64..4).prop_map(|halves| Value::Number(NOW_MS + halves * HALF_DAY_MS));
    let values = (
        optional(text),
        optional((-1_i64..3).prop_map(Value::Number)),
        optional(list),
        optional(any::<bool>().prop_map(Value::Boolean)),
        optional(time),
    );
    values.prop_map(|(text, number, list, boolean, time)| {
        let named = [("t", text), ("n", number), ("l", list), ("b", boolean), ("d", time)];
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    })
}

pub(super) fn graph() -> impl Strategy<Value = SmallGraph> {
    let entities = prop::collection::vec((0..TYPES.len(), properties()), 0..9);
    let edges = prop::collection::vec((0..RELATIONS.len(), 0_usize..9, 0_usize..9), 0..14);
    (entities, edges).prop_map(|(entities, edges)| {
        let entities: Vec<Entity> = entities
            .into_iter()
            .enumerate()
            .map(|(number, (kind, mut properties))| {
                let (type_name, classes) = TYPES[kind];
                properties.retain(|name, _| has(kind, name));
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
        let (type_name, class, from_type, to_type) = RELATIONS[*relation];
        let (froms, tos) = (of_type(from_type), of_type(to_type));
        if froms.is_empty() || tos.is_empty() {
            continue;
        }
        let (type_name, class) = (type_name.to_owned(), class.to_owned());
        let (from, to) = (froms[from % froms.len()], tos[to % tos.len()]);
        let is_same =
            |known: &Edge| (&known.type_name, known.from, known.to) == (&type_name, from, to);
        if !edges.iter().any(is_same) {
            edges.push(Edge { type_name, class, from, to });
        }
    }
    edges
}

/// The graph as tables to publish.
pub(super) fn tables(graph: &SmallGraph) -> Vec<TestTable> {
    let mut tables = Vec::new();
    for (kind, (name, classes)) in TYPES.iter().enumerate() {
        let rows: Vec<&Entity> =
            graph.entities.iter().filter(|entity| entity.type_name == *name).collect();
        let keys: Vec<_> = rows.iter().map(|entity| Some(entity.key.as_str())).collect();
        let mut columns = vec![("_key", text(&keys))];
        let stored = ["t", "n", "l", "b", "d"].into_iter().filter(|property| has(kind, property));
        columns.extend(stored.map(|property| (property, column(&rows, property))));
        tables.push(entities(name, classes, columns).expect("columns of one length"));
    }
    for (name, class, from, to) in RELATIONS {
        let key = |place: usize| graph.entities[place].key.as_str();
        let ours = graph.edges.iter().filter(|edge| edge.type_name == name);
        let pairs: Vec<(&str, &str)> = ours.map(|edge| (key(edge.from), key(edge.to))).collect();
        let ends = (TYPES[from].0, TYPES[to].0);
        tables.push(edges(name, class, ends, &pairs).expect("columns of one length"));
    }
    tables
}

fn column(rows: &[&Entity], property: &str) -> ArrayRef {
    let values = || rows.iter().map(|entity| entity.properties.get(property));
    let numbers = || {
        values().map(|value| match value {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        })
    };
    match property {
        "n" => Arc::new(numbers().collect::<Int64Array>()),
        "d" => Arc::new(numbers().collect::<TimestampMillisecondArray>().with_timezone("UTC")),
        "b" => {
            let values = values().map(|value| value.map(|value| *value == Value::Boolean(true)));
            Arc::new(values.collect::<BooleanArray>())
        }
        "l" => {
            let items: Vec<Option<Vec<&str>>> = values()
                .map(|value| match value {
                    Some(Value::List(items)) => Some(items.iter().map(String::as_str).collect()),
                    _ => None,
                })
                .collect();
            lists(&items.iter().map(Option::as_deref).collect::<Vec<_>>())
        }
        _ => {
            let texts = values().map(|value| match value {
                Some(Value::Text(text)) => Some(text.as_str()),
                _ => None,
            });
            text(&texts.collect::<Vec<_>>())
        }
    }
}
