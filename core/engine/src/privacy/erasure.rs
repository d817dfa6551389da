//! One erasure: whom it is about is found, suppressed for good, taken out of everything that is stored,
//! looked for in every byte, and certified.
//!
//! The list of suppressions is written before anything is taken out, so that a crash in between serves
//! nobody: generations that have not been through all erasures are not opened, and the next run goes on.

use std::collections::BTreeSet;

use core_model::column::Family;
use core_privacy::keys::KeyRing;
use core_privacy::suppression::{Erasure, SuppressionList};
use core_store::{CleansedGeneration, LedgerHead, RunLock, StoreError, TenantStore};
use serde::Serialize;
use serde_json::Value;

use super::cleansing::Cleanser;
use super::search::{Findings, Search};
use super::subject::{AllPseudonyms, Kind, Subject, find};
use super::{Recleansing, cleansing, damage, erasure_ids, save_suppressions, tenant_name};
use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::ledger::{self, Event};

/// What is to be erased, and why.
pub struct Request<'a> {
    /// Whether a person or a device is erased.
    pub kind: Kind,
    /// What the operator typed: identifiers of one and the same person or device.
    pub typed: &'a [String],
    /// A word.
    pub reason: &'a str,
    /// True if generations that cannot be read may be removed.
    pub removes_damaged: bool,
}

/// The result of an erasure, without names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// The ID of the erasure.
    pub id: String,
    /// When it was done, RFC 3339.
    pub at: String,
    /// The tenant with its region.
    pub tenant: String,
    /// `user` or `device`.
    pub kind: &'static str,
    /// The operator's reason.
    pub reason: String,
    /// True if it was interrupted, and finished by a later command: then the numbers say what was left to do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub was_interrupted: bool,
    /// How many identifiers and pseudonyms are suppressed from now on.
    pub suppressed_identifiers: usize,
    /// Identifiers that others have too, and that are therefore not suppressed; unknown after an
    /// interruption.
    pub shared_identifiers: Option<usize>,
    /// What was taken out of each generation.
    pub generations: Vec<CleansedGeneration>,
    /// How many rows were removed.
    pub rows_removed: u64,
    /// Free texts of other objects that named it, which are empty now.
    pub texts_emptied: u64,
    /// How many events were removed.
    pub events_removed: u64,
    /// Findings of rules that were about it.
    pub findings_removed: u64,
    /// Generations that could not be read and were removed as a whole.
    pub damaged_generations_removed: Vec<String>,
    /// Places that may name it by a word that may mean something else, for a person to decide. They have
    /// no values.
    pub possible_mentions: Value,
    /// How many files with rows as they came were removed.
    pub raw_files_removed: usize,
    /// How many files were searched afterwards.
    pub files_scanned: usize,
    /// How many tables were searched afterwards.
    pub tables_scanned: usize,
    /// The ledger's entry of this erasure.
    pub ledger: LedgerHead,
}

impl Certificate {
    /// How many rows may name it and were left.
    pub fn possible_mentions(&self) -> u64 {
        let places = self.possible_mentions.as_array().into_iter().flatten();
        places.filter_map(|it| it["rows"].as_u64()).sum()
    }
}

/// What came of an erasure.
pub struct Erased {
    /// The certificate.
    pub certificate: Certificate,
    /// The keys of the entities that went, for those who have to look for them elsewhere.
    pub keys: BTreeSet<String>,
}

/// Finds whom a request is about. Generations that an earlier erasure has not reached are cleansed
/// first, since they are not opened. Returns also why earlier erasures are not finished.
pub fn subject(
    engine: Engine<'_>,
    lock: &RunLock,
    keys: &KeyRing,
    request: &Request<'_>,
) -> Result<(Subject, Vec<String>), Failure> {
    let Recleansing { shortfalls, .. } = super::cleanse_what_came_back(engine, lock)?;
    let pseudonyms = AllPseudonyms::new(keys, &tenant_name(engine));
    Ok((find(lock.tenant(), request.kind, request.typed, &pseudonyms)?, shortfalls))
}

/// Finds out what an erasure would take out, and which places it would leave for a person to decide.
pub fn preview(
    engine: Engine<'_>,
    lock: &RunLock,
    keys: &KeyRing,
    subject: &Subject,
) -> Result<Findings, Failure> {
    let refused = |error| Failure::new(FailureKind::Configuration, error);
    let mut list = SuppressionList::new(keys);
    let tenant = tenant_name(engine);
    let erasure = Erasure { id: "preview", since: "", reason: "" };
    list.suppress(keys, &tenant, erasure, identifiers(subject)).map_err(refused)?;
    let suppressions = list.matcher(keys, &tenant, "").map_err(refused)?;
    let cleanser = Cleanser::new(&suppressions);
    Ok(Search::new(subject)?.preview(lock.tenant(), subject, &cleanser)?)
}

fn identifiers(subject: &Subject) -> impl Iterator<Item = (Family, &str)> {
    subject.identifiers.iter().map(|(family, text)| (*family, text.as_str()))
}

/// Removes the generations that cannot be read, if that is wanted, and returns their IDs. Erasures that could
/// not be finished because of them are finished then.
///
/// # Errors
/// [`FailureKind::DataRefused`] if it is not wanted, or if the published one is among them.
fn remove_damaged(
    engine: Engine<'_>,
    lock: &RunLock,
    request: &Request<'_>,
    subject: &Subject,
) -> Result<Vec<String>, Failure> {
    damage::refuse_published(engine.host, &subject.damaged)?;
    if subject.damaged.is_empty() {
        return Ok(Vec::new());
    }
    if request.removes_damaged {
        let removed = damage::remove(engine.host, lock, &subject.damaged)?;
        super::cleanse_without_damaged(engine, lock, &removed)?;
        return Ok(removed);
    }
    let damaged: Vec<String> = subject.damaged.iter().map(damage::describe).collect();
    let error = anyhow::anyhow!(
        "nothing was erased, since these generations cannot be read and nobody can be taken out \
         of them: {}; `--remove-damaged` removes them, with what they tell of the past, and goes on",
        damaged.join("; ")
    );
    Err(Failure::new(FailureKind::DataRefused, error))
}

/// Erases.
///
/// # Errors
/// [`FailureKind::DataRefused`] with the names of files in which something was found afterwards, or with the
/// generations that cannot be read.
pub fn erase(
    engine: Engine<'_>,
    lock: &RunLock,
    keys: &KeyRing,
    request: &Request<'_>,
    subject: &Subject,
) -> Result<Erased, Failure> {
    let damaged_generations_removed = remove_damaged(engine, lock, request, subject)?;
    let now = engine.host.now();
    let (id, at) = (format!("e-{}", engine.host.new_id(now)?), now.to_rfc3339());
    let tenant = tenant_name(engine);
    let refused = |error| Failure::new(FailureKind::Configuration, error);
    let mut list = super::all_suppressions(engine, lock.tenant())?
        .unwrap_or_else(|| SuppressionList::new(keys));
    let erasure = Erasure { id: &id, since: &at, reason: request.reason };
    let suppressed =
        list.suppress(keys, &tenant, erasure, identifiers(subject)).map_err(refused)?;
    let suppressions =
        list.matcher(keys, &tenant, &super::reusable_from(engine.host)).map_err(refused)?;
    save_suppressions(engine, lock, &list)?;
    lock.set_erasures(&erasure_ids(&list))?;
    let cleansed = cleansing::cleanse(engine.host, lock, &suppressions)?;
    let rows = cleansed.rows();
    let found = Search::new(subject)?.through(lock.tenant())?;
    let kind = request.kind.name();
    let ledger = ledger::record(
        engine.host,
        lock.tenant(),
        &Event::Erasure {
            erasure: &id,
            kind,
            reason: request.reason,
            rows,
            events: cleansed.events,
            found_afterwards: found.certain.0.len(),
        },
    )?;
    let certificate = Certificate {
        id,
        at,
        tenant,
        kind,
        reason: request.reason.to_owned(),
        was_interrupted: false,
        suppressed_identifiers: suppressed,
        shared_identifiers: Some(subject.shared.len()),
        rows_removed: rows,
        generations: cleansed.generations,
        texts_emptied: cleansed.texts,
        events_removed: cleansed.events,
        findings_removed: cleansed.findings,
        damaged_generations_removed,
        possible_mentions: found.possible.to_json(),
        raw_files_removed: cleansed.raw_files,
        files_scanned: found.scanned_files,
        tables_scanned: found.scanned_tables,
        ledger,
    };
    end(lock, &certificate, &found)?;
    let places = found.certain.names();
    if !places.is_empty() {
        let id = certificate.id;
        return Err(Failure::new(
            FailureKind::DataRefused,
            anyhow::anyhow!(
                "erasure {id} has taken {rows} rows out, and there is still something in {}: erase what \
                 has the same name there, such as a device, and erase again; what names it beyond that \
                 goes with its generation",
                places.into_iter().collect::<Vec<_>>().join(", ")
            ),
        ));
    }
    Ok(Erased { certificate, keys: cleansed.keys })
}

/// Writes down how an erasure has ended: its certificate, or where something was found afterwards. Until it
/// is certified, every command that takes the lock searches again.
pub(super) fn end(
    lock: &RunLock,
    certificate: &Certificate,
    found: &Findings,
) -> Result<(), Failure> {
    let places = found.certain.names();
    let uncertified = uncertified(&certificate.id);
    if !places.is_empty() {
        let text = serde_json::to_vec_pretty(&places).map_err(anyhow::Error::new)?;
        return Ok(lock.set_state(&uncertified, &text)?);
    }
    let text = serde_json::to_vec_pretty(certificate).map_err(anyhow::Error::new)?;
    lock.set_state(&certified(&certificate.id), &text)?;
    Ok(lock.remove_state(&uncertified)?)
}

/// Returns whether nothing was found after an erasure.
pub(super) fn is_certified(tenant: &TenantStore, id: &str) -> Result<bool, StoreError> {
    Ok(tenant.state(&certified(id))?.is_some())
}

/// Returns whether everything was searched after an erasure, and something was found.
pub(super) fn was_searched(tenant: &TenantStore, id: &str) -> Result<bool, StoreError> {
    Ok(tenant.state(&uncertified(id))?.is_some())
}

fn certified(id: &str) -> String {
    format!("certificate-{id}")
}

fn uncertified(id: &str) -> String {
    format!("uncertified-{id}")
}
