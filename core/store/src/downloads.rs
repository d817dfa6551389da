//! Downloads that survive the run that began them: an export counts against the quota once, so the
//! next run continues the downloads of a killed one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::names;
use crate::tenant::RunLock;
use crate::watcher::Change;

/// The suffix of the note on a download, after the download's own name.
const NOTE_SUFFIX: &str = ".json";

/// The downloads of a tenant, each a file and its note. Holds the lock.
#[derive(Debug, Clone)]
pub struct Downloads {
    lock: RunLock,
    folder: PathBuf,
}

impl Downloads {
    pub(crate) fn open(lock: RunLock) -> Result<Self, StoreError> {
        let folder = lock.tenant().downloads();
        core_files::create_folder(&folder)?;
        Ok(Self { lock, folder })
    }

    /// Opens a download to continue it, readable and writable; creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`] unless the name is one plain file name, [`StoreError::Io`].
    pub fn resume(&self, name: &str) -> Result<File, StoreError> {
        Ok(core_files::File::open_or_create(&self.path(name)?)?.into_std())
    }

    /// Opens a download for reading, from its start.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`], [`StoreError::Io`] if it does not exist.
    pub fn read(&self, name: &str) -> Result<File, StoreError> {
        Ok(core_files::File::open(&self.path(name)?)?.into_std())
    }

    /// Reads the note on a download; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`], [`StoreError::Io`].
    pub fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(core_files::read_if_present(&self.note_path(name)?)?)
    }

    /// Replaces the note on a download atomically and durably.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`], [`StoreError::Io`].
    pub fn set_note(&self, name: &str, note: &[u8]) -> Result<(), StoreError> {
        core_files::replace_file(&self.note_path(name)?, note)?;
        self.lock.tenant().changed(Change::Notes)
    }

    /// Replaces all notes by these. Downloads whose note is gone or has changed are removed.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`], [`StoreError::Io`].
    pub fn replace_notes(&self, notes: &BTreeMap<String, String>) -> Result<(), StoreError> {
        for (name, note) in notes {
            if self.note(name)?.as_deref() != Some(note.as_bytes()) {
                core_files::remove_file_if_present(&self.path(name)?)?;
                core_files::replace_file(&self.note_path(name)?, note.as_bytes())?;
            }
        }
        self.clear_except(|name| notes.contains_key(name))
    }

    /// Removes a download and its note, if they exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`], [`StoreError::Io`].
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        // The note first: a file without a note is merely useless, a note without its file would be
        // wrong.
        core_files::remove_file_if_present(&self.note_path(name)?)?;
        core_files::remove_file_if_present(&self.path(name)?)?;
        self.lock.tenant().changed(Change::Notes)
    }

    /// Removes the note on a download, if it exists; the download then starts again.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`], [`StoreError::Io`].
    pub fn remove_note(&self, name: &str) -> Result<(), StoreError> {
        core_files::remove_file_if_present(&self.note_path(name)?)?;
        self.lock.tenant().changed(Change::Notes)
    }

    /// Removes the downloads for which `keep` returns false, with their notes, and everything else
    /// in their folder. Files that cannot be removed stay, and are logged.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the folder cannot be listed.
    pub fn clear_except(&self, keep: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        for name in file_names(&self.folder)? {
            let download = name.strip_suffix(NOTE_SUFFIX).unwrap_or(&name);
            let path = self.folder.join(&name);
            if !keep(download)
                && let Err(error) = core_files::remove_file(&path)
            {
                tracing::warn!(path = %path.display(), %error, "a download could not be removed");
            }
        }
        Ok(())
    }

    /// The bytes that the disk of the downloads has left for this user; unknown on some systems.
    pub fn free_bytes(&self) -> Option<u64> {
        core_files::free_bytes(&self.folder)
    }

    fn path(&self, name: &str) -> Result<PathBuf, StoreError> {
        names::check_file(name)?;
        Ok(self.folder.join(name))
    }

    fn note_path(&self, name: &str) -> Result<PathBuf, StoreError> {
        let note = format!("{name}{NOTE_SUFFIX}");
        names::check_file(&note)?;
        Ok(self.folder.join(note))
    }
}

/// Reads the notes in a folder of downloads, by name; empty if the folder does not exist. Files
/// with other names, such as those that some systems put beside others, are ignored.
pub(crate) fn notes(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let mut notes = Vec::new();
    if !folder.exists() {
        return Ok(notes);
    }
    for name in file_names(folder)? {
        let Some(download) = name.strip_suffix(NOTE_SUFFIX) else { continue };
        if names::check_file(&name).is_err() {
            continue;
        }
        let path = folder.join(&name);
        match fs::read(&path) {
            Ok(note) => notes.push((download.to_owned(), note)),
            // It was removed meanwhile, or is not a file.
            Err(_) if !path.is_file() => {}
            Err(source) => return Err(StoreError::Io { action: "read", path, source }),
        }
    }
    notes.sort_unstable();
    Ok(notes)
}

/// The size of all files in a folder of downloads, in bytes.
pub(crate) fn bytes(folder: &Path) -> Result<u64, StoreError> {
    if !folder.exists() {
        return Ok(0);
    }
    let sizes = file_names(folder)?.into_iter().filter_map(|name| {
        // It may have been removed meanwhile.
        Some(folder.join(name).metadata().ok()?.len())
    });
    Ok(sizes.sum())
}

fn file_names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let list = || StoreError::io("list", folder);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(list())? {
        names.push(entry.map_err(list())?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}
