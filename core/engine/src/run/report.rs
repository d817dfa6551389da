//! The report of a run, which is kept with its generation.

mod absence;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use core_ingest::decompress::Compression;
use core_ingest::graph::Graph;
use core_ingest::outcome::Outcome;
use core_ingest::step::{HashedNames, RowAccount};
use core_model::property::Property;
use core_model::step::Step;
use core_store::LedgerHead;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::absence::{Dangling, Removed};
use super::exports::FetchedFiles;
use super::narrowing::Narrowing;
use super::read::Read;
use crate::audit::AuditReport;
use crate::engine::Engine;
use crate::failure::Ending;
use crate::host::Host;
use crate::moment::Moment;

const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// The report in the folder of its generation.
pub(crate) const FILE: &str = "run.json";

/// The report of one run.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    /// The ID of the run, which is the generation's too.
    pub run_id: String,
    /// The tenant.
    pub tenant: String,
    /// Its region.
    pub region: String,
    /// The version of the program.
    pub program_version: &'static str,
    /// The start of the run, RFC 3339.
    pub started_at: String,
    /// Its end, RFC 3339.
    pub finished_at: String,
    /// `complete` if every step that was to run is, else `partial`.
    pub outcome: &'static str,
    /// The code with which the process ends.
    pub exit_code: u8,
    /// The steps, in the order of the run.
    pub steps: Vec<StepReport>,
    /// The types of the generation.
    pub types: Vec<TypeReport>,
    /// The time until which Nexthink asked to wait; no run starts before.
    pub not_before: Option<String>,
    /// The offset of Nexthink's clock from this machine's, in milliseconds, if they disagree by more than two
    /// minutes.
    pub clock_offset_ms: Option<i64>,
    /// The number of parts of each step in its last complete export.
    pub parts: BTreeMap<String, u32>,
    /// The downloads of steps that would have removed too much. Only a run that accepts the removal uses them again.
    pub held: Vec<String>,
    /// The reasons why erasures are not finished, a sentence each; not in the generation's own report.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unfinished_erasures: Vec<String>,
    /// The result of the audit trail, if it was read; not in the generation's own report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditReport>,
    /// The result of the delivery after the run, if there was one; not in the generation's own report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Value>,
    /// The results of the deliveries to mirrors after the run, by name; not in the generation's own report.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mirrors: BTreeMap<String, Value>,
    /// The ledger's last entry after the run, to be kept elsewhere; not in the generation's own report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerHead>,
    /// The types of which objects may be missing or outdated, so that no destination deletes any.
    pub partial_datasets: Vec<String>,
}

/// The report of one step.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// The ID of the step.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The outcome.
    pub outcome: StepOutcome,
    /// The reason why the step is not complete.
    pub reason: Option<String>,
    /// The saved query.
    pub query_id: Option<String>,
    /// The export of the whole query.
    pub export_id: Option<String>,
    /// The number of exports that this run has started for it.
    pub exports: u32,
    /// The number of exported parts, including those that were split further; 0 if the export was not split.
    pub parts: u32,
    /// The time that Nexthink took to prepare the export of the whole query, in milliseconds, if this run saw that.
    pub prepared_ms: Option<u64>,
    /// The times of the last change of the files that took the place of an export, in milliseconds since 1970-01-01
    /// UTC.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files_modified_ms: Vec<u64>,
    /// The age of the oldest of them, in days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_age_days: Option<u64>,
    /// The accounts of its rows.
    pub rows: Rows,
    /// Entities of the step's types, carried-over ones included.
    pub entities: u64,
    /// Relationships of the step's types, carried-over ones included.
    pub relationships: u64,
    /// Rows that conflict with an earlier row of the same entity.
    pub conflicting: u64,
    /// Rows that name an entity that does not exist, so that they make no relationship.
    pub dangling: u64,
    /// The same by relationship type.
    pub dangling_of: BTreeMap<&'static str, Dangling>,
    /// Objects of the previous generation that a complete export no longer has, by type.
    pub removed: BTreeMap<&'static str, Removed>,
    /// Objects that were carried over from the previous generation.
    pub carried_over: u64,
    /// Bytes of the download as transferred.
    pub bytes: u64,
    /// The number of bytes after decompression.
    pub decoded_bytes: u64,
    /// The compression of the download.
    pub compression: Option<&'static str>,
    /// Columns that the export lacks.
    pub missing_columns: Vec<&'static str>,
    /// Columns that no step declares.
    pub unknown_columns: usize,
    /// Cells that could not be read, by property.
    pub unreadable: BTreeMap<&'static str, u64>,
    /// Times that mean "never", such as 1970-01-01, by property.
    pub never_times: BTreeMap<&'static str, u64>,
    /// Identifiers that more than a few entities share, by property.
    pub shared_identifiers: BTreeMap<&'static str, u64>,
    /// Rows in which a visible character replaces a NUL.
    pub rows_with_nul: u64,
    /// Times more than 48 hours ahead of this machine's clock, by property.
    pub future_times: BTreeMap<&'static str, u64>,
    /// Keys that differ from another key only in the case of letters.
    pub alike_keys: u64,
    /// Properties that the export does not have, so that they keep their earlier values.
    pub doubtful: Vec<&'static str>,
    /// Those of them that Nexthink fills only with the connector for Entra ID.
    pub needs_connector: Vec<&'static str>,
    /// Some of the quarantined rows.
    pub quarantine: Vec<QuarantinedRow>,
    /// The number of distinct login names that look like hashes, if pseudonyms replace login names.
    pub hashed_names: u64,
    /// The number of other distinct login names.
    pub plain_names: u64,
    /// The clauses by which the saved query leaves out rows.
    pub narrowing: Option<Narrowing>,
    /// The time of fetching, in milliseconds.
    pub fetch_ms: u128,
    /// The time of applying, in milliseconds.
    pub apply_ms: u128,
}

/// The outcome of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    /// All its rows are proven to be there.
    Complete,
    /// Some rows may be missing.
    Partial,
    /// No row could be used.
    Failed,
    /// It did not have to run.
    #[default]
    Skipped,
    /// The source asks to wait.
    Deferred,
}

impl StepOutcome {
    /// Returns true if the step is complete or did not have to run.
    pub fn lacks_nothing(self) -> bool {
        matches!(self, Self::Complete | Self::Skipped)
    }

    /// Returns the name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Deferred => "deferred",
        }
    }
}

impl From<Outcome> for StepOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Complete => Self::Complete,
            Outcome::Partial(_) => Self::Partial,
            Outcome::Failed => Self::Failed,
            Outcome::Skipped => Self::Skipped,
            Outcome::Deferred => Self::Deferred,
        }
    }
}

impl fmt::Display for StepOutcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The accounts of the rows of a step.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rows {
    /// Rows that were read.
    pub read: u64,
    /// Rows that became an entity or an edge.
    pub used: u64,
    /// Rows of an entity that another row had already described.
    pub merged: u64,
    /// Rows that could not be read.
    pub quarantined: u64,
    /// Rows of erased people and devices.
    pub suppressed: u64,
}

/// A quarantined row.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuarantinedRow {
    /// The number of the step's file, counted from 1.
    pub file: usize,
    /// The line in the file, counted from 1.
    pub line: u64,
    /// The reason for the quarantine.
    pub reason: String,
}

/// The changes of one type.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeReport {
    /// The name of the type.
    #[serde(rename = "type")]
    pub name: String,
    /// Its objects in the generation.
    pub objects: u64,
    /// Its objects in the previous generation.
    pub objects_before: Option<u64>,
    /// True if objects may be missing or outdated.
    pub partial: bool,
}

impl RunReport {
    pub(super) fn new(engine: Engine<'_>, run_id: String, started: Moment) -> RunReport {
        RunReport {
            run_id,
            tenant: engine.settings.tenant.as_str().to_owned(),
            region: engine.settings.region.as_str().to_owned(),
            program_version: env!("CARGO_PKG_VERSION"),
            started_at: started.to_rfc3339(),
            finished_at: String::new(),
            outcome: "partial",
            exit_code: 0,
            steps: Vec::new(),
            types: Vec::new(),
            not_before: None,
            clock_offset_ms: None,
            parts: BTreeMap::new(),
            held: Vec::new(),
            unfinished_erasures: Vec::new(),
            audit: None,
            delivery: None,
            mirrors: BTreeMap::new(),
            ledger: None,
            partial_datasets: Vec::new(),
        }
    }

    /// Completes the report.
    pub(super) fn finish(&mut self, steps: Vec<StepReport>, ending: Ending, host: &Host) {
        self.steps = steps;
        self.outcome = if ending == Ending::Complete { "complete" } else { "partial" };
        self.exit_code = (host.exit_code)(ending);
        self.finished_at = host.now().to_rfc3339();
    }

    /// Returns true if the audit trail was read completely.
    pub fn is_audit_whole(&self) -> bool {
        self.steps.is_empty() && self.audit.as_ref().is_some_and(AuditReport::is_complete)
    }
}

impl StepReport {
    pub(super) fn new(step: &'static Step) -> StepReport {
        StepReport { id: step.id, name: step.name, ..StepReport::default() }
    }

    /// Says in some words how the step has ended.
    pub fn progress_text(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{}: {reason}", self.outcome),
            None => format!("{}: {}", self.outcome, core_terminal::count(self.rows.read, "row")),
        }
    }

    /// Adds the facts about the downloads.
    pub(super) fn deliver(&mut self, delivery: &FetchedFiles) {
        let FetchedFiles { files, truncated, lacking, parts, narrowing, prepared, .. } = delivery;
        self.narrowing =
            Some(narrowing.clone()).filter(|narrowing| *narrowing != Narrowing::default());
        let whole = truncated.iter().chain(files).find(|file| file.pattern.is_none());
        self.export_id =
            whole.and_then(|file| file.export_id.as_ref()).map(|id| id.as_str().to_owned());
        self.parts = *parts;
        self.prepared_ms = prepared.and_then(|time| u64::try_from(time.as_millis()).ok());
        self.bytes = files.iter().chain(truncated).map(|file| file.bytes).sum();
        let truncated = "truncated at Nexthink's maximum";
        self.reason = lacking.as_ref().map(|lacking| format!("{truncated}, and {lacking}"));
    }

    /// Adds the dates of files in place of an export. One that is dated ahead of the clock counts as of now.
    pub(super) fn date_files(&mut self, modified_ms: &[u64], now: Moment) {
        self.files_modified_ms = modified_ms.iter().map(|ms| *ms.min(&now.0)).collect();
        let oldest = self.files_modified_ms.iter().min();
        self.files_age_days = oldest.map(|ms| (now.0 - ms) / DAY_MS);
    }

    /// Adds the facts about the rows.
    pub(super) fn read(&mut self, read: &Read) {
        self.decoded_bytes = read.bytes;
        self.compression = read.compression.map(Compression::name);
        self.account(&read.tables.account);
    }

    pub(super) fn account(&mut self, account: &RowAccount) {
        self.rows = Rows {
            read: account.read(),
            used: account.used,
            merged: account.merged,
            quarantined: account.quarantined(),
            suppressed: account.suppressed,
        };
        let HashedNames { hashed, all } = account.hashed_names;
        self.hashed_names = hashed;
        self.plain_names = all - hashed;
        self.rows_with_nul = account.decoder.rows_with_nul;
        self.missing_columns.clone_from(&account.missing_columns);
        self.unknown_columns = account.unknown_columns;
        let listed = account.decoder.quarantine.listed.iter();
        self.quarantine = listed
            .map(|row| QuarantinedRow {
                file: row.file,
                line: row.line,
                reason: row.reason.to_string(),
            })
            .collect();
    }

    pub(super) fn describe(
        &mut self,
        step: &Step,
        outcome: Outcome,
        graph: &Graph,
        took: Duration,
        now: Moment,
    ) {
        self.outcome = outcome.into();
        self.apply_ms = took.as_millis();
        for entity in step.entities {
            let Some(table) = graph.entity_table(entity.type_name) else { continue };
            let counts = table.counts();
            self.entities += table.len() as u64;
            self.conflicting += counts.conflicting;
            self.carried_over += counts.carried_over;
            self.unreadable.extend(table.unreadable());
            self.never_times.extend(table.never_times());
            self.shared_identifiers.extend(table.shared_identifiers());
            self.future_times.extend(table.future_times(now.to_timestamp()));
            self.alike_keys += table.keys_that_differ_by_case();
            if !table.is_empty() {
                self.doubtful.extend(table.doubtful_properties());
                let of_connector =
                    entity.properties.iter().filter(|property| needs_connector(property));
                let names = of_connector.map(|property| property.name);
                self.needs_connector.extend(names.filter(|name| self.doubtful.contains(name)));
            }
        }
        for edges in
            step.relationships.iter().filter_map(|relationship| graph.edges(relationship.type_name))
        {
            let counts = edges.counts();
            self.relationships += edges.len();
            self.dangling += counts.dangling;
            if let Some(dangling) = Dangling::of(counts) {
                self.dangling_of.insert(edges.relationship().type_name, dangling);
            }
            self.carried_over += counts.carried_over;
        }
    }
}

/// Returns true if Nexthink fills a property only if its connector for Entra ID is set up (Nexthink, NQL data model:
/// `user.ad.*`).
fn needs_connector(property: &Property) -> bool {
    property.columns.first().is_some_and(|column| column.starts_with("user.ad."))
}

#[cfg(test)]
mod tests {
    use core_ingest::outcome::PartialReason;

    use super::*;

    #[test]
    fn a_step_lacks_nothing_only_if_it_is_complete_or_was_not_to_run() {
        for (outcome, name, lacks_nothing) in [
            (Outcome::Complete, "complete", true),
            (Outcome::Partial(PartialReason::OutsidePart), "partial", false),
            (Outcome::Failed, "failed", false),
            (Outcome::Skipped, "skipped", true),
            (Outcome::Deferred, "deferred", false),
        ] {
            let outcome = StepOutcome::from(outcome);
            assert_eq!((outcome.name(), outcome.lacks_nothing()), (name, lacks_nothing));
            let json = serde_json::to_value(outcome).expect("it is a word");
            assert_eq!(json, Value::from(name), "state files have the words of reports");
        }
        assert_eq!(StepOutcome::default(), StepOutcome::Skipped);
    }

    #[test]
    fn only_columns_of_the_directory_need_the_connector() {
        let users = Step::all().into_iter().find(|step| step.id == "fetch-users").expect("a step");
        let properties = users.entities.iter().flat_map(|entity| entity.properties);
        let (of_directory, others): (Vec<_>, Vec<_>) = properties
            .partition(|property| property.columns.iter().any(|column| column.contains(".ad.")));
        assert!(!of_directory.is_empty() && !others.is_empty());
        for property in of_directory {
            assert!(needs_connector(property), "{}", property.name);
        }
        for property in others {
            assert!(!needs_connector(property), "{}", property.name);
        }
    }

    #[test]
    fn an_audit_trail_alone_is_whole_only_if_no_step_was_to_run() {
        let complete = AuditReport::default();
        let report = RunReport { audit: Some(complete.clone()), ..RunReport::default() };
        assert!(report.is_audit_whole());
        assert!(!RunReport::default().is_audit_whole(), "it was not read");
        let steps = vec![StepReport::default()];
        assert!(
            !RunReport { audit: Some(complete), steps, ..RunReport::default() }.is_audit_whole()
        );
    }
}
