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
use crate::tenant::{RunLock, folder_names};

/// The reason why an arrived generation contradicts its list of files.
const CONTRADICTION: &str = "it lists other files than those that were copied";

/// The files of a copy that are not in place yet.
#[derive(Debug)]
pub struct Incoming {
    lock: RunLock,
    folder: PathBuf,
}

impl RunLock {
    /// Returns the folder in which a copy arrives, with the files of an earlier, interrupted copy.
    pub fn receive(&self) -> Incoming {
        Incoming { lock: self.clone(), folder: self.tenant().folder().join(COPYING) }
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

    /// Puts everything in place, so that the tenant equals the snapshot, and removes all other files. Every file that
    /// is not in place must have arrived before. `ledger` is the ledger that this replaces, of which the caller knows
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
        snapshot: &TenantSnapshot,
        ledger: &LedgerContent,
        before_ledger: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<LedgerContent, StoreError> {
        let generations = snapshot.generations();
        for id in &generations {
            self.assemble(id, snapshot)?;
        }
        let erasures = self.lock.tenant().erasures()?;
        for path in CLOSING_PATHS {
            self.move_file(path)?;
        }
        if self.lock.tenant().erasures()? != erasures {
            self.lock.remove_unredacted()?;
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
            core_files::replace_file(&self.lock.tenant().current_path(), text.as_bytes())?;
        } else {
            core_files::remove_file_if_present(&self.lock.tenant().current_path())?;
        }
        self.remove_others(snapshot)?;
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
        let tenant = self.lock.tenant();
        tenant.ledger().replace_with(seen, || {
            before()?;
            if snapshot.files.contains_key(LEDGER_PATH) {
                return self.move_file(LEDGER_PATH);
            }
            Ok(core_files::remove_file_if_present(&tenant.file_path(LEDGER_PATH)?)?)
        })
    }

    /// Completes the folder of a partly arrived generation with the files that are already in place, and checks its
    /// manifest.
    fn assemble(&self, id: &GenerationId, snapshot: &TenantSnapshot) -> Result<(), StoreError> {
        let part = TenantPart::Generation(id.as_str());
        let folder = self.folder.join(part.folder());
        if !folder.is_dir() {
            return Ok(());
        }
        for (path, expected) in snapshot.part(part) {
            if self.has(path, expected)? {
                continue;
            }
            let old = self.lock.tenant().file_path(path)?;
            let mut from = File::open(&old)?;
            let mut to = self.create(path)?;
            std::io::copy(&mut from, &mut to).map_err(StoreError::io("copy", &old))?;
            self.finish(&to, path, expected)?;
        }
        let generation = Generation::open(&folder, self.lock.tenant().name(), id)?;
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
        Ok(core_files::replace_folder(&arrived, &self.lock.tenant().folder().join(&folder))?)
    }

    /// Moves an arrived file to its place; a file that did not arrive is already in place.
    fn move_file(&self, path: &str) -> Result<(), StoreError> {
        let (from, to) = (self.folder.join(path), self.lock.tenant().file_path(path)?);
        if !from.is_file() {
            return Ok(());
        }
        core_files::create_folder_durably(parent(&to))?;
        core_files::rename(&from, &to)?;
        Ok(core_files::sync_folder(parent(&to))?)
    }

    fn remove_others(&self, snapshot: &TenantSnapshot) -> Result<(), StoreError> {
        let tenant = self.lock.tenant();
        let kept: BTreeSet<_> = snapshot.generations().into_iter().collect();
        for id in tenant.generation_ids()?.iter().filter(|id| !kept.contains(id)) {
            self.lock.remove_generation(id)?;
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
