//! Texts in a query that a function cannot read. For a cell that is no version or network, the answer of the function is
//! unknown. In the query itself such a text is a mistake: the answer would be empty, or everything, and look like one.

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::error::QueryError;
use crate::functions::read_network;

/// The form of a version in messages.
pub(crate) const VERSION: &str = "version such as 10.0.22631";
/// The form of a network in messages.
pub(crate) const NETWORK: &str = "address or network such as 10.0.0.0/8";

/// Checks the texts that a plan gives to functions.
///
/// # Errors
/// [`QueryError::UnreadableText`] for the first one that its function cannot read.
pub(crate) fn check(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut found = None;
    let visited = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                found = unreadable(part);
                Ok(if found.is_some() {
                    TreeNodeRecursion::Stop
                } else {
                    TreeNodeRecursion::Continue
                })
            })
        })
    });
    visited.map_err(|error| QueryError::from_engine(&error, 0))?;
    found.map_or(Ok(()), Err)
}

/// The error about the first text that a call cannot read.
fn unreadable(expression: &Expr) -> Option<QueryError> {
    let Expr::ScalarFunction(call) = expression else { return None };
    let text_of = |value: &Expr| match value {
        Expr::Literal(literal, _) => literal.try_as_str().flatten().map(str::to_owned),
        _ => None,
    };
    let (texts, is_readable, expected): (_, fn(&str) -> bool, _) = match call.func.name() {
        "ip_in" => (call.args.get(1..)?, |text| read_network(text).is_some(), NETWORK),
        "version_lt" | "version_compare" => {
            (call.args.get(..)?, core_software::is_version, VERSION)
        }
        _ => return None,
    };
    let text = texts.iter().filter_map(text_of).find(|text| !is_readable(text))?;
    Some(QueryError::UnreadableText { text, expected })
}
