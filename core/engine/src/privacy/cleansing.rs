//! Takes the rows of the suppressed out of what is stored: generations and the audit trail's events.
//!
//! What names them in the free text of another object is emptied.
//!
//! Only the list of suppressions decides, so that the same can be done again after a crash or after an
//! older copy was put back, when the names are no longer known.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, BooleanArray, RecordBatch, StringArray};
use arrow_select::filter::filter_record_batch;
use core_ingest::values::{FROM_KEY, TO_KEY};
use core_model::step::Step;
use core_privacy::mentions::Position;
use core_privacy::suppression::{MentionCache, Suppressions};
use core_store::{CleansedGeneration, Cleansing, RunLock, Table, TableKind};

use super::findings;
use super::identifiers::{self, Identifying, each_text, key};
use crate::failure::{Failure, FailureKind};
use crate::host::Host;
use crate::{audit, run};

/// The columns of an event that may name people, and what a name is there.
pub(super) const EVENT_TEXTS: [(&str, Position); 2] =
    [("account", Position::Account), ("raw", Position::Text)];

/// What was taken out.
#[derive(Debug)]
pub(super) struct Cleansed {
    pub generations: Vec<CleansedGeneration>,
    /// Free texts of other objects that named an erased person.
    pub texts: u64,
    pub events: u64,
    /// Findings of rules.
    pub findings: u64,
    /// Files with rows as they came, which were removed.
    pub raw_files: usize,
    /// The keys of the entities that went.
    pub keys: BTreeSet<String>,
}

/// Decides what stays of batches. Entities must come before the relationships of their generation, so
/// that the keys of those that go are known when the edges are looked at.
pub struct Cleanser<'a> {
    suppressions: &'a Suppressions,
    cache: RefCell<MentionCache>,
    removed: RefCell<HashSet<String>>,
    /// The texts that are emptied, by type, property and key: each counts once in all generations.
    emptied: RefCell<HashSet<(String, usize, String)>>,
}

/// Cleanses everything that is stored of a tenant.
pub(super) fn cleanse(
    host: &Host,
    lock: &RunLock,
    suppressions: &Suppressions,
) -> Result<Cleansed, Failure> {
    let raw_files = lock.remove_raw()?;
    let cleanser = Cleanser::new(suppressions);
    // A generation that has not been through all erasures is what tells, after a crash, that this has to
    // be done again: so these come last.
    let findings = findings::cleanse(host, lock, suppressions)?;
    let events = cleanse_events(host, lock, &cleanser)?;
    let generations = lock.cleanse(&Cleansing {
        personal_columns: &personal_columns,
        keep: &|table, batch| cleanser.keep(table, batch),
    })?;
    let texts = cleanser.emptied_texts();
    let keys = cleanser.removed.into_inner().into_iter().collect();
    Ok(Cleansed { generations, texts, events, findings, raw_files, keys })
}

impl Cleansed {
    /// How many rows of tables were taken out.
    pub(super) fn rows(&self) -> u64 {
        self.generations.iter().flat_map(|it| &it.tables).map(|(_, rows)| rows).sum()
    }
}

impl<'a> Cleanser<'a> {
    pub fn new(suppressions: &'a Suppressions) -> Self {
        let (cache, removed, emptied) = Default::default();
        Self { suppressions, cache, removed, emptied }
    }

    /// How many texts were emptied.
    pub fn emptied_texts(&self) -> u64 {
        self.emptied.borrow().len() as u64
    }

    /// Returns what stays of a batch; nothing if all of it does.
    pub fn keep(&self, table: &Table, batch: &RecordBatch) -> Option<RecordBatch> {
        let mut keep = vec![true; batch.num_rows()];
        let mut emptied = None;
        let mut removed = self.removed.borrow_mut();
        if table.kind == TableKind::Entity {
            let identifying = Identifying::of(&table.name, batch);
            for (row, keep) in keep.iter_mut().enumerate() {
                let mut identifiers = Vec::new();
                identifying.each(batch, row, |family, text| identifiers.push((family, text)));
                *keep = !self.suppressions.has_row(identifiers.iter().copied());
                if !*keep {
                    removed.insert(key(batch, row).to_owned());
                }
            }
            emptied = self.without_names(&table.name, batch, &keep);
        } else if !removed.is_empty() {
            for column in [FROM_KEY, TO_KEY].iter().filter_map(|it| batch.column_by_name(it)) {
                drop_edges(column.as_ref(), &removed, &mut keep);
            }
        }
        if keep.iter().all(|it| *it) {
            return emptied;
        }
        let rows = emptied.as_ref().unwrap_or(batch);
        let kept = filter_record_batch(rows, &BooleanArray::from(keep));
        Some(kept.expect("there is one decision for each row"))
    }

    /// Returns a batch without the free texts that name suppressed people; nothing if there are none in
    /// the rows that stay.
    fn without_names(
        &self,
        type_name: &str,
        batch: &RecordBatch,
        stays: &[bool],
    ) -> Option<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        let mut is_changed = false;
        for place in identifiers::free_texts(type_name, batch) {
            let Some(texts) = columns[place].as_string_opt::<i32>() else { continue };
            let keep = |(row, text): (usize, Option<&'_ str>)| {
                let is_named =
                    stays[row] && text.is_some_and(|it| self.is_named(Position::Text, it));
                if is_named {
                    let emptied = (type_name.to_owned(), place, key(batch, row).to_owned());
                    self.emptied.borrow_mut().insert(emptied);
                }
                text.filter(|_| !is_named).map(str::to_owned)
            };
            let kept: StringArray = texts.iter().enumerate().map(keep).collect();
            if kept.null_count() > texts.null_count() {
                columns[place] = Arc::new(kept);
                is_changed = true;
            }
        }
        let emptied = is_changed.then(|| RecordBatch::try_new(batch.schema(), columns))?;
        Some(emptied.expect("a free text may be missing"))
    }

    /// Returns which events of a batch stay: not those that a suppressed person caused or is named in.
    fn events_that_stay(&self, batch: &RecordBatch) -> Vec<bool> {
        let mut stays = vec![true; batch.num_rows()];
        for (name, position) in EVENT_TEXTS {
            let Some(column) = batch.column_by_name(name) else { continue };
            for (row, stays) in stays.iter_mut().enumerate() {
                each_text(column.as_ref(), row, &mut |text| {
                    *stays = *stays && !self.is_named(position, text);
                });
            }
        }
        stays
    }

    /// Returns the events of a batch that stay.
    pub fn kept_events(&self, batch: &RecordBatch) -> RecordBatch {
        let stays = BooleanArray::from(self.events_that_stay(batch));
        filter_record_batch(batch, &stays).expect("there is one decision for each row")
    }

    fn is_named(&self, position: Position, text: &str) -> bool {
        self.suppressions.are_named_in(position, text, &mut self.cache.borrow_mut())
    }
}

fn drop_edges(column: &dyn Array, removed: &HashSet<String>, keep: &mut [bool]) {
    let Some(dictionary) = column.as_dictionary_opt::<UInt32Type>() else {
        for (row, keep) in keep.iter_mut().enumerate() {
            each_text(column, row, &mut |key| *keep &= !removed.contains(key));
        }
        return;
    };
    let Some(keys) = dictionary.values().as_string_opt::<i32>() else { return };
    // Edges are ordered by their ends, so the same key comes many times in a row.
    let mut last = None;
    for (keep, number) in keep.iter_mut().zip(dictionary.keys().values()) {
        let goes = match last {
            Some((known, goes)) if known == *number => goes,
            _ => removed.contains(keys.value(*number as usize)),
        };
        last = Some((*number, goes));
        *keep &= !goes;
    }
}

fn personal_columns(table: &Table) -> Vec<String> {
    if let Some(entity) = identifiers::entity(&table.name) {
        return run::personal_columns(entity);
    }
    let steps = Step::all();
    let mut relationships = steps.iter().flat_map(|it| it.relationships);
    let found = relationships.find(|it| it.type_name == table.name);
    found.map_or_else(Vec::new, |it| run::personal_ends(it))
}

fn cleanse_events(host: &Host, lock: &RunLock, cleanser: &Cleanser<'_>) -> Result<u64, Failure> {
    if lock.tenant().uncleansed_events(audit::LOG)?.files().is_empty() {
        return Ok(0);
    }
    let mut appender = audit::appender(lock)?;
    let keep = |batch: &RecordBatch| BooleanArray::from(cleanser.events_that_stay(batch));
    appender.retain_where(&keep).map_err(|error| {
        if !error.is_damage() {
            return error.into();
        }
        let hint = format!(
            "nobody can be taken out of the events of the audit trail, since they cannot be read: restore \
             their files from a backup, or `{} backfill audit --start-over --from TIME` removes all events \
             and reads anew what Nexthink still has",
            host.program
        );
        Failure::new(FailureKind::DataRefused, anyhow::Error::new(error).context(hint))
    })
}
