//! The columns of a query: their names, and values that a query inside gives.

use std::collections::HashSet;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    GroupByExpr, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr,
};

/// The functions that make one value of many rows.
const AGGREGATES: [&str; 17] = [
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "first_value",
    "json_agg",
    "jsonb_agg",
    "last_value",
    "max",
    "min",
    "string_agg",
    "sum",
    "xmlagg",
];

/// Returns true if an expression is an aggregate or contains one near its top.
pub(super) fn is_aggregate(expr: &Expr) -> bool {
    match expr {
        Expr::Function(function) => {
            let name = function.name.0.last().and_then(ObjectNamePart::as_ident);
            let is_known =
                name.is_some_and(|name| AGGREGATES.contains(&&*name.value.to_lowercase()));
            let arguments = match &function.args {
                FunctionArguments::List(list) => list.args.as_slice(),
                _ => &[],
            };
            let is_inside = |argument: &FunctionArg| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if is_aggregate(expr));
            (is_known && function.over.is_none()) || arguments.iter().any(is_inside)
        }
        Expr::Cast { expr, .. } | Expr::Nested(expr) | Expr::UnaryOp { expr, .. } => {
            is_aggregate(expr)
        }
        Expr::BinaryOp { left, right, .. } => is_aggregate(left) || is_aggregate(right),
        _ => false,
    }
}

/// Returns the name that Postgres gives a column without one.
pub(super) fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.clone()),
        Expr::Function(function) => {
            let name = function.name.0.last().and_then(ObjectNamePart::as_ident);
            name.map(|name| name.value.to_lowercase())
        }
        Expr::Cast { expr, data_type, .. } => {
            name_of(expr).or_else(|| Some(data_type.to_string().to_lowercase()))
        }
        Expr::Nested(expr) | Expr::Collate { expr, .. } => name_of(expr),
        Expr::Case { .. } => Some("case".to_owned()),
        Expr::Exists { .. } => Some("exists".to_owned()),
        Expr::Extract { .. } => Some("extract".to_owned()),
        Expr::Substring { .. } => Some("substring".to_owned()),
        Expr::Subquery(query) => match &*query.body {
            SetExpr::Select(select) => match select.projection.as_slice() {
                [SelectItem::ExprWithAlias { alias, .. }] => Some(alias.value.clone()),
                [SelectItem::UnnamedExpr(expr)] => name_of(expr),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The text between the name of a column and the number that makes it different from others of the name.
const MARK: &str = ":#";

/// Names the columns of a query as Postgres does, and makes those that are equal different for the engine, which takes
/// no two of a name.
pub(super) fn label(query: &mut Query) {
    let Some(select) = first_select(&mut query.body) else { return };
    let is_named = |item: &SelectItem| {
        matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
    };
    // The columns of `*` may have any name.
    let has_all = !select.projection.iter().all(is_named);
    let mut seen = HashSet::new();
    for (place, item) in select.projection.iter_mut().enumerate() {
        let (label, expr, keeps_name) = match item {
            SelectItem::ExprWithAlias { alias, expr } => (alias.value.clone(), expr.clone(), true),
            SelectItem::UnnamedExpr(expr) => {
                let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                let label = name_of(expr).unwrap_or_else(|| "?column?".to_owned());
                (label, expr.clone(), is_column && !has_all)
            }
            _ => continue,
        };
        let is_new = seen.insert(label.clone());
        if is_new && keeps_name {
            continue;
        }
        let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        let is_plain = is_new && !(is_column && has_all);
        let name = if is_plain { label } else { format!("{label}{MARK}{place}") };
        *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) };
    }
}

/// Returns the name of a column of an answer without what makes it different from others.
pub(crate) fn shown_name(name: &str) -> &str {
    match name.rsplit_once(MARK) {
        Some((label, place)) if place.bytes().all(|byte| byte.is_ascii_digit()) => label,
        _ => name,
    }
}

/// The part that names the columns.
fn first_select(body: &mut SetExpr) -> Option<&mut Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => first_select(&mut query.body),
        SetExpr::SetOperation { left, .. } => first_select(left),
        _ => None,
    }
}

/// Makes a query of one column return one value of all its rows: the engine plans a query inside another one, which
/// refers to it, only then.
pub(super) fn aggregated(query: &mut Query, aggregate: &str) {
    let SetExpr::Select(select) = &mut *query.body else { return };
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] =
        select.projection.as_mut_slice()
    else {
        return;
    };
    if is_grouped || is_aggregate(expr) || select.distinct.is_some() || select.from.is_empty() {
        return;
    }
    query.order_by = None;
    query.limit_clause = None;
    *expr = call(aggregate, vec![expr.clone()]);
}

/// A call of a function.
pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let arguments =
        arguments.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)));
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
