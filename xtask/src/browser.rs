//! The explorer's pages in a real browser: types, by mouse and by keyboard, axe, hostile names, large and empty stores. It
//! is no stage of the gate, since it needs Node, a Chromium, and three packages from npm.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::cargo::{cargo, run as run_command};

/// The tests, and what they need.
const SOURCES: &str = "core/explorer/tests/browser";

/// The names of Chromium.
const CHROMIUMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The way in which the tests are run.
#[derive(clap::Args)]
pub(crate) struct BrowserArguments {
    /// The browser; else the first Chromium on the path.
    #[arg(long)]
    chromium: Option<PathBuf>,
    /// Write screenshots into this folder.
    #[arg(long)]
    pictures: Option<PathBuf>,
    /// Look at this estate only: ordinary, hostile, large, empty or partial; may be repeated.
    #[arg(long = "estate", value_name = "NAME", value_parser = ESTATES.map(|(name, ..)| name))]
    estates: Vec<String>,
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

/// The estates: the script that looks at each, and what `estate` is asked to write; the ordinary one is the demo's.
const ESTATES: [(&str, &str, &[&str]); 5] = [
    ("ordinary", "ordinary.js", &[]),
    ("hostile", "hostile.js", &["hostile"]),
    ("large", "large.js", &["50000", "2000"]),
    ("empty", "empty.js", &["empty"]),
    ("partial", "empty.js", &["partial"]),
];

/// The rules that find something in the demo.
const RULES: [&str; 3] = ["critical-alert-open", "alert-open-for-7-days", "unsupported-os-build"];

/// A rule of the hostile estate, so that its names are in findings, too.
const HOSTILE_RULE: &str = r#"id = "hostile-name"
title = "A device with a hostile name"
severity = "high"
query = 'select _key as key, "displayName" as name from nexthink_device'
identity = ["key"]
entity = "key"
first_run = "all"
message = "{{ name }} is a trap"
"#;

/// Checks the types of the pages, and runs the tests on several estates.
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
    copy(&root.join(SOURCES), &folder)?;
    copy(&root.join("core/explorer/web"), &folder.join("web"))?;
    copy(&root.join(SOURCES).join("types"), &folder.join("web/vendor"))?;
    let install = ["install", "--no-audit", "--no-fund", "--ignore-scripts"];
    run_command(Command::new("npm").args(install).current_dir(&folder))?;
    let mut types = Command::new("npx");
    run_command(types.args(["tsc", "--project", "tsconfig.json"]).current_dir(&folder))
        .context("the types of the pages")?;
    let pictures = arguments.pictures.as_deref().map(|pictures| {
        fs::create_dir_all(pictures).context("cannot make the folder for pictures")?;
        fs::canonicalize(pictures).context("cannot find the folder")
    });
    let pictures = pictures.transpose()?;
    let program = root.join("target/debug/program");
    let is_wanted = |name: &str| {
        arguments.estates.is_empty() || arguments.estates.iter().any(|estate| estate == name)
    };
    for (estate, script, what) in ESTATES.into_iter().filter(|(name, ..)| is_wanted(name)) {
        let place = folder.join("estates").join(estate);
        write_estate(root, &program, &place, what)
            .with_context(|| format!("cannot make the {estate} estate"))?;
        let (_server, address) = serve(&program, &place)?;
        let mut node = Command::new("node");
        node.arg(script).current_dir(&folder).env("ESTATE", estate);
        node.env("EXPLORER", address).env("CHROMIUM", &chromium);
        node.env("PROGRAM", &program).env("FOLDER", &place);
        if let Some(pictures) = &pictures {
            node.env("PICTURES", pictures);
        }
        run_command(&mut node).with_context(|| format!("the {estate} estate"))?;
    }
    Ok(())
}

/// Writes a store into a new folder.
fn write_estate(root: &Path, program: &Path, place: &Path, what: &[&str]) -> anyhow::Result<()> {
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    fs::create_dir_all(place)?;
    if !what.is_empty() {
        let mut example = Command::new(root.join("target/debug/examples/estate"));
        run_command(example.arg("nexthink-graph-demo").args(what).current_dir(place))?;
    }
    let program = || {
        let mut program = Command::new(program);
        program.arg("--quiet").current_dir(place);
        program
    };
    match what {
        [] => {}
        ["hostile"] => {
            fs::create_dir_all(place.join("rules"))?;
            fs::write(place.join("rules/hostile.toml"), HOSTILE_RULE)?;
            return run_command(program().args(["rules", "run"]));
        }
        _ => return Ok(()),
    }
    run_command(&mut program())?;
    run_command(program().args(["rules", "enable"]).args(RULES))?;
    run_command(program().args(["rules", "run"]))
}

/// Copies the files of a folder and of those in it.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let path = entry?.path();
        let target = to.join(path.file_name().context("a file has a name")?);
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target).with_context(|| format!("cannot copy {}", path.display()))?;
        }
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
