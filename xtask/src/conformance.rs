//! Our MCP server and the official client of the Model Context Protocol, from `PyPI`. It is no stage of the gate,
//! since it needs Python and a package.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::bench::{Tenant, python};
use crate::cargo::{cargo, run as run_command};

/// The client, in the newest version whose answers our script reads.
const PACKAGES: [&str; 1] = ["mcp"];

/// Lets the client call every tool and read every resource of a server over a simulated tenant.
///
/// # Errors
/// A call fails, or what is missing.
pub(crate) fn mcp(root: &Path) -> anyhow::Result<()> {
    run_command(&mut cargo(root, &["build", "--workspace"]))?;
    let target = root.join("target");
    let program = target.join("debug").join(format!("program{}", std::env::consts::EXE_SUFFIX));
    let folder = target.join("conformance");
    fs::create_dir_all(&folder).context("cannot make target/conformance")?;
    let ours = || {
        let mut command = Command::new(&program);
        command.current_dir(&folder);
        command
    };
    let tenant = Tenant::start(ours(), &[("--devices", 100), ("--users", 50)])?;
    run_command(ours().args(["run", "--quiet"]))?;
    drop(tenant);
    let python = python(&folder, &PACKAGES)?;
    let script = root.join("xtask/peers/mcp_client.py");
    let configuration = folder.join("nexthink-graph.toml");
    run_command(Command::new(python).arg(script).arg(&program).arg(configuration))
}
