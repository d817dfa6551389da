//! Readers of Delta tables, over two generations of a simulated tenant and an erasure.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::bench::{Tenant, python};
use crate::cargo::run as run_command;

/// The readers of Delta tables; the last two belong together.
const DELTA: [&str; 6] = [
    "deltalake==1.6.6",
    "polars==2.1.0",
    "pyarrow",
    "pytz",
    "duckdb==1.4.4",
    "duckdb-ext-delta==1.4.4.20260205",
];

/// Delivers two generations, and lets the readers look.
///
/// # Errors
///
/// A reader finds something else than this program, or what is missing.
pub(super) fn judge(root: &Path, folder: &Path, program: &Path) -> anyhow::Result<()> {
    let folder = folder.join("delta");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let lake = folder.join("lake");
    let ours = || {
        let mut command = Command::new(program);
        command.current_dir(&folder).env("NEXTHINK_GRAPH__DESTINATIONS__DELTA__FOLDER", &lake);
        command
    };
    for devices in [100, 110] {
        let tenant = Tenant::start(ours(), &[("--devices", devices), ("--users", 50)])?;
        // The alerts of another estate are others.
        let accepted = ["nexthink_device_has_alert", "nexthink_user_has_alert"];
        let accepted = accepted.iter().flat_map(|name| ["--accept-shrink", name]);
        run_command(ours().args(["run", "--quiet"]).args(accepted))?;
        drop(tenant);
    }
    let python = python(&folder, &DELTA)?;
    let script = root.join("xtask/peers/delta_readers.py");
    let mut command = Command::new(python);
    command.current_dir(&folder).env("NEXTHINK_GRAPH__DESTINATIONS__DELTA__FOLDER", &lake);
    run_command(command.arg(script).arg(program).arg("nexthink-graph.toml").arg(&lake))
}
