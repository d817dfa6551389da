//! J1QL queries: translated into SQL, with remarks on what may not be meant.

use std::collections::BTreeMap;

use core_query::{Compiled, Environment, QuerySession};

use crate::cli::{Global, Parameter};
use crate::exit::Failure;
use crate::output;
use crate::system::Moment;

/// Translates a query into SQL. Prints its warnings, unless the user wants quiet.
pub(super) fn translated(
    global: &Global,
    session: &QuerySession,
    query: &str,
    parameters: &[Parameter],
) -> Result<Compiled, Failure> {
    let parameters: BTreeMap<String, String> =
        parameters.iter().map(|given| (given.name.clone(), given.value.clone())).collect();
    let now_ms = i64::try_from(Moment::now().0).unwrap_or(i64::MAX);
    let environment = Environment { now_ms, parameters: &parameters };
    let compiled = session
        .compile_j1ql(query, environment)
        .map_err(|error| Failure::usage(error.render(query)))?;
    if !global.quiet {
        for warning in &compiled.warnings {
            output::note(&format!("note: {}", warning.render(query)));
        }
    }
    Ok(compiled)
}
