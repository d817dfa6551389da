//! Checks of finished packages, by the tools that are installed here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::{NAME, output};

/// Checks the packages in a folder.
///
/// # Errors
///
/// A checksum is wrong, the program in the archive does not start, or a tool finds a mistake.
pub(super) fn check(
    out: &Path,
    folder: &str,
    packages: &[String; 3],
    version: &str,
) -> anyhow::Result<()> {
    let [archive, package, _] = packages;
    with_tool("sha256sum", |tool| {
        output(tool.current_dir(out).args(["--check", "--quiet", "SHA256SUMS"]))
    })?;
    let unpacked = out.join("unpacked");
    if unpacked.exists() {
        fs::remove_dir_all(&unpacked)?;
    }
    fs::create_dir_all(&unpacked)?;
    with_tool("tar", |tool| {
        output(tool.arg("-xzf").arg(out.join(archive)).arg("-C").arg(&unpacked))
    })?;
    let files = unpacked.join(folder);
    let said = output(Command::new(files.join(NAME)).arg("--version"))?;
    ensure!(
        String::from_utf8_lossy(&said).trim() == format!("{NAME} {version}"),
        "the program in {archive} says another version"
    );
    with_tool("dpkg-deb", |tool| output(tool.arg("--info").arg(out.join(package))))?;
    let units = runnable_units(&files)?;
    with_tool("systemd-analyze", |tool| output(tool.args(["verify", "--man=no"]).args(&units)))
}

/// Copies the units so that they start the unpacked program: what they name must be there to be checked.
fn runnable_units(files: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let program = files.join(NAME).display().to_string();
    let mut copies = Vec::new();
    for unit in fs::read_dir(files.join("systemd")).context("the archive has no units")? {
        let unit = unit?;
        let text = fs::read_to_string(unit.path())?;
        let copy = files.join(unit.file_name());
        fs::write(&copy, text.replace(&format!("/usr/bin/{NAME}"), &program))?;
        copies.push(copy);
    }
    Ok(copies)
}

/// Runs a tool, unless it is not installed.
fn with_tool(
    name: &str,
    run: impl FnOnce(&mut Command) -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<()> {
    if Command::new(name).arg("--version").output().is_err() {
        println!("not checked: {name} is not installed");
        return Ok(());
    }
    run(&mut Command::new(name)).with_context(|| format!("check by {name}"))?;
    println!("checked by {name}");
    Ok(())
}
