//! Generations of a working copy whose tables are still in the place that the folder is a copy of.
//!
//! Such a generation has its manifest and the small files beside it, and an empty file that marks it. The mark arrives
//! with the folder of the generation and is replaced with it, in one rename, so a file that is still to be fetched is
//! never taken for a damaged one. Where there is no mark, a missing file is damage, as in every other store.

use std::path::Path;

use crate::error::StoreError;
use crate::names::GenerationId;
use crate::tenant::TenantStore;
use crate::watcher::Watcher;

/// The file in a generation's folder that marks it.
pub(crate) const MARK: &str = "not-fetched";

/// The place that the files of one generation are fetched from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    generation: GenerationId,
    watcher: Watcher,
}

impl Origin {
    pub(crate) fn new(generation: &GenerationId, watcher: &Watcher) -> Self {
        Self { generation: generation.clone(), watcher: watcher.clone() }
    }

    /// Fetches all files of the generation into its folder, unless they are already there.
    pub(crate) fn fetch(&self, folder: &Path) -> Result<(), StoreError> {
        if !is_marked(folder) || self.watcher.fetch(&self.generation)? {
            return Ok(());
        }
        Err(StoreError::NotFetched { id: self.generation.to_string() })
    }
}

/// Marks a folder, or removes its mark.
pub(crate) fn set_mark(folder: &Path, is_marked: bool) -> Result<(), StoreError> {
    let path = folder.join(MARK);
    let done = if is_marked {
        core_files::replace_file(&path, b"")
    } else {
        core_files::remove_file_if_present(&path)
    };
    Ok(done?)
}

/// Returns true if files of the generation in this folder may be missing.
pub(crate) fn is_marked(folder: &Path) -> bool {
    folder.join(MARK).exists()
}

impl TenantStore {
    /// The generations whose tables are not in the folder, oldest first; none unless it is a working copy.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn not_fetched(&self) -> Result<Vec<GenerationId>, StoreError> {
        let mut ids = self.generation_ids()?;
        ids.retain(|id| is_marked(&self.generations().join(id.as_str())));
        Ok(ids)
    }

    /// Fetches the tables of all generations, for a process that cannot fetch them itself.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFetched`] if there is no watcher to fetch them, and the errors of the watcher.
    pub fn fetch_all(&self) -> Result<(), StoreError> {
        for id in self.not_fetched()? {
            self.check_stop()?;
            Origin::new(&id, self.watcher()).fetch(&self.generations().join(id.as_str()))?;
        }
        Ok(())
    }
}
