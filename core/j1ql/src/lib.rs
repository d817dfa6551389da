#![doc = include_str!("../README.md")]

mod dates;
mod diagnostic;
mod graph;
mod lexer;
mod parser;
mod plan;
mod sql;
pub mod syntax;

use std::cell::RefCell;
use std::collections::BTreeSet;

pub use self::diagnostic::{J1qlError, Span, Warning};
pub use self::graph::{
    CREATED_ON, EntityTable, Graph, Kind, PossibleType, Property, RelationshipTable,
};
pub use self::parser::{is_j1ql, parse};
pub use self::sql::Environment;

/// A query as SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// The statement, which only reads.
    pub sql: String,
    /// The tables that it reads.
    pub tables: BTreeSet<String>,
    /// The types whose history it reads, each as the table `<type>_history`.
    pub history: BTreeSet<String>,
    /// The parameters that it takes, by name.
    pub parameters: BTreeSet<String>,
    /// Remarks about the query.
    pub warnings: Vec<Warning>,
    /// The properties that some of the types they are asked of lack.
    pub lacking: Vec<Lacking>,
}

/// A property that only some types have where a query asks for it. It is undefined for the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The property.
    pub property: String,
    /// The types that lack it.
    pub types: Vec<String>,
    /// The place in the query.
    pub span: Span,
}

/// Reads a query, checks it against a graph and writes it as SQL.
///
/// # Errors
///
/// [`J1qlError`] with the place of a mistake in J1QL, or of a name that the graph does not have.
pub fn compile(
    query: &str,
    graph: &Graph,
    environment: Environment<'_>,
) -> Result<Compiled, J1qlError> {
    let (parsed, warnings) = parse(query)?;
    compile_parsed(&parsed, warnings, graph, environment)
}

/// Does the same for a parsed query. `warnings` are those of the parser.
///
/// # Errors
///
/// [`J1qlError`] with the place of a name that the graph does not have.
pub fn compile_parsed(
    parsed: &syntax::Query,
    mut warnings: Vec<Warning>,
    graph: &Graph,
    environment: Environment<'_>,
) -> Result<Compiled, J1qlError> {
    let plan = plan::Plan::new(parsed, graph, &mut warnings)?;
    let mut context = sql::Context {
        environment,
        parameters: RefCell::default(),
        history: BTreeSet::new(),
        warnings,
        lacking: Vec::new(),
    };
    let sql = sql::write(parsed, &plan, &mut context)?;
    let sql::Context { parameters, history, warnings, lacking, .. } = context;
    let parameters = parameters.into_inner();
    Ok(Compiled { sql, tables: plan.tables(), history, parameters, warnings, lacking })
}
