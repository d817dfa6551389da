//! The facts about a run that the next run and the next delivery need. They have their own file in the generation's
//! folder, so that they are published with it and no report for people is read back.

use std::collections::{BTreeMap, BTreeSet};

use core_store::Generation;
use serde::{Deserialize, Serialize};

use super::narrowing::Unchecked;
use super::report::{self, RunReport, StepOutcome};

/// The name of the file.
pub(super) const FILE: &str = "state.json";

/// The version that this program writes. Files of a newer version are ignored.
const VERSION: u32 = 1;

/// The state that a run leaves for the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunState {
    version: u32,
    /// The outcome of each step, in the order of the run.
    pub steps: Vec<StepState>,
    /// The number of parts of each step in its last complete export.
    pub(super) parts: BTreeMap<String, u32>,
    /// The downloads of steps that would have removed too much. Only a run that accepts the removal uses them again.
    pub(super) held: BTreeSet<String>,
    /// The bytes that the run has downloaded.
    pub(super) downloaded_bytes: u64,
    /// The time that Nexthink took last to prepare the export of each query, in milliseconds, by the query's ID.
    #[serde(default)]
    pub(super) prepared_ms: BTreeMap<String, u64>,
    /// The steps whose queries Nexthink could not run at once to show their texts.
    #[serde(default)]
    pub(super) failed_checks: BTreeSet<String>,
}

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepState {
    /// The ID of the step.
    pub id: String,
    /// The outcome.
    pub outcome: StepOutcome,
    /// The reason why it is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rows about erased people that were left out by the last run that has read them.
    #[serde(default)]
    pub(super) suppressed: u64,
    /// The times of the last change of the files that its last complete run has read in place of an export, in
    /// milliseconds since 1970-01-01 UTC, in the order of their patterns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) files_modified_ms: Vec<u64>,
}

impl RunState {
    /// Returns the state after the run of this report; `before` is the state after the previous run.
    pub(super) fn of_report(report: &RunReport, before: Self) -> Self {
        let steps = report.steps.iter().map(|step| {
            let suppressed = match step.outcome {
                StepOutcome::Complete => step.rows.suppressed,
                _ => step.rows.suppressed.max(before.suppressed(step.id)),
            };
            let (id, reason) = (step.id.to_owned(), step.reason.clone());
            let files_modified_ms = match step.outcome {
                StepOutcome::Complete => step.files_modified_ms.clone(),
                _ => before.files_modified_ms(step.id).to_vec(),
            };
            StepState { id, outcome: step.outcome, reason, suppressed, files_modified_ms }
        });
        let steps = steps.collect();
        let mut prepared_ms = before.prepared_ms;
        prepared_ms.extend(
            report
                .steps
                .iter()
                .filter_map(|step| Some((step.query_id.clone()?, step.prepared_ms?))),
        );
        let failed_checks = failed_checks(report, before.failed_checks);
        Self {
            version: VERSION,
            steps,
            parts: report.parts.clone(),
            held: report.held.iter().cloned().collect(),
            downloaded_bytes: report.steps.iter().map(|step| step.bytes).sum(),
            prepared_ms,
            failed_checks,
        }
    }

    /// Reads the state that the run of a generation left. An unreadable state counts as empty, which only makes the
    /// next run's estimates worse.
    pub fn read(generation: &Generation) -> Self {
        if let Ok(Some(bytes)) = generation.attachment(FILE) {
            let state = serde_json::from_slice(&bytes).ok();
            return state.filter(|state: &Self| state.version <= VERSION).unwrap_or_default();
        }
        // Older versions of the program kept these facts only in the report.
        let report = generation.attachment(report::FILE).ok().flatten();
        report.and_then(|bytes| Self::from_report(&bytes)).unwrap_or_default()
    }

    /// The rows about erased people in the last export of a step that was read.
    pub(super) fn suppressed(&self, step: &str) -> u64 {
        self.steps.iter().find(|known| known.id == step).map_or(0, |known| known.suppressed)
    }

    /// The times of the files of the last complete run of a step.
    pub(super) fn files_modified_ms(&self, step: &str) -> &[u64] {
        let known = self.steps.iter().find(|known| known.id == step);
        known.map_or(&[], |known| &known.files_modified_ms)
    }

    /// Reads the state of the generation before a run, if there is one.
    pub(super) fn before(previous: Option<&Generation>) -> Self {
        previous.map(Self::read).unwrap_or_default()
    }

    fn from_report(report: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Report {
            steps: Vec<Step>,
            #[serde(default)]
            parts: BTreeMap<String, u32>,
            #[serde(default)]
            held: BTreeSet<String>,
        }
        #[derive(Deserialize)]
        struct Step {
            id: String,
            outcome: StepOutcome,
            reason: Option<String>,
            #[serde(default)]
            bytes: u64,
        }
        let Report { steps, parts, held } = serde_json::from_slice(report).ok()?;
        let downloaded_bytes = steps.iter().map(|step| step.bytes).sum();
        let steps = steps.into_iter().map(|Step { id, outcome, reason, .. }| StepState {
            id,
            outcome,
            reason,
            suppressed: 0,
            files_modified_ms: Vec::new(),
        });
        let (steps, prepared_ms) = (steps.collect(), BTreeMap::new());
        let failed_checks = BTreeSet::new();
        let version = VERSION;
        Some(Self { version, steps, parts, held, downloaded_bytes, prepared_ms, failed_checks })
    }
}

/// Returns the steps whose check failed last; those that this run did not check stay as they were.
fn failed_checks(report: &RunReport, mut before: BTreeSet<String>) -> BTreeSet<String> {
    for step in report.steps.iter().filter(|step| step.export_id.is_some()) {
        match step.narrowing.as_ref().and_then(|narrowing| narrowing.unchecked) {
            Some(Unchecked::Failed | Unchecked::FailedAgain) => {
                before.insert(step.id.to_owned());
            }
            Some(Unchecked::Late) => {}
            Some(Unchecked::Hidden) | None => {
                before.remove(step.id);
            }
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use core_store::{Draft, Outcome};

    use super::*;
    use crate::run::narrowing::Narrowing;
    use crate::run::report::StepReport;
    use crate::testing::Place;

    /// The name and content of a file.
    type Attachment<'a> = (&'a str, &'a [u8]);

    /// A generation without tables that has these files.
    fn generation(place: &Place, files: &[Attachment<'_>]) -> Generation {
        let id = "01JN7Z1M80000000000000000A".parse().expect("an ID");
        let staging = place.lock.stage(id).expect("there is room");
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: "2026-03-01T10:00:00Z".to_owned(),
            outcome: Outcome::Complete,
            privacy: None,
            tables: Vec::new(),
        };
        staging.publish(draft, files).expect("there is room")
    }

    #[test]
    fn a_state_is_read_if_it_is_of_no_newer_version_and_a_report_only_where_there_is_none() {
        let state = |version: u32| {
            let step = r#"{"id":"fetch-users","outcome":"complete"}"#;
            let rest = r#""parts":{},"held":[],"downloadedBytes":0"#;
            format!(r#"{{"version":{version},"steps":[{step}],{rest}}}"#).into_bytes()
        };
        let report: &[u8] = br#"{"steps":[{"id":"fetch-devices","outcome":"partial"}]}"#;
        let (current, newer) = (state(VERSION), state(VERSION + 1));
        let table: [(&[Attachment<'_>], &[&str]); 6] = [
            (&[], &[]),
            (&[(FILE, &current)], &["fetch-users"]),
            (&[(FILE, &current), (report::FILE, report)], &["fetch-users"]),
            (&[(FILE, &newer), (report::FILE, report)], &[]),
            (&[(FILE, b"{"), (report::FILE, report)], &[]),
            (&[(report::FILE, report)], &["fetch-devices"]),
        ];
        for (files, expected) in table {
            let place = Place::new();
            let state = RunState::read(&generation(&place, files));
            let ids: Vec<_> = state.steps.iter().map(|step| step.id.as_str()).collect();
            assert_eq!(ids, expected, "{files:?}");
        }
        assert_eq!(RunState::before(None), RunState::default());
    }

    #[test]
    fn a_query_that_was_not_exported_keeps_the_time_that_it_took_last() {
        let step = |query: Option<&str>, prepared_ms, bytes| StepReport {
            query_id: query.map(str::to_owned),
            prepared_ms,
            bytes,
            ..StepReport::default()
        };
        let report = RunReport {
            steps: vec![
                step(Some("#slow"), Some(9), 30),
                // Its export was resumed, so that this run has not seen how long it took.
                step(Some("#resumed"), None, 12),
                step(None, None, 0),
            ],
            ..RunReport::default()
        };
        let known = [("#slow", 5), ("#resumed", 6), ("#left-out", 7)];
        let known = known.map(|(query, ms)| (query.to_owned(), ms));
        let before = RunState { prepared_ms: known.into(), ..RunState::default() };
        let state = RunState::of_report(&report, before);
        let expected = [("#left-out", 7), ("#resumed", 6), ("#slow", 9)];
        let expected = expected.map(|(query, ms)| (query.to_owned(), ms));
        assert_eq!(Vec::from_iter(state.prepared_ms), expected);
        assert_eq!((state.version, state.downloaded_bytes), (VERSION, 42));
    }

    #[test]
    fn a_step_whose_check_failed_is_remembered_until_a_check_succeeds() {
        let step = |id, export: Option<&str>, unchecked| StepReport {
            id,
            export_id: export.map(str::to_owned),
            narrowing: Some(Narrowing { unchecked, ..Narrowing::default() }),
            ..StepReport::default()
        };
        for (export, unchecked, was_known, expected) in [
            (Some("e"), Some(Unchecked::Failed), false, true),
            (Some("e"), Some(Unchecked::FailedAgain), true, true),
            (Some("e"), Some(Unchecked::Late), true, true),
            (Some("e"), Some(Unchecked::Late), false, false),
            (Some("e"), Some(Unchecked::Hidden), true, false),
            (Some("e"), None, true, false),
            // Its export failed, or it was not to run.
            (None, None, true, true),
        ] {
            let known: Vec<String> =
                was_known.then(|| "fetch-users".to_owned()).into_iter().collect();
            let before =
                RunState { failed_checks: known.into_iter().collect(), ..RunState::default() };
            let steps = vec![step("fetch-users", export, unchecked)];
            let report = RunReport { steps, ..RunReport::default() };
            let state = RunState::of_report(&report, before);
            assert_eq!(state.failed_checks.contains("fetch-users"), expected, "{unchecked:?}");
        }
    }

    #[test]
    fn the_report_of_an_older_version_is_still_understood() {
        let report = br#"{
            "runId": "01JN7Z1M80000000000000000A",
            "steps": [
                { "id": "fetch-devices", "outcome": "complete", "bytes": 70, "rows": {} },
                { "id": "fetch-users", "outcome": "skipped" }
            ],
            "parts": { "fetch-devices": 16 },
            "held": ["fetch-alerts"]
        }"#;
        let state = RunState::from_report(report).expect("it is a report");
        let outcomes: Vec<_> = state.steps.iter().map(|step| step.outcome).collect();
        assert_eq!(outcomes, [StepOutcome::Complete, StepOutcome::Skipped]);
        assert_eq!((state.downloaded_bytes, state.parts["fetch-devices"]), (70, 16));
        assert!(state.held.contains("fetch-alerts"));
    }

    #[test]
    fn a_report_that_is_damaged_tells_nothing() {
        for report in ["", "{}", "[]", r#"{"steps": [{"id": "a", "outcome": "odd"}]}"#] {
            assert_eq!(RunState::from_report(report.as_bytes()), None, "{report}");
        }
    }
}
