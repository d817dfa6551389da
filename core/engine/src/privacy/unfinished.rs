//! Erasures that were interrupted, or that left something behind: the next command that takes the lock
//! finishes them, searches for what they erased, and certifies them, or says what is in the way.

use std::collections::BTreeSet;

use core_model::column::Family;
use core_privacy::suppression::SuppressionList;
use core_store::{DamagedGeneration, RunLock};
use serde_json::Value;

use super::cleansing::Cleansed;
use super::erasure::{self, Certificate};
use super::search::Findings;
use super::{damage, erasure_ids, list_search, load_keys, tenant_name};
use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::ledger::{self, Event};

/// What was done for erasures before they are certified.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    /// What was taken out now.
    pub(super) cleansed: Option<&'a Cleansed>,
    /// The damaged generations that were removed now.
    pub(super) removed: &'a [String],
    /// The generations that cannot be read, and so were not cleansed.
    pub(super) closed: Vec<DamagedGeneration>,
}

/// Searches for what the erasures without a certificate have erased, and certifies them. Returns why some
/// of them cannot be certified, a sentence each.
pub(super) fn certify(
    engine: Engine<'_>,
    lock: &RunLock,
    list: &SuppressionList,
    progress: &Progress<'_>,
) -> Result<Vec<String>, Failure> {
    let mut unfinished = BTreeSet::new();
    let mut is_any_new = false;
    for id in erasure_ids(list) {
        if !erasure::is_certified(lock.tenant(), &id)? {
            is_any_new |= !erasure::was_searched(lock.tenant(), &id)?;
            unfinished.insert(id);
        }
    }
    if unfinished.is_empty() {
        return Ok(progress
            .closed
            .iter()
            .map(|generation| damage::shortfall(engine.host, generation))
            .collect());
    }
    let damaged = lock.tenant().damaged_generations()?;
    if !damaged.is_empty() {
        return Ok(damaged
            .iter()
            .map(|generation| damage::shortfall(engine.host, generation))
            .collect());
    }
    if is_any_new {
        // They are compressed, so that a search would find nobody in them.
        lock.remove_raw()?;
    }
    let found = search(engine, lock, list, &unfinished)?;
    for id in &unfinished {
        let certificate = certificate_of(engine, lock, list, id, progress, &found)?;
        erasure::end(lock, &certificate, &found)?;
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

/// Searches by what cleansing has taken out: by reusable identifiers too, whatever their age.
fn search(
    engine: Engine<'_>,
    lock: &RunLock,
    list: &SuppressionList,
    unfinished: &BTreeSet<String>,
) -> Result<Findings, Failure> {
    let keys = load_keys(engine)?;
    let matcher = list.of_erasures(unfinished).matcher(&keys, &tenant_name(engine), "");
    let suppressions = matcher.map_err(|error| Failure::new(FailureKind::Configuration, error))?;
    Ok(list_search::search(lock.tenant(), &suppressions)?)
}

fn certificate_of(
    engine: Engine<'_>,
    lock: &RunLock,
    list: &SuppressionList,
    id: &str,
    progress: &Progress<'_>,
    found: &Findings,
) -> Result<Certificate, Failure> {
    let cleansed = progress.cleansed;
    let entries: Vec<_> = list.entries().iter().filter(|entry| entry.erasure == id).collect();
    let is_of_device = |family| matches!(family, Family::DeviceUid | Family::DeviceName);
    let is_device = entries.iter().any(|entry| is_of_device(entry.family.0));
    let kind = if is_device { "device" } else { "user" };
    let reason = entries.first().map_or("", |entry| entry.reason.as_str());
    let rows_removed = cleansed.map_or(0, Cleansed::rows);
    let events_removed = cleansed.map_or(0, |cleansed| cleansed.events);
    let event = Event::Erasure {
        erasure: id,
        kind,
        reason,
        rows: rows_removed,
        events: events_removed,
        found_afterwards: found.certain.names().len(),
    };
    Ok(Certificate {
        id: id.to_owned(),
        at: entries.first().map_or_else(String::new, |entry| entry.since.clone()),
        tenant: tenant_name(engine),
        kind,
        reason: reason.to_owned(),
        was_interrupted: true,
        suppressed_identifiers: entries.len(),
        shared_identifiers: None,
        generations: cleansed.map_or_else(Vec::new, |cleansed| cleansed.generations.clone()),
        rows_removed,
        texts_emptied: cleansed.map_or(0, |cleansed| cleansed.texts),
        events_removed,
        damaged_generations_removed: progress.removed.to_vec(),
        // Nobody knows the names any more, so nothing was looked for.
        possible_mentions: Value::Null,
        findings_removed: cleansed.map_or(0, |cleansed| cleansed.findings),
        raw_files_removed: cleansed.map_or(0, |cleansed| cleansed.raw_files),
        files_scanned: found.scanned_files,
        tables_scanned: found.scanned_tables,
        ledger: ledger::record(engine.host, lock.tenant(), &event)?,
    })
}
