//! Writes a checked query as SQL.
//!
//! All ways through the query are one table, `paths`, with a column for each property that the rest
//! of the query asks for. A step is a union of plain joins, one for each type of relationship and way:
//! an `OR` in a join condition would make the engine compare every row with every row.

mod arithmetic;
mod condition;
mod paths;
mod returns;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use self::condition::Reference;
use self::paths::Columns;
use crate::Lacking;
use crate::diagnostic::{J1qlError, Span, Warning, most_similar};
use crate::graph::{CREATED_ON, EntityTable, Kind};
use crate::plan::{Plan, Slot};
use crate::syntax::{Order, Path, Query, Returns};

/// The inputs of a query besides its text and its graph.
#[derive(Debug, Clone, Copy)]
pub struct Environment<'a> {
    /// Now, in milliseconds since 1970-01-01 UTC.
    pub now_ms: i64,
    /// The values of parameters, by name.
    pub parameters: &'a BTreeMap<String, String>,
}

/// The parts of the SQL text while a query is translated.
pub(crate) struct Context<'a> {
    pub(crate) environment: Environment<'a>,
    /// The parameters that were asked for.
    pub(crate) parameters: RefCell<BTreeSet<String>>,
    /// The types whose history is read.
    pub(crate) history: BTreeSet<String>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) lacking: Vec<Lacking>,
}

impl Context<'_> {
    /// Warns of a comparison that never holds.
    pub(crate) fn warn(&mut self, span: Span, message: impl Into<String>) {
        self.add(Warning::mistake(span, message));
    }

    /// Notes the types that lack a property where others have it.
    pub(crate) fn note_lacking(&mut self, property: &str, types: Vec<String>, span: Span) {
        let lacking = Lacking { property: property.to_owned(), types, span };
        if !lacking.types.is_empty() && !self.lacking.contains(&lacking) {
            self.lacking.push(lacking);
        }
    }

    /// Adds to a warning about an unknown property, on the right of an operator, that it may be a text.
    fn suggest_quotes(&mut self, span: Span) {
        let is_it = |warning: &&mut Warning| {
            warning.span == span
                && warning.unknown_property.is_some()
                && !warning.message.contains(';')
        };
        if let Some(warning) = self.warnings.iter_mut().find(is_it) {
            warning.message.push_str("; a text needs quotes");
        }
    }

    fn add(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// Writes the SQL of a query.
pub(crate) fn write(
    query: &Query,
    plan: &Plan<'_>,
    context: &mut Context<'_>,
) -> Result<String, J1qlError> {
    let mut columns = Columns::default();
    let condition = match &query.condition {
        Some(filter) => {
            let mut resolve = |path: &Path, span, context: &mut Context<'_>| {
                if let Some(error) = condition_on_answer(query, plan, path, span) {
                    return Err(error);
                }
                selected_property(plan, path, span, &mut columns, context)
            };
            Some(condition::sql(filter, &mut resolve, context)?)
        }
        None => None,
    };
    let body = match &query.returns {
        None => start_rows(query, plan, condition.as_deref(), &mut columns, context)?,
        Some(Returns::Tree) => {
            if let Some(order) = query.order.first() {
                let error = J1qlError::new(order.expression.span, "a TREE has no order");
                return Err(error.with_help("return columns to order them"));
            }
            tree(query, plan, condition.as_deref(), &mut columns)
        }
        Some(Returns::Items(items)) => {
            returns::sql(query, items, plan, condition.as_deref(), &mut columns, context)?
        }
    };
    let mut sql = String::new();
    if body.needs_paths {
        let paths = paths::sql(plan, &columns, context)?;
        let _ = write!(sql, "WITH paths AS (\n{paths}\n)");
        for (name, table) in &body.tables {
            let _ = write!(sql, ",\n{name} AS (\n{table}\n)");
        }
        sql.push('\n');
    }
    sql.push_str(&body.select);
    if !matches!(query.returns, Some(Returns::Tree)) {
        sql.push_str(&limit_clause(query));
    }
    Ok(sql)
}

fn limit_clause(query: &Query) -> String {
    let limit = query.limit.map(|limit| format!("\nLIMIT {limit}"));
    let skip = query.skip.map(|skip| format!("\nOFFSET {skip}"));
    limit.into_iter().chain(skip).collect()
}

/// The error for a condition on a column of the answer, which exists only after all conditions; none for others.
fn condition_on_answer(
    query: &Query,
    plan: &Plan<'_>,
    path: &Path,
    span: Span,
) -> Option<J1qlError> {
    let ([name], Some(Returns::Items(items))) = (path.parts.as_slice(), &query.returns) else {
        return None;
    };
    let item = items.iter().find(|item| item.alias.as_ref() == Some(name))?;
    if plan.has_name(name) {
        return None;
    }
    let error = J1qlError::new(span, format!("{name} is a column of the answer, not a property"));
    Some(error.with_help(if arithmetic::has_aggregate(&item.expression.value) {
        "J1QL cannot filter a count or a sum; write the query in SQL, with HAVING".to_owned()
    } else {
        format!("write {} in its place", item.text)
    }))
}

/// The part of a statement after the table of paths.
pub(crate) struct Body {
    pub(crate) select: String,
    /// True if it reads `paths`.
    pub(crate) needs_paths: bool,
    /// Further tables made of `paths`.
    pub(crate) tables: Vec<(&'static str, String)>,
}

/// Without `RETURN`: the entities that paths start from, each once.
fn start_rows(
    query: &Query,
    plan: &Plan<'_>,
    condition: Option<&str>,
    columns: &mut Columns,
    context: &mut Context<'_>,
) -> Result<Body, J1qlError> {
    let names = shared_columns(&plan.nodes[0].types);
    let order = start_order(query, plan, &names)?;
    let mut wanted: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    if order.contains(CREATED_ON) {
        wanted.push(CREATED_ON.to_owned());
    }
    let rows = paths::entity_rows(plan, 0, &wanted, context)?;
    let list: Vec<String> = names.iter().map(|name| identifier(name)).collect();
    let mut select = format!("SELECT {}\nFROM (\n{rows}\n) AS start", list.join(", "));
    let needs_paths = !query.elements.is_empty() || condition.is_some();
    if needs_paths {
        let key = columns.add(Slot::Node(0), "_key");
        let filter = where_clause(condition);
        let _ = write!(select, "\nWHERE \"_key\" IN (SELECT {key} FROM paths{filter})");
    }
    select.push_str(&order);
    Ok(Body { select, needs_paths, tables: Vec::new() })
}

/// The order of starting entities, by properties that they have.
fn start_order(query: &Query, plan: &Plan<'_>, names: &[&str]) -> Result<String, J1qlError> {
    let mut keys = Vec::new();
    for Order { expression, is_descending } in &query.order {
        let crate::syntax::Expression::Selector(path) = &expression.value else {
            let error =
                J1qlError::new(expression.span, "without RETURN the order is by properties");
            return Err(error.with_help("add RETURN with the columns that the order needs"));
        };
        let (first, rest) = (&path.parts[0], &path.parts[1..]);
        let is_start = !rest.is_empty()
            && plan.has_name(first)
            && plan.slot(first, expression.span)? == Slot::Node(0);
        let property = if is_start { rest.join(".") } else { path.joined() };
        let is_created = property == CREATED_ON
            && plan.nodes[0].types.iter().all(|table| table.kind(CREATED_ON).is_some());
        if !names.contains(&property.as_str()) && !is_created {
            let error = J1qlError::new(expression.span, format!("there is no property {property}"))
                .about_property(&property);
            return Err(match most_similar(&property, names.iter().copied()) {
                Some(similar) => error.with_help(format!("did you mean {similar}?")),
                None => error,
            });
        }
        keys.push(order_key(&identifier(&property), *is_descending));
    }
    Ok(order_clause(&keys))
}

/// The columns of rows of several types: those that all of them have.
fn shared_columns<'a>(types: &[&'a EntityTable]) -> Vec<&'a str> {
    let Some((first, others)) = types.split_first() else { return vec!["_key"] };
    let names = first.properties.iter().map(|property| property.name.as_str());
    names.filter(|name| others.iter().all(|table| table.kind(name).is_some())).collect()
}

/// `RETURN TREE`: every entity and relationship of the paths, once. `SKIP` and `LIMIT` choose entities that paths start
/// from, since a cut of the objects would leave relationships without their ends.
fn tree(query: &Query, plan: &Plan<'_>, condition: Option<&str>, columns: &mut Columns) -> Body {
    let mut filter = where_clause(condition);
    let mut tables = Vec::new();
    let limit = limit_clause(query);
    if !limit.is_empty() {
        let start = columns.add(Slot::Node(0), "_key");
        let starts =
            format!("SELECT DISTINCT {start} AS \"start\" FROM paths{filter}\nORDER BY 1{limit}");
        tables.push(("starts", starts));
        let chosen = format!("{start} IN (SELECT \"start\" FROM starts)");
        filter = match condition {
            Some(condition) => format!(" WHERE ({condition}) AND {chosen}"),
            None => format!(" WHERE {chosen}"),
        };
    }
    let mut parts = Vec::new();
    for node in positive_nodes(plan) {
        let [key, kind, name] = ["_key", "_type", "displayName"]
            .map(|property| columns.add(Slot::Node(node), property));
        parts.push(format!(
            "SELECT 'entity' AS \"object\", {key} AS \"_key\", {kind} AS \"_type\", {name} AS \
             \"displayName\", NULL AS \"_fromEntityKey\", NULL AS \"_toEntityKey\" FROM \
             paths{filter}"
        ));
    }
    for link in (0..plan.links.len()).filter(|link| !plan.links[*link].is_negated) {
        let [key, kind, name, from, to] =
            ["_key", "_type", "displayName", "_fromEntityKey", "_toEntityKey"]
                .map(|property| columns.add(Slot::Link(link), property));
        parts.push(format!(
            "SELECT 'relationship' AS \"object\", {key} AS \"_key\", {kind} AS \"_type\", {name} AS \
             \"displayName\", {from} AS \"_fromEntityKey\", {to} AS \"_toEntityKey\" FROM \
             paths{filter}"
        ));
    }
    let union = parts.join("\nUNION ALL\n");
    // A path that leaves an optional part out has nothing in its place.
    let select = format!(
        "SELECT DISTINCT * FROM (\n{union}\n) AS objects\nWHERE \"_key\" IS NOT NULL\nORDER BY \
         \"object\", \"_type\", \"_key\""
    );
    Body { select, needs_paths: true, tables }
}

/// The nodes that stand on a path, and not beyond a negated step.
fn positive_nodes(plan: &Plan<'_>) -> impl Iterator<Item = usize> {
    (0..plan.nodes.len()).filter(|node| *node == 0 || !plan.links[node - 1].is_negated)
}

/// Finds the column of `paths` for `name.property`.
pub(crate) fn selected_property(
    plan: &Plan<'_>,
    path: &Path,
    span: Span,
    columns: &mut Columns,
    context: &mut Context<'_>,
) -> Result<Reference, J1qlError> {
    let Some((name, rest)) = path.parts.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        let error = J1qlError::new(span, format!("{} does not say whose it is", path.joined()));
        return Err(error.with_help(plan.naming_help(&path.joined())));
    };
    let slot = plan.slot(name, span)?;
    if is_beyond_negation(plan, slot) {
        let error = J1qlError::new(span, format!("{name} stands in a negated step"));
        return Err(
            error.with_help("a negated step has no entity; only those before it have values")
        );
    }
    let property = rest.join(".");
    let kind = common_kind(&plan.kinds(slot, &property));
    if kind.is_none() {
        warn_unknown(&property, plan.properties(slot), span, context);
        return Ok(Reference { sql: "NULL".to_owned(), kind: None });
    }
    context.note_lacking(&property, plan.types_without(slot, &property), span);
    Ok(Reference { sql: columns.add(slot, &property), kind })
}

fn is_beyond_negation(plan: &Plan<'_>, slot: Slot) -> bool {
    match slot {
        Slot::Node(0) | Slot::Group(_) => false,
        Slot::Node(node) => plan.links[node - 1].is_negated,
        Slot::Link(link) => plan.links[link].is_negated,
    }
}

/// Warns that no type has a property; it is undefined then.
pub(crate) fn warn_unknown(
    property: &str,
    known: Vec<&str>,
    span: Span,
    context: &mut Context<'_>,
) {
    let similar = most_similar(property, known);
    let near = similar.map(|similar| format!("; did you mean {similar}?")).unwrap_or_default();
    let message = format!("nothing here has the property {property}{near}");
    let unknown_property = Some(property.to_owned());
    context.add(Warning { unknown_property, ..Warning::mistake(span, message) });
}

/// The kind of values that come from several types: text if they differ.
pub(crate) fn common_kind(kinds: &[Kind]) -> Option<Kind> {
    let (first, others) = kinds.split_first()?;
    if others.iter().all(|kind| kind == first) { Some(*first) } else { Some(Kind::Text) }
}

/// A name in quotes, as SQL takes every name.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in quotes.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(crate) fn where_clause(condition: Option<&str>) -> String {
    condition.map(|condition| format!(" WHERE {condition}")).unwrap_or_default()
}

/// Undefined values come last, whichever way the order goes.
pub(crate) fn order_key(sql: &str, is_descending: bool) -> String {
    let direction = if is_descending { "DESC" } else { "ASC" };
    format!("{sql} {direction} NULLS LAST")
}

pub(crate) fn order_clause(keys: &[String]) -> String {
    if keys.is_empty() { String::new() } else { format!("\nORDER BY {}", keys.join(", ")) }
}
