//! The history of a tenant.

use super::TenantStore;
use crate::error::StoreError;
use crate::manifest::Manifest;
use crate::names::GenerationId;

/// One generation in the history of a tenant.
#[derive(Debug)]
pub struct HistoryEntry {
    /// The generation.
    pub id: GenerationId,
    /// True for the published generation.
    pub is_current: bool,
    /// Its manifest, or the reason why it cannot be read.
    pub manifest: Result<Manifest, StoreError>,
}

impl TenantStore {
    /// All generations, newest first, including unreadable ones.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the folder cannot be listed, [`StoreError::BrokenPointer`].
    pub fn history(&self) -> Result<Vec<HistoryEntry>, StoreError> {
        let current = self.current_id()?;
        let mut entries = Vec::new();
        for id in self.generation_ids()?.into_iter().rev() {
            let manifest = self.generation(&id).map(|generation| generation.manifest().clone());
            entries.push(HistoryEntry { is_current: current.as_ref() == Some(&id), id, manifest });
        }
        Ok(entries)
    }
}
