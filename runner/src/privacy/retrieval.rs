//! Everything that is known of one person or device, for an answer to a request for access. Others who
//! turn up beside are not named.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use core_ingest::values::{FROM_KEY, TO_KEY};
use core_query::{Format, ResultWriter};
use core_store::{Generation, LedgerEntry, Table, TableKind, TenantStore};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::identifiers::{Identifying, each_text};
use super::search::Search;
use super::subject::{Kind, Subject};
use crate::audit;
use crate::config::Config;
use crate::exit::Failure;

/// What stands in the place of somebody else.
const REDACTED: &str = "[somebody else]";

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Retrieval {
    pub(crate) tenant: String,
    pub(crate) region: String,
    /// When it was made, RFC 3339.
    pub(crate) at: String,
    pub(crate) kind: &'static str,
    /// The published generation that objects are shown of.
    pub(crate) generation: Option<String>,
    /// What the subject is known by.
    pub(crate) identifiers: BTreeSet<String>,
    /// By type.
    pub(crate) entities: BTreeMap<String, Vec<Value>>,
    pub(crate) relationships: BTreeMap<String, Vec<Value>>,
    pub(crate) audit_events: Vec<Value>,
    /// Every kept generation that has it.
    pub(crate) history: Vec<Held>,
    /// Who got it.
    pub(crate) deliveries: Vec<Value>,
    pub(crate) retention: Value,
}

/// A generation that has the subject.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Held {
    pub(crate) generation: String,
    pub(crate) created_at: String,
    pub(crate) profile: String,
    pub(crate) objects: u64,
}

/// Puts everything together.
pub(crate) fn retrieve(
    config: &Config,
    tenant: &TenantStore,
    kind: Kind,
    subject: &Subject,
    at: String,
) -> Result<Retrieval, Failure> {
    let mut retrieval = Retrieval {
        tenant: config.tenant.as_str().to_owned(),
        region: config.region.as_str().to_owned(),
        at,
        kind: kind.name(),
        generation: None,
        identifiers: subject.texts.clone(),
        entities: BTreeMap::new(),
        relationships: BTreeMap::new(),
        audit_events: Vec::new(),
        history: Vec::new(),
        deliveries: Vec::new(),
        retention: retention(config),
    };
    if let Some(generation) = tenant.current()? {
        retrieval.generation = Some(generation.id().to_string());
        retrieval.take_objects(&generation, subject)?;
    }
    retrieval.take_events(tenant, subject)?;
    retrieval.take_history(tenant, subject)?;
    Ok(retrieval)
}

impl Retrieval {
    /// How many rows of the published generation there are.
    pub(crate) fn rows(&self) -> usize {
        self.entities.values().chain(self.relationships.values()).map(Vec::len).sum()
    }

    fn take_objects(&mut self, generation: &Generation, subject: &Subject) -> Result<(), Failure> {
        let mut keys = subject.keys.clone();
        let tables = &generation.manifest().tables;
        for table in tables.iter().filter(|it| it.kind == TableKind::Entity) {
            let rows = rows_of(generation, table, |batch| {
                let identifying = Identifying::of(&table.name, batch);
                let is_its = |row: usize| {
                    let mut is_its = false;
                    identifying.each(batch, row, |family, text| {
                        let form = core_privacy::canonical::canonical(family, text);
                        is_its |= form.is_some_and(|it| subject.identifiers.contains(&it));
                    });
                    is_its
                };
                (0..batch.num_rows()).map(is_its).collect()
            })?;
            keys.extend(rows.iter().filter_map(|row| row["_key"].as_str().map(str::to_owned)));
            if !rows.is_empty() {
                self.entities.insert(table.name.clone(), rows);
            }
        }
        self.redact(subject);
        for table in tables.iter().filter(|it| it.kind == TableKind::Relationship) {
            let rows = rows_of(generation, table, |batch| {
                let mut is_its = vec![false; batch.num_rows()];
                for column in [FROM_KEY, TO_KEY].iter().filter_map(|it| batch.column_by_name(it)) {
                    for (row, is_its) in is_its.iter_mut().enumerate() {
                        each_text(column.as_ref(), row, &mut |key| *is_its |= keys.contains(key));
                    }
                }
                is_its
            })?;
            if !rows.is_empty() {
                self.relationships.insert(table.name.clone(), rows);
            }
        }
        Ok(())
    }

    /// An alert on a shared device may name another user in its text.
    fn redact(&mut self, subject: &Subject) {
        for row in self.entities.values_mut().flatten() {
            redact_texts(row, subject);
        }
    }

    fn take_events(&mut self, tenant: &TenantStore, subject: &Subject) -> Result<(), Failure> {
        let search = Search::of(subject)?;
        for batch in tenant.events(audit::LOG)?.batches_from("") {
            for mut row in json_rows(&batch?)? {
                let text = ["account", "raw"].map(|it| row[it].as_str().unwrap_or("").to_owned());
                if text.iter().any(|it| search.is_in(it.as_bytes())) {
                    redact_texts(&mut row, subject);
                    self.audit_events.push(row);
                }
            }
        }
        Ok(())
    }

    fn take_history(&mut self, tenant: &TenantStore, subject: &Subject) -> Result<(), Failure> {
        for (id, objects) in subject.rows.iter().filter(|(_, objects)| **objects > 0) {
            let generation = tenant.generation(&id.parse()?)?;
            let manifest = generation.manifest();
            let profile = manifest.privacy.as_ref().map_or("full", |it| it.profile.as_str());
            self.history.push(Held {
                generation: id.clone(),
                created_at: manifest.created_at.clone(),
                profile: profile.to_owned(),
                objects: *objects,
            });
        }
        let has_it = |entry: &LedgerEntry| {
            let generation = entry.deed.facts.get("generation").and_then(Value::as_str);
            generation.is_some_and(|it| subject.rows.get(it).is_some_and(|rows| *rows > 0))
        };
        let recipients = ["delivery_started", "delivery_ended", "export"];
        let entries = tenant.ledger().entries()?.into_iter();
        let deliveries = entries
            .filter(|it| recipients.contains(&it.deed.event.as_str()) && has_it(it))
            .map(|it| json!({ "event": it.deed.event, "at": it.deed.at, "facts": it.deed.facts }));
        self.deliveries = deliveries.collect();
        Ok(())
    }
}

/// The rows of a table that are chosen, as JSON objects.
fn rows_of(
    generation: &Generation,
    table: &Table,
    choose: impl Fn(&RecordBatch) -> Vec<bool>,
) -> Result<Vec<Value>, Failure> {
    let mut rows = Vec::new();
    for batch in generation.batches(table.kind, &table.name)? {
        let batch = batch?;
        let chosen = choose(&batch);
        if chosen.iter().any(|it| *it) {
            let chosen = arrow_array::BooleanArray::from(chosen);
            let batch = arrow_select::filter::filter_record_batch(&batch, &chosen);
            let batch = batch.expect("there is one decision for each row");
            rows.extend(json_rows(&batch)?);
        }
    }
    Ok(rows)
}

/// The rows of a batch as JSON objects.
fn json_rows(batch: &RecordBatch) -> anyhow::Result<Vec<Value>> {
    let mut writer = ResultWriter::new(Format::Ndjson, &batch.schema(), Vec::new())?;
    writer.write(batch)?;
    let text = writer.finish()?;
    let lines = text.split(|it| *it == b'\n').filter(|it| !it.is_empty());
    Ok(lines.map(serde_json::from_slice).collect::<Result<_, _>>()?)
}

/// Takes the addresses and accounts of others out of every text of a row.
fn redact_texts(value: &mut Value, subject: &Subject) {
    match value {
        Value::String(text) => {
            let words: Vec<String> = super::cleansing::words(text)
                .filter(|word| names_somebody(word) && !is_its(word, subject))
                .map(str::to_owned)
                .collect();
            for word in words {
                *text = text.replace(&word, REDACTED);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|it| redact_texts(it, subject)),
        Value::Object(members) => members.values_mut().for_each(|it| redact_texts(it, subject)),
        _ => {}
    }
}

/// Whether a word has the form of an address or of an account in a domain.
fn names_somebody(word: &str) -> bool {
    let is_account = |(left, right): (&str, &str)| !left.is_empty() && !right.is_empty();
    word.split_once('@').is_some_and(is_account) || word.split_once('\\').is_some_and(is_account)
}

fn is_its(word: &str, subject: &Subject) -> bool {
    subject.texts.iter().any(|it| it.to_lowercase() == word.to_lowercase())
}

fn retention(config: &Config) -> Value {
    let windows = &config.retention;
    let mut retention = Map::new();
    retention.insert("generationsDays".to_owned(), json!(windows.generations.keep_days));
    retention.insert("quarantineDays".to_owned(), json!(windows.quarantine_days));
    retention.insert("ledgerDays".to_owned(), json!(windows.ledger_days));
    if let Some(audit) = &config.audit {
        retention.insert("auditDays".to_owned(), json!(audit.retention_days));
    }
    Value::Object(retention)
}
