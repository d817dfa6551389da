//! Unfinished erasures: interrupted ones, and those that left something behind. The next command that takes the lock
//! finishes them, searches for remains, and certifies them, or reports the obstacle.

use std::collections::BTreeSet;

use core_erasure::certificate::{self, Certificate, ErasureRecord};
use core_erasure::cleansing::Cleansed;
use core_erasure::lists::erasure_ids;
use core_erasure::{SearchReport, damage, list_search};
use core_privacy::suppression::SuppressionList;
use core_store::{DamagedGeneration, RunLock};
use serde_json::Value;

use super::elsewhere;
use crate::audit;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::ledger::{self, Event};
use crate::privacy::{all_suppressions, erased_people, tenant_name};

/// The work on erasures that are not certified yet.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    /// The rows and events that were removed just now.
    pub(super) cleansed: Option<&'a Cleansed>,
    /// The damaged generations that were removed just now.
    pub(super) removed: &'a [String],
    /// The generations that cannot be read, and so were not cleansed.
    pub(super) closed: Vec<DamagedGeneration>,
}

/// Returns true if the store has an erasure without a certificate, which the next command that takes the lock
/// finishes.
///
/// # Errors
///
/// The list of erased people or a certificate cannot be read.
pub fn is_any(engine: Engine<'_>, lock: &RunLock) -> Result<bool, Failure> {
    let Some(list) = all_suppressions(engine, lock.tenant())? else { return Ok(false) };
    for id in erasure_ids(&list) {
        if !certificate::is_certified(lock.tenant(), &id)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Searches for remains of the erasures without a certificate, and certifies them. Returns a sentence for each that
/// cannot be certified.
pub(super) fn certify(
    engine: Engine<'_>,
    lock: &RunLock,
    list: &SuppressionList,
    progress: &Progress<'_>,
) -> Result<Vec<String>, Failure> {
    let mut unfinished = BTreeSet::new();
    let mut is_any_new = false;
    for id in erasure_ids(list) {
        if !certificate::is_certified(lock.tenant(), &id)? {
            is_any_new |= !certificate::was_searched(lock.tenant(), &id)?;
            unfinished.insert(id);
        }
    }
    if unfinished.is_empty() {
        return Ok(progress
            .closed
            .iter()
            .map(|generation| damage::shortfall(&engine.host.program, generation))
            .collect());
    }
    let damaged = lock.tenant().damaged_generations()?;
    if !damaged.is_empty() {
        return Ok(damaged
            .iter()
            .map(|generation| damage::shortfall(&engine.host.program, generation))
            .collect());
    }
    if is_any_new {
        // They are compressed, so a search would find no one in them.
        lock.remove_raw()?;
    }
    let found = search(engine, lock, list, &unfinished)?;
    for id in &unfinished {
        let certificate = certificate_of(engine, lock, list, id, progress, &found)?;
        certificate::record_end(lock, &certificate, &found)?;
    }
    let erasures = unfinished.into_iter().collect::<Vec<_>>().join(", ");
    let places = found.certain.names();
    if places.is_empty() {
        tracing::warn!(erasures, "interrupted erasures are finished and certified");
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "erasure {erasures} is not certified, since there is still something in {}: erase what has the \
         same name there, such as a device; what names it beyond that goes with its generation",
        places.into_iter().collect::<Vec<_>>().join(", ")
    )])
}

/// Searches by the identifiers of the list: by reusable ones too, whatever their age.
fn search(
    engine: Engine<'_>,
    lock: &RunLock,
    list: &SuppressionList,
    unfinished: &BTreeSet<String>,
) -> Result<SearchReport, Failure> {
    let suppressions = erased_people(engine).matcher(Some(&list.of_erasures(unfinished)), "")?;
    Ok(list_search::search(lock.tenant(), audit::LOG, &suppressions)?)
}

fn certificate_of(
    engine: Engine<'_>,
    lock: &RunLock,
    list: &SuppressionList,
    id: &str,
    progress: &Progress<'_>,
    found: &SearchReport,
) -> Result<Certificate, Failure> {
    let cleansed = progress.cleansed;
    let record = ErasureRecord::new(list, id);
    let kind = record.kind.name();
    let rows_removed = cleansed.map_or(0, Cleansed::rows);
    let events_removed = cleansed.map_or(0, |cleansed| cleansed.events);
    let event = Event::Erasure {
        erasure: id,
        kind,
        reason: &record.reason,
        rows: rows_removed,
        events: events_removed,
        found_afterwards: found.certain.names().len(),
    };
    Ok(Certificate {
        id: id.to_owned(),
        at: record.at.clone(),
        tenant: tenant_name(engine),
        kind,
        reason: record.reason.clone(),
        was_interrupted: true,
        suppressed_identifiers: record.identifiers,
        shared_identifiers: None,
        generations: cleansed.map_or_else(Vec::new, |cleansed| cleansed.generations.clone()),
        rows_removed,
        texts_emptied: cleansed.map_or(0, |cleansed| cleansed.texts),
        events_removed,
        damaged_generations_removed: progress.removed.to_vec(),
        // The names are no longer known, so this was not searched for.
        possible_mentions: Value::Null,
        findings_removed: cleansed.map_or(0, |cleansed| cleansed.findings),
        raw_files_removed: cleansed.map_or(0, |cleansed| cleansed.raw_files),
        files_scanned: found.scanned_files,
        tables_scanned: found.scanned_tables,
        acts_in_ledger: found.acts_in_ledger,
        also_kept: lock.tenant().also_kept(),
        delivered_to: elsewhere::delivered_to(engine, lock.tenant()),
        ledger: ledger::record(engine.host, lock.tenant(), &event)?,
    })
}
