//! The cost of privacy: pseudonyms compared to a full run, and an erasure from a store of many
//! entities, from the request to the certificate.

use anyhow::Context as _;

use super::built::Built;
use super::cost::{Case, in_turns, measure_command};
use super::served::{Profile, Served};
use super::store::Store;
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

    let store = store(built, entities)?;
    let mut users = users(&store, usize::from(options.runs))?.into_iter();
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

/// A store with one generation of so many entities: half users, a third devices, the rest alerts.
fn store(built: &Built, entities: u32) -> anyhow::Result<Store> {
    let store = Store::new(built, "erase")?;
    let (users, devices) = (entities / 2, entities / 3);
    let sizes = [
        ("--users", users),
        ("--devices", devices),
        ("--alerts", entities - users - devices),
        ("--packages-per-device", 5),
    ];
    store.publish(&sizes, 1)?;
    measure_command(store.command().args(["privacy", "key", "new"]))?;
    Ok(store)
}

/// Returns the identifiers of some users in a store.
fn users(store: &Store, number: usize) -> anyhow::Result<Vec<String>> {
    let sql = format!("select id from nexthink_user order by id limit {number}");
    let rows = store.rows(&sql)?;
    Ok(rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect())
}
