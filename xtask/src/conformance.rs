//! Programs of others judge ours: the official client of the Model Context Protocol, and receivers of messages. It is no
//! stage of the gate, since it needs Python and packages.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::bench::{Tenant, python};
use crate::cargo::{cargo, run as run_command};

/// Who judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Judge {
    /// The official MCP client calls every tool of `mcp`.
    Mcp,
    /// Standard Webhooks' own library, a real SMTP server and an installed Alertmanager take messages.
    Notify,
}

/// The client, in the newest version whose answers our script reads.
const MCP: [&str; 1] = ["mcp"];

/// The receivers, and certificates for them.
const NOTIFY: [&str; 3] = ["standardwebhooks", "aiosmtpd", "trustme"];

/// Lets others judge the program over a simulated tenant.
///
/// # Errors
/// They refuse something, or what is missing.
pub(crate) fn run(root: &Path, judge: Judge) -> anyhow::Result<()> {
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
    let peers = root.join("xtask/peers");
    match judge {
        Judge::Mcp => {
            let script = peers.join("mcp_client.py");
            let configuration = folder.join("nexthink-graph.toml");
            let python = python(&folder, &MCP)?;
            run_command(Command::new(python).arg(script).arg(&program).arg(configuration))
        }
        Judge::Notify => {
            let script = peers.join("notify_receivers.py");
            let python = python(&folder, &NOTIFY)?;
            run_command(Command::new(python).arg(script).arg(&program).arg(&folder))
        }
    }
}
