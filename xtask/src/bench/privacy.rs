//! The cost of privacy: pseudonyms compared to a full run, and an erasure from a store of many
//! entities, from the request to the certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::built::Built;
use super::cost::{Case, in_turns, measure_command};
use super::served::{Profile, Served};
use super::tenant::Tenant;
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
        let tenant = Tenant::start(
            store.command(),
            &[
                ("--users", users),
                ("--devices", devices),
                ("--alerts", entities - users - devices),
                ("--packages-per-device", 5),
            ],
        )?;
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

    /// The identifiers of some users in the store.
    fn users(&self, number: usize) -> anyhow::Result<Vec<String>> {
        let sql = format!("select id from nexthink_user order by id limit {number}");
        let (_, printed) =
            measure_command(self.command().args(["query", "--output", "json", &sql]))?;
        let rows: Vec<serde_json::Value> = serde_json::from_str(&printed)?;
        Ok(rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect())
    }
}
