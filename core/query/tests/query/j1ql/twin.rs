//! A plain evaluator of J1QL: it walks a small graph in memory, path by path, and is the specification
//! that the SQL is held against.

mod condition;
mod expression;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use core_j1ql::syntax::{
    Direction, Element, Entities, Expression, Head, Item, Order, Path, Piece, Query, Returns, Step,
    Text, Verb,
};

use self::condition::holds;
use self::expression::{has_aggregate, selectors};

/// A value of a property.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
    /// The result of calculations.
    Float(f64),
    Boolean(bool),
    List(Vec<String>),
}

#[derive(Debug, Clone)]
pub(crate) struct Entity {
    pub(crate) key: String,
    pub(crate) type_name: String,
    pub(crate) classes: Vec<String>,
    pub(crate) properties: BTreeMap<String, Value>,
}

#[derive(Debug, Clone)]
pub(crate) struct Edge {
    pub(crate) type_name: String,
    pub(crate) class: String,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct SmallGraph {
    pub(crate) entities: Vec<Entity>,
    pub(crate) edges: Vec<Edge>,
}

/// The meaning of a name: the place of an entity or of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Object {
    Entity(usize),
    Edge(usize),
}

/// A way through the graph: what each name stands for, and where it goes on.
#[derive(Debug, Clone)]
struct Way {
    names: BTreeMap<String, Object>,
    start: usize,
    current: usize,
}

/// Returns the rows of an answer, each as its cells; what is undefined is an empty cell. Without `RETURN`
/// these are the keys of the entities that paths start from.
pub(crate) fn answer(graph: &SmallGraph, query: &Query) -> Vec<Vec<String>> {
    let ways = ways(graph, query);
    let mut rows = match &query.returns {
        None => {
            let starts: BTreeSet<usize> = ways.iter().map(|way| way.start).collect();
            starts.into_iter().map(|start| vec![graph.entities[start].key.clone()]).collect()
        }
        Some(Returns::Items(items)) => graph.rows(&ways, items, &query.order),
        Some(Returns::Tree) => panic!("the twin does not know RETURN TREE"),
    };
    if query.is_unique {
        let mut seen = BTreeSet::new();
        rows.retain(|row| seen.insert(row.clone()));
    }
    let count = |rows: Option<u64>| rows.and_then(|rows| usize::try_from(rows).ok());
    let skipped = rows.into_iter().skip(count(query.skip).unwrap_or(0));
    skipped.take(count(query.limit).unwrap_or(usize::MAX)).collect()
}

/// All ways through the graph that a query takes.
fn ways(graph: &SmallGraph, query: &Query) -> Vec<Way> {
    let mut ways: Vec<Way> = (0..graph.entities.len())
        .filter(|entity| graph.matches(*entity, &query.start))
        .map(|entity| {
            let way = Way { names: BTreeMap::new(), start: entity, current: entity };
            named(&way, entity, &query.start)
        })
        .collect();
    for element in &query.elements {
        ways = match element {
            Element::Step(step) => graph.step(&ways, step),
            Element::Optional { steps, alias, .. } => {
                let mut taken = ways.clone();
                for step in steps {
                    taken = graph.step(&taken, step);
                }
                let mut all = ways;
                all.extend(taken);
                if let Some(alias) = alias {
                    for way in &mut all {
                        way.names.insert(alias.value.clone(), Object::Entity(way.current));
                    }
                }
                all
            }
        };
    }
    if let Some(condition) = &query.condition {
        ways.retain(|way| holds(condition, &|path: &Path| graph.selected(way, path)));
    }
    ways
}

fn named(way: &Way, entity: usize, entities: &Entities) -> Way {
    let mut way = Way { current: entity, ..way.clone() };
    if let Some(alias) = &entities.alias {
        way.names.insert(alias.value.clone(), Object::Entity(entity));
    }
    way
}

impl SmallGraph {
    fn matches(&self, entity: usize, entities: &Entities) -> bool {
        let entity = &self.entities[entity];
        let is_meant = match &entities.head.value {
            Head::Any => true,
            Head::Names(names) => names
                .iter()
                .any(|name| entity.type_name == name.value || entity.classes.contains(&name.value)),
            Head::FullText(text) => {
                let wanted = plain(text).to_lowercase();
                entity.properties.values().any(|value| match value {
                    Value::Text(text) => text.to_lowercase().contains(&wanted),
                    Value::List(items) => items.join("\u{1f}").to_lowercase().contains(&wanted),
                    Value::Number(_) | Value::Float(_) | Value::Boolean(_) => false,
                })
            }
        };
        let property = |path: &Path| entity.value(&path.joined());
        is_meant && entities.filter.as_ref().is_none_or(|filter| holds(filter, &property))
    }

    fn step(&self, ways: &[Way], step: &Step) -> Vec<Way> {
        let mut next = Vec::new();
        for way in ways {
            let found: Vec<(usize, usize)> = (0..self.edges.len())
                .filter(|edge| match &step.verb.value {
                    Verb::Any => true,
                    Verb::Names(names) => names
                        .iter()
                        .any(|name| name.value.eq_ignore_ascii_case(&self.edges[*edge].class)),
                })
                .filter_map(|number| {
                    let edge = &self.edges[number];
                    let out = edge.from == way.current && step.direction != Direction::In;
                    let back = edge.to == way.current && step.direction != Direction::Out;
                    let other = if out { Some(edge.to) } else { back.then_some(edge.from) };
                    Some((number, other?))
                })
                .filter(|(_, other)| self.matches(*other, &step.entities))
                .collect();
            if step.is_negated {
                next.extend(found.is_empty().then(|| way.clone()));
                continue;
            }
            for (edge, other) in found {
                let mut way = named(way, other, &step.entities);
                if let Some(alias) = &step.alias {
                    way.names.insert(alias.value.clone(), Object::Edge(edge));
                }
                next.push(way);
            }
        }
        next
    }

    /// The text of a property of the entity with this key.
    pub(crate) fn text_of(&self, key: &str, property: &str) -> String {
        let entity = self.entities.iter().find(|entity| entity.key == key);
        shown(entity.and_then(|entity| entity.value(property)))
    }

    fn selected(&self, way: &Way, path: &Path) -> Option<Value> {
        self.value(*way.names.get(&path.parts[0])?, &path.parts[1..].join("."))
    }

    fn value(&self, object: Object, property: &str) -> Option<Value> {
        match object {
            Object::Entity(entity) => self.entities[entity].value(property),
            Object::Edge(edge) => {
                let edge = &self.edges[edge];
                let [from, to] = [edge.from, edge.to].map(|end| &self.entities[end].key);
                match property {
                    "_key" => {
                        Some(Value::Text(format!("{from}|{}|{to}", edge.class.to_lowercase())))
                    }
                    "_type" => Some(Value::Text(edge.type_name.clone())),
                    "_fromEntityKey" => Some(Value::Text(from.clone())),
                    "_toEntityKey" => Some(Value::Text(to.clone())),
                    _ => None,
                }
            }
        }
    }

    /// The rows that are returned, in order.
    fn rows(&self, ways: &[Way], items: &[Item], order: &[Order]) -> Vec<Vec<String>> {
        let returned: Vec<&Expression> = items.iter().map(|item| &item.expression.value).collect();
        let ordered: Vec<&Expression> = order
            .iter()
            .map(|order| match &order.expression.value {
                // The name of a returned column.
                Expression::Selector(path) => {
                    let is_it = |item: &&Item| item.alias.as_ref() == Some(&path.joined());
                    let item = items.iter().find(is_it);
                    item.map_or(&order.expression.value, |item| &item.expression.value)
                }
                other => other,
            })
            .collect();
        let all: Vec<&Expression> = returned.iter().chain(&ordered).copied().collect();
        let groups: Vec<Vec<&Way>> = if all.iter().any(|expression| has_aggregate(expression)) {
            self.groups(ways, &all)
        } else {
            ways.iter().map(|way| vec![way]).collect()
        };
        let evaluated = |expressions: &[&Expression], group: &Vec<&Way>| {
            expressions.iter().map(|shown| self.evaluate(shown, group)).collect::<Vec<_>>()
        };
        let mut rows: Vec<_> = groups
            .iter()
            .map(|group| (evaluated(&ordered, group), evaluated(&returned, group)))
            .collect();
        let is_descending: Vec<bool> = order.iter().map(|order| order.is_descending).collect();
        rows.sort_by(|(left, _), (right, _)| {
            let pairs = left.iter().zip(right).zip(&is_descending);
            let orders = pairs.map(|((left, right), is_descending)| {
                // What is undefined comes last, whatever the direction.
                match (left, right) {
                    (Some(left), Some(right)) if *is_descending => right.compare(left),
                    (Some(left), Some(right)) => left.compare(right),
                    (left, right) => right.is_some().cmp(&left.is_some()),
                }
            });
            orders.fold(Ordering::Equal, Ordering::then)
        });
        rows.into_iter().map(|(_, row)| row.into_iter().map(shown).collect()).collect()
    }

    /// The ways of each group: those with the same values of all that is not aggregated. Without anything
    /// to group by there is one group, even if it is empty.
    fn groups<'a>(&self, ways: &'a [Way], expressions: &[&Expression]) -> Vec<Vec<&'a Way>> {
        let paths: Vec<&Path> =
            expressions.iter().flat_map(|expression| selectors(expression)).collect();
        let mut groups: BTreeMap<Vec<(bool, String)>, Vec<&Way>> = BTreeMap::new();
        if paths.is_empty() {
            groups.insert(Vec::new(), Vec::new());
        }
        for way in ways {
            let key = paths.iter().map(|path| {
                let value = self.selected(way, path);
                (value.is_some(), shown(value))
            });
            groups.entry(key.collect()).or_default().push(way);
        }
        groups.into_values().collect()
    }
}

impl Value {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => one.cmp(other),
            (Self::Float(one), Self::Float(other)) => one.total_cmp(other),
            (Self::Boolean(one), Self::Boolean(other)) => one.cmp(other),
            other => panic!("no order: {other:?}"),
        }
    }
}

impl Entity {
    fn value(&self, property: &str) -> Option<Value> {
        match property {
            "_key" => Some(Value::Text(self.key.clone())),
            "_type" => Some(Value::Text(self.type_name.clone())),
            other => self.properties.get(other).cloned(),
        }
    }
}

/// A cell; what is undefined is an empty one.
fn shown(value: Option<Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::Text(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Float(number)) => format!("{number:?}"),
        Some(Value::Boolean(value)) => value.to_string(),
        Some(Value::List(items)) => serde_json::to_string(&items).expect("texts have a form"),
    }
}

fn plain(text: &Text) -> String {
    let pieces = text.pieces.iter().map(|piece| match piece {
        Piece::Literal(literal) => literal.as_str(),
        Piece::Parameter(name) => panic!("the twin has no parameter {name}"),
    });
    pieces.collect()
}
