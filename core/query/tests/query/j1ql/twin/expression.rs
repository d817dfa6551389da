//! Calculations of the plain evaluator.

use std::collections::{BTreeMap, BTreeSet};

use core_j1ql::syntax::{Arithmetic, Expression, Function, Path, Value as Written};

use super::{Object, SmallGraph, Value, Way, plain, shown};

/// Returns whether a calculation counts or sums over ways.
pub(super) fn has_aggregate(expression: &Expression) -> bool {
    match expression {
        Expression::Call { function, arguments } => {
            function.is_aggregate()
                || arguments.iter().any(|argument| has_aggregate(&argument.value))
        }
        Expression::Binary { left, right, .. } => {
            has_aggregate(&left.value) || has_aggregate(&right.value)
        }
        _ => false,
    }
}

/// The properties that a calculation takes outside of counts and sums.
pub(super) fn selectors(expression: &Expression) -> Vec<&Path> {
    match expression {
        Expression::Selector(path) => vec![path],
        Expression::Binary { left, right, .. } => {
            [left, right].into_iter().flat_map(|side| selectors(&side.value)).collect()
        }
        Expression::Call { function, .. } if function.is_aggregate() => Vec::new(),
        Expression::Call { arguments, .. } => {
            arguments.iter().flat_map(|argument| selectors(&argument.value)).collect()
        }
        Expression::All(_) | Expression::Value(_) => Vec::new(),
    }
}

impl SmallGraph {
    /// The value of a calculation over the ways of a group, which have all in common that it selects.
    pub(super) fn evaluate(&self, expression: &Expression, ways: &[&Way]) -> Option<Value> {
        match expression {
            Expression::Selector(path) => self.selected(ways.first()?, path),
            Expression::Value(value) => Some(match value {
                Written::Text(text) => Value::Text(plain(text)),
                Written::Number(number) if number.fract() != 0.0 => Value::Float(*number),
                #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
                Written::Number(number) => Value::Number(*number as i64),
                other => panic!("the twin does not know {other:?}"),
            }),
            Expression::Binary { left, operator, right } => {
                let [left, right] = [left, right]
                    .map(|side| self.evaluate(&side.value, ways).map(|value| float(&value)));
                calculate(left?, *operator, right?).map(Value::Float)
            }
            Expression::Call { function, arguments } if function.is_aggregate() => {
                self.aggregate(ways, *function, &arguments[0].value)
            }
            Expression::Call { function, arguments } => {
                let values = arguments.iter().map(|argument| self.evaluate(&argument.value, ways));
                call(*function, values.collect())
            }
            Expression::All(_) => panic!("the twin does not know name.*"),
        }
    }

    /// An aggregate over the distinct objects of a name.
    fn aggregate(&self, ways: &[&Way], function: Function, argument: &Expression) -> Option<Value> {
        let Expression::Selector(path) = argument else {
            return self.aggregate_of_calculation(ways, function, argument);
        };
        let name = &path.parts[0];
        let objects: BTreeSet<Object> =
            ways.iter().filter_map(|way| way.names.get(name).copied()).collect();
        let property = path.parts[1..].join(".");
        let number = |count: usize| Some(Value::Number(i64::try_from(count).expect("a few")));
        if function == Function::Count && property.is_empty() {
            return number(objects.len());
        }
        let values = objects.iter().filter_map(|object| self.value(*object, &property));
        let values: Vec<Value> = values.collect();
        let sum = || {
            let numbers = values.iter().map(|value| match value {
                Value::Number(number) => *number,
                other => panic!("no number: {other:?}"),
            });
            (!values.is_empty()).then(|| numbers.sum::<i64>())
        };
        match function {
            Function::Count => number(values.len()),
            Function::Sum => sum().map(Value::Number),
            #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
            Function::Average => sum().map(|sum| Value::Float(sum as f64 / values.len() as f64)),
            Function::Min => values.into_iter().min_by(Value::compare),
            Function::Max => values.into_iter().max_by(Value::compare),
            other => panic!("the twin does not know {}", other.name()),
        }
    }

    /// A sum or mean of a calculation, which has one value for all ways with the same objects, and none for a way
    /// that has none of them.
    fn aggregate_of_calculation(
        &self,
        ways: &[&Way],
        function: Function,
        argument: &Expression,
    ) -> Option<Value> {
        let mut values: BTreeMap<Vec<Option<Object>>, Option<Value>> = BTreeMap::new();
        for way in ways {
            let objects = selectors(argument).into_iter();
            let objects = objects.map(|path| way.names.get(&path.parts[0]).copied());
            let objects: Vec<Option<Object>> = objects.collect();
            if objects.iter().any(Option::is_some) {
                values.entry(objects).or_insert_with(|| self.evaluate(argument, &[way]));
            }
        }
        let values: Vec<Value> = values.into_values().flatten().collect();
        let sum = (!values.is_empty()).then(|| values.iter().map(float).sum::<f64>())?;
        let is_whole = values.iter().all(|value| matches!(value, Value::Number(_)));
        match function {
            #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
            Function::Sum if is_whole => Some(Value::Number(sum as i64)),
            Function::Sum => Some(Value::Float(sum)),
            #[expect(clippy::cast_precision_loss, reason = "a few values")]
            Function::Average => Some(Value::Float(sum / values.len() as f64)),
            other => panic!("the twin does not know {}", other.name()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "small whole numbers, and milliseconds of today")]
fn float(value: &Value) -> f64 {
    match value {
        Value::Number(number) => *number as f64,
        Value::Float(number) => *number,
        other => panic!("no number: {other:?}"),
    }
}

fn calculate(left: f64, operator: Arithmetic, right: f64) -> Option<f64> {
    match operator {
        Arithmetic::Add => Some(left + right),
        Arithmetic::Subtract => Some(left - right),
        Arithmetic::Multiply => Some(left * right),
        Arithmetic::Divide => (right != 0.0).then(|| left / right),
        Arithmetic::Power => {
            let power = left.powf(right);
            power.is_finite().then_some(power)
        }
    }
}

fn call(function: Function, values: Vec<Option<Value>>) -> Option<Value> {
    match function {
        Function::Concat => Some(Value::Text(values.into_iter().map(shown).collect())),
        Function::Coalesce => values.into_iter().flatten().next(),
        Function::Merge => {
            let mut merged: Vec<String> = Vec::new();
            let items = values.into_iter().flatten().flat_map(|value| match value {
                Value::List(items) => items,
                other => vec![shown(Some(other))],
            });
            for item in items.filter(|item| !item.is_empty()) {
                if !merged.contains(&item) {
                    merged.push(item);
                }
            }
            Some(Value::List(merged))
        }
        Function::Abs => Some(match values.into_iter().next()?? {
            Value::Number(number) => Value::Number(number.abs()),
            other => Value::Float(float(&other).abs()),
        }),
        other => panic!("the twin does not know {}", other.name()),
    }
}
