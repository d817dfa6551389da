//! The certificate of an erasure, and where it is written down. An erasure without one is not finished: the next
//! command that takes the lock searches again.

use core_privacy::suppression::SuppressionList;
use core_store::{CleansedGeneration, LedgerHead, RunLock, StoreError, TenantStore};
use serde::Serialize;
use serde_json::Value;

use crate::error::ErasureError;
use crate::places::SearchReport;
use crate::subject::SubjectKind;

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
    /// True if it was interrupted, and finished by a later command. Then the numbers count the work of that command.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub was_interrupted: bool,
    /// The number of identifiers and pseudonyms that are suppressed from now on.
    pub suppressed_identifiers: usize,
    /// The number of identifiers that others have too, and that are therefore not suppressed; unknown after
    /// an interruption.
    pub shared_identifiers: Option<usize>,
    /// The effect on each generation.
    pub generations: Vec<CleansedGeneration>,
    /// The number of removed rows.
    pub rows_removed: u64,
    /// The number of free texts of other objects that named it and are empty now.
    pub texts_emptied: u64,
    /// The number of removed events.
    pub events_removed: u64,
    /// The number of removed findings of rules.
    pub findings_removed: u64,
    /// Generations that could not be read and were removed as a whole.
    pub damaged_generations_removed: Vec<String>,
    /// Places that may name it by a word that may mean something else, for a person to decide. They have
    /// no values.
    pub possible_mentions: Value,
    /// The number of removed files with unredacted rows.
    pub raw_files_removed: usize,
    /// The number of files that were searched afterwards.
    pub files_scanned: usize,
    /// The number of tables that were searched afterwards.
    pub tables_scanned: usize,
    /// The number of entries of the ledger that name it as the one who read or changed data. They stay until they
    /// expire (`[retention] ledger_days`).
    #[serde(skip_serializing_if = "is_zero")]
    pub acts_in_ledger: u64,
    /// The places outside the store's folder that may still have the removed data, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_kept: Vec<String>,
    /// The places that had been delivered to, configured still or not: they have the removed data until a delivery or a
    /// person removes it there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delivered_to: Vec<String>,
    /// The ledger's entry of this erasure.
    pub ledger: LedgerHead,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Certificate {
    /// The number of rows that may name it and were left.
    pub fn possible_mentions(&self) -> u64 {
        let places = self.possible_mentions.as_array().into_iter().flatten();
        places.filter_map(|place| place["rows"].as_u64()).sum()
    }
}

/// The part of the list of erased people that is about one erasure.
#[derive(Debug, PartialEq, Eq)]
pub struct ErasureRecord {
    /// The kind of the subject: a person or a device.
    pub kind: SubjectKind,
    /// When it was requested, RFC 3339.
    pub at: String,
    /// The operator's reason.
    pub reason: String,
    /// The number of suppressed identifiers.
    pub identifiers: usize,
}

impl ErasureRecord {
    /// Reads the facts about an erasure from a list.
    pub fn new(list: &SuppressionList, id: &str) -> Self {
        let entries: Vec<_> = list.entries().iter().filter(|entry| entry.erasure == id).collect();
        let is_device =
            entries.iter().any(|entry| SubjectKind::is_of_device(entry.identifier_kind.0));
        Self {
            kind: if is_device { SubjectKind::Device } else { SubjectKind::User },
            at: entries.first().map_or_else(String::new, |entry| entry.since.clone()),
            reason: entries.first().map_or_else(String::new, |entry| entry.reason.clone()),
            identifiers: entries.len(),
        }
    }
}

/// Writes down how an erasure has ended: its certificate, or where something was found afterwards.
///
/// # Errors
///
/// [`StoreError::Io`].
pub fn record_end(
    lock: &RunLock,
    certificate: &Certificate,
    found: &SearchReport,
) -> Result<(), ErasureError> {
    let to_bytes = |error: serde_json::Error| ErasureError::Files(error.into());
    let places = found.certain.names();
    let uncertified = uncertified(&certificate.id);
    if !places.is_empty() {
        let text = serde_json::to_vec_pretty(&places).map_err(to_bytes)?;
        return Ok(lock.set_state(&uncertified, &text)?);
    }
    let text = serde_json::to_vec_pretty(certificate).map_err(to_bytes)?;
    lock.set_state(&certified(&certificate.id), &text)?;
    Ok(lock.remove_state(&uncertified)?)
}

/// Returns true if nothing was found after an erasure.
///
/// # Errors
///
/// [`StoreError::Io`].
pub fn is_certified(tenant: &TenantStore, id: &str) -> Result<bool, StoreError> {
    Ok(tenant.state(&certified(id))?.is_some())
}

/// Returns true if everything was searched after an erasure, and something was found.
///
/// # Errors
///
/// [`StoreError::Io`].
pub fn was_searched(tenant: &TenantStore, id: &str) -> Result<bool, StoreError> {
    Ok(tenant.state(&uncertified(id))?.is_some())
}

fn certified(id: &str) -> String {
    format!("certificate-{id}")
}

fn uncertified(id: &str) -> String {
    format!("uncertified-{id}")
}
