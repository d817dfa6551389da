//! The explorer's pages in a real browser: by mouse and keyboard, axe, hostile names. It is no stage of the gate,
//! since it needs Node, a Chromium, and two packages from npm.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::cargo::{cargo, run as run_command};

/// The tests, and what they need.
const SOURCES: &str = "core/explorer/tests/browser";

/// What Chromium is called.
const CHROMIUMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// How the tests are run.
#[derive(clap::Args)]
pub(crate) struct BrowserArguments {
    /// The browser; else the first Chromium on the path.
    #[arg(long)]
    chromium: Option<PathBuf>,
    /// Write screenshots into this folder.
    #[arg(long)]
    pictures: Option<PathBuf>,
}

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for one that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the tests on an ordinary estate and on one whose every name is a trap.
///
/// # Errors
/// The first test that fails, or what is missing.
pub(crate) fn run(root: &Path, arguments: &BrowserArguments) -> anyhow::Result<()> {
    let chromium = match &arguments.chromium {
        Some(path) => path.clone(),
        None => find_chromium()?,
    };
    run_command(&mut cargo(root, &["build", "--workspace", "--bins", "--example", "estate"]))?;
    let folder = root.join("target/browser");
    fs::create_dir_all(&folder).context("cannot make target/browser")?;
    for name in ["package.json", "pages.js"] {
        let copied = fs::copy(root.join(SOURCES).join(name), folder.join(name));
        copied.with_context(|| format!("cannot copy {name}"))?;
    }
    let install = ["install", "--no-audit", "--no-fund", "--ignore-scripts"];
    run_command(Command::new("npm").args(install).current_dir(&folder))?;
    let built = root.join("target/debug");
    for estate in ["ordinary", "hostile"] {
        let place = folder.join(estate);
        if place.exists() {
            fs::remove_dir_all(&place).context("cannot remove the estate of an earlier run")?;
        }
        fs::create_dir_all(&place).context("cannot make a folder for the estate")?;
        if estate == "ordinary" {
            run_command(Command::new(built.join("program")).arg("--quiet").current_dir(&place))?;
        } else {
            let mut example = Command::new(built.join("examples/estate"));
            example.args(["nexthink-graph-demo", "hostile"]);
            run_command(example.current_dir(&place))?;
        }
        let (_server, address) = serve(&built.join("program"), &place)?;
        let mut node = Command::new("node");
        node.arg("pages.js").current_dir(&folder);
        node.env("EXPLORER", address).env("CHROMIUM", &chromium);
        if estate == "hostile" {
            node.env("HOSTILE", "1");
        } else if let Some(pictures) = &arguments.pictures {
            fs::create_dir_all(pictures).context("cannot make the folder for pictures")?;
            node.env("PICTURES", fs::canonicalize(pictures).context("cannot find the folder")?);
        }
        run_command(&mut node).with_context(|| format!("the {estate} estate"))?;
    }
    Ok(())
}

/// Starts the explorer on the store in a folder. Returns its address.
fn serve(program: &Path, folder: &Path) -> anyhow::Result<(Server, String)> {
    let mut command = Command::new(program);
    command.args(["serve", "--quiet", "--listen", "127.0.0.1:0"]).current_dir(folder);
    let child = command.stdout(Stdio::piped()).spawn().context("cannot start the explorer")?;
    let mut server = Server(child);
    let stdout = server.0.stdout.take().context("the explorer has an output")?;
    let mut address = String::new();
    BufReader::new(stdout).read_line(&mut address).context("cannot read the address")?;
    ensure!(address.contains("/session?token="), "the explorer printed no address: {address}");
    Ok((server, address.trim().to_owned()))
}

fn find_chromium() -> anyhow::Result<PathBuf> {
    let is_there = |name: &&str| {
        let version = Command::new(name).arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    let found = CHROMIUMS.iter().find(|name| is_there(name)).copied();
    let found = found.context("there is no Chromium: install one, or name it with --chromium")?;
    let path = Command::new("which").arg(found).output().context("cannot find the Chromium")?;
    Ok(PathBuf::from(String::from_utf8_lossy(&path.stdout).trim()))
}
