//! `run --all`: one run of every tenant of a fleet, each in a process of its own.

use core_engine::Cancellation;
use core_terminal::count;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::run::write_figures;
use super::status;
use crate::cli::{FleetCommand, Global, ReportFormat, RunArguments};
use crate::config::{self, Fleet, Loaded, Source};
use crate::exit::{Exit, Failure};
use crate::health::Health;
use crate::run_process::{RunEnd, RunProcess};
use crate::signals::signal;
use crate::{metrics, output};

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
    let all = fleet.load_all()?.into_iter().rev();
    let mut waiting: Vec<(String, Option<Failure>)> =
        all.map(|(name, loaded)| (name, loaded.err().map(Failure::from))).collect();
    if waiting.is_empty() {
        return Err(Failure::usage(format!("{} has no tenants yet", source.name())));
    }
    if let Some(path) = &arguments.metrics_file {
        metrics::check_file(path)?;
    }
    let (stop, mut running) = (Cancellation::default(), JoinSet::new());
    let mut stopped = std::pin::pin!(signal());
    let mut ended = Vec::new();
    loop {
        while running.len() < fleet.parallel_runs && stop.reason().is_none() {
            let Some((name, failure)) = waiting.pop() else { break };
            match start(global, &source, &name, failure, arguments) {
                Ok(process) => {
                    let stop = stop.clone();
                    running.spawn(async move { (name, process.ended(stop).await) });
                }
                Err(failure) => {
                    output::error_text(&format!("{name}: {:#}", failure.error));
                    ended.push(Run::failed(name, &failure));
                }
            }
        }
        tokio::select! {
            biased;
            reason = &mut stopped, if stop.reason().is_none() => stop.request(reason),
            next = running.join_next() => match next {
                Some(Ok((name, end))) => ended.push(Run { name, end: Some(end) }),
                // A task that waits for a process has no end of its own to fail with.
                Some(Err(_)) => {}
                None => break,
            },
        }
    }
    ended.extend(waiting.into_iter().map(|(name, _)| Run { name, end: None }));
    ended.sort_by(|one, other| one.name.cmp(&other.name));
    if let Some(path) = &arguments.metrics_file {
        write_figures(path, &healths(&fleet)?);
    }
    print(&ended, arguments.output)?;
    Ok(conclude(&ended, stop.reason().map(Exit::from)))
}

/// The health of each tenant after the runs.
fn healths(fleet: &Fleet) -> Result<Vec<(String, Option<Health>)>, Failure> {
    let health = |loaded: Loaded| Health::read(&loaded.ok()?).ok();
    Ok(fleet.load_all()?.into_iter().map(|(name, loaded)| (name, health(loaded))).collect())
}

fn start(
    global: &Global,
    source: &Source,
    name: &str,
    failure: Option<Failure>,
    arguments: &RunArguments,
) -> Result<RunProcess, Failure> {
    if let Some(failure) = failure {
        return Err(failure);
    }
    let started = RunProcess::start(global, source, Some(name), arguments);
    started.map_err(|error| anyhow::Error::new(error).context("no process can be started").into())
}

/// A tenant's run.
struct Run {
    name: String,
    /// None if a signal came before it was started.
    end: Option<RunEnd>,
}

impl Run {
    fn failed(name: String, failure: &Failure) -> Self {
        let report = json!({ "error": format!("{:#}", failure.error) });
        Self { name, end: Some(RunEnd { exit: failure.exit, has_crashed: false, report }) }
    }

    fn outcome(&self) -> &'static str {
        match &self.end {
            None => "not started",
            Some(end) if end.has_crashed => "crashed",
            Some(end) => end.exit.meaning(),
        }
    }

    /// The number of objects that the run counts for its types, or for its steps' rows.
    fn sum(&self, list: &str, member: &str) -> String {
        let report = self.end.as_ref().map_or(&Value::Null, |end| &end.report);
        let Some(items) = report[list].as_array() else { return String::new() };
        items.iter().filter_map(|item| item[member].as_u64()).sum::<u64>().to_string()
    }

    fn to_json(&self) -> Value {
        let end = self.end.as_ref();
        json!({
            "tenant": self.name,
            "outcome": self.outcome(),
            "exitCode": end.map(|end| end.exit as u8),
            "report": end.map(|end| &end.report),
        })
    }
}

fn print(runs: &[Run], format: ReportFormat) -> Result<(), Failure> {
    if format == ReportFormat::Json {
        let runs: Vec<Value> = runs.iter().map(Run::to_json).collect();
        output::result(&serde_json::to_string_pretty(&runs).map_err(anyhow::Error::new)?);
        return Ok(());
    }
    let rows = runs.iter().map(|run| {
        let code = run.end.as_ref().map(|end| (end.exit as u8).to_string());
        [
            run.name.clone(),
            run.outcome().to_owned(),
            code.unwrap_or_default(),
            run.sum("steps", "entities"),
            run.sum("steps", "relationships"),
            run.sum("steps", "exports"),
        ]
    });
    let header = ["tenant", "outcome", "exit code", "entities", "relationships", "exports"];
    output::result(&output::table(header, rows, 2));
    Ok(())
}

/// Returns the exit code of all runs, which is that of the stop or else the worst, and prints a line about it.
fn conclude(runs: &[Run], stopped: Option<Exit>) -> Exit {
    let exits = || runs.iter().filter_map(|run| run.end.as_ref()).map(|end| end.exit);
    let exit = stopped.unwrap_or_else(|| exits().fold(Exit::Complete, Exit::worse));
    if exit != Exit::Complete {
        let complete = exits().filter(|exit| *exit == Exit::Complete).count();
        output::error_text(&format!(
            "{complete} of {} are complete; the exit code is that of the worst other run",
            count(runs.len(), "tenant")
        ));
    }
    exit
}
