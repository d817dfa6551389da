//! Other programs that make the same tables from the same rows, and ours. The head of each script
//! in `xtask/peers` describes what it covers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use super::built::Built;
use super::cost::{Case, Cost, in_turns, measure_command};
use super::served::Served;
use super::{Files, MeasureOptions, table};
use crate::cargo::program;

/// The packages from `PyPI`.
pub(crate) const PYTHON_PACKAGES: [&str; 2] = ["duckdb==2.0.0", "polars==2.1.0"];

/// The steps of the integration, all of which must succeed.
const SDK_STEPS: usize = 3;

/// A program to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// `DuckDB`, from `PyPI`.
    Duckdb,
    /// Polars, from `PyPI`.
    Polars,
    /// The JupiterOne SDK, from npm.
    Sdk,
}

/// Measures our program and every other program that can be installed.
///
/// # Errors
///
/// Our program does not build or does not run. A failed installation is reported on standard error.
pub(crate) fn run(
    root: &Path,
    built: &Built,
    what: Files,
    options: &MeasureOptions,
    without: &[Peer],
) -> anyhow::Result<()> {
    let ours = built.program()?;
    let files = built.files(what)?;
    let scripts = root.join("xtask/peers");
    let place = built.peers()?;
    let served = Served::start(built, &files)?;
    let run = || served.run(&ours, what.size.rows());
    let export = || served.export(&ours);
    let mut cases = vec![
        Case { name: "this program, from HTTP and zstd".to_owned(), run: Box::new(run) },
        // It exports what the run before it has published.
        Case {
            name: "this program, JupiterOne's folder of that".to_owned(),
            run: Box::new(export),
        },
    ];
    for peer in Peer::value_variants().iter().filter(|peer| !without.contains(peer)) {
        match peer.cases(&scripts, &place, &files) {
            Ok(of_peer) => cases.extend(of_peer),
            Err(error) => eprintln!("{peer:?} is left out: {error:#}"),
        }
    }
    let measured = in_turns(cases, options.runs, 1)?;
    let title = format!("{}, whole processes, median of {}", what.name(), options.runs);
    table::print(&title, &measured, options.output);
    Ok(())
}

impl Peer {
    /// Returns the cases of the program, once it is installed.
    fn cases(
        self,
        scripts: &Path,
        place: &Path,
        files: &Path,
    ) -> anyhow::Result<Vec<Case<'static>>> {
        let script = match self {
            Self::Duckdb => "duckdb_tables.py",
            Self::Polars => "polars_tables.py",
            Self::Sdk => return Ok(vec![sdk(&scripts.join("sdk"), place, files)?]),
        };
        let python = python(place, &PYTHON_PACKAGES)?;
        let out = place.join("tables");
        let cases = ["text", "numbers"].map(|keys| {
            let (python, out) = (python.clone(), out.clone());
            let (script, files) = (scripts.join(script), files.to_owned());
            let run = move || {
                let mut command = Command::new(&python);
                command.arg(&script).arg(&files).arg(empty(&out)?).arg(keys);
                Ok(measure_command(&mut command)?.0)
            };
            let name = format!("{self:?}, local plain CSV, keys as {keys}");
            Case { name, run: Box::new(run) }
        });
        Ok(cases.into())
    }
}

/// Returns the interpreter of a virtual environment with packages from `PyPI`.
///
/// # Errors
///
/// Python or a package cannot be installed.
pub(crate) fn python(place: &Path, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let environment = place.join("python");
    let folder = if cfg!(windows) { "Scripts" } else { "bin" };
    let python = environment.join(folder).join("python");
    if !python.exists() {
        quietly(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    }
    // Does nothing, and makes no request, if they are already installed.
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    quietly(Command::new(&python).args(pip).args(packages))?;
    Ok(python)
}

/// Returns the integration, run by the SDK's own `collect` command.
fn sdk(project: &Path, place: &Path, files: &Path) -> anyhow::Result<Case<'static>> {
    let copy = place.join("sdk");
    fs::create_dir_all(copy.join("src"))?;
    for name in ["package.json", "src/index.js"] {
        fs::copy(project.join(name), copy.join(name)).with_context(|| name.to_owned())?;
    }
    let collect = copy.join("node_modules/.bin/j1-integration");
    if !collect.exists() {
        let install = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"];
        quietly(&mut program("npm", &copy, &install))?;
    }
    let files = files.to_owned();
    let run = move || -> anyhow::Result<Cost> {
        let mut command = Command::new(&collect);
        command.current_dir(&copy).args(["collect", "--disable-schema-validation"]);
        command.env("EXPORTS", &files).env("NODE_OPTIONS", "--max-old-space-size=16384");
        empty(&copy.join(".j1-integration"))?;
        let (cost, _) = measure_command(&mut command)?;
        let summary = fs::read_to_string(copy.join(".j1-integration/summary.json"))?;
        if summary.matches("\"status\":\"success\"").count() != SDK_STEPS {
            bail!("a step of the integration failed");
        }
        Ok(cost)
    };
    Ok(Case { name: "JupiterOne SDK, local plain CSV, collect".to_owned(), run: Box::new(run) })
}

/// Returns the folder after emptying it.
fn empty(folder: &Path) -> anyhow::Result<&Path> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    Ok(folder)
}

/// Runs an installer; its output is shown only if it fails.
fn quietly(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{name} does not start"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed: {}", errors.lines().last().unwrap_or("it does not say why"));
    }
    Ok(())
}
