//! Checks of finished packages, by the tools that are installed here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::{NAME, output};

/// The packages that are installed in the clean Debian: what ours depends on.
const DEPENDENCIES: &str = "ca-certificates,passwd";

/// Files that an installed package must have.
const INSTALLED: [&str; 6] = [
    "usr/share/man/man1/nexthink-graph.1.gz",
    "usr/share/bash-completion/completions/nexthink-graph",
    "usr/lib/systemd/system/nexthink-graph.service",
    "usr/share/doc/nexthink-graph/docs/operations.md",
    "etc/nexthink-graph",
    "var/lib/nexthink-graph",
];

/// A configuration with the places that `docs/operations.md` names for an installed package.
const CONFIGURATION: &str = "[nexthink]\ntenant = \"acme\"\nregion = \"eu\"\nclient_id = \"0a1b\"\n\
    client_secret = { file = \"secret\" }\n[queries]\ndevices = \"#devices\"\n\
    [store]\nlocation = \"/var/lib/nexthink-graph/store\"\n\
    [privacy]\nkey.file = \"/var/lib/nexthink-graph/keys/nexthink-graph.key\"\n";

/// Checks the packages in a folder.
///
/// # Errors
///
/// A checksum is wrong, the program in the archive does not start, the package cannot be installed, or a tool finds a
/// mistake.
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
    let units = runnable_units(&files)?;
    with_tool("systemd-analyze", |tool| output(tool.args(["verify", "--man=no"]).args(&units)))?;
    let alerts = files.join("prometheus/nexthink-graph.yml");
    with_tool("promtool", |tool| output(tool.args(["check", "rules"]).arg(alerts)))?;
    with_tool("dpkg-deb", |tool| output(tool.arg("--info").arg(out.join(package))))?;
    with_tool("lintian", |tool| output(tool.arg("--fail-on=error").arg(out.join(package))))?;
    with_tool("mmdebstrap", |tool| {
        // The Debian that this machine has: the program needs its C library.
        let root = out.join("clean-debian");
        make_debian(tool, &root)?;
        let installed = install(&root, &out.join(package), version);
        fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
        installed
    })
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

/// Makes a folder with the smallest Debian, of the release of this machine.
fn make_debian(tool: &mut Command, root: &Path) -> anyhow::Result<()> {
    let release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let suite = suite.context("/etc/os-release names no release of Debian")?;
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    let include = format!("--include={DEPENDENCIES}");
    output(tool.args(["--quiet", "--variant=minbase", &include, suite]).arg(root))?;
    Ok(())
}

/// Installs the package in a Debian, starts the program there, and removes the package again.
fn install(root: &Path, package: &Path, version: &str) -> anyhow::Result<Vec<u8>> {
    fs::copy(package, root.join("package.deb")).context("cannot copy the package")?;
    let inside = |words: &[&str]| output(Command::new("chroot").arg(root).args(words));
    inside(&["dpkg", "--install", "/package.deb"])?;
    let said = inside(&[NAME, "--version"])?;
    ensure!(
        String::from_utf8_lossy(&said).trim() == format!("{NAME} {version}"),
        "the installed program says another version"
    );
    for path in INSTALLED {
        ensure!(root.join(path).exists(), "the package has not installed /{path}");
    }
    let folders =
        ["/etc/nexthink-graph", "/var/lib/nexthink-graph", "/var/lib/nexthink-graph/keys"];
    let modes = inside(&[&["stat", "-c", "%U:%G %a"], &folders[..]].concat())?;
    let expected = format!("root:{NAME} 750\n{NAME}:{NAME} 700\n{NAME}:{NAME} 700\n");
    ensure!(
        String::from_utf8_lossy(&modes) == expected,
        "the folders of the package have wrong owners or modes: {}",
        String::from_utf8_lossy(&modes)
    );
    // As the unit does, for a user who can write nothing else.
    let user = format!("--userspec={NAME}");
    let demo = "cd /var/lib/nexthink-graph && nexthink-graph --quiet && nexthink-graph status";
    output(Command::new("chroot").arg(&user).arg(root).args(["sh", "-c", demo]))?;
    fs::write(root.join("etc/nexthink-graph/nexthink-graph.toml"), CONFIGURATION)?;
    let keys = "nexthink-graph --config /etc/nexthink-graph/nexthink-graph.toml privacy key new";
    output(Command::new("chroot").arg(&user).arg(root).args(["sh", "-c", keys]))?;
    inside(&["dpkg", "--remove", NAME])?;
    ensure!(!root.join("usr/bin").join(NAME).exists(), "the removed package leaves its program");
    ensure!(root.join("var/lib").join(NAME).exists(), "the removed package takes the store along");
    inside(&["dpkg", "--purge", NAME])
}

/// Runs a tool, unless it is not installed.
fn with_tool<T>(
    name: &str,
    run: impl FnOnce(&mut Command) -> anyhow::Result<T>,
) -> anyhow::Result<()> {
    if Command::new(name).arg("--version").output().is_err() {
        println!("not checked: {name} is not installed");
        return Ok(());
    }
    run(&mut Command::new(name)).with_context(|| format!("check by {name}"))?;
    println!("checked by {name}");
    Ok(())
}
