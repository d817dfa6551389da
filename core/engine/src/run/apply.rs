//! Applies a step: reads its files into the graph, and decides by its outcome which types may lose objects.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Instant;

use anyhow::Context as _;
use arrow_array::RecordBatch;
use core_ingest::edges::Edges;
use core_ingest::graph::Graph;
use core_ingest::outcome::{Outcome, PartialReason, ShrinkGuard};
use core_ingest::step::ingest_row;
use core_model::entity::EntityType;
use core_model::plan::{Decision, PlannedStep, SkipReason};
use core_model::step::Step;
use core_nexthink::ErrorKind;
use core_store::{Generation, TableKind};

use super::background_tables::BackgroundTableWriter;
use super::exports::{Fetched, FetchedFrom};
use super::read::{Reader, Reading, Unreadable};
use super::report::{StepOutcome, StepReport};
use super::{RunState, fetch_files, parts};
use crate::cancellation::Cancellation;
use crate::host::Host;
use crate::settings::Settings;

const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// The graph while it grows, and the report of each step.
pub(super) struct Applier {
    pub(super) graph: Graph,
    pub(super) previous: Option<Generation>,
    accept_shrink: Vec<String>,
    reading: Reading,
    /// True if the previous generation has other privacy settings, so that nothing may be carried over.
    replaces_all: bool,
    /// The state that its run left.
    state: RunState,
    /// Writes the entity tables of applied steps.
    pub(super) tables_writer: BackgroundTableWriter,
    cancellation: Cancellation,
    /// True for each type that may lose objects.
    pub(super) may_lose: BTreeMap<&'static str, bool>,
    pub(super) reports: Vec<StepReport>,
    /// The kinds of the failures so far.
    failures: Vec<ErrorKind>,
    /// The number of parts of each step in its last complete export.
    pub(super) parts: BTreeMap<String, u32>,
    /// The downloads that the graph contains. Those of an incomplete step stay for the next run.
    pub(super) used: BTreeSet<String>,
    /// The downloads of steps that would have removed too much.
    pub(super) held: Vec<String>,
    host: Host,
}

/// The state that a run builds on.
pub(super) struct Base {
    /// The published generation.
    pub(super) previous: Option<Generation>,
    /// True if it has other privacy settings, so that nothing may be carried over.
    pub(super) replaces_all: bool,
    /// The state that its run left.
    pub(super) state: RunState,
}

impl Applier {
    pub(super) fn new(
        base: Base,
        reading: Reading,
        accept_shrink: Vec<String>,
        tables_writer: BackgroundTableWriter,
        cancellation: Cancellation,
        host: Host,
    ) -> Applier {
        let Base { previous, replaces_all, state } = base;
        Applier {
            graph: Graph::default(),
            previous,
            accept_shrink,
            reading,
            replaces_all,
            tables_writer,
            cancellation,
            may_lose: BTreeMap::new(),
            reports: Vec::new(),
            failures: Vec::new(),
            parts: state.parts.clone(),
            state,
            used: BTreeSet::new(),
            held: Vec::new(),
            host,
        }
    }

    /// Applies one step: its export, its row, or nothing if it was skipped or failed.
    pub(super) fn apply(
        &mut self,
        planned: &PlannedStep,
        export: Option<Fetched>,
        row: Option<&[(&'static str, String)]>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let step = planned.step;
        if matches!(planned.decision, Decision::Skip(SkipReason::Off { .. }))
            && !self.was_made(step)
        {
            return Ok(());
        }
        let mut report = StepReport::new(step);
        let outcome = match (&planned.decision, export, row) {
            (Decision::Skip(reason), ..) => {
                report.reason = Some(reason.to_string());
                self.graph.add_empty(step);
                Outcome::Skipped
            }
            (Decision::Run, _, Some(row)) => self.apply_row(step, row, &mut report)?,
            (Decision::Run, Some(fetched), None) => {
                self.apply_fetched(step, fetched, &mut report)?
            }
            (Decision::Run, None, ..) => anyhow::bail!("step {} has no rows to apply", step.id),
        };
        let outcome = self.guard(step, outcome, &mut report)?;
        self.settle(step, outcome)?;
        report.describe(step, outcome, &self.graph, started.elapsed(), self.host.now());
        tracing::info!(
            step_id = step.id,
            outcome = outcome.name(),
            n_rows = report.rows.read,
            n_entities = report.entities,
            n_relationships = report.relationships,
            n_dangling = report.dangling,
            "step ended"
        );
        self.reports.push(report);
        let closed = step.entities.iter().filter_map(|entity| self.graph.close(entity.type_name));
        closed.for_each(|entities| self.tables_writer.write(entities));
        Ok(())
    }

    /// Returns true if the previous generation has a type of a step.
    fn was_made(&self, step: &Step) -> bool {
        let previous = self.previous.iter().flat_map(|generation| &generation.manifest().tables);
        previous.into_iter().any(|table| step.type_names().any(|name| name == table.name))
    }

    /// Returns the report of an applied step.
    pub(super) fn report(&self, step_id: &str) -> Option<&StepReport> {
        self.reports.iter().find(|report| report.id == step_id)
    }

    /// Returns true if any export could be used.
    pub(super) fn anything_fetched(&self) -> bool {
        let mut exports = self.reports.iter().filter(|report| report.query_id.is_some());
        exports.any(|report| matches!(report.outcome, StepOutcome::Complete | StepOutcome::Partial))
    }

    /// Returns true if every step that was to run is complete.
    pub(super) fn all_complete(&self) -> bool {
        self.reports.iter().all(|report| report.outcome.lacks_nothing())
    }

    /// Returns the first step that keeps the run from replacing the previous generation, if everything must be
    /// replaced.
    pub(super) fn keeps_from_replacing(&self) -> Option<&StepReport> {
        if !self.replaces_all {
            return None;
        }
        // A skipped step has nothing to replace, as was checked before the run.
        self.reports.iter().find(|report| !report.outcome.lacks_nothing())
    }

    /// Returns the kind of failure to report for a run that fetched nothing. Failures that need a person to act come
    /// before transient ones.
    pub(super) fn worst_failure(&self) -> Option<ErrorKind> {
        self.failures.iter().copied().min_by_key(|kind| match kind {
            ErrorKind::Credentials => 0,
            ErrorKind::Configuration => 1,
            ErrorKind::Query => 2,
            ErrorKind::Data => 3,
            ErrorKind::Local => 4,
            ErrorKind::Unreachable => 5,
            ErrorKind::Deferred => 6,
        })
    }

    fn apply_row(
        &mut self,
        step: &'static Step,
        row: &[(&'static str, String)],
        report: &mut StepReport,
    ) -> anyhow::Result<Outcome> {
        let row: Vec<(&str, &str)> =
            row.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let tables = ingest_row(step, &self.graph, &row)?;
        report.account(&tables.account);
        self.graph.add(tables);
        Ok(Outcome::Complete)
    }

    fn apply_fetched(
        &mut self,
        step: &'static Step,
        fetched: Fetched,
        report: &mut StepReport,
    ) -> anyhow::Result<Outcome> {
        let source = fetched.source.to_string();
        let is_export = matches!(fetched.source, FetchedFrom::Query(_));
        report.query_id = Some(source.clone());
        report.fetch_ms = fetched.took.as_millis();
        report.exports = fetched.exports;
        let delivery = match fetched.result {
            Ok(delivery) => delivery,
            Err(error) => {
                let deferred = error.kind() == ErrorKind::Deferred;
                self.fail(step, error.kind(), error.message(), report);
                return Ok(if deferred { Outcome::Deferred } else { Outcome::Failed });
            }
        };
        report.deliver(&delivery);
        report.date_files(&delivery.modified_ms, self.host.now());
        let reader = Reader { step, reading: &self.reading, cancellation: &self.cancellation };
        match reader.read(&self.graph, &delivery) {
            Ok(mut read) => {
                report.read(&read);
                if !is_export {
                    self.judge_files(step, &mut read.outcome, report);
                }
                self.reading.protection = read.tables.protection.take();
                self.graph.add(read.tables);
                if delivery.lacking.is_none() {
                    self.parts.insert(step.id.to_owned(), delivery.parts);
                    self.used.extend(delivery.downloads().map(str::to_owned));
                }
                Ok(read.outcome)
            }
            Err(Unreadable { download, error }) => {
                self.cancellation.check()?;
                let kind = if is_local(&error) { ErrorKind::Local } else { ErrorKind::Data };
                // A rejected file would be rejected again, so the next run must not resume it.
                if let Some(download) = download.filter(|_| kind == ErrorKind::Data) {
                    self.reading.files.downloads().remove(&download)?;
                }
                let what = if is_export { "the export of query" } else { "the file" };
                let message = format!("{what} {source} was refused: {error:#}");
                self.fail(step, kind, message, report);
                Ok(Outcome::Failed)
            }
        }
    }

    /// Makes files prove nothing if their end may be missing, or if later ones were read before.
    fn judge_files(&self, step: &Step, outcome: &mut Outcome, report: &mut StepReport) {
        if *outcome == Outcome::Partial(PartialReason::LengthUnproven) {
            report.reason = Some(fetch_files::UNSETTLED.to_owned());
        }
        let before = self.state.files_modified_ms(step.id).iter();
        // One that was dated ahead of the clock, by a clock that was wrong, proves nothing.
        let clock_ms = self.host.now().0;
        let mut pairs = report.files_modified_ms.iter().zip(before);
        let is_older = pairs.any(|(now, before)| now < before && *before <= clock_ms);
        if *outcome == Outcome::Complete && is_older {
            *outcome = Outcome::Partial(PartialReason::LengthUnproven);
            report.reason = Some(fetch_files::OLDER.to_owned());
        }
    }

    fn fail(
        &mut self,
        step: &'static Step,
        kind: ErrorKind,
        message: String,
        report: &mut StepReport,
    ) {
        tracing::info!(step_id = step.id, error = message, "step failed");
        self.graph.add_empty(step);
        report.reason = Some(message);
        self.failures.push(kind);
    }

    /// Makes a complete step partial if it would remove too much without consent.
    fn guard(
        &mut self,
        step: &'static Step,
        outcome: Outcome,
        report: &mut StepReport,
    ) -> anyhow::Result<Outcome> {
        report.reason = report.reason.take().or_else(|| match outcome {
            Outcome::Partial(reason) => Some(reason.to_string()),
            _ => None,
        });
        if outcome != Outcome::Complete {
            return Ok(outcome);
        }
        // A profile may keep nothing by which an erasure finds a person in the store, so that the run is the first to
        // remove them; one row may have been an object of each type. Rows that the last run has left out already excuse
        // nothing: Nexthink goes on exporting them.
        let suppressed = report.rows.suppressed.saturating_sub(self.state.suppressed(step.id));
        let excused = suppressed + self.expired(step)?;
        let removals = self.removals(step)?;
        let mut refused = removals.clone();
        refused.retain(|(type_name, before, removed)| {
            let is_accepted = self.accept_shrink.iter().any(|accepted| accepted == type_name);
            let removed = removed.saturating_sub(excused);
            ShrinkGuard::default().rejects(*before, removed) && !is_accepted
        });
        if refused.is_empty() {
            report.note_removals(&removals);
            return Ok(outcome);
        }
        let shrinking = refused.iter().map(|(type_name, before, removed)| {
            format!("{removed} of {before} `{type_name}` would be removed")
        });
        let flags = refused.iter().map(|(type_name, ..)| format!("--accept-shrink {type_name}"));
        // The same rows can be used once the operator has accepted the removal.
        let of_parts = parts::download_prefix(step.id);
        self.held.extend(
            self.used.extract_if(.., |name| name == step.id || name.starts_with(&of_parts)),
        );
        report.reason = Some(format!(
            "{}; if that is right, run once with {}",
            shrinking.collect::<Vec<_>>().join(" and "),
            flags.collect::<Vec<_>>().join(" ")
        ));
        Ok(Outcome::Partial(PartialReason::Shrunk))
    }

    /// Counts the events of the previous generation that are gone because of their age. Each has one relationship of a
    /// type at most. The age is reckoned from the newest event, since the clock may be wrong.
    fn expired(&self, step: &Step) -> anyhow::Result<u64> {
        let Some(expiry) = step.query().and_then(|query| query.expiry) else { return Ok(0) };
        let mut expired = 0;
        for entity in step.entities {
            let table = self.graph.entity_table(entity.type_name);
            let Some(newest) = table.and_then(|table| table.newest_ms(expiry.property)) else {
                continue;
            };
            let newest = newest.min(self.host.now().to_timestamp().as_millisecond());
            let oldest = newest - i64::from(expiry.days) * DAY_MS;
            for batch in self.before(TableKind::Entity, entity.type_name)? {
                expired += self.graph.count_expired(entity, &batch?, expiry.property, oldest)?;
            }
        }
        Ok(expired)
    }

    /// Returns, for each type of the step, the number of objects in the previous generation, and how many of them a
    /// complete outcome would remove. An edge that is removed with an end of another step is not counted, since the
    /// end counts for that step.
    fn removals(&self, step: &Step) -> anyhow::Result<Vec<(&'static str, u64, u64)>> {
        let mut removals = Vec::new();
        if self.replaces_all {
            return Ok(self.losses(step));
        }
        for entity in step.entities {
            let (mut before, mut removed) = (0, 0);
            for batch in self.before(TableKind::Entity, entity.type_name)? {
                let batch = batch?;
                before += batch.num_rows() as u64;
                removed += self.graph.count_missing(entity, &batch)?;
            }
            removals.push((entity.type_name, before, removed));
        }
        for relationship in step.relationships {
            let (mut before, mut removed) = (0, 0);
            for batch in self.before(TableKind::Relationship, relationship.type_name)? {
                self.cancellation.check()?;
                let batch = batch?;
                before += batch.num_rows() as u64;
                removed += self.graph.count_missing_edges(step, relationship, &batch)?;
            }
            removals.push((relationship.type_name, before, removed));
        }
        Ok(removals)
    }

    /// The same if all keys have changed, so that only the numbers can be compared.
    fn losses(&self, step: &Step) -> Vec<(&'static str, u64, u64)> {
        let before = |kind, name: &str| {
            let previous = self.previous.as_ref().map(Generation::manifest);
            previous.and_then(|manifest| manifest.table(kind, name)).map_or(0, |table| table.rows)
        };
        let entities = step.entities.iter().map(|entity| {
            let table = self.graph.entity_table(entity.type_name);
            let now = table.map_or(0, |table| table.len() as u64);
            (entity.type_name, before(TableKind::Entity, entity.type_name), now)
        });
        let relationships = step.relationships.iter().map(|relationship| {
            let type_name = relationship.type_name;
            let now = self.graph.edges(type_name).map_or(0, Edges::len);
            (type_name, before(TableKind::Relationship, type_name), now)
        });
        let all = entities.chain(relationships);
        all.map(|(name, before, now)| (name, before, before.saturating_sub(now))).collect()
    }

    /// Carries over the objects that the step's types must not lose.
    fn settle(&mut self, step: &'static Step, outcome: Outcome) -> anyhow::Result<()> {
        for entity in step.entities {
            self.keep_doubtful(entity)?;
            self.may_lose.insert(entity.type_name, outcome.may_remove_entities());
            if outcome.may_remove_entities() {
                continue;
            }
            for batch in self.before(TableKind::Entity, entity.type_name)? {
                self.cancellation.check()?;
                self.graph.carry_over_entities(entity, &batch?)?;
            }
        }
        for relationship in step.relationships {
            let [from, to] = [&relationship.from, &relationship.to]
                .map(|end| self.may_lose.get(end.entity.type_name) == Some(&true));
            let may_lose = outcome.may_remove_edges(from, to);
            self.may_lose.insert(relationship.type_name, may_lose);
            if may_lose {
                continue;
            }
            for batch in self.before(TableKind::Relationship, relationship.type_name)? {
                self.cancellation.check()?;
                self.graph.carry_over_edges(relationship, &batch?)?;
            }
        }
        Ok(())
    }

    /// Keeps the earlier values of properties that the export does not have.
    fn keep_doubtful(&mut self, entity: &'static EntityType) -> anyhow::Result<()> {
        let table = self.graph.entity_table(entity.type_name);
        if table.is_none_or(|table| table.is_empty() || !table.may_keep_earlier()) {
            return Ok(());
        }
        let before = self.before(TableKind::Entity, entity.type_name)?;
        let before = before.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(self.graph.keep_earlier(entity, &before)?)
    }

    /// The rows of a type in the previous generation; none if it has no such table.
    fn before(
        &self,
        kind: TableKind,
        name: &str,
    ) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<RecordBatch>>>> {
        let previous = self.previous.as_ref().filter(|_| !self.replaces_all);
        let Some(previous) = previous else { return Ok(Box::new(std::iter::empty())) };
        if previous.manifest().table(kind, name).is_none() {
            return Ok(Box::new(std::iter::empty()));
        }
        let id = previous.id().to_string();
        let unreadable = move || {
            format!(
                "generation {id}, which this run builds on, cannot be read; to build on an older \
                 one, write its ID into the file CURRENT of the tenant's folder"
            )
        };
        let batches = previous.batches(kind, name).with_context(&unreadable)?;
        Ok(Box::new(batches.map(move |batch| batch.with_context(&unreadable))))
    }
}

/// Returns true if reading failed because of this machine and not because of the content: failures of the operating
/// system have an error number.
pub fn is_local(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.raw_os_error().is_some())
}

/// The only row of the account step.
pub(super) fn account_row(settings: &Settings) -> Vec<(&'static str, String)> {
    let (tenant, region) = (settings.tenant.as_str(), settings.region.as_str());
    let name = settings.account.name.clone();
    let display_name = name.clone().unwrap_or_else(|| format!("Nexthink {tenant} ({region})"));
    vec![
        ("account.tenant_id", tenant.to_owned()),
        ("account.region", region.to_owned()),
        ("account.name", name.unwrap_or_default()),
        ("account.display_name", display_name),
        ("account.description", settings.account.description.clone().unwrap_or_default()),
        ("account.url", settings.web_address()),
    ]
}

#[cfg(test)]
mod tests;
