//! A copy that arrives in a folder.
//!
//! Its files are collected in a separate folder, which survives a killed process, and are put in place when all of
//! them have arrived. The order is that of a run and of an erasure: first the erasures in force, which close every
//! generation that has not been through them; then each generation in one step; then events, ledger and small files;
//! then the pointer. Files that the source no longer has are removed last. So a reader sees a whole generation at
//! every moment, and the next copy finishes a killed one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use core_files::File;

use super::{
    CLOSING_PATHS, COPYING, EVENTS, Fingerprint, LEDGER_PATH, TenantPart, TenantSnapshot,
    check_path, fingerprint,
};
use crate::error::StoreError;
use crate::events;
use crate::generation::Generation;
use crate::ledger::LedgerContent;
use crate::leftovers::remove_unlisted;
use crate::manifest::FileEntry;
use crate::names::GenerationId;
use crate::not_fetched;
use crate::tenant::{RunLock, TenantStore, folder_names};

/// The reason why an arrived generation contradicts its list of files.
const CONTRADICTION: &str = "it lists other files than those that were copied";

/// The files that a generation has when it is put in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Completeness {
    /// All.
    Whole,
    /// Those that have arrived or were in place. If others are missing, the generation is marked.
    MayLackFiles,
}

/// The files of a copy that are not in place yet.
#[derive(Debug)]
pub struct Incoming {
    tenant: TenantStore,
    folder: PathBuf,
}

impl TenantStore {
    /// Returns the folder in which a copy arrives, with the files of an earlier, interrupted copy. Only one process may
    /// use it at a time.
    pub fn receive(&self) -> Incoming {
        Incoming { tenant: self.clone(), folder: self.folder().join(COPYING) }
    }
}

impl Incoming {
    /// Returns true if the file arrived already, which is found out by reading it.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`], [`StoreError::Io`].
    pub fn has(&self, path: &str, expected: &Fingerprint) -> Result<bool, StoreError> {
        let path = self.path(path)?;
        let is_right_size = fs::metadata(&path).is_ok_and(|found| found.len() == expected.bytes);
        Ok(is_right_size && fingerprint(&path)? == *expected)
    }

    /// Starts a file that arrives.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`], [`StoreError::Io`].
    pub fn create(&self, path: &str) -> Result<File, StoreError> {
        let path = self.path(path)?;
        core_files::create_folder(parent(&path))?;
        Ok(File::create(&path)?)
    }

    /// Finishes an arrived file: makes it durable, reads it back, and compares it with the expected fingerprint.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn finish(
        &self,
        file: &File,
        path: &str,
        expected: &Fingerprint,
    ) -> Result<(), StoreError> {
        file.sync()?;
        core_files::sync_folder(parent(file.path()))?;
        if self.has(path, expected)? {
            return Ok(());
        }
        let findings = vec![format!("{path} arrived with another content")];
        Err(StoreError::Damaged { owner: "the copy".to_owned(), findings })
    }

    fn path(&self, path: &str) -> Result<PathBuf, StoreError> {
        check_path(path)?;
        Ok(self.folder.join(path))
    }

    /// Returns true if the file is in place, which is found out by reading it.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`], [`StoreError::Io`].
    pub fn is_in_place(&self, path: &str, expected: &Fingerprint) -> Result<bool, StoreError> {
        let path = self.tenant.file_path(path)?;
        let is_right_size = fs::metadata(&path).is_ok_and(|found| found.len() == expected.bytes);
        Ok(is_right_size && fingerprint(&path)? == *expected)
    }

    /// Puts the files of one generation in place, all of which are there or have arrived.
    ///
    /// # Errors
    ///
    /// [`StoreError::ForeignManifest`], [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn put_generation_in_place(
        &self,
        id: &GenerationId,
        snapshot: &TenantSnapshot,
    ) -> Result<(), StoreError> {
        self.assemble(id, snapshot, Completeness::Whole)?;
        self.replace_generation(id)
    }

    /// Puts everything in place, so that the tenant equals the snapshot, and removes all other files. Every file that
    /// is not in place must have arrived before, but for those of the generations `without_tables`. `ledger` is the ledger that this replaces, of which the caller knows
    /// every entry. `before_ledger` is called just before it is replaced, while nothing can be added to it. Returns the
    /// new ledger.
    ///
    /// # Errors
    ///
    /// [`StoreError::ForeignManifest`] for a generation whose manifest lists other files; [`StoreError::LedgerChanged`]
    /// if the ledger is another one, for example because a query has added its entry; [`StoreError::Io`]. After an
    /// error, the next copy continues.
    pub fn put_in_place(
        &self,
        lock: &RunLock,
        snapshot: &TenantSnapshot,
        without_tables: &BTreeSet<GenerationId>,
        ledger: &LedgerContent,
        before_ledger: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<LedgerContent, StoreError> {
        let generations = snapshot.generations();
        for id in &generations {
            let is_whole = !without_tables.contains(id);
            let completeness =
                if is_whole { Completeness::Whole } else { Completeness::MayLackFiles };
            self.assemble(id, snapshot, completeness)?;
        }
        let erasures = self.tenant.erasures()?;
        for path in CLOSING_PATHS {
            self.move_file(path)?;
        }
        if self.tenant.erasures()? != erasures {
            lock.remove_unredacted()?;
        }
        for id in &generations {
            self.replace_generation(id)?;
        }
        let (states, others): (Vec<_>, Vec<_>) =
            snapshot.files.keys().partition(|path| path.ends_with(events::STATE_FILE));
        // The files of events before the state that lists them.
        for path in others.into_iter().chain(states) {
            match TenantPart::of_path(path) {
                Some(TenantPart::Generation(_) | TenantPart::Ledger) | None => {}
                Some(TenantPart::Events(_) | TenantPart::State) => self.move_file(path)?,
            }
        }
        let ledger = self.replace_ledger(snapshot, ledger, before_ledger)?;
        if let Some(current) = &snapshot.current {
            let text = format!("{current}\n");
            core_files::replace_file(&self.tenant.current_path(), text.as_bytes())?;
        } else {
            core_files::remove_file_if_present(&self.tenant.current_path())?;
        }
        self.remove_others(lock, snapshot)?;
        core_files::remove_folder_if_present(&self.folder)?;
        Ok(ledger)
    }

    /// Puts the ledger in place, unless an entry was added that the caller does not know.
    fn replace_ledger(
        &self,
        snapshot: &TenantSnapshot,
        seen: &LedgerContent,
        before: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<LedgerContent, StoreError> {
        let tenant = &self.tenant;
        tenant.ledger().replace_with(seen, || {
            before()?;
            if snapshot.files.contains_key(LEDGER_PATH) {
                return self.move_file(LEDGER_PATH);
            }
            Ok(core_files::remove_file_if_present(&tenant.file_path(LEDGER_PATH)?)?)
        })
    }

    /// Completes the folder of a partly arrived generation with the files that are already in place, marks it if files
    /// are missing, and checks its manifest.
    fn assemble(
        &self,
        id: &GenerationId,
        snapshot: &TenantSnapshot,
        completeness: Completeness,
    ) -> Result<(), StoreError> {
        let part = TenantPart::Generation(id.as_str());
        let folder = self.folder.join(part.folder());
        if !folder.is_dir() {
            return Ok(());
        }
        let mut lacks_files = false;
        for (path, expected) in snapshot.part(part) {
            if self.has(path, expected)? {
                continue;
            }
            if completeness == Completeness::MayLackFiles && !self.is_in_place(path, expected)? {
                lacks_files = true;
                continue;
            }
            let old = self.tenant.file_path(path)?;
            let mut from = File::open(&old)?;
            let mut to = self.create(path)?;
            std::io::copy(&mut from, &mut to).map_err(StoreError::io("copy", &old))?;
            self.finish(&to, path, expected)?;
        }
        not_fetched::set_mark(&folder, lacks_files)?;
        let generation = Generation::open(&folder, &self.tenant, id)?;
        let listed = generation.manifest().files();
        let is_same = |file: &FileEntry| {
            let found = snapshot.files.get(&format!("{}/{}", part.folder(), file.path));
            found.is_some_and(|found| found.bytes == file.bytes && found.blake3 == file.blake3)
        };
        let mut n_listed = 1;
        for file in listed {
            n_listed += 1;
            if !is_same(file) {
                return Err(contradiction(folder));
            }
        }
        if n_listed != snapshot.part(part).count() {
            return Err(contradiction(folder));
        }
        // An interrupted copy of an earlier state may have left files.
        remove_unlisted(&folder, generation.manifest())
    }

    /// Moves the folder of a generation that arrived to its place, in one step.
    fn replace_generation(&self, id: &GenerationId) -> Result<(), StoreError> {
        let folder = TenantPart::Generation(id.as_str()).folder();
        let arrived = self.folder.join(&folder);
        if !arrived.is_dir() {
            return Ok(());
        }
        Ok(core_files::replace_folder(&arrived, &self.tenant.folder().join(&folder))?)
    }

    /// Moves an arrived file to its place; a file that did not arrive is already in place.
    fn move_file(&self, path: &str) -> Result<(), StoreError> {
        let (from, to) = (self.folder.join(path), self.tenant.file_path(path)?);
        if !from.is_file() {
            return Ok(());
        }
        core_files::create_folder_durably(parent(&to))?;
        core_files::rename(&from, &to)?;
        Ok(core_files::sync_folder(parent(&to))?)
    }

    fn remove_others(&self, lock: &RunLock, snapshot: &TenantSnapshot) -> Result<(), StoreError> {
        let tenant = &self.tenant;
        let kept: BTreeSet<_> = snapshot.generations().into_iter().collect();
        for id in tenant.generation_ids()?.iter().filter(|id| !kept.contains(id)) {
            lock.remove_generation(id)?;
        }
        for name in folder_names(tenant.folder())? {
            let is_state = TenantPart::of_path(&name) == Some(TenantPart::State);
            if is_state && !snapshot.files.contains_key(&name) {
                core_files::remove_file(&tenant.folder().join(&name))?;
            }
        }
        core_files::sync_folder(tenant.folder())?;
        for name in folder_names(&tenant.folder().join(EVENTS))? {
            if snapshot.part(TenantPart::Events(&name)).next().is_none() {
                core_files::remove_folder(&tenant.folder().join(EVENTS).join(&name))?;
            }
        }
        events::remove_leftovers(tenant)
    }
}

fn contradiction(path: PathBuf) -> StoreError {
    StoreError::ForeignManifest { path, reason: CONTRADICTION }
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("a file is in a folder")
}
