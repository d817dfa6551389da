//! The list of erased people on disk: in the store, and as a copy beside the key file, so that restoring an older
//! store brings no one back.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use core_privacy::keys::KeyRing;
use core_privacy::suppression::{SuppressionList, Suppressions};
use core_store::{RunLock, TenantStore};

use crate::error::ErasureError;
use crate::key_file::KeyFile;

/// The list of erased people: the name of its file beside the generations of a tenant.
pub const SUPPRESSIONS: &str = "suppressions";

/// The two places of a tenant's list.
#[derive(Debug, Clone, Copy)]
pub struct ErasedPeople<'a> {
    /// The key file, beside which the copy is.
    pub key_file: KeyFile<'a>,
    /// The tenant, as Nexthink names it.
    pub tenant: &'a str,
    /// Its region.
    pub region: &'a str,
}

impl ErasedPeople<'_> {
    /// The name of the tenant in the derivation of keys: a tenant of the same name elsewhere is another one.
    pub fn tenant_name(self) -> String {
        format!("{}.{}", self.tenant, self.region)
    }

    /// The path of the copy.
    pub fn copy_path(self) -> PathBuf {
        copy_path(self.key_file.path, self.tenant, self.region)
    }

    /// Reads the list; nothing if no one was ever erased.
    ///
    /// # Errors
    ///
    /// [`ErasureError::LostLists`] if there is no list though the store names erasures, and the errors of reading.
    pub fn read(self, store: &TenantStore) -> Result<Option<SuppressionList>, ErasureError> {
        let list = self.read_places(store)?;
        if list.is_none() {
            self.refuse_lost_lists(store)?;
        }
        Ok(list)
    }

    /// Reads both places and merges them; nothing if neither has a list.
    fn read_places(self, store: &TenantStore) -> Result<Option<SuppressionList>, ErasureError> {
        let stored = store.state(SUPPRESSIONS)?;
        let stored = stored.map(|bytes| parse(bytes, format!("{SUPPRESSIONS}.json in the store")));
        let path = self.copy_path();
        let copy = core_files::read_if_present(&path).map_err(ErasureError::ListCopy)?;
        let copy = copy.map(|bytes| parse(bytes, path.display().to_string()));
        match (stored.transpose()?, copy.transpose()?) {
            (Some(mut stored), Some(copy)) => {
                stored.merge(copy)?;
                Ok(Some(stored))
            }
            (stored, copy) => Ok(stored.or(copy)),
        }
    }

    /// Fails if there is no list although the store names erasures: the next run would read erased people again.
    fn refuse_lost_lists(self, store: &TenantStore) -> Result<(), ErasureError> {
        let named = store.erasures_named()?.len();
        if named == 0 {
            return Ok(());
        }
        let copy = self.copy_path().display().to_string();
        Err(ErasureError::LostLists { named, file: format!("{SUPPRESSIONS}.json"), copy })
    }

    /// Writes a list again where it or its copy is missing or older.
    ///
    /// # Errors
    ///
    /// A place cannot be read or written.
    pub fn restore(self, lock: &RunLock, list: &SuppressionList) -> Result<(), ErasureError> {
        let stored = lock.tenant().state(SUPPRESSIONS)?;
        let copy = core_files::read_if_present(&self.copy_path()).map_err(files)?;
        let text = list.to_text();
        if [stored, copy].iter().all(|found| found.as_deref() == Some(text.as_bytes())) {
            return Ok(());
        }
        tracing::warn!(
            "the list of erased people or its copy was missing or older: it is written again"
        );
        self.save(lock, list)
    }

    /// Writes the list to the store and, first, to its copy.
    ///
    /// # Errors
    ///
    /// A place cannot be written.
    pub fn save(self, lock: &RunLock, list: &SuppressionList) -> Result<(), ErasureError> {
        let text = list.to_text();
        let _lock = self.key_file.lock()?;
        core_files::replace_file(&self.copy_path(), text.as_bytes()).map_err(files)?;
        Ok(lock.set_state(SUPPRESSIONS, text.as_bytes())?)
    }

    /// Removes the temporary file of a process that was killed while it wrote the copy.
    pub fn remove_leftovers(self) {
        core_files::remove_leftovers(&self.copy_path());
    }

    /// Refuses a store that is older than its list: it may hold erased people. A store that has nothing holds no one.
    ///
    /// # Errors
    ///
    /// [`ErasureError::OlderStore`], and the errors of reading.
    pub fn check_store(self, store: &TenantStore) -> Result<(), ErasureError> {
        // Without any list, the stored data can still be read, since it has been through every erasure.
        let Some(list) = self.read_places(store)? else { return Ok(()) };
        if erasure_ids(&list).is_subset(&store.erasures()?) || store.is_empty()? {
            return Ok(());
        }
        Err(ErasureError::OlderStore { program: self.key_file.program.to_owned() })
    }

    /// Makes the matcher of a list. Reads the keys only if the list has an entry. A reusable identifier counts
    /// only if it was suppressed after `reusable_from`, RFC 3339.
    ///
    /// # Errors
    ///
    /// The keys cannot be read or are not those of the list.
    pub fn matcher(
        self,
        list: Option<&SuppressionList>,
        reusable_from: &str,
    ) -> Result<Suppressions, ErasureError> {
        let Some(list) = list.filter(|list| !list.entries().is_empty()) else {
            return Ok(Suppressions::default());
        };
        let keys = self.key_file.load()?;
        self.matcher_with(&keys, list, reusable_from)
    }

    /// The same with keys that were read already.
    ///
    /// # Errors
    ///
    /// The keys are not those of the list.
    pub fn matcher_with(
        self,
        keys: &KeyRing,
        list: &SuppressionList,
        reusable_from: &str,
    ) -> Result<Suppressions, ErasureError> {
        Ok(list.matcher(keys, &self.tenant_name(), reusable_from)?)
    }
}

/// Returns the path of the copy of a tenant's list, beside the key file.
pub fn copy_path(key_file: &Path, tenant: &str, region: &str) -> PathBuf {
    let mut name = key_file.to_owned().into_os_string();
    name.push(format!(".{tenant}.{region}.{SUPPRESSIONS}.json"));
    PathBuf::from(name)
}

/// The IDs of the erasures in a list.
pub fn erasure_ids(list: &SuppressionList) -> BTreeSet<String> {
    list.entries().iter().map(|entry| entry.erasure.clone()).collect()
}

fn parse(bytes: Vec<u8>, place: String) -> Result<SuppressionList, ErasureError> {
    let text = String::from_utf8(bytes).unwrap_or_default();
    SuppressionList::parse(&text).map_err(|source| ErasureError::DamagedList { place, source })
}

fn files(error: core_files::FileError) -> ErasureError {
    ErasureError::Files(error.into())
}
