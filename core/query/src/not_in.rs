//! `not in (select …)` in places where the engine takes an undefined value for one that is not in the answer.
//!
//! As a condition of its own, `x not in (select …)` is right: it is undefined if x is, or if the answer has an undefined
//! value. Below `or` or a function, DataFusion 55 asks whether x was found, which is never undefined. So rows would count
//! that SQL leaves out.

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable as _, LogicalPlan, Operator};

use crate::error::QueryError;

/// Refuses a plan with such a condition, if one of its sides may be undefined.
///
/// # Errors
/// [`QueryError::Invalid`], with the way to write it.
pub(crate) fn check(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut is_refused = false;
    let visited = plan.apply_with_subqueries(|node| {
        let condition = match node {
            LogicalPlan::Filter(filter) => Some((&filter.predicate, filter.input.schema())),
            LogicalPlan::Join(join) => join.filter.as_ref().map(|filter| (filter, &join.schema)),
            _ => None,
        };
        if let Some((condition, schema)) = condition {
            is_refused |= is_wrong(condition, schema, Place::Own)?;
        }
        Ok(if is_refused { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    visited.map_err(|error| QueryError::from_engine(&error, 0))?;
    if !is_refused {
        return Ok(());
    }
    let message = "`not in (select …)` beside `or` would count undefined values: write \
                   `not exists (select 1 from … where …)` in its place";
    Err(QueryError::Invalid { message: message.to_owned() })
}

/// A place in a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// All of it, or a part that must be true for the whole to be true.
    Own,
    /// Below `or`, where an undefined part counts as one that is false.
    Either,
    /// Within something that tells an undefined part from one that is false.
    Within,
}

fn is_wrong(expression: &Expr, schema: &DFSchema, place: Place) -> Result<bool> {
    match expression {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let below =
                if *op == Operator::Or && place == Place::Own { Place::Either } else { place };
            Ok(is_wrong(left, schema, below)? || is_wrong(right, schema, below)?)
        }
        Expr::Not(inner) if place == Place::Own && matches!(**inner, Expr::InSubquery(_)) => {
            Ok(false)
        }
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
            let tells_undefined = match place {
                Place::Own => false,
                Place::Either => *negated,
                Place::Within => true,
            };
            let has_undefined = || -> Result<bool> {
                let schema_below = subquery.subquery.schema();
                let is_nullable = schema_below.fields().iter().any(|field| field.is_nullable());
                // A column that is not in the schema, such as one of an outer query, may be undefined.
                Ok(is_nullable || expr.nullable(schema).unwrap_or(true))
            };
            Ok(tells_undefined && has_undefined()?)
        }
        other => {
            let mut is_any = false;
            other.apply_children(|part| {
                is_any |= is_wrong(part, schema, Place::Within)?;
                Ok(TreeNodeRecursion::Continue)
            })?;
            Ok(is_any)
        }
    }
}
