//! Removes the rows of suppressed people from stored data: generations and the audit trail's events.
//!
//! A free text of another object that names them is emptied.
//!
//! Only the list of suppressions decides, so the same can be repeated after a crash or after an older copy was
//! restored, when the names are no longer known.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, BooleanArray, RecordBatch, StringArray};
use arrow_select::filter::filter_record_batch;
use core_model::relationship::{FROM_KEY, TO_KEY};
use core_privacy::mentions::Position;
use core_privacy::suppression::{MentionCache, Suppressions};
use core_store::{CleansedGeneration, Cleansing, EventAppender, RunLock, Table, TableKind};

use crate::error::ErasureError;
use crate::identifiers::{self, IdentifyingColumns, each_text, event_texts, key};

/// The effect of cleansing everything that is stored of a tenant.
#[derive(Debug)]
pub struct Cleansed {
    /// The effect on each generation.
    pub generations: Vec<CleansedGeneration>,
    /// The number of free texts of other objects that named an erased person and are empty now.
    pub texts: u64,
    /// The number of removed events.
    pub events: u64,
    /// The number of removed findings of rules.
    pub findings: u64,
    /// The number of removed files with unredacted rows.
    pub raw_files: usize,
    /// The keys of the removed entities.
    pub keys: BTreeSet<String>,
}

impl Cleansed {
    /// The number of removed rows of tables.
    pub fn rows(&self) -> u64 {
        let tables = self.generations.iter().flat_map(|cleansed| &cleansed.tables);
        tables.map(|(_, rows)| rows).sum()
    }
}

/// Decides which rows of batches stay. Entities must come before the relationships of their generation, so
/// that the keys of those that go are known when the edges are looked at.
pub struct Cleanser<'a> {
    suppressions: &'a Suppressions,
    cache: RefCell<MentionCache>,
    removed: RefCell<HashSet<String>>,
    /// The texts that are emptied, by type, property and key: each counts once in all generations.
    emptied: RefCell<HashSet<(String, usize, String)>>,
}

impl<'a> Cleanser<'a> {
    /// Makes a cleanser that removes the people of a list.
    pub fn new(suppressions: &'a Suppressions) -> Self {
        let (cache, removed, emptied) = Default::default();
        Self { suppressions, cache, removed, emptied }
    }

    /// Takes the rows of the erased out of every generation.
    ///
    /// # Errors
    ///
    /// Those of [`RunLock::cleanse`].
    pub fn cleanse_generations(
        &self,
        lock: &RunLock,
        personal_columns: &dyn Fn(&Table) -> Vec<String>,
    ) -> Result<Vec<CleansedGeneration>, ErasureError> {
        let keep = |table: &Table, batch: &RecordBatch| self.keep(table, batch);
        Ok(lock.cleanse(&Cleansing { personal_columns, keep: &keep })?)
    }

    /// Removes the events that an erased person caused or is named in. Returns their number. `program` is the command
    /// that starts the program.
    ///
    /// # Errors
    ///
    /// [`ErasureError::EventsDamaged`], with what to do, and [`ErasureError::Store`].
    pub fn cleanse_events(
        &self,
        appender: &mut EventAppender,
        program: &str,
    ) -> Result<u64, ErasureError> {
        let keep = |batch: &RecordBatch| BooleanArray::from(self.events_that_stay(batch));
        appender.retain_where(&keep).map_err(|source| {
            if source.is_damage() {
                ErasureError::EventsDamaged { program: program.to_owned(), source }
            } else {
                source.into()
            }
        })
    }

    /// The keys of the removed entities.
    pub fn into_removed_keys(self) -> BTreeSet<String> {
        self.removed.into_inner().into_iter().collect()
    }

    /// The number of emptied texts.
    pub fn emptied_texts(&self) -> u64 {
        self.emptied.borrow().len() as u64
    }

    /// Returns the remaining rows of a batch; `None` if it does not change.
    pub fn keep(&self, table: &Table, batch: &RecordBatch) -> Option<RecordBatch> {
        let mut keep = vec![true; batch.num_rows()];
        let mut emptied = None;
        let mut removed = self.removed.borrow_mut();
        if table.kind == TableKind::Entity {
            let identifying = IdentifyingColumns::new(&table.name, batch);
            for (row, keep) in keep.iter_mut().enumerate() {
                let mut identifiers = Vec::new();
                identifying.each(batch, row, |identifier_kind, text| {
                    identifiers.push((identifier_kind, text));
                });
                *keep = !self.suppressions.has_row(identifiers.iter().copied());
                if !*keep {
                    removed.insert(key(batch, row).to_owned());
                }
            }
            emptied = self.without_names(&table.name, batch, &keep);
        } else if !removed.is_empty() {
            for column in [FROM_KEY, TO_KEY].iter().filter_map(|name| batch.column_by_name(name)) {
                drop_edges(column.as_ref(), &removed, &mut keep);
            }
        }
        if keep.iter().all(|stays| *stays) {
            return emptied;
        }
        let rows = emptied.as_ref().unwrap_or(batch);
        let kept = filter_record_batch(rows, &BooleanArray::from(keep));
        Some(kept.expect("there is one decision for each row"))
    }

    /// Returns a batch without the free texts that name suppressed people; nothing if no remaining row has such a
    /// text.
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
                    stays[row] && text.is_some_and(|text| self.is_named(Position::Text, text));
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
        for (name, position) in event_texts() {
            let Some(column) = batch.column_by_name(name) else { continue };
            for (row, stays) in stays.iter_mut().enumerate() {
                each_text(column.as_ref(), row, &mut |text| {
                    *stays = *stays && !self.is_named(*position, text);
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
