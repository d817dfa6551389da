//! Retention of everything in a store. `plan` decides by names and times alone, `generations` has
//! the rule for the history, and this module finds the items on the disk and removes them.

mod clock;
mod generations;
mod plan;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::UNIX_EPOCH;

use jiff::Timestamp;

pub use self::clock::ClockVerdict;
pub use self::generations::RetentionPolicy;
pub use self::plan::{Item, ItemKind, Removal, RetentionPlan, RetentionState, Windows};
use crate::error::StoreError;
use crate::ledger::LedgerRecord;
use crate::names::GenerationId;
use crate::tenant::{HistoryEntry, RunLock, TenantStore, folder_names};
use crate::transfer::COPYING;

/// The state of retention between runs, beside the generations.
const STATE: &str = "retention";

/// The inputs of a retention; the caller reads the clock.
#[derive(Debug, Clone, Copy)]
pub struct Retention<'a> {
    /// The retention periods.
    pub windows: &'a Windows,
    /// Generations that stay whatever their age, besides the published one.
    pub pinned: &'a [GenerationId],
    /// The time, in milliseconds since 1970-01-01 UTC.
    pub now_ms: u64,
    /// True if that time is right although it is behind an earlier one or far ahead of it.
    pub accept_clock: bool,
}

impl TenantStore {
    /// Plans the removals without changing anything.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]; [`StoreError::BrokenState`].
    pub fn plan_retention(&self, retention: Retention<'_>) -> Result<RetentionPlan, StoreError> {
        let state = match self.state(STATE)? {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| StoreError::BrokenState { name: STATE, source })?,
            None => RetentionState::default(),
        };
        let current = self.current_id()?;
        let mut items = self.generation_items()?;
        for (kind, folder) in [
            (ItemKind::Quarantine, "quarantine"),
            (ItemKind::Log, "logs"),
            (ItemKind::Staging, "staging"),
            (ItemKind::Staging, "staging/downloads"),
            (ItemKind::Staging, COPYING),
        ] {
            items.extend(self.dated_items(kind, folder)?);
        }
        let head = self.ledger().head()?.map(|head| head.sequence);
        Ok(plan::plan(state, &items, current.as_ref(), head, retention))
    }

    fn generation_items(&self) -> Result<Vec<Item>, StoreError> {
        let item = |entry: HistoryEntry| Item {
            kind: ItemKind::Generation,
            name: format!("generations/{}", entry.id),
            own_ms: made_ms(&entry),
            // A generation of a newer format is intact; only this program cannot read it.
            is_whole: matches!(entry.manifest, Ok(_) | Err(StoreError::NewerFormat { .. })),
        };
        Ok(self.history()?.into_iter().map(item).collect())
    }

    /// The items of a folder, by the time of their last change.
    fn dated_items(&self, kind: ItemKind, folder: &str) -> Result<Vec<Item>, StoreError> {
        let path = self.folder().join(folder);
        let mut items = Vec::new();
        for name in folder_names(&path)? {
            let path = path.join(&name);
            // The folder of downloads stays; each download in it has its own time.
            if folder == "staging" && name == "downloads" {
                continue;
            }
            let modified =
                match fs::symlink_metadata(&path).and_then(|metadata| metadata.modified()) {
                    Ok(modified) => modified,
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(source) => return Err(StoreError::Io { action: "read", path, source }),
                };
            let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
            let own_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
            items.push(Item { kind, name: format!("{folder}/{name}"), own_ms, is_whole: true });
        }
        Ok(items)
    }
}

impl RunLock {
    /// Removes expired items, and records when the others were first seen. Every removal is logged;
    /// `record` is the ledger entry for its own expired entries.
    ///
    /// A reader that has opened an older generation but not yet its files finds them missing
    /// afterwards.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`], [`StoreError::Stopped`]; earlier removals remain, and the next call continues.
    pub fn retain(
        &self,
        retention: Retention<'_>,
        record: &LedgerRecord,
    ) -> Result<RetentionPlan, StoreError> {
        let plan = self.tenant().plan_retention(retention)?;
        for removal in &plan.removals {
            self.tenant().check_stop()?;
            self.remove(removal)?;
        }
        if let Some(through) = plan.ledger_through {
            self.tenant().ledger().trim(through, record)?;
        }
        let state = serde_json::to_vec(&plan.state).expect("a state is plain data");
        self.set_state(STATE, &state)?;
        Ok(plan)
    }

    fn remove(&self, removal: &Removal) -> Result<(), StoreError> {
        if removal.kind == ItemKind::Generation {
            let id = removal.name.trim_start_matches("generations/").parse()?;
            return self.remove_generation(&id);
        }
        let path = self.tenant().folder().join(&removal.name);
        remove_anything(&path)?;
        tracing::info!(tenant = self.tenant().name(), item = removal.name, "removed by retention");
        Ok(())
    }
}

/// When a generation was made by the clock of its run. Its ID may bear a later time, so that it comes after the
/// generations before it.
fn made_ms(entry: &HistoryEntry) -> u64 {
    let of_id = entry.id.time_ms();
    let created = entry
        .manifest
        .as_ref()
        .ok()
        .and_then(|manifest| manifest.created_at.parse::<Timestamp>().ok());
    // Before 1970 only for a clock that is not set at all.
    let created_ms = created.map(|created| u64::try_from(created.as_millisecond()).unwrap_or(0));
    created_ms.map_or(of_id, |created_ms| of_id.min(created_ms))
}

/// Removes a file, a folder with its content, or a link, if it exists.
fn remove_anything(path: &Path) -> Result<(), StoreError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => core_files::remove_folder_if_present(path),
        Ok(_) => core_files::remove_file_if_present(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => return Err(StoreError::io("look at", path)(error)),
    };
    Ok(removed?)
}
