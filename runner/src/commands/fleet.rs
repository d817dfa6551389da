//! `run --all`: one run of every tenant of a fleet, each in a process of its own.

use core_cli::{FleetCommand, Global, ReportFormat, RunArguments};
use core_operations::{AllRuns, Health, figures, run_all as run_tenants};

use super::status;
use crate::config::{self, Fleet, Loaded};
use crate::exit::{EXIT_CODE_TABLE, Exit, Failure};
use crate::host::host;
use crate::output::{self, Printer};
use crate::run_process::Launcher;
use crate::signals::signal;

/// Does what the command line says.
pub(super) fn dispatch(global: &Global, command: &FleetCommand) -> Result<Exit, Failure> {
    match command {
        FleetCommand::Status { max_age, output } => status::fleet(global, *max_age, output.output),
    }
}

/// The fleet that is configured.
pub(super) fn configured_fleet(global: &Global) -> Result<Fleet, Failure> {
    let source = super::configured_source(global)?;
    let fleet = source.fleet(config::ENVIRONMENT)?;
    fleet.ok_or_else(|| {
        Failure::usage(format!(
            "{} configures one tenant: a fleet has `[fleet]` and a folder of tenants (docs/operations.md)",
            source.name()
        ))
    })
}

/// Runs every tenant once, as many at once as the fleet may, and prints how each run ended.
pub(super) async fn run_all(global: &Global, arguments: &RunArguments) -> Result<Exit, Failure> {
    let source = super::configured_source(global)?;
    let fleet = configured_fleet(global)?;
    // The folder alone is read here: the run of a tenant says what is wrong with its file.
    let all = fleet.load_all()?.into_iter().map(|(name, loaded)| (name, loaded.err()));
    let is_ours = |name: &str| arguments.shard.is_none_or(|shard| shard.has(name));
    let all: Vec<_> = all.filter(|(name, _)| is_ours(name)).collect();
    if all.is_empty() && arguments.shard.is_none() {
        return Err(Failure::usage(format!("{} has no tenants yet", source.name())));
    }
    if let Some(path) = &arguments.metrics_file {
        figures::check_file(path)?;
    }
    let launcher = Launcher { global, source: &source, arguments };
    let printer = Printer { quiet: global.quiet };
    let ended = run_tenants(all, fleet.parallel_runs, &launcher, &printer, host(), signal()).await;
    if let Some(path) = &arguments.metrics_file {
        let healths = healths(&fleet)?.into_iter().filter(|(name, _)| is_ours(name));
        let remark = figures::write_after_runs(path, &healths.collect::<Vec<_>>());
        output::notes(remark.as_slice());
    }
    print(&ended, arguments.output)?;
    Ok(conclude(&ended))
}

/// The health of each tenant after the runs.
fn healths(fleet: &Fleet) -> Result<Vec<(String, Option<Health>)>, Failure> {
    let health = |loaded: Loaded| Health::read(&loaded.ok()?, host(), EXIT_CODE_TABLE).ok();
    Ok(fleet.load_all()?.into_iter().map(|(name, loaded)| (name, health(loaded))).collect())
}

fn print(all: &AllRuns, format: ReportFormat) -> Result<(), Failure> {
    if format == ReportFormat::Json {
        let runs: Vec<_> = all.runs.iter().map(|run| run.to_json(EXIT_CODE_TABLE)).collect();
        return Ok(output::json(&runs)?);
    }
    let rows = all.runs.iter().map(|run| run.cells(EXIT_CODE_TABLE));
    output::result(&output::table(AllRuns::HEADER, rows, 2));
    Ok(())
}

/// Returns the exit code of all runs, which is that of the stop or else the worst, and prints a line about it.
fn conclude(all: &AllRuns) -> Exit {
    let exits = all.exit_codes().filter_map(|code| Exit::from_code(code.into()));
    let worst = exits.fold(Exit::Complete, Exit::worse);
    let exit = all.stopped.map_or(worst, Exit::from);
    if exit != Exit::Complete {
        output::error_text(&all.summary(Exit::Complete as u8));
    }
    exit
}
