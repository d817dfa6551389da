//! Takes the rows of the suppressed out of what is stored: generations and the audit trail's events.
//!
//! What names them in the free text of another object is emptied.
//!
//! Only the list of suppressions decides, so that the same can be done again after a crash or after an
//! older copy was put back, when nobody knows the names any more.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, BooleanArray, RecordBatch, StringArray};
use arrow_select::filter::filter_record_batch;
use core_ingest::values::{FROM_KEY, TO_KEY};
use core_model::step::Step;
use core_privacy::suppression::{KnownWords, Suppressions};
use core_store::{CleansedGeneration, Cleansing, RunLock, Table, TableKind, TenantStore};

use super::identifiers::{self, Identifying, each_text, key};
use super::search::Findings;
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
    /// The keys of the entities that went.
    pub(crate) keys: BTreeSet<String>,
}

/// Cleanses everything that is stored of a tenant.
pub(crate) fn cleanse(lock: &RunLock, suppressions: &Suppressions) -> Result<Cleansed, Failure> {
    let raw_files = lock.remove_raw()?;
    // A generation that has not been through all erasures is what tells, after a crash, that this has to
    // be done again: so these come last.
    let events = cleanse_events(lock, suppressions)?;
    let removed = RefCell::new(HashSet::new());
    let generations = lock.cleanse(&Cleansing {
        personal_columns: &personal_columns,
        keep: &|table, batch| keep(table, batch, suppressions, &removed),
    })?;
    let keys = removed.into_inner().into_iter().collect();
    Ok(Cleansed { generations, events, raw_files, keys })
}

impl Cleansed {
    /// How many rows of tables were taken out.
    pub(crate) fn rows(&self) -> u64 {
        self.generations.iter().flat_map(|it| &it.tables).map(|(_, rows)| rows).sum()
    }
}

/// Looks for rows and events that cleansing would still take out or change.
pub(super) fn search(
    tenant: &TenantStore,
    suppressions: &Suppressions,
) -> Result<Findings, Failure> {
    let mut findings = Findings::default();
    for entry in tenant.history()? {
        let generation = tenant.generation(&entry.id)?;
        let removed = RefCell::new(HashSet::new());
        for table in &generation.manifest().tables {
            findings.scanned_tables += 1;
            for batch in generation.batches(table.kind, &table.name)? {
                if keep(table, &batch?, suppressions, &removed).is_some() {
                    findings.files.insert(format!("generations/{}: {}", entry.id, table.name));
                }
            }
        }
    }
    let events = tenant.events(audit::LOG)?;
    findings.scanned_tables += usize::from(!events.files().is_empty());
    let known = RefCell::default();
    for batch in events.batches_from("") {
        let batch = batch?;
        if kept_events(&batch, suppressions, &known).true_count() < batch.num_rows() {
            findings.files.insert("events/audit".to_owned());
        }
    }
    Ok(findings)
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
    let mut emptied = None;
    let mut removed = removed.borrow_mut();
    if table.kind == TableKind::Entity {
        let identifying = Identifying::of(&table.name, batch);
        if identifying.is_empty() {
            return None;
        }
        emptied = without_names(&table.name, batch, suppressions);
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
        return emptied;
    }
    let kept = filter_record_batch(emptied.as_ref().unwrap_or(batch), &BooleanArray::from(keep));
    Some(kept.expect("there is one decision for each row"))
}

/// A batch without the free texts that name somebody suppressed; nothing if there are none.
fn without_names(
    type_name: &str,
    batch: &RecordBatch,
    suppressions: &Suppressions,
) -> Option<RecordBatch> {
    let mut columns = batch.columns().to_vec();
    let mut known = KnownWords::default();
    let mut is_changed = false;
    for place in identifiers::free_texts(type_name, batch) {
        let Some(texts) = columns[place].as_string_opt::<i32>() else { continue };
        let mut names = |text: &str| suppressions.are_named_in(text, &mut known);
        let kept: StringArray = texts.iter().map(|it| it.filter(|text| !names(text))).collect();
        if kept.null_count() > texts.null_count() {
            columns[place] = Arc::new(kept);
            is_changed = true;
        }
    }
    let emptied = is_changed.then(|| RecordBatch::try_new(batch.schema(), columns))?;
    Some(emptied.expect("a free text may be missing"))
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
    if lock.tenant().uncleansed_events(audit::LOG)?.files().is_empty() {
        return Ok(0);
    }
    let mut appender = audit::appender(lock)?;
    let known = RefCell::default();
    Ok(appender.retain_where(&|batch| kept_events(batch, suppressions, &known))?)
}

/// Which events of a batch stay.
fn kept_events(
    batch: &RecordBatch,
    suppressions: &Suppressions,
    known: &RefCell<KnownWords>,
) -> BooleanArray {
    let columns = ["account", "raw"].iter().filter_map(|it| batch.column_by_name(it));
    let columns: Vec<_> = columns.collect();
    let stays = |row: usize| {
        let mut stays = true;
        for column in &columns {
            each_text(column.as_ref(), row, &mut |text| {
                stays = stays && !suppressions.are_named_in(text, &mut known.borrow_mut());
            });
        }
        stays
    };
    (0..batch.num_rows()).map(|row| Some(stays(row))).collect()
}
