//! What the care for people costs: pseudonyms beside a run that keeps everything, and an erasure from a
//! store of many entities, from the request to the certificate.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use anyhow::{Context as _, ensure};

use super::built::Built;
use super::cost::{Case, in_turns, of_command};
use super::served::{Profile, Served};
use super::{Files, How, table};

/// Measures both.
///
/// # Errors
///
/// Something does not build, a run is not complete, or an erasure fails.
pub(crate) fn run(built: &Built, what: Files, entities: u32, how: &How) -> anyhow::Result<()> {
    let program = built.program()?;
    let files = built.files(what)?;
    let served = Served::start(built, &files)?;
    served.make_key(&program)?;
    let cases = Profile::ALL.map(|profile| {
        let (served, program) = (&served, &program);
        let run = move || served.run_as(program, what.size.rows(), profile);
        Case { name: profile.name().to_owned(), run: Box::new(run) }
    });
    let measured = in_turns(cases.into(), how.runs, Profile::ALL.len())?;
    let title = format!("{}, HTTP to a generation, median of {}", what.name(), how.runs);
    table::print(&title, &measured, how.output);
    drop(served);

    let store = Store::make(built, &program, entities)?;
    let mut users = store.users(usize::from(how.runs))?.into_iter();
    let erase = move || {
        let user = users.next().context("there are fewer users than runs")?;
        let arguments = ["privacy", "erase", "--reason", "benchmark", "--yes", "--user", &user];
        Ok(of_command(store.command().args(arguments))?.0)
    };
    let cases = vec![Case { name: "privacy erase".to_owned(), run: Box::new(erase) }];
    let measured = in_turns(cases, how.runs, 1)?;
    let title = format!("one of {entities} entities, median of {}", how.runs);
    table::print(&title, &measured, how.output);
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
    /// Where it says something, which must stay open.
    _said: BufReader<ChildStderr>,
}

impl Store {
    /// Runs the program once against a tenant of which half are users, a third devices, the rest alerts.
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
        of_command(store.command().args(["run", "--quiet"]))?;
        drop(tenant);
        of_command(store.command().args(["privacy", "key", "new"]))?;
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
        // The last thing that it says once it serves.
        let mut lines = said.by_ref().lines();
        let serves = lines.any(|line| line.is_ok_and(|it| it.contains("now run")));
        ensure!(serves, "the simulated tenant does not start");
        Ok(Tenant { process, _said: said })
    }

    /// Some of those who are in the store.
    fn users(&self, number: usize) -> anyhow::Result<Vec<String>> {
        let sql = format!("select id from nexthink_user order by id limit {number}");
        let (_, printed) = of_command(self.command().args(["query", "--output", "json", &sql]))?;
        let rows: Vec<serde_json::Value> = serde_json::from_str(&printed)?;
        Ok(rows.iter().filter_map(|it| it["id"].as_str().map(str::to_owned)).collect())
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
