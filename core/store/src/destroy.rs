//! Removal of a tenant with all its stored data.
//!
//! The tenant's folder is renamed first, so that no reader sees a partial tenant and no run adds to
//! it. The draft of the certificate is in the renamed folder and is removed last, so that an
//! interrupted removal can be finished and certified with the right numbers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use core_files::{read_if_present, remove_file_if_present, remove_folder_if_present, replace_file};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::manifest::FileEntry;
use crate::names;
use crate::not_fetched::MARK;
use crate::tenant::{DeliveryLock, RunLock, Store, TenantStore, folder_names};
use crate::transfer::GENERATIONS;
use crate::watcher::Change;

/// The prefix of a tenant's folder while it is removed. No tenant has such a name.
const PREFIX: &str = ".destroying-";
/// The draft of the certificate.
const DRAFT: &str = "destruction.json";
/// The file that is locked until the removal ends.
const LOCK: &str = "lock";
/// The category of the files directly in a tenant's folder.
const SMALL_FILES: &str = "small files";

/// The number and size of the files of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCount {
    /// The number of files.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

impl TenantStore {
    /// Counts the files of this tenant by folder. Of a generation that was not fetched, all files count.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn inventory(&self) -> Result<BTreeMap<String, FileCount>, StoreError> {
        let mut inventory: BTreeMap<String, FileCount> = BTreeMap::new();
        let is_mark = |name: &str| name.ends_with(MARK);
        for (name, path) in self.files()?.into_iter().filter(|(name, _)| !is_mark(name)) {
            let kind = name.split_once('/').map_or(SMALL_FILES, |(folder, _)| folder);
            let metadata = fs::symlink_metadata(&path).map_err(StoreError::io("read", &path))?;
            let count = inventory.entry(kind.to_owned()).or_default();
            count.files += 1;
            count.bytes += metadata.len();
        }
        for id in self.not_fetched()? {
            let Ok(generation) = self.uncleansed_generation(&id) else { continue };
            let is_elsewhere = |file: &&FileEntry| !generation.folder().join(&file.path).exists();
            let count = inventory.entry(GENERATIONS.to_owned()).or_default();
            for file in generation.manifest().files().filter(is_elsewhere) {
                count.files += 1;
                count.bytes += file.bytes;
            }
        }
        Ok(inventory)
    }
}

/// A tenant that was taken out of the store and whose files are being removed.
#[derive(Debug)]
pub struct Destruction {
    store: PathBuf,
    folder: PathBuf,
    draft: Option<Vec<u8>>,
    /// The tenant as it was in the store.
    tenant: TenantStore,
    // Held so that no other process removes the same folder.
    _lock: RunLock,
}

impl RunLock {
    /// Takes the tenant out of the store, in one step. [`Destruction::draft`] returns the `draft`,
    /// even after an interruption. No delivery may be in progress.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]; then the tenant is still in the store.
    pub fn begin_destruction(
        self,
        deliveries: Vec<DeliveryLock>,
        draft: &[u8],
    ) -> Result<Destruction, StoreError> {
        let tenant = self.tenant().clone();
        let store = store_of(&tenant);
        replace_file(&tenant.folder().join(DRAFT), draft)?;
        let folder = renamed(&store, tenant.name());
        core_files::rename(tenant.folder(), &folder)?;
        core_files::sync_folder(&store)?;
        drop(deliveries);
        Ok(Destruction { store, folder, draft: Some(draft.to_vec()), tenant, _lock: self })
    }
}

impl Store {
    /// Returns the interrupted destruction of a tenant, if there is one. `owner` is shown to
    /// another process that tries to finish it at the same time.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`], [`StoreError::Locked`] while another process finishes it,
    /// [`StoreError::Io`].
    pub fn interrupted_destruction(
        &self,
        tenant: &str,
        owner: &str,
    ) -> Result<Option<Destruction>, StoreError> {
        names::check_tenant(tenant)?;
        let store = self.folder().to_owned();
        let folder = renamed(&store, tenant);
        if !folder.is_dir() {
            return Ok(None);
        }
        let lock = TenantStore::at(tenant, folder.clone()).lock_as_it_is(owner)?;
        let draft = read_if_present(&folder.join(DRAFT))?;
        let tenant = self.tenant(tenant)?;
        Ok(Some(Destruction { store, folder, draft, tenant, _lock: lock }))
    }
}

impl Destruction {
    /// The draft of the certificate; `None` if the certificate is already written.
    pub fn draft(&self) -> Option<&[u8]> {
        self.draft.as_deref()
    }

    /// Removes every file except the draft; before that, everything that the place has of which the folder is a working
    /// copy.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`], [`StoreError::NotPublished`]; [`Store::interrupted_destruction`] removes the rest.
    pub fn remove_content(&self) -> Result<(), StoreError> {
        self.tenant.changed(Change::Destruction)?;
        for name in folder_names(&self.folder)? {
            let path = self.folder.join(&name);
            if path.is_dir() && !path.is_symlink() {
                remove_folder_if_present(&path)?;
            } else if name != DRAFT && name != LOCK {
                remove_file_if_present(&path)?;
            }
        }
        Ok(core_files::sync_folder(&self.folder)?)
    }

    /// Writes the certificate beside the tenants, then removes the rest. Returns the certificate's
    /// path.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`] unless the name is one plain file name, [`StoreError::Io`].
    pub fn finish(self, name: &str, certificate: &[u8]) -> Result<PathBuf, StoreError> {
        names::check_file(name)?;
        let path = self.store.join(name);
        replace_file(&path, certificate)?;
        self.discard()?;
        Ok(path)
    }

    /// Removes the rest of a destruction that is already certified.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn discard(self) -> Result<(), StoreError> {
        remove_file_if_present(&self.folder.join(DRAFT))?;
        remove_folder_if_present(&self.folder)?;
        Ok(core_files::sync_folder(&self.store)?)
    }
}

fn renamed(store: &Path, tenant: &str) -> PathBuf {
    store.join(format!("{PREFIX}{tenant}"))
}

fn store_of(tenant: &TenantStore) -> PathBuf {
    tenant.folder().parent().expect("a tenant is in a store").to_owned()
}
