//! Changes the tree of a query: fills parameters and dates in for the plain evaluator, and gives the
//! comparisons out so that a test can change them.

use std::collections::BTreeMap;

use core_j1ql::syntax::{
    Comparison, DateBase, Element, Entities, Filter, Operand, Piece, Query, Text, Unit, Value,
};

/// Returns every comparison of a query, in the order of its text.
pub(crate) fn comparisons(query: &mut Query) -> Vec<&mut Filter> {
    let mut found = Vec::new();
    leaves_of(&mut query.start, &mut found);
    for element in &mut query.elements {
        match element {
            Element::Step(step) => leaves_of(&mut step.entities, &mut found),
            Element::Optional { steps, .. } => {
                for step in steps {
                    leaves_of(&mut step.entities, &mut found);
                }
            }
        }
    }
    leaves(query.condition.as_mut(), &mut found);
    found
}

fn leaves_of<'a>(entities: &'a mut Entities, found: &mut Vec<&'a mut Filter>) {
    leaves(entities.filter.as_mut(), found);
}

fn leaves<'a>(filter: Option<&'a mut Filter>, found: &mut Vec<&'a mut Filter>) {
    match filter {
        None => {}
        Some(leaf @ Filter::Comparison(_)) => found.push(leaf),
        Some(Filter::And(parts) | Filter::Or(parts)) => {
            for part in parts {
                leaves(Some(part), found);
            }
        }
    }
}

/// Fills parameters and dates in.
pub(crate) fn fill(query: &mut Query, now_ms: i64, parameters: &BTreeMap<String, String>) {
    for comparison in comparisons(query) {
        let Filter::Comparison(Comparison { left, right, .. }) = comparison else { continue };
        for operand in [&mut left.value, &mut right.value] {
            match operand {
                Operand::Property(_) => {}
                Operand::Value(value) => fill_value(value, now_ms, parameters),
                Operand::Values { values, .. } => {
                    for value in values {
                        fill_value(&mut value.value, now_ms, parameters);
                    }
                }
            }
        }
    }
}

fn fill_value(value: &mut Value, now_ms: i64, parameters: &BTreeMap<String, String>) {
    match value {
        Value::Text(text) => fill_text(text, parameters),
        Value::Date(date) => {
            let base = match date.base {
                DateBase::Now => now_ms,
                DateBase::At(ms) => ms,
            };
            let offsets = date.offsets.iter().map(|offset| {
                let hours = match offset.unit {
                    Unit::Hour => 1,
                    Unit::Day => 24,
                    unit @ (Unit::Month | Unit::Year) => {
                        panic!("the twin has no calendar: {unit:?}")
                    }
                };
                offset.amount * hours * 3_600_000
            });
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of today are exact")]
            let ms = (base + offsets.sum::<i64>()) as f64;
            *value = Value::Number(ms);
        }
        _ => {}
    }
}

fn fill_text(text: &mut Text, parameters: &BTreeMap<String, String>) {
    let pieces = text.pieces.iter().map(|piece| match piece {
        Piece::Literal(literal) => literal.as_str(),
        Piece::Parameter(name) => parameters.get(name).expect("every parameter has a value"),
    });
    text.pieces = vec![Piece::Literal(pieces.collect())];
}
