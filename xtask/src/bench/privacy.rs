//! The cost of privacy: pseudonyms compared to a full run, and an erasure from a store of many
//! entities, from the request to the certificate.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use anyhow::{Context as _, ensure};

use super::built::Built;
use super::cost::{Case, in_turns, measure_command};
use super::served::{Profile, Served};
use super::{Files, MeasureOptions, table};

/// Measures both.
///
/// # Errors
///
/// A program does not build, a run is incomplete, or an erasure fails.
pub(crate) fn run(
    built: &Built,
    what: Files,
    entities: u32,
    options: &MeasureOptions,
) -> anyhow::Result<()> {
    let program = built.program()?;
    let files = built.files(what)?;
    let served = Served::start(built, &files)?;
    served.make_key(&program)?;
    let cases = Profile::ALL.map(|profile| {
        let (served, program) = (&served, &program);
        let run = move || served.run_as(program, what.size.rows(), profile);
        Case { name: profile.name().to_owned(), run: Box::new(run) }
    });
    let measured = in_turns(cases.into(), options.runs, Profile::ALL.len())?;
    let title = format!("{}, HTTP to a generation, median of {}", what.name(), options.runs);
    table::print(&title, &measured, options.output);
    drop(served);

    let store = Store::make(built, &program, entities)?;
    let mut users = store.users(usize::from(options.runs))?.into_iter();
    let erase = move || {
        let user = users.next().context("there are fewer users than runs")?;
        let arguments = ["privacy", "erase", "--reason", "benchmark", "--yes", "--user", &user];
        Ok(measure_command(store.command().args(arguments))?.0)
    };
    let cases = vec![Case { name: "privacy erase".to_owned(), run: Box::new(erase) }];
    let measured = in_turns(cases, options.runs, 1)?;
    let title = format!("one of {entities} entities, median of {}", options.runs);
    table::print(&title, &measured, options.output);
    Ok(())
}

/// A store with one generation, and the program beside it.
struct Store {
    program: PathBuf,
    folder: PathBuf,
}

/// A simulated tenant, until it is dropped.
struct Tenant {
    process: Child,
    /// The tenant's output, which must stay open.
    _said: BufReader<ChildStderr>,
}

impl Store {
    /// Runs the program once against a tenant with this many entities: half users, a third devices,
    /// the rest alerts.
    fn make(built: &Built, program: &Path, entities: u32) -> anyhow::Result<Self> {
        let folder = built.folder().join("erase");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let store = Self { program: program.to_owned(), folder };
        let (users, devices) = (entities / 2, entities / 3);
        let tenant = store.tenant(&[
            ("--users", users),
            ("--devices", devices),
            ("--alerts", entities - users - devices),
            ("--packages-per-device", 5),
        ])?;
        measure_command(store.command().args(["run", "--quiet"]))?;
        drop(tenant);
        measure_command(store.command().args(["privacy", "key", "new"]))?;
        Ok(store)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder);
        command
    }

    fn tenant(&self, sizes: &[(&str, u32)]) -> anyhow::Result<Tenant> {
        let mut command = self.command();
        command.args(["simulate", "--listen", "127.0.0.1:0"]);
        command.args(["--config-out", "nexthink-graph.toml"]);
        command.args(sizes.iter().flat_map(|(flag, size)| [(*flag).to_owned(), size.to_string()]));
        let mut process = command.stderr(Stdio::piped()).spawn()?;
        let said = process.stderr.take().context("standard error is a pipe")?;
        let mut said = BufReader::new(said);
        // The last line before it serves.
        let mut lines = said.by_ref().lines();
        let serves = lines.any(|line| line.is_ok_and(|text| text.contains("now run")));
        ensure!(serves, "the simulated tenant does not start");
        Ok(Tenant { process, _said: said })
    }

    /// The identifiers of some users in the store.
    fn users(&self, number: usize) -> anyhow::Result<Vec<String>> {
        let sql = format!("select id from nexthink_user order by id limit {number}");
        let (_, printed) =
            measure_command(self.command().args(["query", "--output", "json", &sql]))?;
        let rows: Vec<serde_json::Value> = serde_json::from_str(&printed)?;
        Ok(rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect())
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
