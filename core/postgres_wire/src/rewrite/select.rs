//! The columns of a query: their names, and values that a query inside gives.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Distinct, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, LimitClause, ObjectName,
    ObjectNamePart, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr,
    TableFactor, Visit, VisitMut, Visitor, VisitorMut,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::parts;
use crate::catalog;

/// The functions that make one value of many rows.
const AGGREGATES: [&str; 35] = [
    "any_value",
    "approx_distinct",
    "approx_median",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "every",
    "first_value",
    "json_agg",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_object_agg",
    "last_value",
    "max",
    "median",
    "min",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
];

/// Looks for a function in an expression, but not in the queries inside it.
struct FunctionSearch<F> {
    is_wanted: F,
    depth: usize,
}

impl<F: Fn(&Function) -> bool> Visitor for FunctionSearch<F> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) if self.depth == 0 && (self.is_wanted)(function) => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn has_function(expr: &Expr, is_wanted: impl Fn(&Function) -> bool) -> bool {
    expr.visit(&mut FunctionSearch { is_wanted, depth: 0 }).is_break()
}

/// Returns true if an expression makes one value of many rows.
pub(super) fn has_aggregate(expr: &Expr) -> bool {
    has_function(expr, |function| {
        let name = function.name.0.last().and_then(ObjectNamePart::as_ident);
        let is_known = name.is_some_and(|name| AGGREGATES.contains(&&*name.value.to_lowercase()));
        is_known && function.over.is_none()
    })
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
        Expr::AtTimeZone { .. } => Some("timezone".to_owned()),
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

/// Makes a query of the catalog return one value of all its rows: the engine plans a query inside another one, which
/// refers to it, only then. Returns false if the query is left as it is.
pub(super) fn aggregated(query: &mut Query, aggregate: &str) -> bool {
    // Any other query must fail if it has several rows.
    if !reads_catalog_only(query) || !can_drop_limit(query, aggregate) {
        return false;
    }
    let SetExpr::Select(select) = &mut *query.body else { return false };
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    let [item] = select.projection.as_mut_slice() else { return false };
    let column = item.clone();
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
        return false;
    };
    let has_window = has_function(expr, |function| function.over.is_some());
    if is_grouped || has_aggregate(expr) || has_window || select.distinct.is_some() {
        return false;
    }
    let mut order = order_of(query.order_by.take());
    for by in order.iter_mut().filter(|by| is_column(&by.expr, &column)) {
        by.expr = expr.clone();
    }
    query.limit_clause = None;
    *expr = ordered_call(aggregate, expr.clone(), order);
    true
}

fn order_of(order: Option<OrderBy>) -> Vec<OrderByExpr> {
    match order.map(|order| order.kind) {
        Some(OrderByKind::Expressions(order)) => order,
        _ => Vec::new(),
    }
}

/// Returns true if a term of ORDER BY means the only column of a query.
fn is_column(by: &Expr, column: &SelectItem) -> bool {
    let is_alias = |alias: &Ident| matches!(by, Expr::Identifier(name) if name == alias);
    match column {
        // A number is the place of a column.
        _ if matches!(by, Expr::Value(_)) => true,
        SelectItem::UnnamedExpr(expr) => by == expr,
        SelectItem::ExprWithAlias { expr, alias } => by == expr || is_alias(alias),
        _ => false,
    }
}

/// Returns true if an aggregate makes the limit of a query needless.
fn can_drop_limit(query: &Query, aggregate: &str) -> bool {
    match (&query.limit_clause, &query.fetch) {
        (None, None) => true,
        (Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, .. }), None) => {
            aggregate == "first_value" && limit.to_string() == "1"
        }
        _ => false,
    }
}

/// Returns true if a query reads at least one table and all of them are of the catalog. The names of its tables were
/// rewritten before.
fn reads_catalog_only(query: &Query) -> bool {
    struct Tables {
        has_catalog: bool,
    }
    impl Visitor for Tables {
        type Break = ();

        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            let TableFactor::Table { name, args: None, .. } = factor else {
                return ControlFlow::Continue(());
            };
            match parts(name) {
                Some((Some(schema), name)) if catalog::find(Some(&schema), &name).is_some() => {
                    self.has_catalog = true;
                    ControlFlow::Continue(())
                }
                _ => ControlFlow::Break(()),
            }
        }
    }
    let mut tables = Tables { has_catalog: false };
    query.visit(&mut tables).is_continue() && tables.has_catalog
}

/// Returns the list of the rows of a query, as `array(select …)` is; none if it cannot be made. A derived table keeps
/// the limit and the set operations of the query. It keeps no order, so the aggregate has the terms of it.
pub(super) fn list(mut query: Query) -> Option<Expr> {
    let mut order = Vec::new();
    let mut columns = vec!["item".to_owned()];
    for (place, by) in order_of(query.order_by.clone()).into_iter().enumerate() {
        let key = match &mut *query.body {
            // Terms about distinct rows and set operations can only be about the column.
            SetExpr::Select(select) if !matches!(select.distinct, Some(Distinct::Distinct)) => {
                let column = select.projection.first()?;
                (!is_column(&by.expr, column)).then(|| {
                    let key = format!("key{place}");
                    let alias = Ident::new(&key);
                    select.projection.push(SelectItem::ExprWithAlias { expr: by.expr, alias });
                    columns.push(key.clone());
                    key
                })
            }
            _ => None,
        };
        order.push(format!("{}{}", key.as_deref().unwrap_or("item"), by.options));
    }
    let (order, columns) = (order.join(", "), columns.join(", "));
    let order = if order.is_empty() { order } else { format!(" ORDER BY {order}") };
    let list = format!("(SELECT array_agg(item{order}) FROM (SELECT 1) AS items ({columns}))");
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(&list).ok()?;
    let mut list = parser.parse_expr().ok()?;
    let _ = VisitMut::visit(&mut list, &mut Filling(Some(query)));
    Some(list)
}

/// Replaces the first derived table.
struct Filling(Option<Query>);

impl VisitorMut for Filling {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let (TableFactor::Derived { subquery, .. }, Some(query)) = (factor, self.0.take()) {
            **subquery = query;
        }
        ControlFlow::Break(())
    }
}

/// A call of a function.
pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    call_with(name, arguments, Vec::new())
}

/// A call of an aggregate of rows in an order.
fn ordered_call(name: &str, argument: Expr, order: Vec<OrderByExpr>) -> Expr {
    let has_order = !order.is_empty();
    let clauses = has_order.then_some(FunctionArgumentClause::OrderBy(order)).into_iter();
    call_with(name, vec![argument], clauses.collect())
}

fn call_with(name: &str, arguments: Vec<Expr>, clauses: Vec<FunctionArgumentClause>) -> Expr {
    let arguments =
        arguments.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)));
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.collect(),
            clauses,
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
