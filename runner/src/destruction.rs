//! The removal of all that is stored of a tenant: what goes, what stays elsewhere, and the certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use core_engine::ledger::{self, Event};
use core_erasure::lists::copy_path;
use core_files::{remove_file_if_present, remove_leftovers};
use core_store::{Destruction, FileCount, LedgerHead, TenantStore};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::exit::Failure;
use crate::host::host;
use crate::system;

/// What was removed. It names no person.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Certificate {
    pub(crate) id: String,
    pub(crate) tenant: String,
    /// When it began, RFC 3339.
    pub(crate) began_at: String,
    /// When the last file was gone, RFC 3339.
    pub(crate) ended_at: Option<String>,
    /// What was stored, by kind.
    pub(crate) files: BTreeMap<String, FileCount>,
    /// Generations that were kept, by ID.
    pub(crate) generations: Vec<String>,
    /// Copies of the suppression list beside the key file, as paths until they are removed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    copies: Vec<PathBuf>,
    pub(crate) copies_removed: usize,
    /// What this program knows of and cannot remove.
    pub(crate) remaining: Vec<String>,
    /// The last entry of the tenant's ledger, which is gone too: it proves which ledger an exported copy is.
    pub(crate) ledger: LedgerHead,
}

/// The copies of a tenant's suppression list beside the key file: one for each region that the tenant was
/// read from.
pub(crate) fn copies(config: &Config, tenant: &TenantStore) -> Result<Vec<PathBuf>, Failure> {
    let mut regions = BTreeSet::new();
    if tenant.name() == config.tenant.as_str() {
        regions.insert(config.region.as_str().to_owned());
    }
    let manifests = tenant.history()?.into_iter().filter_map(|entry| entry.manifest.ok());
    regions.extend(manifests.map(|manifest| manifest.region));
    let key_file = &config.privacy.key_file;
    let paths = regions.iter().map(|region| copy_path(key_file, tenant.name(), region));
    Ok(paths.filter(|path| path.exists()).collect())
}

/// What stays elsewhere, a line each.
pub(crate) fn remaining(config: &Config, tenant: &TenantStore) -> Vec<String> {
    let mut remaining = Vec::new();
    if let Some(account) = core_jupiterone::last_account(tenant) {
        remaining.push(format!(
            "what was delivered to JupiterOne (account {account}): `{} purge jupiterone` removes types \
             there while the tenant is still stored here, and JupiterOne's own deletion does later",
            system::own_command()
        ));
    }
    if config.privacy.key_file.exists() {
        remaining.push(format!(
            "the key file {}, which other tenants may use; without it the tenant's pseudonyms cannot \
             be made again",
            config.privacy.key_file.display()
        ));
    }
    remaining.push("exported folders, backups of the store, and the configuration".to_owned());
    remaining
}

/// Tells the ledger what is about to be done, and drafts the certificate.
///
/// # Errors
///
/// The ledger cannot be written: then nothing is removed.
pub(crate) fn draft(
    tenant: &TenantStore,
    files: BTreeMap<String, FileCount>,
    copies: Vec<PathBuf>,
    remaining: Vec<String>,
) -> Result<Certificate, Failure> {
    let now = system::now();
    let id = format!("d-{}", crate::host::host().new_id(now)?);
    let generations = tenant.history()?.into_iter().map(|entry| entry.id.to_string()).collect();
    let count = files.values().map(|count| count.files).sum();
    let ledger =
        ledger::record(host(), tenant, &Event::Destruction { destruction: &id, files: count })?;
    Ok(Certificate {
        id,
        tenant: tenant.name().to_owned(),
        began_at: now.to_rfc3339(),
        ended_at: None,
        files,
        generations,
        copies,
        copies_removed: 0,
        remaining,
        ledger,
    })
}

/// Removes everything, then writes the certificate beside the tenants of the store. Returns both.
///
/// # Errors
///
/// Something cannot be removed: the same command goes on with it.
pub(crate) fn finish(
    destruction: Destruction,
    draft: Certificate,
) -> Result<(Certificate, PathBuf), Failure> {
    for path in &draft.copies {
        remove_file_if_present(path).map_err(anyhow::Error::new)?;
        remove_leftovers(path);
    }
    destruction.remove_content()?;
    let certificate = Certificate {
        ended_at: Some(system::now().to_rfc3339()),
        copies_removed: draft.copies.len(),
        copies: Vec::new(),
        ..draft
    };
    let bytes = serde_json::to_vec_pretty(&certificate).map_err(anyhow::Error::new)?;
    let name = format!("destroyed-{}-{}.json", certificate.tenant, certificate.id);
    let path = destruction.finish(&name, &bytes)?;
    Ok((certificate, path))
}
