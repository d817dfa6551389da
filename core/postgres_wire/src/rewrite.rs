//! SQL as clients of Postgres write it, as the engine of this program takes it.
//!
//! A name without quotes is folded: it is the table or column that differs in upper and lower case alone, else it is in
//! lower case. What Postgres has and the engine lacks becomes what the engine has: types and functions of the catalog,
//! operators with a schema, comparisons with lists. Queries of the catalog join tables that are always empty here; such
//! a part of a query becomes one without rows, so that the engine need not plan what it may not know.

mod empty;
mod expressions;
mod names;
mod select;
mod times;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, LimitClause, ObjectName, ObjectNamePart, Query, Statement, Value, Visit, VisitMut,
    Visitor, VisitorMut,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

pub(crate) use self::names::Names;
pub(crate) use self::select::shown_name;
use crate::catalog;
use crate::error::{About, WireError, state};
use crate::position;

/// A query for the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rewritten {
    /// The text.
    pub(crate) sql: String,
    /// The tables of the catalog that it reads, by schema.
    pub(crate) catalog: BTreeMap<&'static str, BTreeSet<String>>,
    /// The parameters of the statement as it was.
    pub(crate) parameters: BTreeSet<String>,
    /// Those that are still in the text: a part without rows has none.
    pub(crate) kept: BTreeSet<String>,
    /// Those that something is compared with any item of, which are lists.
    pub(crate) lists: BTreeSet<String>,
    /// Those that limit the number of rows, which are whole numbers.
    pub(crate) counts: BTreeSet<String>,
    /// Those that are cast to a time with a zone.
    pub(crate) zoned: BTreeSet<String>,
}

/// Finds the parameters of a statement.
#[derive(Default)]
struct Parameters {
    all: BTreeSet<String>,
    lists: BTreeSet<String>,
    counts: BTreeSet<String>,
    zoned: BTreeSet<String>,
}

impl Visitor for Parameters {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause {
            self.counts.extend(limit.as_ref().and_then(parameter));
            self.counts.extend(offset.as_ref().and_then(|offset| parameter(&offset.value)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.all.extend(parameter(expr));
        if let Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } = expr {
            self.lists.extend(parameter(right));
        }
        if let Expr::Cast { expr, data_type, .. } = expr
            && times::is_zoned_type(data_type)
        {
            self.zoned.extend(parameter(expr));
        }
        ControlFlow::Continue(())
    }
}

/// Returns the name of a parameter without its `$`.
fn parameter(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Nested(inner) => parameter(inner),
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => Some(name.trim_start_matches('$').to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// Rewrites one statement. Statements that the engine refuses stay as they are.
pub(crate) fn rewrite(sql: &str, names: &Names) -> Result<Rewritten, WireError> {
    let mut statement = parse(sql, names)?;
    let mut rewriter = Rewriter::default();
    // Before anything is replaced, since columns are named by what the client has written.
    if let Statement::Query(query) = &mut statement {
        select::label(query);
    }
    let (mut before, mut after) = (Parameters::default(), Parameters::default());
    let _ = Visit::visit(&statement, &mut before);
    let _ = VisitMut::visit(&mut statement, &mut rewriter);
    let _ = Visit::visit(&statement, &mut after);
    let (sql, catalog) = (statement.to_string(), rewriter.catalog);
    let Parameters { all: parameters, lists, counts, zoned } = before;
    Ok(Rewritten { sql, catalog, parameters, kept: after.all, lists, counts, zoned })
}

fn parse(sql: &str, names: &Names) -> Result<Statement, WireError> {
    let dialect = PostgreSqlDialect {};
    let invalid = |error: &dyn std::fmt::Display| {
        let error = error.to_string();
        let position = position::told(sql, &error).map(About::Position);
        // The parser's own name says nothing.
        let error = error.trim_start_matches("sql parser error: ");
        WireError::new(state::SYNTAX, format!("the query is not valid: {error}")).about(position)
    };
    let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location();
    let mut tokens = tokens.map_err(|error| invalid(&error))?;
    for token in &mut tokens {
        if let Token::Word(word) = &mut token.token
            && word.quote_style.is_none()
        {
            word.value = names.folded(&word.value);
        }
    }
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let statement = parser.parse_statement().map_err(|error| invalid(&error))?;
    while parser.consume_token(&Token::SemiColon) {}
    if parser.peek_token().token != Token::EOF {
        let position = position::at(sql, parser.peek_token().span.start).map(About::Position);
        let message = "there is something after the end of the statement";
        return Err(WireError::new(state::SYNTAX, message).about(position));
    }
    Ok(statement)
}

/// Replaces what the engine does not know.
#[derive(Default)]
struct Rewriter {
    catalog: BTreeMap<&'static str, BTreeSet<String>>,
    /// The names that WITH gives to queries, which come before those of the catalog.
    own: BTreeSet<String>,
}

impl VisitorMut for Rewriter {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        empty::replace(query);
        let named = query.with.iter().flat_map(|with| &with.cte_tables);
        self.own.extend(named.map(|table| table.alias.name.value.clone()));
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        self.relation(relation);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        empty::replace_condition(expr);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        expressions::rewrite(expr);
        ControlFlow::Continue(())
    }
}

impl Rewriter {
    /// Finds a table in the catalog, and drops the name of the database.
    fn relation(&mut self, relation: &mut ObjectName) {
        if relation.0.len() == 3 {
            relation.0.remove(0);
        }
        let Some((schema, name)) = parts(relation) else { return };
        if schema.is_none() && self.own.contains(&name) {
            return;
        }
        if let Some((schema, _)) = catalog::find(schema.as_deref(), &name) {
            self.catalog.entry(schema).or_default().insert(name);
            if relation.0.len() == 1 {
                relation.0.insert(0, ObjectNamePart::Identifier(Ident::new(schema)));
            }
        } else if schema.as_deref() == Some(catalog::PG_CATALOG) {
            // A function that returns rows, or a table that the engine reports by its own name.
            relation.0.remove(0);
        }
    }
}

/// Returns the schema and the name of a table.
fn parts(relation: &ObjectName) -> Option<(Option<String>, String)> {
    let mut parts = relation.0.iter().rev().filter_map(ObjectNamePart::as_ident);
    let name = parts.next()?.value.clone();
    Some((parts.next().map(|schema| schema.value.clone()), name))
}

#[cfg(test)]
mod tests;
