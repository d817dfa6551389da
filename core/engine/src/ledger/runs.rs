//! Reads runs from the entries of the ledger.

use core_store::LedgerEntry;
use serde::Serialize;
use serde_json::Value;

/// The entries of the ledger about runs: [`Event::RunStarted`](super::Event::RunStarted) and
/// [`Event::RunEnded`](super::Event::RunEnded).
const RUN_STARTED: &str = "run_started";
const RUN_ENDED: &str = "run_ended";

/// A run in the ledger.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// Its start, RFC 3339.
    pub started_at: String,
    /// Its end, RFC 3339; none if it is running or was killed.
    pub ended_at: Option<String>,
    /// Its exit code.
    pub exit_code: Option<u8>,
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

/// Returns the runs of a ledger, the oldest first. A run without an end was killed or is running.
pub fn runs(entries: &[LedgerEntry]) -> Vec<RunRecord> {
    let mut runs: Vec<RunRecord> = Vec::new();
    for entry in entries {
        let record = &entry.record;
        if record.event == RUN_STARTED {
            runs.push(RunRecord { started_at: record.at.clone(), ended_at: None, exit_code: None });
        } else if record.event == RUN_ENDED
            && let Some(run) = runs.last_mut().filter(|run| run.ended_at.is_none())
        {
            let code = record.facts.get("exitCode").and_then(Value::as_u64);
            run.ended_at = Some(record.at.clone());
            run.exit_code = code.and_then(|code| u8::try_from(code).ok());
        }
    }
    runs
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
