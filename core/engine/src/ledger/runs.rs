//! Reads runs from the entries of the ledger.

use std::collections::BTreeSet;

use core_store::{LedgerEntry, Manifest, Outcome, RUN_ENDED, StoreError, TenantStore};
use serde::Serialize;
use serde_json::Value;

/// The event of the start of a run: [`Event::RunStarted`](super::Event::RunStarted). Its end is
/// [`Event::RunEnded`](super::Event::RunEnded).
pub const RUN_STARTED: &str = "run_started";

/// A run in the ledger.
#[derive(Debug, Default, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// Its start, RFC 3339.
    pub started_at: String,
    /// Its start, in milliseconds since 1970-01-01 UTC.
    #[serde(skip)]
    pub started_ms: u64,
    /// Its end, RFC 3339; none if it is running or was killed.
    pub ended_at: Option<String>,
    /// Its exit code.
    pub exit_code: Option<u8>,
    /// True if it was asked to run some steps alone.
    #[serde(skip)]
    pub is_of_named_steps: bool,
    /// The ID of the generation that it published.
    #[serde(skip)]
    pub generation: Option<String>,
}

/// The verdict on a run by its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunVerdict {
    /// It published everything that it could, or there was nothing to publish.
    Published,
    /// It was stopped, deferred or locked out, which says nothing about the next one.
    Silent,
    /// It failed; the published generation is that of an earlier run.
    Failed,
}

/// Returns the runs that the ledger of a tenant has, the oldest first. A run without an end was killed or is running.
///
/// # Errors
/// [`StoreError::Io`].
pub fn of_tenant(tenant: &TenantStore) -> Result<Vec<RunRecord>, StoreError> {
    Ok(paired(&tenant.ledger().entries_of(&[RUN_STARTED, RUN_ENDED])?))
}

/// Pairs the start of each run with its end.
fn paired(entries: &[LedgerEntry]) -> Vec<RunRecord> {
    let mut runs: Vec<RunRecord> = Vec::new();
    for entry in entries {
        let record = &entry.record;
        if record.event == RUN_STARTED {
            let steps = record.facts.get("steps").and_then(Value::as_array);
            runs.push(RunRecord {
                started_at: record.at.clone(),
                started_ms: record.at_ms,
                is_of_named_steps: steps.is_some_and(|steps| !steps.is_empty()),
                ..RunRecord::default()
            });
        } else if record.event == RUN_ENDED
            && let Some(run) = runs.last_mut().filter(|run| run.ended_at.is_none())
        {
            let code = record.facts.get("exitCode").and_then(Value::as_u64);
            run.ended_at = Some(record.at.clone());
            run.exit_code = code.and_then(|code| u8::try_from(code).ok());
            let generation = record.facts.get("generation").and_then(Value::as_str);
            run.generation = generation.map(str::to_owned);
        }
    }
    runs
}

/// Returns the newest kept generation, from the published one on, whose run was to read everything that is configured.
/// The generation of a run of some steps alone may hold other types that are weeks old.
///
/// # Errors
/// [`StoreError::Io`], or the published generation cannot be read.
pub fn newest_of_whole_run(tenant: &TenantStore) -> Result<Option<Manifest>, StoreError> {
    let Some(current) = tenant.current()? else { return Ok(None) };
    let current = current.manifest();
    if current.outcome == Outcome::Complete {
        return Ok(Some(current.clone()));
    }
    let runs = of_tenant(tenant)?;
    let of_named_steps: BTreeSet<_> = runs
        .into_iter()
        .filter(|run| run.is_of_named_steps)
        .filter_map(|run| run.generation)
        .collect();
    let is_whole = |manifest: &Manifest| {
        manifest.outcome == Outcome::Complete || !of_named_steps.contains(&manifest.id.to_string())
    };
    if is_whole(current) {
        return Ok(Some(current.clone()));
    }
    let history = tenant.history()?.into_iter().skip_while(|entry| !entry.is_current);
    Ok(history.filter_map(|entry| entry.manifest.ok()).find(is_whole))
}

/// Returns the newest runs in a row that failed, the newest first. A running one has not failed; a killed one has.
pub fn failed_in_a_row(
    runs: &[RunRecord],
    is_running: bool,
    verdict: impl Fn(u8) -> RunVerdict,
) -> Vec<&RunRecord> {
    let mut failed = Vec::new();
    for (place, run) in runs.iter().rev().enumerate() {
        match run.exit_code.map(&verdict) {
            None if place == 0 && is_running => {}
            Some(RunVerdict::Published) => break,
            Some(RunVerdict::Silent) => {}
            Some(RunVerdict::Failed) | None => failed.push(run),
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use core_store::LedgerRecord;
    use serde_json::json;

    use super::*;

    /// Entries with these events, each at the time that is its place.
    fn entries(events: &[(&str, Value)]) -> Vec<LedgerEntry> {
        let entry = |(place, (event, facts)): (usize, &(&str, Value))| LedgerEntry {
            sequence: place as u64 + 1,
            previous: String::new(),
            record: LedgerRecord {
                at: place.to_string(),
                at_ms: 0,
                who: "uid 1000".to_owned(),
                event: (*event).to_owned(),
                facts: facts.as_object().cloned().unwrap_or_default(),
            },
            hash: String::new(),
        };
        events.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn a_run_has_its_end_or_none_if_it_was_killed_or_goes_on() {
        let ended = |code| ("run_ended", json!({ "exitCode": code }));
        let started = || ("run_started", json!({}));
        let delivered = ("delivery_ended", json!({ "exitCode": 9 }));
        let entries = entries(&[
            // The start of this one has gone with the oldest entries.
            ended(0),
            started(),
            delivered,
            ended(7),
            started(),
            // The one before was killed.
            started(),
            ended(300),
            ended(4),
            started(),
        ]);
        let found: Vec<_> = paired(&entries)
            .into_iter()
            .map(|run| (run.started_at, run.ended_at, run.exit_code))
            .collect();
        let text = |text: &str| text.to_owned();
        let expected = [
            (text("1"), Some(text("3")), Some(7)),
            (text("4"), None, None),
            // No process ends with 300, so that the code is not known; the run has ended once.
            (text("5"), Some(text("6")), None),
            (text("8"), None, None),
        ];
        assert_eq!(found, expected);
    }

    /// The codes of runs, whether the last goes on, and the starts of those that failed.
    type Case<'a> = (&'a [Option<u8>], bool, &'a [&'a str]);

    #[test]
    fn failed_runs_are_counted_back_to_the_last_that_published() {
        let verdict = |code| match code {
            0 | 7 => RunVerdict::Published,
            75 => RunVerdict::Silent,
            _ => RunVerdict::Failed,
        };
        let run = |(place, code): (usize, &Option<u8>)| RunRecord {
            started_at: place.to_string(),
            started_ms: 0,
            ended_at: None,
            exit_code: *code,
            ..RunRecord::default()
        };
        let table: [Case; 7] = [
            (&[], false, &[]),
            (&[Some(4), Some(0)], false, &[]),
            (&[Some(0), Some(4), Some(75), Some(3)], false, &["3", "1"]),
            (&[Some(7), None], false, &["1"]),
            (&[Some(7), Some(4), None], true, &["1"]),
            // Only the newest can be going on.
            (&[None, None], true, &["0"]),
            (&[Some(4), Some(4)], false, &["1", "0"]),
        ];
        for (codes, is_running, expected) in table {
            let runs: Vec<RunRecord> = codes.iter().enumerate().map(run).collect();
            let failed = failed_in_a_row(&runs, is_running, verdict);
            let starts: Vec<_> = failed.iter().map(|run| run.started_at.as_str()).collect();
            assert_eq!(starts, expected, "{codes:?} {is_running}");
        }
    }
}
