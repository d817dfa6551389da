//! SQL that the engine reads otherwise than those who write it.
//!
//! Its parser takes everything after `is distinct from` for the right side, also what follows `and` or `or`: sqlparser 0.62 reads
//! `a is distinct from b and c` as `a is distinct from (b and c)`. Here the tree gets the form that SQL says. Parentheses
//! that the user has written are nodes of their own (`Nested`), so a bare `and` or `or` in a place where SQL never puts one
//! comes from this fault.
//!
//! `^` is a bitwise operator to the engine, and the power to everyone who writes it. `to_char` has the patterns of strftime,
//! and returns those of Postgres as they stand.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    UnaryOperator, Value, visit_expressions_mut,
};

use crate::error::QueryError;
use crate::time_pattern::for_strftime;

/// Gives the expressions of a statement the meaning that they have in SQL and in Postgres.
///
/// # Errors
/// [`QueryError::Invalid`] for `^`, and for a pattern of `to_char` that cannot be read.
pub(crate) fn repair(statement: &mut Statement) -> Result<(), QueryError> {
    let statement = match statement {
        Statement::Explain(explain) => return repair(&mut explain.statement),
        Statement::Statement(statement) => statement,
        _ => return Ok(()),
    };
    // Parts come before the whole.
    let visited = visit_expressions_mut(statement.as_mut(), |expression| {
        rotate(expression);
        match translate(expression) {
            Ok(()) => ControlFlow::Continue(()),
            Err(message) => ControlFlow::Break(message),
        }
    });
    visited.break_value().map_or(Ok(()), |message| Err(QueryError::Invalid { message }))
}

/// Translates what has another meaning in Postgres, or says how to write it.
fn translate(expression: &mut Expr) -> Result<(), String> {
    if let Expr::BinaryOp { op: BinaryOperator::BitwiseXor, .. } = expression {
        return Err("`^` is not the power here: write power(2, 3) in place of 2 ^ 3".to_owned());
    }
    if let Some(pattern) = time_pattern_of(expression) {
        *pattern = for_strftime(pattern).ok_or_else(|| {
            format!(
                "to_char cannot read the pattern '{pattern}': write one such as 'YYYY-MM-DD HH24:MI' or '%Y-%m-%d %H:%M'"
            )
        })?;
    }
    Ok(())
}

/// Returns the pattern of a call of `to_char`, if it is written in the query.
fn time_pattern_of(expression: &mut Expr) -> Option<&mut String> {
    let Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) = expression
    else {
        return None;
    };
    if !name.to_string().eq_ignore_ascii_case("to_char") {
        return None;
    }
    match list.args.get_mut(1)? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => match &mut value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Takes an operator out of the right side of one that binds more: `a is distinct from (b and c)` becomes
/// `(a is distinct from b) and c`. The right side of that right side stays, since its own parts have this form already.
fn rotate(expression: &mut Expr) {
    let Some(side) = weaker_side(expression) else { return };
    let nothing = || Expr::Identifier(Ident::new(""));
    let Expr::BinaryOp { left: first, op, right: rest } = std::mem::replace(side, nothing()) else {
        unreachable!("a weaker side is a binary operator")
    };
    *side = *first;
    rotate(expression);
    let left = Box::new(std::mem::replace(expression, nothing()));
    *expression = Expr::BinaryOp { left, op, right: rest };
}

/// Returns the right side of an expression if the operator at its top binds less than the expression does.
fn weaker_side(expression: &mut Expr) -> Option<&mut Expr> {
    let (side, has_and) = match expression {
        Expr::IsDistinctFrom(_, side)
        | Expr::IsNotDistinctFrom(_, side)
        | Expr::UnaryOp { op: UnaryOperator::Not, expr: side } => (side, true),
        Expr::BinaryOp { op: BinaryOperator::And, right: side, .. } => (side, false),
        _ => return None,
    };
    match &**side {
        Expr::BinaryOp { op: BinaryOperator::Or, .. } => Some(side),
        Expr::BinaryOp { op: BinaryOperator::And, .. } if has_and => Some(side),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::DFParser;

    use super::*;

    /// The condition of a query after the repair, with parentheses around every operator.
    fn read(condition: &str) -> String {
        let sql = format!("select 1 where {condition}");
        let mut statements = DFParser::parse_sql(&sql).expect("it is SQL");
        let mut statement = statements.pop_front().expect("it is one statement");
        repair(&mut statement).expect("it can be read");
        let Statement::Statement(statement) = &mut statement else { panic!("it is a query") };
        let _ = visit_expressions_mut(statement.as_mut(), |expression| {
            let is_operator = matches!(
                expression,
                Expr::BinaryOp { .. }
                    | Expr::UnaryOp { .. }
                    | Expr::IsDistinctFrom(..)
                    | Expr::IsNotDistinctFrom(..)
            );
            if is_operator {
                let inner = std::mem::replace(expression, Expr::Identifier(Ident::new("")));
                *expression = Expr::Nested(Box::new(inner));
            }
            ControlFlow::<()>::Continue(())
        });
        let text = statement.to_string();
        text.strip_prefix("SELECT 1 WHERE ").expect("it has a condition").to_owned()
    }

    #[test]
    fn what_follows_and_or_or_is_no_part_of_a_distinct_from() {
        for (condition, expected) in [
            ("a is distinct from b", "(a IS DISTINCT FROM b)"),
            ("a is distinct from b and c", "((a IS DISTINCT FROM b) AND c)"),
            ("a is not distinct from b or c", "((a IS NOT DISTINCT FROM b) OR c)"),
            ("a is distinct from b and c or d", "(((a IS DISTINCT FROM b) AND c) OR d)"),
            ("a is distinct from b or c and d", "((a IS DISTINCT FROM b) OR (c AND d))"),
            ("p and a is distinct from b or c", "((p AND (a IS DISTINCT FROM b)) OR c)"),
            (
                "a is distinct from b and c is distinct from d or e",
                "(((a IS DISTINCT FROM b) AND (c IS DISTINCT FROM d)) OR e)",
            ),
            ("not a is distinct from b and c", "((NOT (a IS DISTINCT FROM b)) AND c)"),
            ("a is distinct from b = c and d", "((a IS DISTINCT FROM (b = c)) AND d)"),
            // What the user has written in parentheses stays.
            ("a is distinct from (b and c)", "(a IS DISTINCT FROM ((b AND c)))"),
            ("p and (a or b)", "(p AND ((a OR b)))"),
            ("p and q or r", "((p AND q) OR r)"),
            ("not (p or q)", "(NOT ((p OR q)))"),
        ] {
            assert_eq!(read(condition), expected, "{condition}");
        }
    }

    #[test]
    fn a_circumflex_is_refused() {
        let mut statements = DFParser::parse_sql("explain select 2 ^ 3").expect("it is SQL");
        let mut statement = statements.pop_front().expect("it is one statement");
        let refused = repair(&mut statement).expect_err("it is no power");
        assert!(refused.to_string().contains("power(2, 3)"), "{refused}");
    }
}
