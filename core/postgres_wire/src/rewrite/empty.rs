//! Parts of a query that have no rows, since they need a row of a table of the catalog that is always empty.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    ArrayElemTypeDef, CastKind, DataType, Distinct, Expr, FunctionArg, FunctionArgExpr,
    FunctionArguments, GroupByExpr, Ident, Join, JoinOperator, Query, Select, SelectItem, SetExpr,
    TableFactor, TableWithJoins, Value,
};

use super::parts;
use super::select::{call, has_aggregate, name_of};
use crate::catalog;

/// Makes a query without rows of one that cannot have any.
pub(super) fn replace(query: &mut Query) {
    if replace_body(&mut query.body) {
        // Its terms may name what is no longer there.
        query.order_by = None;
    }
}

/// Returns true if nothing of the body is left.
fn replace_body(body: &mut SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => {
            let is_replaced = is_empty_select(select) && has_named_columns(select);
            if is_replaced {
                clear(select);
            }
            is_replaced
        }
        SetExpr::SetOperation { left, right, .. } => {
            let is_left = replace_body(left);
            replace_body(right) && is_left
        }
        _ => false,
    }
}

/// Makes a condition or value of one that asks a query without rows.
pub(super) fn replace_condition(expr: &mut Expr) {
    let value = |value: Value| Some(Expr::Value(value.into()));
    let replacement = match expr {
        Expr::Exists { subquery, negated } if is_empty(subquery) => value(Value::Boolean(*negated)),
        Expr::InSubquery { subquery, negated, .. } if is_empty(subquery) => {
            value(Value::Boolean(*negated))
        }
        Expr::InSubquery { expr, subquery, negated: false } if counts_a_list(subquery) => {
            let visible = vec![Expr::Value(Value::Boolean(false).into())];
            Some(call("array_has", vec![call("current_schemas", visible), (**expr).clone()]))
        }
        Expr::Subquery(subquery) if is_empty(subquery) => value(Value::Null),
        Expr::Function(function) => match &function.args {
            FunctionArguments::Subquery(query) if is_empty(query) => Some(no_list()),
            _ => None,
        },
        _ => None,
    };
    if let Some(replacement) = replacement {
        *expr = replacement;
    }
}

/// Returns true for a query of the items of a list by their numbers, which the engine cannot plan. Clients ask so for
/// the schemas in which names are looked up.
fn counts_a_list(query: &Query) -> bool {
    let SetExpr::Select(select) = &*query.body else { return false };
    select.from.iter().any(|table| match &table.relation {
        TableFactor::Table { name, args: Some(arguments), .. } => {
            let is_series = parts(name).is_some_and(|(_, name)| name == "generate_series");
            is_series
                && arguments
                    .args
                    .iter()
                    .any(|argument| argument.to_string().starts_with("array_upper("))
        }
        _ => false,
    })
}

/// A list that is missing. The engine joins the items of none without a type.
fn no_list() -> Expr {
    let item = ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None);
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(Value::Null.into())),
        data_type: DataType::Array(item),
        array: false,
        format: None,
    }
}

fn is_empty(query: &Query) -> bool {
    is_empty_body(&query.body)
}

fn is_empty_body(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => is_empty_select(select),
        SetExpr::Query(query) => is_empty(query),
        SetExpr::SetOperation { left, right, .. } => is_empty_body(left) && is_empty_body(right),
        _ => false,
    }
}

/// An aggregate has a row even of nothing, unless its rows are grouped.
fn is_empty_select(select: &Select) -> bool {
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    let has_aggregate = select.having.is_some()
        || select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                has_aggregate(expr)
            }
            _ => false,
        });
    (is_grouped || !has_aggregate) && select.from.iter().any(is_empty_table)
}

fn is_empty_table(table: &TableWithJoins) -> bool {
    let keeps_right = |join: &Join| {
        matches!(
            join.join_operator,
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) | JoinOperator::FullOuter(_)
        )
    };
    if table.joins.iter().any(keeps_right) {
        return false;
    }
    let is_inner = |join: &&Join| {
        matches!(
            join.join_operator,
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_)
        )
    };
    is_empty_factor(&table.relation)
        || table.joins.iter().filter(is_inner).any(|join| is_empty_factor(&join.relation))
}

fn is_empty_factor(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Table { name, args: Some(arguments), .. } => {
            let is_unnest = parts(name).is_some_and(|(_, name)| name == "unnest");
            is_unnest && arguments.args.iter().any(is_list_argument)
        }
        TableFactor::UNNEST { array_exprs, .. } => array_exprs.iter().any(is_list),
        TableFactor::Table { name, args: None, .. } => parts(name).is_some_and(|(schema, name)| {
            catalog::find(schema.as_deref(), &name).is_some_and(|(_, is_empty)| is_empty)
        }),
        TableFactor::Derived { subquery, .. } => is_empty(subquery),
        TableFactor::NestedJoin { table_with_joins, .. } => is_empty_table(table_with_joins),
        _ => false,
    }
}

fn is_list_argument(argument: &FunctionArg) -> bool {
    matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if is_list(expr))
}

/// Returns true for a column of the catalog that never has a list.
fn is_list(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        && name_of(expr).is_some_and(|name| catalog::is_list_column(&name))
}

fn has_named_columns(select: &Select) -> bool {
    select
        .projection
        .iter()
        .all(|item| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }))
}

/// Leaves the names of the columns.
fn clear(select: &mut Select) {
    for (place, item) in select.projection.iter_mut().enumerate() {
        let alias = match item {
            SelectItem::ExprWithAlias { alias, .. } => alias.clone(),
            SelectItem::UnnamedExpr(expr) => {
                let name = name_of(expr).unwrap_or_else(|| format!("column{place}"));
                Ident::with_quote('"', name)
            }
            _ => continue,
        };
        let expr = Expr::Value(Value::Null.into());
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
    *select = Select {
        select_token: AttachedToken::empty(),
        projection: std::mem::take(&mut select.projection),
        distinct: None::<Distinct>,
        from: Vec::new(),
        selection: Some(Expr::Value(Value::Boolean(false).into())),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        having: None,
        qualify: None,
        named_window: Vec::new(),
        ..select.clone()
    };
}
