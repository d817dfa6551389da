//! What the gate does for a minute, for as long as somebody wants: kills the program at its file operations and
//! makes them fail, and asks random queries of random graphs.

use std::path::Path;

use crate::cargo::{cargo, run as run_command};

/// Runs 10,000 random queries in J1QL, then the tests of `tests/it/crashes`, each for this many seconds.
///
/// # Errors
///
/// A test fails: its message names the query and the graph, or the operation.
pub(crate) fn run(root: &Path, seconds: u64) -> anyhow::Result<()> {
    let queries = ["test", "--workspace", "--test", "query", "--", "j1ql::random"];
    run_command(cargo(root, &queries).env("RANDOM_J1QL", "1"))?;
    let arguments = ["test", "--workspace", "--test", "it", "--", "crashes::"];
    run_command(cargo(root, &arguments).env("TORTURE_SECONDS", seconds.to_string()))
}
