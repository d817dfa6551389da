//! What a run tells: a report that is kept with its generation, and a table for people.

mod absence;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use core_ingest::decompress::Compression;
use core_ingest::graph::Graph;
use core_ingest::outcome::Outcome;
use core_ingest::step::{HashedNames, RowAccount};
use core_model::property::Property;
use core_model::step::Step;
use core_store::{Generation, LedgerHead};
use serde::Serialize;
use serde_json::Value;

use self::absence::{Dangling, Removed};
use super::exports::Delivery;
use super::narrowing::Narrowing;
use super::read::Read;
use crate::audit::AuditReport;
use crate::config::Config;
use crate::exit::Exit;
use crate::output;
use crate::system::Moment;

/// The report in the folder of its generation.
pub(crate) const FILE: &str = "run.json";

/// The report of one run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunReport {
    /// Which is the generation's too.
    pub(crate) run_id: String,
    pub(crate) tenant: String,
    pub(crate) region: String,
    pub(crate) program_version: &'static str,
    pub(crate) started_at: String,
    pub(crate) finished_at: String,
    /// `complete` if every step that was to run is, else `partial`.
    pub(crate) outcome: &'static str,
    pub(crate) exit_code: u8,
    pub(crate) steps: Vec<StepReport>,
    pub(crate) types: Vec<TypeReport>,
    /// Until when Nexthink wants to be left alone, so that no run starts before.
    pub(crate) not_before: Option<String>,
    /// How far Nexthink's clock is ahead of this machine's, in milliseconds, where they disagree by more
    /// than two minutes.
    pub(crate) clock_offset_ms: Option<i64>,
    /// How many parts each step needed when it was last not lacking any, for the next run to know what
    /// it will cost.
    pub(crate) parts: BTreeMap<String, u32>,
    /// The downloads of steps that would have removed too much: they are of use again only for a run
    /// that is told to remove it.
    pub(crate) held: Vec<String>,
    /// Why erasures are not finished, a sentence each; not in the generation's own report.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unfinished_erasures: Vec<String>,
    /// What came of the audit trail, if it was read; not in the generation's own report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audit: Option<AuditReport>,
    /// What came of the delivery after the run, if there was one; not in the generation's own report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery: Option<Value>,
    /// The ledger's last entry after the run, to be kept elsewhere; not in the generation's own report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ledger: Option<LedgerHead>,
    /// The types of which objects may be missing or outdated, so that no destination deletes any.
    pub(crate) partial_datasets: Vec<String>,
}

/// What became of one step.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepReport {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) outcome: &'static str,
    /// Why the step is not complete.
    pub(crate) reason: Option<String>,
    pub(crate) query_id: Option<String>,
    /// Of the whole query.
    pub(crate) export_id: Option<String>,
    /// How many exports this run has started for it.
    pub(crate) exports: u32,
    /// How many parts were exported, those included that were split further; none if it came whole.
    pub(crate) parts: u32,
    pub(crate) rows: Rows,
    /// Entities of the step's types, carried-over ones included.
    pub(crate) entities: u64,
    /// Relationships of the step's types, carried-over ones included.
    pub(crate) relationships: u64,
    /// Rows that contradicted an earlier row of the same entity.
    pub(crate) conflicting: u64,
    pub(crate) dangling: u64,
    /// The same by relationship type, where there are any.
    pub(crate) dangling_of: BTreeMap<&'static str, Dangling>,
    /// Objects of the generation before that a complete export no longer has, by type.
    pub(crate) removed: BTreeMap<&'static str, Removed>,
    pub(crate) carried_over: u64,
    /// Bytes of the download as transferred.
    pub(crate) bytes: u64,
    pub(crate) decoded_bytes: u64,
    pub(crate) compression: Option<&'static str>,
    pub(crate) missing_columns: Vec<&'static str>,
    pub(crate) unknown_columns: usize,
    /// Cells that could not be read, by property.
    pub(crate) unreadable: BTreeMap<&'static str, u64>,
    /// Times that stand for never, such as 1970-01-01, by property.
    pub(crate) never_times: BTreeMap<&'static str, u64>,
    /// Identifiers that more than a few entities share, by property.
    pub(crate) shared_identifiers: BTreeMap<&'static str, u64>,
    /// Rows in which a visible mark stands in the place of a NUL.
    pub(crate) rows_with_nul: u64,
    /// Times more than 48 hours ahead of this machine's clock, by property.
    pub(crate) future_times: BTreeMap<&'static str, u64>,
    /// Keys that differ from another one only by the case of letters.
    pub(crate) alike_keys: u64,
    /// Properties of which the export says nothing, so that they keep the values they had.
    pub(crate) doubtful: Vec<&'static str>,
    /// Those of them that Nexthink fills only with the connector for Entra ID.
    pub(crate) needs_connector: Vec<&'static str>,
    /// Some of the quarantined rows.
    pub(crate) quarantine: Vec<QuarantinedRow>,
    /// Distinct login names that look like hashes, where pseudonyms stand for them.
    pub(crate) hashed_names: u64,
    /// The other distinct login names.
    pub(crate) plain_names: u64,
    /// What the saved query leaves out.
    pub(crate) narrowing: Option<Narrowing>,
    pub(crate) fetch_ms: u128,
    pub(crate) apply_ms: u128,
}

/// What became of the rows of a step.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rows {
    pub(crate) read: u64,
    pub(crate) used: u64,
    pub(crate) merged: u64,
    pub(crate) quarantined: u64,
    /// Of people and devices that were erased.
    pub(crate) suppressed: u64,
}

/// A row that was set aside.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuarantinedRow {
    /// In which of the step's files, counted from 1.
    pub(crate) file: usize,
    pub(crate) line: u64,
    pub(crate) reason: String,
}

/// What became of one type.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TypeReport {
    #[serde(rename = "type")]
    pub(crate) name: String,
    pub(crate) objects: u64,
    /// In the generation before.
    pub(crate) objects_before: Option<u64>,
    pub(crate) partial: bool,
}

impl RunReport {
    pub(super) fn new(config: &Config, run_id: String, started: Moment) -> RunReport {
        RunReport {
            run_id,
            tenant: config.tenant.as_str().to_owned(),
            region: config.region.as_str().to_owned(),
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
            ledger: None,
            partial_datasets: Vec::new(),
        }
    }

    /// Completes the report: `complete` means that every step that was to run is.
    pub(super) fn finish(&mut self, steps: Vec<StepReport>, exit: Exit) {
        self.steps = steps;
        self.outcome = if exit == Exit::Complete { "complete" } else { "partial" };
        self.exit_code = exit as u8;
        self.finished_at = Moment::now().to_rfc3339();
    }

    /// Returns whether the audit trail was read, and as a whole.
    pub(crate) fn is_audit_whole(&self) -> bool {
        self.steps.is_empty() && self.audit.as_ref().is_some_and(AuditReport::is_complete)
    }

    /// The summary for people.
    pub(crate) fn table(&self) -> String {
        let header = [
            "step",
            "outcome",
            "rows",
            "entities",
            "relationships",
            "duplicates",
            "dangling",
            "quarantined",
            "bytes",
            "time",
        ];
        let rows = self.steps.iter().map(|step| {
            [
                step.id.to_owned(),
                step.outcome.to_owned(),
                step.rows.read.to_string(),
                step.entities.to_string(),
                step.relationships.to_string(),
                step.rows.merged.to_string(),
                step.dangling.to_string(),
                step.rows.quarantined.to_string(),
                bytes(step.bytes),
                seconds(step.fetch_ms + step.apply_ms),
            ]
        });
        output::table(header, rows, 2)
    }
}

impl StepReport {
    pub(super) fn new(step: &'static Step) -> StepReport {
        StepReport { id: step.id, name: step.name, ..StepReport::default() }
    }

    /// Notes what was downloaded.
    pub(super) fn deliver(&mut self, delivery: &Delivery) {
        let Delivery { files, truncated, lacking, parts, narrowing } = delivery;
        self.narrowing = Some(narrowing.clone()).filter(|it| *it != Narrowing::default());
        let whole = truncated.iter().chain(files).find(|it| it.pattern.is_none());
        self.export_id = whole.map(|it| it.export.export_id.as_str().to_owned());
        self.parts = *parts;
        self.bytes = files.iter().chain(truncated).map(|it| it.export.bytes).sum();
        let truncated = "truncated at Nexthink's maximum";
        self.reason = lacking.as_ref().map(|it| format!("{truncated}, and {it}"));
    }

    /// Notes what was read of it.
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
    ) {
        self.outcome = outcome.name();
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
            self.future_times.extend(table.future_times(Moment::now().to_timestamp()));
            self.alike_keys += table.keys_that_differ_by_case();
            if !table.is_empty() {
                self.doubtful.extend(table.unreliable_properties());
                let of_connector = entity.properties.iter().filter(|it| needs_connector(it));
                let names = of_connector.map(|property| property.name);
                self.needs_connector.extend(names.filter(|name| self.doubtful.contains(name)));
            }
        }
        for edges in step.relationships.iter().filter_map(|it| graph.edges(it.type_name)) {
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

/// A member of the report of the run that made a generation; nothing if it cannot be read.
fn member(generation: &Generation, name: &str) -> Option<Value> {
    let report = generation.attachment(FILE).ok().flatten()?;
    let mut report: Value = serde_json::from_slice(&report).ok()?;
    Some(report[name].take())
}

/// Whether Nexthink fills a property only where its connector for Entra ID is set up (Nexthink, NQL data
/// model: `user.ad.*`).
fn needs_connector(property: &Property) -> bool {
    property.columns.first().is_some_and(|column| column.starts_with("user.ad."))
}

/// How many parts each step needs, by the report of the run that made a generation. What cannot be read
/// is not known.
pub(super) fn parts_of(generation: Option<&Generation>) -> BTreeMap<String, u32> {
    let parts = generation.and_then(|it| serde_json::from_value(member(it, "parts")?).ok());
    parts.unwrap_or_default()
}

/// The bytes that the run that made a generation has downloaded, by its report.
pub(super) fn downloaded_by(generation: &Generation) -> u64 {
    let steps = member(generation, "steps").unwrap_or_default();
    let steps = steps.as_array().into_iter().flatten();
    steps.filter_map(|step| step["bytes"].as_u64()).sum()
}

/// The downloads that the run that made a generation has held back.
pub(super) fn held_by(generation: Option<&Generation>) -> BTreeSet<String> {
    let held = generation.and_then(|it| serde_json::from_value(member(it, "held")?).ok());
    held.unwrap_or_default()
}

/// How each step ended, by ID, in the run that made a generation.
pub(crate) fn outcomes_of(generation: &Generation) -> Vec<(String, String)> {
    let steps = member(generation, "steps").unwrap_or_default();
    let outcomes = steps.as_array().into_iter().flatten().filter_map(|step| {
        Some((step["id"].as_str()?.to_owned(), step["outcome"].as_str()?.to_owned()))
    });
    outcomes.collect()
}

/// A number of bytes in the largest unit that keeps it above one.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

fn seconds(milliseconds: u128) -> String {
    format!("{}.{:02} s", milliseconds / 1000, milliseconds % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_the_largest_unit() {
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KB"),
            (1999, "1.9 KB"),
            (999_999, "999.9 KB"),
            (1_000_000, "1.0 MB"),
            (4_321_000_000, "4.3 GB"),
            (u64::MAX, "18446744.0 TB"),
        ];
        for (size, expected) in table {
            assert_eq!(bytes(size), expected);
        }
    }

    #[test]
    fn times_are_told_in_seconds() {
        assert_eq!(seconds(0), "0.00 s");
        assert_eq!(seconds(1_099), "1.09 s");
        assert_eq!(seconds(61_500), "61.50 s");
    }
}
