//! Removal of the leftovers of killed processes: generations that were never published, files that
//! no manifest and no state lists, unfinished generations. Some of them may contain people who have
//! been erased since, so every command that takes the lock removes them.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::StoreError;
use crate::events;
use crate::generation::Generation;
use crate::ledger::{LedgerEntry, RUN_ENDED};
use crate::manifest::{MANIFEST_FILE, Manifest};
use crate::names::GenerationId;
use crate::not_fetched::MARK;
use crate::staging::collect_files;
use crate::tenant::{RunLock, TenantStore, folder_names};

/// The mark in the names of temporary files of atomically replaced files.
const TEMPORARY: &str = ".new";

/// Removes everything that is neither published nor being written. The caller has just taken the
/// lock. `tell` gets each generation before it is removed.
pub(crate) fn remove_all(
    lock: &RunLock,
    tell: &mut dyn FnMut(&GenerationId) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let tenant = lock.tenant();
    let ids = tenant.generation_ids()?;
    // An unreadable manifest lists nothing, so no file of its generation counts as a leftover.
    let readable = ids.iter().filter_map(|id| tenant.uncleansed_generation(id).ok());
    let (is_only_one, newest) = (ids.len() == 1, ids.iter().max());
    let current = tenant.current_id()?;
    if current.is_none() && ids.len() > 1 {
        tracing::warn!(
            tenant = tenant.name(),
            "there are generations, but the file CURRENT, which names the published one, is missing"
        );
    }
    for generation in readable {
        let is_candidate = newest == Some(generation.id())
            && is_unpublished(&generation, current.as_ref(), is_only_one);
        // An operator who writes the ID of an older one into CURRENT keeps the newer ones.
        if is_candidate && !was_published(tenant, generation.id())? {
            tracing::warn!(generation = %generation.id(), "a generation that was never published");
            tell(generation.id())?;
            lock.remove_generation(generation.id())?;
        } else {
            remove_unlisted(generation.folder(), generation.manifest())?;
        }
    }
    events::remove_leftovers(tenant)?;
    remove_temporary_files(tenant)
}

/// Returns true if a generation was moved to its place but never published: its predecessor is
/// still the published generation. Before the first publication it is the only generation; several
/// without a published one mean that the pointer was lost, and then none of them may be removed.
fn is_unpublished(
    generation: &Generation,
    current: Option<&GenerationId>,
    is_only_one: bool,
) -> bool {
    let is_successor = generation.manifest().previous.as_ref() == current;
    is_successor && (current.is_some() || is_only_one)
}

/// Returns true if a run has published a generation and has ended.
fn was_published(tenant: &TenantStore, id: &GenerationId) -> Result<bool, StoreError> {
    let is_of_run = |entry: &LedgerEntry| {
        let generation = entry.record.facts.get("generation").and_then(Value::as_str);
        generation == Some(id.as_str())
    };
    Ok(tenant.ledger().entries_of(&[RUN_ENDED])?.iter().any(is_of_run))
}

/// Removes the files of a generation's folder that its manifest does not list.
pub(crate) fn remove_unlisted(folder: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    let listed: BTreeSet<&str> = manifest.files().map(|file| file.path.as_str()).collect();
    let mut present = Vec::new();
    collect_files(folder, "", &mut present)?;
    for name in present {
        if name != MANIFEST_FILE && name != MARK && !listed.contains(name.as_str()) {
            let path = folder.join(&name);
            core_files::remove_file(&path)?;
            core_files::sync_folder(path.parent().expect("a file is in a folder"))?;
        }
    }
    Ok(())
}

/// Removes unfinished generations and those whose removal was interrupted. Downloads stay.
pub(crate) fn remove_staging(tenant: &TenantStore) -> Result<(), StoreError> {
    for path in entries(&tenant.staging())? {
        if path == tenant.downloads() {
            continue;
        }
        tracing::warn!(tenant = tenant.name(), path = %path.display(), "leftovers of a run removed");
        if path.is_dir() {
            core_files::remove_folder(&path)?;
        } else {
            core_files::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Removes files of an event log that its state does not list.
pub(crate) fn remove_unlisted_events(
    folder: &Path,
    listed: &HashSet<PathBuf>,
) -> Result<(), StoreError> {
    let staging = folder.join(events::STAGING);
    if staging.is_dir() {
        for path in entries(&staging)? {
            core_files::remove_file(&path)?;
        }
    }
    for day in folder_names(folder)?.into_iter().filter(|name| events::is_day_folder(name)) {
        for path in entries(&folder.join(day))?.into_iter().filter(|path| !listed.contains(path)) {
            tracing::warn!(path = %path.display(), "leftovers of a run removed");
            core_files::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Removes all temporary files of atomically replaced files. Deliveries write theirs under their
/// own lock, so files in use stay.
fn remove_temporary_files(tenant: &TenantStore) -> Result<(), StoreError> {
    for name in folder_names(tenant.folder())? {
        if let Some(name) = name.strip_suffix(TEMPORARY) {
            // The form of earlier versions.
            core_files::remove_file_if_present(
                &tenant.folder().join(format!("{name}{TEMPORARY}")),
            )?;
        } else if let Some((name, _)) = name.split_once(TEMPORARY) {
            core_files::remove_leftovers(&tenant.folder().join(name));
        }
    }
    tenant.ledger().remove_leftovers();
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        paths.push(entry.map_err(StoreError::io("list", folder))?.path());
    }
    Ok(paths)
}
