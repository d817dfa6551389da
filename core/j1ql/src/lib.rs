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
pub use self::graph::{EntityTable, Graph, Kind, Property, RelationshipTable};
pub use self::parser::{is_j1ql, parse};
pub use self::sql::Environment;

/// A query as SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// The statement, which only reads.
    pub sql: String,
    /// The tables that it reads.
    pub tables: BTreeSet<String>,
    /// The parameters that it takes, by name.
    pub parameters: BTreeSet<String>,
    /// What is remarkable about the query.
    pub warnings: Vec<Warning>,
}

/// Reads a query, checks it against a graph and writes it as SQL.
///
/// # Errors
///
/// [`J1qlError`] with the place of what is no J1QL or what the graph does not have.
pub fn compile(
    query: &str,
    graph: &Graph,
    environment: Environment<'_>,
) -> Result<Compiled, J1qlError> {
    let (parsed, mut warnings) = parse(query)?;
    let plan = plan::Plan::new(&parsed, graph, &mut warnings)?;
    let mut context = sql::Context { environment, parameters: RefCell::default(), warnings };
    let sql = sql::write(&parsed, &plan, &mut context)?;
    let (parameters, warnings) = (context.parameters.into_inner(), context.warnings);
    Ok(Compiled { sql, tables: plan.tables(), parameters, warnings })
}
