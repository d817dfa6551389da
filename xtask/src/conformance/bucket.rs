//! Servers of buckets of others: moto as S3 and, if npm can install it, Azurite as Azure Blob Storage. They take a copy of
//! a store and give it back, to a folder and to working copies.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{Tenant, python};
use crate::cargo::{cargo, run as run_command};

/// A server that speaks like S3, and the clients that make buckets.
const PACKAGES: [&str; 4] = ["moto[server]", "boto3", "azure-storage-blob", "setuptools"];

/// A server that speaks like Azure Blob Storage.
const AZURITE: &str = "azurite@3";

/// The store and the tenant of the configuration that `simulate` writes.
const STORE: &str = "simulated-store";
const TENANT: &str = "demo";

/// Makes a store, and lets the servers take it.
///
/// # Errors
///
/// A server returns something else than it got, or what is missing.
pub(super) fn judge(root: &Path, folder: &Path, program: &Path) -> anyhow::Result<()> {
    let ours = || {
        let mut command = Command::new(program);
        command.current_dir(folder);
        command
    };
    let tenant = Tenant::start(ours(), &[("--devices", 100), ("--users", 50)])?;
    run_command(ours().args(["run", "--quiet"]))?;
    drop(tenant);
    let example = ["build", "-p", "core-bucket", "--features", "cloud", "--example", "conformance"];
    run_command(&mut cargo(root, &example))?;
    let example = format!("target/debug/examples/conformance{}", std::env::consts::EXE_SUFFIX);
    let python = python(folder, &PACKAGES)?;
    let mut judge = Command::new(python);
    judge.arg(root.join("xtask/peers/bucket_servers.py"));
    judge.arg(root.join(example)).arg(folder.join(STORE)).arg(TENANT);
    run_command(judge.args(azurite(folder)))
}

/// The program of Azurite; None where npm cannot install it.
fn azurite(folder: &Path) -> Option<PathBuf> {
    let installed = folder.join("node_modules/.bin/azurite");
    if !installed.exists() {
        let install = ["install", "--no-audit", "--no-fund", "--silent", AZURITE];
        // What is missing then is said by the script.
        let _ = Command::new("npm").args(install).current_dir(folder).status();
    }
    installed.exists().then_some(installed)
}
