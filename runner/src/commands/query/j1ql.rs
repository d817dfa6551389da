//! J1QL queries: translated into SQL, with remarks on what may not be meant.

use std::collections::BTreeMap;

use core_query::{Compiled, Environment, QueryError, QuerySession};

use crate::cli::Global;
use crate::exit::Failure;
use crate::output;
use crate::system;

/// Translates a query into SQL, and says what in it may not be meant.
pub(super) fn translated(
    global: &Global,
    session: &QuerySession,
    query: &str,
    parameters: &BTreeMap<String, String>,
) -> Result<Compiled, Failure> {
    let environment = Environment { now_ms: now_ms(), parameters };
    let compiled = session
        .compile_j1ql(query, environment)
        .map_err(|error| Failure::usage(error.render(query)))?;
    if let Some(name) = parameters.keys().find(|name| !compiled.parameters.contains(*name)) {
        let known = compiled.parameters.iter().cloned().collect();
        let error = QueryError::UnknownParameter { name: name.clone(), known };
        return Err(Failure::usage(error));
    }
    note_warnings(global, &compiled, query);
    Ok(compiled)
}

/// Says what in a query may not be meant, unless the user wants quiet.
pub(in crate::commands) fn note_warnings(global: &Global, compiled: &Compiled, query: &str) {
    if !global.quiet {
        for warning in &compiled.warnings {
            output::note(&format!("note: {}", warning.render(query)));
        }
    }
}

/// Now, in milliseconds since 1970-01-01 UTC.
pub(in crate::commands) fn now_ms() -> i64 {
    system::now_ms()
}
