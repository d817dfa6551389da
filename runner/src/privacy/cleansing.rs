//! Takes the rows of the suppressed out of what is stored: generations and the audit trail's events.
//!
//! Only the list of suppressions decides, so that the same can be done again after a crash or after an
//! older copy was put back, when nobody knows the names any more.

use std::cell::RefCell;
use std::collections::HashSet;

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use core_ingest::values::{FROM_KEY, TO_KEY};
use core_model::column::Family;
use core_model::step::Step;
use core_privacy::suppression::Suppressions;
use core_store::{CleansedGeneration, Cleansing, RunLock, Table, TableKind};

use super::identifiers::{self, Identifying, each_text, key};
use crate::audit;
use crate::exit::Failure;
use crate::run;

/// What was taken out.
#[derive(Debug)]
pub(crate) struct Cleansed {
    pub(crate) generations: Vec<CleansedGeneration>,
    pub(crate) events: u64,
    /// Files with rows as they came, which were removed.
    pub(crate) raw_files: usize,
}

/// Cleanses everything that is stored of a tenant.
pub(crate) fn cleanse(lock: &RunLock, suppressions: &Suppressions) -> Result<Cleansed, Failure> {
    let raw_files = lock.remove_raw()?;
    let removed = RefCell::new(HashSet::new());
    let generations = lock.cleanse(&Cleansing {
        personal_columns: &personal_columns,
        keep: &|table, batch| keep(table, batch, suppressions, &removed),
    })?;
    let events = cleanse_events(lock, suppressions)?;
    Ok(Cleansed { generations, events, raw_files })
}

/// What stays of a batch; nothing if all of it does. Entities come before relationships, so that the
/// keys of those that go are known when the edges are looked at.
fn keep(
    table: &Table,
    batch: &RecordBatch,
    suppressions: &Suppressions,
    removed: &RefCell<HashSet<String>>,
) -> Option<RecordBatch> {
    let mut keep = vec![true; batch.num_rows()];
    let mut removed = removed.borrow_mut();
    if table.kind == TableKind::Entity {
        let identifying = Identifying::of(&table.name, batch);
        if identifying.is_empty() {
            return None;
        }
        for (row, keep) in keep.iter_mut().enumerate() {
            identifying.each(batch, row, |family, text| *keep &= !suppressions.has(family, text));
            if !*keep {
                removed.insert(key(batch, row).to_owned());
            }
        }
    } else if !removed.is_empty() {
        for column in [FROM_KEY, TO_KEY].iter().filter_map(|it| batch.column_by_name(it)) {
            drop_edges(column.as_ref(), &removed, &mut keep);
        }
    }
    if keep.iter().all(|it| *it) {
        return None;
    }
    let kept = filter_record_batch(batch, &BooleanArray::from(keep));
    Some(kept.expect("there is one decision for each row"))
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

/// Events go that somebody did who is suppressed, and those that name such a one.
fn cleanse_events(lock: &RunLock, suppressions: &Suppressions) -> Result<u64, Failure> {
    if lock.tenant().events(audit::LOG)?.files().is_empty() {
        return Ok(0);
    }
    let mut appender = audit::appender(lock)?;
    let keep = |batch: &RecordBatch| {
        let columns = ["account", "raw"].iter().filter_map(|it| batch.column_by_name(it));
        let columns: Vec<_> = columns.collect();
        let stays = |row: usize| {
            let mut stays = true;
            for column in &columns {
                each_text(column.as_ref(), row, &mut |text| {
                    stays &= !names_suppressed(suppressions, text);
                });
            }
            stays
        };
        (0..batch.num_rows()).map(|row| Some(stays(row))).collect()
    };
    Ok(appender.retain_where(&keep)?)
}

/// Whether a text has an identifier of somebody suppressed as one of its words.
pub(crate) fn names_suppressed(suppressions: &Suppressions, text: &str) -> bool {
    if suppressions.is_empty() {
        return false;
    }
    let is_suppressed = |word: &str| Family::ALL.iter().any(|it| suppressions.has(*it, word));
    is_suppressed(text) || words(text).any(is_suppressed)
}

/// The pieces of a text that may be identifiers.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let separates = |it: char| {
        it.is_whitespace()
            || matches!(it, '"' | '\'' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>')
            || matches!(it, '=' | ';' | ',' | ':' | '|' | '`' | '*')
    };
    let words = text.split(separates).map(|word| word.trim_end_matches(['.', '!', '?']));
    words.filter(|word| !word.is_empty())
}
