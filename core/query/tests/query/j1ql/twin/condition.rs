//! Conditions of the plain evaluator.

use core_j1ql::syntax::{Comparison, Filter, Operand, Path, Relation, Value as Written};

use super::{Value, plain};

pub(super) fn holds(filter: &Filter, property: &dyn Fn(&Path) -> Option<Value>) -> bool {
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
            Written::Regex { pattern, flags } => {
                return property.is_some_and(|property| matches_regex(property, pattern, flags));
            }
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

/// Matches a text with an expression that is plain but for `^` in front and `$` behind.
fn matches_regex(property: &Value, pattern: &str, flags: &str) -> bool {
    let Value::Text(text) = property else { return false };
    let fold = |text: &str| {
        if flags.contains('i') { text.to_lowercase() } else { text.to_owned() }
    };
    let (text, pattern) = (fold(text), fold(pattern));
    let (is_start, part) =
        pattern.strip_prefix('^').map_or((false, &*pattern), |part| (true, part));
    let (is_end, part) = part.strip_suffix('$').map_or((false, part), |part| (true, part));
    match (is_start, is_end) {
        (true, true) => text == part,
        (true, false) => text.starts_with(part),
        (false, true) => text.ends_with(part),
        (false, false) => text.contains(part),
    }
}
