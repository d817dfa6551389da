//! SQL without a column.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, Statement,
    TableFactor, Value, visit_expressions,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::KEY;

/// Removes a column, named as `d.name` or `name`, from the results, groups and order of a query. Returns the query
/// and the names of the removed result columns; none if the column affects which rows there are.
pub(super) fn without(sql: &str, column: &str) -> Option<(String, Vec<String>)> {
    let mut statements = Parser::parse_sql(&GenericDialect {}, sql).ok()?;
    let [Statement::Query(query)] = &mut statements[..] else { return None };
    let before = query.to_string();
    let left_out = leave_out(query, column)?;
    let shorter = query.to_string();
    // Where nothing can be left out, the column is in a condition.
    (shorter != before).then_some((shorter, left_out))
}

fn leave_out(query: &mut Query, column: &str) -> Option<Vec<String>> {
    let SetExpr::Select(select) = &mut *query.body else { return None };
    let is_grouped = leave_out_of_groups(select, column)?;
    let (mut left_out, mut first) = (Vec::new(), None);
    for (place, item) in std::mem::take(&mut select.projection).into_iter().enumerate() {
        match expression(&item) {
            Some(shown) if names(shown, column) => {
                let is_column = matches!(shown, Expr::CompoundIdentifier(_) | Expr::Identifier(_));
                first = first.or(is_column.then_some(place));
                left_out.push(output_name(&item));
            }
            _ => select.projection.push(item),
        }
    }
    let has_ordinals = leave_out_of_order(query, column, &left_out);
    let SetExpr::Select(select) = &mut *query.body else { return None };
    let key = key_of(column);
    let has_key = select.projection.iter().any(|item| expression(item) == Some(&key));
    if let Some(place) = first.filter(|_| !has_key && !is_grouped) {
        let alias = Ident::new(key_name(select, column));
        let place = place.min(select.projection.len());
        select.projection.insert(place, SelectItem::ExprWithAlias { expr: key, alias });
    }
    // A number in the order would mean another column now.
    (!select.projection.is_empty() && !has_ordinals).then_some(left_out)
}

/// Leaves a column out of the groups, which stay the same if the key of its entity is among them. Returns whether there are
/// groups; none if they would be others.
fn leave_out_of_groups(select: &mut Select, column: &str) -> Option<bool> {
    let GroupByExpr::Expressions(groups, _) = &mut select.group_by else { return None };
    let is_grouped = !groups.is_empty();
    let key = key_of(column);
    if groups.iter().any(|group| names(group, column)) {
        if !groups.contains(&key) {
            return None;
        }
        groups.retain(|group| !names(group, column));
    }
    (!groups.iter().any(is_ordinal)).then_some(is_grouped)
}

/// Leaves a column and those that showed it out of the order. Returns whether columns are named by numbers.
fn leave_out_of_order(query: &mut Query, column: &str, left_out: &[String]) -> bool {
    let Some(order) = &mut query.order_by else { return false };
    let OrderByKind::Expressions(by) = &mut order.kind else { return true };
    let is_left_out = |expr: &Expr| {
        names(expr, column)
            || matches!(expr, Expr::Identifier(name) if left_out.contains(&name.value))
    };
    by.retain(|by| !is_left_out(&by.expr));
    let has_ordinals = by.iter().any(|by| is_ordinal(&by.expr));
    if by.is_empty() {
        query.order_by = None;
    }
    has_ordinals
}

/// Returns whether an expression names a column.
fn names(expression: &Expr, column: &str) -> bool {
    let found = visit_expressions(expression, |part| match path(part) {
        Some(path) if path == column => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// The name of a column as the engine writes it.
fn path(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(parts) => {
            let parts: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
            Some(parts.join("."))
        }
        _ => None,
    }
}

fn is_ordinal(expression: &Expr) -> bool {
    matches!(expression, Expr::Value(value) if matches!(value.value, Value::Number(..)))
}

fn expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// The name of a column of the answer.
fn output_name(item: &SelectItem) -> String {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
        SelectItem::UnnamedExpr(expr) => match path(expr) {
            Some(path) => path.rsplit('.').next().unwrap_or_default().to_owned(),
            None => expr.to_string(),
        },
        other => other.to_string(),
    }
}

/// The key of the entity that has a column.
fn key_of(column: &str) -> Expr {
    let (key, table) = (Ident::new(KEY), column.rsplit_once('.').map(|(table, _)| table));
    match table {
        Some(table) => Expr::CompoundIdentifier(vec![Ident::new(table), key]),
        None => Expr::Identifier(key),
    }
}

/// The name of the key in the answer, such as `deviceKey` for a `nexthink_device`.
fn key_name(select: &Select, column: &str) -> String {
    let Some((alias, _)) = column.rsplit_once('.') else { return "key".to_owned() };
    let tables = select.from.iter().flat_map(|from| {
        std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
    });
    let mut named = tables.filter_map(|table| match table {
        TableFactor::Table { name, alias: Some(given), .. } if given.name.value == alias => {
            Some(name.to_string())
        }
        _ => None,
    });
    super::key_name(&named.next().unwrap_or_else(|| alias.to_owned()))
}
