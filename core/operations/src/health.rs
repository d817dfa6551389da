//! The health of a tenant. It is read only from the store, so it is the same after a run by hand, for `schedule`, and
//! at any later time.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use core_config::Config;
use core_engine::ledger::runs::{self, RunRecord, RunVerdict, failed_in_a_row};
use core_engine::run::quota::{self, QuotaClock};
use core_engine::{Engine, Failure, Host, Moment};
use core_fleet::{Fleet, LastRun, Timetable};
use core_rules::book::Book;
use core_rules::rule::Severity;
use core_store::{Manifest, Outcome, TableKind};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::exit_codes::{ExitCodes, RunOutcome};
use crate::last_run::Succeeded;

/// The health of a tenant.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The published generation.
    pub generation: Option<PublishedGeneration>,
    /// The time since the start of the last run that succeeded, other than runs of named steps alone. Seconds.
    #[serde(skip)]
    pub success_age_seconds: Option<u64>,
    /// The time of the newest kept generation that is complete, RFC 3339.
    pub complete_at: Option<String>,
    /// The last run, which may still be running.
    pub last_run: Option<RunRecord>,
    /// True if a run or another command that writes to the store goes on, or may go on at another machine.
    #[serde(skip)]
    pub is_running: bool,
    /// The number of newest runs in a row that published nothing.
    pub failed_runs: u32,
    /// The number of exports that are left today.
    pub exports_left: u32,
    /// The daily limit of exports.
    pub daily_exports: u32,
    /// The time of the next run of `schedule`, RFC 3339; none without a timetable, and while only the scheduler knows it.
    pub next_run_at: Option<String>,
    /// True if there is a timetable.
    #[serde(skip)]
    pub has_timetable: bool,
    /// The timetable.
    pub schedule: String,
    /// The number of active findings, by severity; none if no rule was ever evaluated, or the findings cannot be
    /// read.
    pub findings: Option<BTreeMap<Severity, u64>>,
}

/// The published generation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedGeneration {
    /// Its ID.
    pub id: String,
    /// Its time, RFC 3339.
    pub created_at: String,
    /// Its age. Seconds.
    pub age_seconds: u64,
    /// The outcome of the run that made it.
    pub outcome: Outcome,
    /// The types of which objects may be missing.
    pub partial_types: Vec<String>,
    /// The number of entities.
    pub entities: u64,
    /// The number of relationships.
    pub relationships: u64,
    /// The number of objects by type.
    pub objects: BTreeMap<String, u64>,
}

impl Health {
    /// Reads the health of a tenant from its store.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn read(config: &Config, host: &Host, codes: ExitCodes) -> Result<Self, Failure> {
        let now = host.now();
        let tenant = Engine { settings: config, host }.tenant()?;
        let history = tenant.history()?;
        let manifests = || history.iter().filter_map(|entry| entry.manifest.as_ref().ok());
        let current = history.iter().find(|entry| entry.is_current);
        let current = current.and_then(|entry| entry.manifest.as_ref().ok());
        let complete = manifests().find(|manifest| manifest.outcome == Outcome::Complete);
        let runs = runs::of_tenant(&tenant)?;
        let left = quota::left(&tenant, config.daily_exports, QuotaClock::read(host, None))?;
        let is_running = tenant.lock_owner()?.is_some();
        let last = Succeeded::read(config, host, &tenant, codes)?;
        let last = last.and_then(|last| last.last_run());
        let next_run_at = next_run(config, last, now).filter(|due| {
            // The due time has come, and the last run is not the one that it waits for.
            *due > now.to_timestamp() || has_published(&runs, codes)
        });
        Ok(Self {
            generation: current.map(|manifest| PublishedGeneration::new(manifest, now)),
            success_age_seconds: last.map(|last| seconds_between(last.started, now)),
            complete_at: complete.map(|manifest| manifest.created_at.clone()),
            is_running: is_running || config.bucket.is_some(),
            failed_runs: count_failed(&runs, is_running, codes),
            last_run: runs.into_iter().next_back(),
            exports_left: left.exports,
            daily_exports: left.of,
            next_run_at: next_run_at.map(|time| format!("{time:.0}")),
            has_timetable: config.schedule.timetable != Timetable::Disabled,
            schedule: config.schedule.timetable.to_string(),
            findings: Book::read_counts(&tenant).ok().flatten(),
        })
    }

    /// Returns true if no run has succeeded within this time, other than runs of named steps alone.
    pub fn is_older_than(&self, seconds: u64) -> bool {
        self.success_age_seconds.is_none_or(|age| age > seconds)
    }
}

impl PublishedGeneration {
    /// Returns the outcome, with the partial types.
    pub fn outcome_text(&self) -> String {
        match (self.outcome, self.partial_types.as_slice()) {
            (Outcome::Complete, _) => "complete".to_owned(),
            (Outcome::Partial, []) => "partial".to_owned(),
            (Outcome::Partial, types) => format!("partial: {}", types.join(", ")),
        }
    }

    /// Returns the outcome with the number of partial types, for a table of many tenants.
    pub fn outcome_summary(&self) -> String {
        match (self.outcome, self.partial_types.len()) {
            (Outcome::Complete, _) => "complete".to_owned(),
            (Outcome::Partial, types) => {
                format!("partial ({})", core_terminal::count(types, "type"))
            }
        }
    }

    fn new(manifest: &Manifest, now: Moment) -> Self {
        let rows = |kind| {
            let tables = manifest.tables.iter().filter(move |table| table.kind == kind);
            tables.map(|table| table.rows).sum()
        };
        let partial = manifest.tables.iter().filter(|table| table.partial);
        let objects = manifest.tables.iter().map(|table| (table.name.clone(), table.rows));
        Self {
            id: manifest.id.to_string(),
            created_at: manifest.created_at.clone(),
            age_seconds: age_seconds(manifest, now),
            outcome: manifest.outcome,
            partial_types: partial.map(|table| table.name.clone()).collect(),
            entities: rows(TableKind::Entity),
            relationships: rows(TableKind::Relationship),
            objects: objects.collect(),
        }
    }
}

/// Returns the seconds from a time until now; 0 if it lies ahead.
fn seconds_between(earlier: Timestamp, now: Moment) -> u64 {
    u64::try_from(now.to_timestamp().duration_since(earlier).as_secs()).unwrap_or(0)
}

/// Returns the time since the start of the run. After a clock that was ahead, the IDs are ahead, too.
fn age_seconds(manifest: &Manifest, now: Moment) -> u64 {
    let started = started(manifest).and_then(|start| u64::try_from(start.as_millisecond()).ok());
    now.0.saturating_sub(started.unwrap_or(manifest.id.time_ms())) / 1000
}

/// Returns true if the last of these runs has published, or there was none. Runs of named steps do not count.
fn has_published(runs: &[RunRecord], codes: ExitCodes) -> bool {
    let last = runs.iter().rev().find(|run| !run.is_of_named_steps);
    last.is_none_or(|run| run.exit_code.is_some_and(|code| (codes.outcome)(code).has_published()))
}

/// The verdict on a run by its exit code.
fn verdict(code: u8, codes: ExitCodes) -> RunVerdict {
    match (codes.outcome)(code) {
        outcome if outcome.has_published() => RunVerdict::Published,
        RunOutcome::Stopped | RunOutcome::Deferred | RunOutcome::Locked => RunVerdict::Silent,
        _ => RunVerdict::Failed,
    }
}

/// The number of the newest runs in a row that published nothing.
fn count_failed(runs: &[RunRecord], is_running: bool, codes: ExitCodes) -> u32 {
    let failed = failed_in_a_row(runs, is_running, |code| verdict(code, codes));
    u32::try_from(failed.len()).unwrap_or(u32::MAX)
}

/// Returns the start of the run that made a generation, to the millisecond: a run may start just after it was due.
///
/// That is the time of the generation's ID, unless it was set after the ID of a generation that a wrong clock had dated.
pub(crate) fn started(manifest: &Manifest) -> Option<Timestamp> {
    let start = Timestamp::from_millisecond(i64::try_from(manifest.id.time_ms()).ok()?).ok()?;
    let published: Timestamp = manifest.created_at.parse().ok()?;
    // The time of publishing is written to the second.
    Some(start.min(published.saturating_add(SignedDuration::from_millis(999)).ok()?))
}

/// Returns the time of the next run of `schedule` after the last one.
fn next_run(config: &Config, last: Option<LastRun>, now: Moment) -> Option<Timestamp> {
    let now = now.to_timestamp();
    let mut alone = Fleet::default();
    alone.set(&config.name, config.schedule.clone(), last, now);
    alone.wake_at(now).map(|due| due.max(now))
}
