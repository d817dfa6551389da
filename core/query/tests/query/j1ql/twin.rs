//! A plain evaluator of J1QL: it walks a small graph in memory, path by path, and is the specification
//! that the SQL is held against.

use std::collections::{BTreeMap, BTreeSet};

use core_j1ql::syntax::{
    Comparison, Direction, Element, Entities, Expression, Filter, Function, Head, Operand, Path,
    Piece, Query, Relation, Returns, Step, Text, Value as Written, Verb,
};

/// A value of a property.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
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
    pub(crate) class: String,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct SmallGraph {
    pub(crate) entities: Vec<Entity>,
    pub(crate) edges: Vec<Edge>,
}

/// A way through the graph: what each name stands for, and where it goes on.
#[derive(Debug, Clone)]
struct Way {
    names: BTreeMap<String, usize>,
    start: usize,
    current: usize,
}

/// Returns the rows of an answer, each as its cells; what is undefined is an empty cell. Without `RETURN`
/// these are the keys of the entities that paths start from.
pub(crate) fn answer(graph: &SmallGraph, query: &Query) -> Vec<Vec<String>> {
    let ways = ways(graph, query);
    match &query.returns {
        None => {
            let starts: BTreeSet<usize> = ways.iter().map(|way| way.start).collect();
            starts.into_iter().map(|start| vec![graph.entities[start].key.clone()]).collect()
        }
        Some(Returns::Items(items)) => {
            let expressions = items.iter().map(|item| &item.expression.value);
            graph.rows(&ways, &expressions.collect::<Vec<_>>())
        }
        Some(Returns::Tree) => panic!("the twin does not know RETURN TREE"),
    }
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
                        way.names.insert(alias.value.clone(), way.current);
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
        way.names.insert(alias.value.clone(), entity);
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
                    Value::Number(_) | Value::Boolean(_) => false,
                })
            }
        };
        let property = |path: &Path| entity.value(&path.joined());
        is_meant && entities.filter.as_ref().is_none_or(|filter| holds(filter, &property))
    }

    fn step(&self, ways: &[Way], step: &Step) -> Vec<Way> {
        let mut next = Vec::new();
        for way in ways {
            let found: Vec<usize> = self
                .edges
                .iter()
                .filter(|edge| match &step.verb.value {
                    Verb::Any => true,
                    Verb::Names(names) => {
                        names.iter().any(|name| name.value.eq_ignore_ascii_case(&edge.class))
                    }
                })
                .filter_map(|edge| {
                    let out = edge.from == way.current && step.direction != Direction::In;
                    let back = edge.to == way.current && step.direction != Direction::Out;
                    if out { Some(edge.to) } else { back.then_some(edge.from) }
                })
                .filter(|other| self.matches(*other, &step.entities))
                .collect();
            if step.is_negated {
                next.extend(found.is_empty().then(|| way.clone()));
            } else {
                next.extend(found.into_iter().map(|other| named(way, other, &step.entities)));
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
        let entity = way.names.get(&path.parts[0])?;
        self.entities[*entity].value(&path.parts[1..].join("."))
    }

    fn rows(&self, ways: &[Way], expressions: &[&Expression]) -> Vec<Vec<String>> {
        let is_aggregate = |expression: &&Expression| matches!(expression, Expression::Call { .. });
        if !expressions.iter().any(is_aggregate) {
            return ways
                .iter()
                .map(|way| expressions.iter().map(|shown| self.cell(way, shown)).collect())
                .collect();
        }
        let mut groups: BTreeMap<Vec<String>, Vec<&Way>> = BTreeMap::new();
        if expressions.iter().all(is_aggregate) {
            groups.insert(Vec::new(), Vec::new());
        }
        for way in ways {
            let grouped = expressions.iter().filter(|shown| !is_aggregate(shown));
            let key = grouped.map(|shown| self.cell(way, shown)).collect();
            groups.entry(key).or_default().push(way);
        }
        let row = |(key, ways): (Vec<String>, Vec<&Way>)| {
            let mut key = key.into_iter();
            let cells = expressions.iter().map(|expression| match expression {
                Expression::Call { function, arguments } => {
                    self.aggregate(&ways, *function, &arguments[0].value)
                }
                _ => key.next().expect("every other column is in the key"),
            });
            cells.collect()
        };
        groups.into_iter().map(row).collect()
    }

    /// An aggregate over the distinct entities of a name.
    fn aggregate(&self, ways: &[&Way], function: Function, argument: &Expression) -> String {
        let Expression::Selector(path) = argument else { panic!("the twin knows selectors only") };
        let name = &path.parts[0];
        let entities: BTreeSet<usize> =
            ways.iter().filter_map(|way| way.names.get(name).copied()).collect();
        let property = path.parts[1..].join(".");
        if function == Function::Count && property.is_empty() {
            return entities.len().to_string();
        }
        let values = entities.iter().filter_map(|entity| self.entities[*entity].value(&property));
        let values: Vec<Value> = values.collect();
        let numbers = || {
            values.iter().map(|value| match value {
                Value::Number(number) => *number,
                other => panic!("no number: {other:?}"),
            })
        };
        let shown = |number: Option<i64>| shown(number.map(Value::Number));
        match function {
            Function::Count => values.len().to_string(),
            Function::Sum => shown((!values.is_empty()).then(|| numbers().sum())),
            Function::Min => shown(numbers().min()),
            Function::Max => shown(numbers().max()),
            other => panic!("the twin does not know {}", other.name()),
        }
    }

    fn cell(&self, way: &Way, expression: &Expression) -> String {
        let Expression::Selector(path) = expression else {
            panic!("the twin knows selectors only")
        };
        shown(self.selected(way, path))
    }
}

/// A cell; what is undefined is an empty one.
fn shown(value: Option<Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::Text(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Boolean(value)) => value.to_string(),
        Some(Value::List(items)) => items.join(","),
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

fn holds(filter: &Filter, property: &dyn Fn(&Path) -> Option<Value>) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().all(|part| holds(part, property)),
        Filter::Or(parts) => parts.iter().any(|part| holds(part, property)),
        Filter::Comparison(Comparison { left, operator, right }) => {
            let positive = match (&left.value, &right.value) {
                (Operand::Property(one), Operand::Property(other)) => {
                    match (property(one), property(other)) {
                        (Some(one), Some(other)) => related(&one, operator.relation, &other),
                        _ => false,
                    }
                }
                (Operand::Property(path), operand) => {
                    compares(property(path).as_ref(), operator.relation, operand)
                }
                (operand, Operand::Property(path)) => {
                    let relation = operator.relation.flipped().expect("a relation with an order");
                    compares(property(path).as_ref(), relation, operand)
                }
                other => panic!("no property: {other:?}"),
            };
            positive != operator.is_negated
        }
    }
}

fn compares(property: Option<&Value>, relation: Relation, operand: &Operand) -> bool {
    let one = |value: &Written| {
        let value = match value {
            Written::Undefined => return property.is_none(),
            Written::Text(text) => Value::Text(plain(text)),
            #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
            Written::Number(number) => Value::Number(*number as i64),
            Written::Boolean(value) => Value::Boolean(*value),
            other => panic!("the twin does not know {other:?}"),
        };
        property.is_some_and(|property| related(property, relation, &value))
    };
    match operand {
        Operand::Value(value) => one(value),
        Operand::Values { values, is_all: true } => values.iter().all(|value| one(&value.value)),
        Operand::Values { values, is_all: false } => values.iter().any(|value| one(&value.value)),
        Operand::Property(_) => panic!("two properties are compared elsewhere"),
    }
}

fn related(left: &Value, relation: Relation, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => ordered(left, relation, right),
        (Value::Boolean(left), Value::Boolean(right)) => ordered(left, relation, right),
        (Value::Text(left), Value::Text(right)) => match relation {
            Relation::Contains => left.contains(right),
            Relation::StartsWith => left.starts_with(right),
            Relation::EndsWith => left.ends_with(right),
            relation => ordered(left, relation, right),
        },
        (Value::List(items), Value::Text(_)) => match relation {
            Relation::Equal | Relation::Contains | Relation::StartsWith | Relation::EndsWith => {
                items.iter().any(|item| related(&Value::Text(item.clone()), relation, right))
            }
            _ => false,
        },
        (Value::Text(left), Value::List(items)) => {
            relation == Relation::Equal && items.contains(left)
        }
        (Value::List(left), Value::List(right)) => {
            relation == Relation::Equal && left.iter().any(|item| right.contains(item))
        }
        _ => false,
    }
}

fn ordered<T: Ord>(left: &T, relation: Relation, right: &T) -> bool {
    match relation {
        Relation::Equal => left == right,
        Relation::Less => left < right,
        Relation::LessOrEqual => left <= right,
        Relation::Greater => left > right,
        Relation::GreaterOrEqual => left >= right,
        Relation::Contains | Relation::StartsWith | Relation::EndsWith => false,
    }
}

fn plain(text: &Text) -> String {
    let pieces = text.pieces.iter().map(|piece| match piece {
        Piece::Literal(literal) => literal.as_str(),
        Piece::Parameter(name) => panic!("the twin has no parameter {name}"),
    });
    pieces.collect()
}
