//! Commands for cargo and other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Variables that `cargo xtask` sets for this program. With them, the build script of `ring` would run again, and everything
/// above it would be built again, each time after a `cargo test`.
const OF_THIS_PACKAGE: [&str; 7] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// Returns the workspace of the current folder.
pub(crate) fn workspace_root() -> anyhow::Result<PathBuf> {
    let output = Command::new("cargo")
        .args(["locate-project", "--workspace", "--message-format", "plain"])
        // Cargo's own message explains best why there is no valid workspace here.
        .stderr(Stdio::inherit())
        .output()
        .context("cargo does not start")?;
    if !output.status.success() {
        bail!("cargo finds no workspace around the current folder");
    }
    let manifest = PathBuf::from(String::from_utf8(output.stdout)?.trim_end());
    Ok(manifest.parent().context("a manifest is in a folder")?.to_owned())
}

/// A cargo command in the root of the workspace.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = program("cargo", root, arguments);
    for name in OF_THIS_PACKAGE {
        command.env_remove(name);
    }
    command
}

/// A command in the root of the workspace.
pub(crate) fn program(name: &str, root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root).args(arguments);
    command
}

/// Runs a command with our standard output and error.
///
/// # Errors
///
/// It does not start, or it fails.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{} does not start", line(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", line(command));
    }
    Ok(())
}

/// The command as a user would type it, without its environment.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}
