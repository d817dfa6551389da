//! Calculations as SQL.

use crate::syntax::{Arithmetic, Expression, Function};

/// A calculation in floating point: whole numbers would wrap if they got too large, and division
/// would drop the remainder. A calculation without a result, such as a division by zero, is
/// undefined and does not end the query.
pub(super) fn sql(left: &str, operator: Arithmetic, right: &str) -> String {
    let (left, right) = (format!("CAST({left} AS DOUBLE)"), format!("CAST({right} AS DOUBLE)"));
    match operator {
        Arithmetic::Add => format!("({left} + {right})"),
        Arithmetic::Subtract => format!("({left} - {right})"),
        Arithmetic::Multiply => format!("({left} * {right})"),
        Arithmetic::Divide => format!("({left} / nullif({right}, 0))"),
        Arithmetic::Power => format!(
            "CASE WHEN {left} = 0 AND {right} < 0 THEN NULL \
             WHEN {left} < 0 AND {right} <> floor({right}) THEN NULL \
             ELSE power({left}, {right}) END"
        ),
    }
}

/// Returns whether a count or sum is in a calculation.
pub(super) fn has_aggregate(expression: &Expression) -> bool {
    match expression {
        Expression::Selector(_) | Expression::All(_) | Expression::Value(_) => false,
        Expression::Binary { left, right, .. } => {
            has_aggregate(&left.value) || has_aggregate(&right.value)
        }
        Expression::Call { function, arguments } => {
            function.is_aggregate()
                || arguments.iter().any(|argument| has_aggregate(&argument.value))
        }
    }
}

/// A sum or a mean over the values of the entities. A sum that is too large is undefined.
pub(super) fn once_each(function: Function) -> String {
    let name = if function == Function::Sum { "try_sum" } else { function.name() };
    format!("{name}(\"value\")")
}
