//! A store, its tenants, the lock that serializes runs, and the history of a tenant.

mod history;
mod large_state;

use std::fs::{self, TryLockError};
use std::io::{ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use core_files::File;

pub use self::history::HistoryEntry;
use crate::downloads::{self, Downloads};
use crate::error::StoreError;
use crate::generation::Generation;
use crate::leftovers;
use crate::location::Location;
use crate::names::{self, GenerationId};
use crate::platform;
use crate::staging::Staging;
use crate::stop::StopFlag;
use crate::watcher::{Change, Watcher};

/// The number of characters of an owner's text that are shown to a process that finds the lock
/// taken.
const MAX_OWNER_LENGTH: usize = 200;

/// The longest time for which [`TenantStore::lock_owner`] may hold the lock.
const MAX_OWNER_CHECK: Duration = Duration::from_millis(20);

/// A store. Opening one changes nothing; the first lock creates the folders.
#[derive(Debug, Clone)]
pub struct Store {
    // Invariant: absolute.
    folder: PathBuf,
    watcher: Watcher,
}

impl Store {
    /// Opens the store at a location. It need not exist yet; then it is empty.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if a relative path cannot be resolved.
    pub fn open(location: Location) -> Result<Self, StoreError> {
        let (path, watcher) = location.into_parts();
        let folder = std::path::absolute(&path).map_err(StoreError::io("find", &path))?;
        Ok(Self { folder, watcher })
    }

    /// Returns one tenant's part of the store, which need not exist yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`] unless the name is a label as in a host name, in lower case.
    pub fn tenant(&self, name: &str) -> Result<TenantStore, StoreError> {
        names::check_tenant(name)?;
        let tenant = TenantStore::at(name, self.folder.join(name));
        Ok(TenantStore { watcher: self.watcher.clone(), ..tenant })
    }

    /// The folder of the store.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The tenants in this store, sorted by name.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn tenants(&self) -> Result<Vec<TenantStore>, StoreError> {
        let mut tenants = Vec::new();
        for name in folder_names(&self.folder)? {
            // Other entries of the folder are not ours.
            if let Ok(tenant) = self.tenant(&name)
                && tenant.folder.is_dir()
            {
                tenants.push(tenant);
            }
        }
        Ok(tenants)
    }
}

/// One tenant's part of a store. Reading needs no lock.
#[derive(Debug, Clone)]
pub struct TenantStore {
    name: String,
    folder: PathBuf,
    pub(crate) stop: StopFlag,
    watcher: Watcher,
}

impl TenantStore {
    /// A tenant whose folder has another name than the tenant.
    pub(crate) fn at(name: &str, folder: PathBuf) -> Self {
        let (stop, watcher) = (StopFlag::default(), Watcher::default());
        Self { name: name.to_owned(), folder, stop, watcher }
    }

    /// The other places that may still have data that is removed from the folder, a sentence each; none unless the
    /// folder is a working copy.
    pub fn also_kept(&self) -> Vec<String> {
        self.watcher.also_kept()
    }

    /// Returns true if the folder is a working copy of a store in another place.
    pub fn is_working_copy(&self) -> bool {
        self.watcher.is_some()
    }

    /// Tells the watcher of the store, if it has one, of a change that is durable in the folder.
    pub(crate) fn changed(&self, change: Change) -> Result<(), StoreError> {
        self.watcher.changed(self, change)
    }

    pub(crate) fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// The tenant's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes the lock for writing, and removes leftovers of killed processes. It lasts until the
    /// lock and every staging made from it are dropped, or the process dies.
    ///
    /// `owner` is shown to other processes that try to take it, for example "pid 4711, started
    /// 2026-03-01T08:00:00Z".
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] if another run holds it.
    pub fn lock(&self, owner: &str) -> Result<RunLock, StoreError> {
        self.lock_and_tell(owner, &mut |_| Ok(()))
    }

    /// As [`TenantStore::lock`], and passes each generation that was made and never published to
    /// `tell` before it is removed, so that its removal can be recorded.
    ///
    /// # Errors
    ///
    /// As [`TenantStore::lock`], and the errors of `tell`; then nothing is removed.
    pub fn lock_and_tell(
        &self,
        owner: &str,
        tell: &mut dyn FnMut(&GenerationId) -> Result<(), StoreError>,
    ) -> Result<RunLock, StoreError> {
        self.check_place()?;
        core_files::create_folder_durably(&self.generations())?;
        core_files::create_folder(&self.staging())?;
        let file = self.lock_file("lock", owner, |owner| StoreError::Locked { owner })?;
        let lock = RunLock { tenant: self.clone(), _file: Arc::new(file) };
        leftovers::remove_all(&lock, tell)?;
        Ok(lock)
    }

    /// As [`TenantStore::lock`], for a folder that is being removed: creates nothing in it.
    pub(crate) fn lock_as_it_is(&self, owner: &str) -> Result<RunLock, StoreError> {
        self.check_place()?;
        let file = self.lock_file("lock", owner, |owner| StoreError::Locked { owner })?;
        Ok(RunLock { tenant: self.clone(), _file: Arc::new(file) })
    }

    /// Takes the lock for deliveries to one destination, until it is dropped or the process dies. Runs continue at
    /// the same time; the next delivery takes their generations.
    ///
    /// `destination` is part of a file name; `owner` is shown to other processes that try to take
    /// it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Delivering`] if another delivery to it is in progress.
    pub fn lock_delivery(
        &self,
        destination: &str,
        owner: &str,
    ) -> Result<DeliveryLock, StoreError> {
        let name = format!("lock-{destination}");
        names::check_file(&name)?;
        core_files::create_folder_durably(&self.generations())?;
        let file = self.lock_file(&name, owner, |owner| StoreError::Delivering { owner })?;
        Ok(DeliveryLock { tenant: self.clone(), _file: file })
    }

    /// Takes the lock of a lock file, and records its owner in it.
    fn lock_file(
        &self,
        name: &str,
        owner: &str,
        taken: impl FnOnce(String) -> StoreError,
    ) -> Result<File, StoreError> {
        let path = self.folder.join(name);
        let mut file = File::open_or_create(&path)?;
        let locked = match file.try_lock() {
            // Another process may hold it briefly, only to read its owner.
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(MAX_OWNER_CHECK);
                file.try_lock()
            }
            locked => locked,
        };
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(read_owner(&mut file))),
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::Io { action: "lock the file", path, source });
            }
        }
        file.set_len(0)?;
        file.rewind().map_err(StoreError::io("write", &path))?;
        file.write_bytes(format!("{owner}\n").as_bytes())?;
        Ok(file)
    }

    /// Opens the published generation, if there is one.
    ///
    /// # Errors
    ///
    /// [`StoreError::BrokenPointer`], and the errors of [`TenantStore::generation`].
    pub fn current(&self) -> Result<Option<Generation>, StoreError> {
        self.current_id()?.map(|id| self.generation(&id)).transpose()
    }

    /// Opens one generation.
    ///
    /// # Errors
    ///
    /// [`StoreError::GenerationNotFound`], [`StoreError::NewerFormat`],
    /// [`StoreError::BrokenManifest`], [`StoreError::NotCleansed`].
    pub fn generation(&self, id: &GenerationId) -> Result<Generation, StoreError> {
        let generation = self.uncleansed_generation(id)?;
        self.check_cleansed(&generation)?;
        Ok(generation)
    }

    /// As [`TenantStore::generation`], even if it may contain an erased person.
    pub(crate) fn uncleansed_generation(
        &self,
        id: &GenerationId,
    ) -> Result<Generation, StoreError> {
        self.check_place()?;
        Generation::open(&self.generations().join(id.as_str()), self, id)
    }

    /// The ids of all generations, oldest first.
    pub(crate) fn generation_ids(&self) -> Result<Vec<GenerationId>, StoreError> {
        let names = folder_names(&self.generations())?;
        Ok(names.iter().filter_map(|name| GenerationId::parse(name).ok()).collect())
    }

    /// Reads the small state file `<name>.json` beside the generations; `None` if it was never
    /// written. Reading needs no lock.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`] unless the name is one plain file name, [`StoreError::Io`].
    pub fn state(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(core_files::read_if_present(&self.state_path(name)?)?)
    }

    /// Rejects a location whose content other users could have created or may change.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnsafePlace`], with the remedy.
    pub fn check_place(&self) -> Result<(), StoreError> {
        let store = self.folder.parent().expect("a tenant is in a store");
        platform::check_folder(store)?;
        platform::check_folder(&self.folder)
    }

    /// The id in the pointer.
    pub(crate) fn current_id(&self) -> Result<Option<GenerationId>, StoreError> {
        self.check_place()?;
        let path = self.current_path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(StoreError::BrokenPointer { path });
            }
            Err(source) => return Err(StoreError::Io { action: "read", path, source }),
        };
        let id = GenerationId::parse(text.trim_ascii_end());
        id.map(Some).map_err(|_| StoreError::BrokenPointer { path })
    }

    pub(crate) fn current_path(&self) -> PathBuf {
        self.folder.join("CURRENT")
    }

    pub(crate) fn generations(&self) -> PathBuf {
        self.folder.join("generations")
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.folder.join("staging")
    }

    pub(crate) fn downloads(&self) -> PathBuf {
        self.staging().join("downloads")
    }

    /// The notes on the downloads of earlier runs, by name. Reading needs no lock.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn download_notes(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        downloads::notes(&self.downloads())
    }

    /// The size of the downloads of earlier runs, in bytes. Reading needs no lock.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn download_bytes(&self) -> Result<u64, StoreError> {
        downloads::bytes(&self.downloads())
    }

    /// The owner of the lock, if a run holds it now. Changes nothing; a run that starts at this
    /// very moment may be refused.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn lock_owner(&self) -> Result<Option<String>, StoreError> {
        let path = self.folder.join("lock");
        let mut file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Io { action: "open the file", path, source }),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(read_owner(&mut file))),
            Err(TryLockError::Error(source)) => {
                Err(StoreError::Io { action: "lock the file", path, source })
            }
        }
    }

    /// The bytes that the disk of the store has left for this user; unknown on some systems. If the
    /// store does not exist yet, those of its future parent folder.
    pub fn free_bytes(&self) -> Option<u64> {
        let there = self.folder.ancestors().find(|folder| folder.is_dir())?;
        core_files::free_bytes(there)
    }

    fn state_path(&self, name: &str) -> Result<PathBuf, StoreError> {
        let file = format!("{name}.json");
        names::check_file(&file)?;
        Ok(self.folder.join(file))
    }

    /// The tenant's folder in the store.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The lock for writing to one tenant.
#[derive(Debug, Clone)]
pub struct RunLock {
    tenant: TenantStore,
    // Held for its lock, which ends when the last clone is dropped and the file is closed.
    _file: Arc<File>,
}

/// The lock for deliveries of one tenant's generations to one destination.
#[derive(Debug)]
pub struct DeliveryLock {
    tenant: TenantStore,
    // Held for its lock, which ends when the file is closed.
    _file: File,
}

impl DeliveryLock {
    /// The tenant.
    pub fn tenant(&self) -> &TenantStore {
        &self.tenant
    }

    /// Replaces the small state file `<name>.json` beside the generations atomically and durably.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`] unless the name is one plain file name, [`StoreError::Io`].
    pub fn set_state(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        core_files::replace_file(&self.tenant.state_path(name)?, bytes)?;
        self.tenant.changed(Change::State)
    }
}

impl RunLock {
    /// The tenant.
    pub fn tenant(&self) -> &TenantStore {
        &self.tenant
    }

    /// Returns the time, in milliseconds since 1970-01-01 UTC, that the ID of the next generation must bear if
    /// it is `now_ms`: generations are ordered by their IDs, so it is after the newest one, whose time may be
    /// that of a clock that was ahead.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the generations cannot be listed.
    pub fn next_generation_ms(&self, now_ms: u64) -> Result<u64, StoreError> {
        let newest = self.tenant.generation_ids()?.last().map(GenerationId::time_ms);
        Ok(newest.map_or(now_ms, |newest_ms| now_ms.max(newest_ms + 1)))
    }

    /// Starts a generation. Removes the leftovers of killed runs.
    ///
    /// # Errors
    ///
    /// [`StoreError::GenerationExists`], [`StoreError::Io`].
    pub fn stage(&self, id: GenerationId) -> Result<Staging, StoreError> {
        Staging::start(self.clone(), id)
    }

    /// The downloads, including those of earlier runs.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn downloads(&self) -> Result<Downloads, StoreError> {
        Downloads::open(self.clone())
    }

    /// Replaces the small state file `<name>.json` beside the generations atomically and durably.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`] unless the name is one plain file name, [`StoreError::Io`].
    pub fn set_state(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        core_files::replace_file(&self.tenant.state_path(name)?, bytes)?;
        self.tenant.changed(Change::State)
    }

    /// Removes the small state file `<name>.json` beside the generations durably, if it exists.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`] unless the name is one plain file name, [`StoreError::Io`].
    pub fn remove_state(&self, name: &str) -> Result<(), StoreError> {
        core_files::remove_file_if_present(&self.tenant.state_path(name)?)?;
        core_files::sync_folder(&self.tenant.folder)?;
        self.tenant.changed(Change::State)
    }

    /// Moves a generation out of the history in one step before deleting it, so that a crash leaves
    /// either all or nothing of it.
    pub(crate) fn remove_generation(&self, id: &GenerationId) -> Result<(), StoreError> {
        let generation = self.tenant.generations().join(id.as_str());
        let doomed = self.tenant.staging().join(format!("removed-{id}"));
        core_files::rename(&generation, &doomed)?;
        core_files::sync_folder(&self.tenant.generations())?;
        core_files::remove_folder(&doomed)?;
        tracing::info!(tenant = self.tenant.name(), generation = %id, "generation removed");
        Ok(())
    }
}

fn read_owner(file: &mut impl Read) -> String {
    let mut text = String::new();
    // Windows refuses to read a file that another process has locked; the message then lacks the
    // owner.
    let is_known = file.read_to_string(&mut text).is_ok() && !text.trim().is_empty();
    if !is_known {
        return "its owner is unknown".to_owned();
    }
    text.trim_end().chars().filter(|c| !c.is_control()).take(MAX_OWNER_LENGTH).collect()
}

/// The sorted names in a folder that are valid text; empty if the folder does not exist.
pub(crate) fn folder_names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |source| StoreError::Io { action: "list", path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}
