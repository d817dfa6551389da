//! `status` and `fleet status`: when tenants have run and will run, and whether what they have published is recent.

use std::collections::BTreeMap;

use core_rules::rule::Severity;
use serde::Serialize;

use crate::cli::{Age, Global, ReportFormat, RowFormat, StatusArguments};
use crate::config;
use crate::exit::{Exit, Failure};
use crate::health::{Health, PublishedGeneration, RunRecord};
use crate::output;

/// A tenant, and what is known of it or why nothing is.
#[derive(Serialize)]
struct Row {
    tenant: String,
    #[serde(flatten)]
    health: Option<Health>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

impl Row {
    fn new(tenant: String, health: Result<Health, Failure>) -> Self {
        match health {
            Ok(health) => {
                Self { tenant, health: Some(health), problem: None, exit: Exit::Complete }
            }
            Err(Failure { exit, error }) => {
                Self { tenant, health: None, problem: Some(format!("{error:#}")), exit }
            }
        }
    }
}

/// Prints the status of one tenant.
pub(super) fn status(global: &Global, arguments: &StatusArguments) -> Result<Exit, Failure> {
    let source = config::find(global.config.as_deref());
    let config = match &source {
        Some(source) => config::load(source),
        None => super::opened::demo_config(global),
    }?;
    let name = match &source {
        Some(source) => source.tenant_name(&config),
        None => config.tenant.as_str().to_owned(),
    };
    let health = Health::read(&config)?;
    match arguments.output {
        ReportFormat::Json => {
            let row = Row::new(name.clone(), Ok(health));
            output::result(&serde_json::to_string_pretty(&row).map_err(anyhow::Error::new)?);
            Ok(judge(&[row], arguments.max_age))
        }
        ReportFormat::Table => {
            let rows = describe(&name, &health).into_iter();
            let rows = rows.map(|(what, value)| [what.to_owned(), value]);
            output::result(&output::table(["status", ""], rows, 2));
            Ok(judge(&[Row::new(name, Ok(health))], arguments.max_age))
        }
    }
}

/// Prints the status of every tenant of a fleet.
pub(super) fn fleet(
    global: &Global,
    max_age: Option<Age>,
    format: RowFormat,
) -> Result<Exit, Failure> {
    let fleet = super::fleet::configured_fleet(global)?;
    let rows: Vec<Row> = fleet
        .load_all()?
        .into_iter()
        .map(|(name, config)| {
            let health = config.map_err(Failure::from).and_then(|config| Health::read(&config));
            Row::new(name, health)
        })
        .collect();
    if format == RowFormat::Table {
        let header = ["tenant", "published", "outcome", "last run", "exit code", "next run"];
        output::result(&output::table(header, rows.iter().map(cells), 3));
    } else {
        let objects = rows.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>();
        super::show::rows(objects.map_err(anyhow::Error::new)?, format)?;
    }
    Ok(judge(&rows, max_age))
}

/// Prints the problems, and returns the exit code of the worst.
fn judge(rows: &[Row], max_age: Option<Age>) -> Exit {
    let mut exit = Exit::Complete;
    for row in rows {
        if let Some(problem) = &row.problem {
            output::error_text(&format!("{}: {problem}", row.tenant));
        }
        let is_old =
            |age: &Age| row.health.as_ref().is_some_and(|health| health.is_older_than(age.0));
        if let Some(age) = max_age.filter(is_old) {
            output::error_text(&format!("{}: nothing was published within {age}", row.tenant));
            exit = exit.worse(Exit::Stale);
        }
        exit = exit.worse(row.exit);
    }
    exit
}

fn describe(name: &str, health: &Health) -> Vec<(&'static str, String)> {
    let never = || "never".to_owned();
    let mut rows = vec![("tenant", name.to_owned())];
    match &health.generation {
        Some(generation) => {
            rows.push(("published", generation.id.clone()));
            rows.push(("created", generation.created_at.clone()));
            rows.push(("age", Age(generation.age_seconds).to_string()));
            rows.push(("outcome", generation.outcome_text()));
            rows.push(("entities", generation.entities.to_string()));
            rows.push(("relationships", generation.relationships.to_string()));
        }
        None => rows.push(("published", "nothing yet".to_owned())),
    }
    rows.push(("last complete", health.complete_at.clone().unwrap_or_else(never)));
    rows.push(("last run", health.last_run.as_ref().map_or_else(never, run_text)));
    if health.failed_runs > 0 {
        let failed = core_terminal::count(health.failed_runs, "run");
        rows.push(("failed", format!("{failed} in a row")));
    }
    rows.push(("schedule", health.schedule.clone()));
    rows.extend(health.next_run_at.clone().map(|at| ("next run", at)));
    rows.push((
        "exports",
        format!("{} of {} left today", health.exports_left, health.daily_exports),
    ));
    rows.extend(health.findings.as_ref().map(|counts| ("findings", findings_text(counts))));
    rows
}

/// The findings that hold, the most severe first.
fn findings_text(counts: &BTreeMap<Severity, u64>) -> String {
    let some = counts.iter().rev().filter(|(_, count)| **count > 0);
    let texts: Vec<String> = some.map(|(severity, count)| format!("{count} {severity}")).collect();
    if texts.is_empty() { "none open".to_owned() } else { texts.join(", ") + " open" }
}

fn run_text(run: &RunRecord) -> String {
    match (&run.ended_at, run.exit_code.and_then(|code| Exit::from_code(code.into()))) {
        (Some(at), Some(exit)) => format!("{at} (exit code {}: {})", exit as u8, exit.meaning()),
        (Some(at), None) => at.clone(),
        (None, _) => format!("started {}, and has not ended", run.started_at),
    }
}

/// A time to the minute, so that a row fits on a screen.
fn minute(rfc3339: &str) -> String {
    let time = rfc3339.parse().map(|time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%MZ"));
    time.map_or_else(|_| rfc3339.to_owned(), |time| time.to_string())
}

fn cells(row: &Row) -> [String; 6] {
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
            None => "not ended".to_owned(),
        }),
        health.next_run_at.as_deref().map_or_else(|| "DISABLED".to_owned(), minute),
    ]
}
