//! Kills the program at its file operations and makes them fail, for longer than the gate does.

use std::path::Path;

use crate::cargo::{cargo, run as run_command};

/// Runs the tests of `tests/it/crashes`, each for this many seconds.
///
/// # Errors
///
/// A test fails: its message names the operation.
pub(crate) fn run(root: &Path, seconds: u64) -> anyhow::Result<()> {
    let arguments = ["test", "--package", "tests", "--test", "it", "--", "crashes::"];
    run_command(cargo(root, &arguments).env("TORTURE_SECONDS", seconds.to_string()))
}
