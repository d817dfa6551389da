//! The status of tenants for people: their last and next runs, and whether the published generation is recent.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use core_engine::ledger::runs::RunRecord;
use core_engine::{Failure, FailureKind};
use core_rules::rule::Severity;
use core_terminal::age;
use serde::Serialize;

use crate::exit_codes::ExitCodes;
use crate::health::{Health, PublishedGeneration};

/// The header of a table of tenants.
pub const HEADER: [&str; 6] =
    ["tenant", "published", "outcome", "last run", "exit code", "next run"];

/// A tenant with its health, or the reason why it cannot be read.
#[derive(Debug, Serialize)]
pub struct StatusRow {
    /// The name of the tenant.
    pub tenant: String,
    /// Its health.
    #[serde(flatten)]
    pub health: Option<Health>,
    /// The reason, if it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The kind of the failure to read it.
    #[serde(skip)]
    pub failure: Option<FailureKind>,
}

impl StatusRow {
    /// Creates a row from the result of reading a tenant's health.
    pub fn new(tenant: String, health: Result<Health, Failure>) -> Self {
        match health {
            Ok(health) => Self { tenant, health: Some(health), problem: None, failure: None },
            Err(Failure { kind, error }) => Self {
                tenant,
                health: None,
                problem: Some(format!("{error:#}")),
                failure: Some(kind),
            },
        }
    }

    /// Returns true if nothing was published within this time.
    pub fn is_older_than(&self, seconds: u64) -> bool {
        self.health.as_ref().is_some_and(|health| health.is_older_than(seconds))
    }
}

/// Returns the status of one tenant for people, as pairs of a name and a value.
pub fn describe(name: &str, health: &Health, codes: ExitCodes) -> Vec<(&'static str, String)> {
    let never = || "never".to_owned();
    let mut rows = vec![("tenant", name.to_owned())];
    match &health.generation {
        Some(generation) => {
            rows.push(("published", generation.id.clone()));
            rows.push(("created", generation.created_at.clone()));
            rows.push(("age", age(generation.age_seconds)));
            rows.push(("outcome", generation.outcome_text()));
            rows.push(("entities", generation.entities.to_string()));
            rows.push(("relationships", generation.relationships.to_string()));
        }
        None => rows.push(("published", "nothing yet".to_owned())),
    }
    rows.push(("last complete", health.complete_at.clone().unwrap_or_else(never)));
    rows.push((
        "last run",
        health.last_run.as_ref().map_or_else(never, |run| run_text(run, health.is_running, codes)),
    ));
    if health.failed_runs > 0 {
        let failed = core_terminal::count(health.failed_runs, "run");
        rows.push(("failed", format!("{failed} in a row")));
    }
    rows.push(("schedule", health.schedule.clone()));
    rows.extend(next_run(health).map(|[at, _]| ("next run", at)));
    rows.push((
        "exports",
        format!("{} of {} left today", health.exports_left, health.daily_exports),
    ));
    rows.extend(health.findings.as_ref().map(|counts| ("findings", findings_text(counts))));
    rows
}

/// The active findings, the most severe first.
fn findings_text(counts: &BTreeMap<Severity, u64>) -> String {
    let some = counts.iter().rev().filter(|(_, count)| **count > 0);
    let texts: Vec<String> = some.map(|(severity, count)| format!("{count} {severity}")).collect();
    if texts.is_empty() { "none open".to_owned() } else { texts.join(", ") + " open" }
}

/// The time of the next run, in full and for a table; none without a timetable. After a run that published nothing, only
/// the scheduler knows how long it waits.
fn next_run(health: &Health) -> Option<[String; 2]> {
    let texts = match &health.next_run_at {
        Some(at) => return Some([at.clone(), minute(at)]),
        None if !health.has_timetable => return None,
        None if is_going_on(health) => ["after the run that goes on", "after this run"],
        None => ["when `schedule` tries again, after a run that published nothing", "tried again"],
    };
    Some(texts.map(str::to_owned))
}

/// Returns true if the last run has not ended. No process holds the lock of a killed one.
fn is_going_on(health: &Health) -> bool {
    health.is_running && health.last_run.as_ref().is_some_and(|run| run.ended_at.is_none())
}

fn run_text(run: &RunRecord, is_running: bool, codes: ExitCodes) -> String {
    let known = run.exit_code.and_then(|code| Some((code, (codes.meaning)(code)?)));
    match (&run.ended_at, known) {
        (Some(at), Some((code, meaning))) => format!("{at} (exit code {code}: {meaning})"),
        (Some(at), None) => at.clone(),
        (None, _) if is_running => format!("started {}, and has not ended", run.started_at),
        (None, _) => format!("started {}, and was cut off", run.started_at),
    }
}

/// A time rounded down to the minute, so that a row fits on a screen.
fn minute(rfc3339: &str) -> String {
    let time = rfc3339.parse().map(|time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%MZ"));
    time.map_or_else(|_| rfc3339.to_owned(), |time| time.to_string())
}

/// Returns a row of a table of tenants, below [`HEADER`].
pub fn cells(row: &StatusRow) -> [String; 6] {
    let Some(health) = &row.health else {
        let outcome = "cannot be read".to_owned();
        return [
            row.tenant.clone(),
            String::new(),
            outcome,
            String::new(),
            String::new(),
            String::new(),
        ];
    };
    let generation = health.generation.as_ref();
    let run = health.last_run.as_ref();
    [
        row.tenant.clone(),
        generation
            .map_or_else(|| "nothing yet".to_owned(), |generation| minute(&generation.created_at)),
        generation.map_or_else(String::new, PublishedGeneration::outcome_summary),
        run.map_or_else(String::new, |run| minute(&run.started_at)),
        run.map_or_else(String::new, |run| match run.exit_code {
            Some(code) => code.to_string(),
            None if health.is_running => "not ended".to_owned(),
            None => "cut off".to_owned(),
        }),
        next_run(health).map_or_else(|| "DISABLED".to_owned(), |[_, short]| short),
    ]
}
