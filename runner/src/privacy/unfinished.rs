//! Erasures that were interrupted: the next command that takes the lock finishes them, searches for what they
//! erased, and certifies them.
//!
//! Nobody knows the names any more, so the list of suppressions alone decides what is searched for: whether a
//! table or the events would lose anything if they were cleansed once more, and whether a word of any other
//! file is suppressed.

use std::collections::BTreeSet;
use std::path::Path;

use core_model::column::Family;
use core_privacy::mentions::Position;
use core_privacy::suppression::{MentionCache, SuppressionList, Suppressions};
use core_store::{RunLock, TenantStore};
use serde_json::Value;

use super::cleansing::{self, Cleansed};
use super::erasure::{self, Certificate};
use super::search::Findings;
use super::{erasure_ids, suppressions, tenant_name};
use crate::config::Config;
use crate::exit::Failure;
use crate::ledger::{self, Event};

/// The files whose bytes are compressed; their rows are searched instead.
const TABLE_FILE: &str = ".parquet";

/// Searches for what the erasures without a certificate have erased, and certifies them. `cleansed` is what
/// was taken out now.
pub(super) fn certify(
    config: &Config,
    lock: &RunLock,
    list: &SuppressionList,
    cleansed: Option<&Cleansed>,
) -> Result<(), Failure> {
    let mut unfinished = BTreeSet::new();
    for id in erasure_ids(list) {
        if !erasure::has_ended(lock.tenant(), &id)? {
            unfinished.insert(id);
        }
    }
    if unfinished.is_empty() {
        return Ok(());
    }
    let damaged = lock.tenant().damaged_generations()?;
    if !damaged.is_empty() {
        let generations: Vec<String> = damaged.iter().map(|it| it.id.to_string()).collect();
        tracing::error!(
            generations = generations.join(", "),
            "an erasure that was interrupted cannot be certified, since generations cannot be read: \
             `privacy erase --remove-damaged` removes them"
        );
        return Ok(());
    }
    let suppressions = suppressions(config, lock.tenant())?;
    let found = search(lock.tenant(), &suppressions)?;
    for id in unfinished {
        let certificate = certificate_of(config, lock, list, &id, cleansed, &found)?;
        erasure::end(lock, &certificate, &found)?;
        let places = found.certain.names();
        if places.is_empty() {
            tracing::warn!(
                erasure = id,
                "an erasure that was interrupted is finished and certified"
            );
        } else {
            let files = places.into_iter().collect::<Vec<_>>().join(", ");
            tracing::error!(
                erasure = id,
                files,
                "an erasure was interrupted, and something is left"
            );
        }
    }
    Ok(())
}

fn certificate_of(
    config: &Config,
    lock: &RunLock,
    list: &SuppressionList,
    id: &str,
    cleansed: Option<&Cleansed>,
    found: &Findings,
) -> Result<Certificate, Failure> {
    let entries: Vec<_> = list.entries().iter().filter(|entry| entry.erasure == id).collect();
    let is_of_device = |family| matches!(family, Family::DeviceUid | Family::DeviceName);
    let is_device = entries.iter().any(|entry| is_of_device(entry.family.0));
    let kind = if is_device { "device" } else { "user" };
    let reason = entries.first().map_or("", |entry| entry.reason.as_str());
    let rows_removed = cleansed.map_or(0, Cleansed::rows);
    let events_removed = cleansed.map_or(0, |it| it.events);
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
        tenant: tenant_name(config),
        kind,
        reason: reason.to_owned(),
        was_interrupted: true,
        suppressed_identifiers: entries.len(),
        shared_identifiers: None,
        generations: cleansed.map_or_else(Vec::new, |it| it.generations.clone()),
        rows_removed,
        texts_emptied: cleansed.map_or(0, |it| it.texts),
        events_removed,
        damaged_generations_removed: Vec::new(),
        // Nobody knows the names any more, so nothing was looked for.
        possible_mentions: Value::Null,
        raw_files_removed: cleansed.map_or(0, |it| it.raw_files),
        files_scanned: found.scanned_files,
        tables_scanned: found.scanned_tables,
        ledger: ledger::record(lock.tenant(), &event)?,
    })
}

fn search(tenant: &TenantStore, suppressions: &Suppressions) -> Result<Findings, Failure> {
    let mut findings = cleansing::search(tenant, suppressions)?;
    let mut known = MentionCache::default();
    for (name, path) in tenant.files()? {
        findings.scanned_files += 1;
        if !name.ends_with(TABLE_FILE) && names_anybody(&path, suppressions, &mut known)? {
            findings.certain.add(&name, "", "");
        }
    }
    Ok(findings)
}

fn names_anybody(
    path: &Path,
    suppressions: &Suppressions,
    known: &mut MentionCache,
) -> Result<bool, Failure> {
    let bytes = core_files::read_if_present(path).map_err(anyhow::Error::new)?.unwrap_or_default();
    Ok(suppressions.are_named_in(Position::Label, &String::from_utf8_lossy(&bytes), known))
}
