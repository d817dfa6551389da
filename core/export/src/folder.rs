//! The order of an export.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use core_files::{File, create_folder, read_if_present, remove_file, sync_folder, write_new_file};
use core_store::{Generation, RunLock, StoreError, TenantStore};
use serde::Serialize;

use crate::{TableFormat, readme, tables};

/// Marks a folder whose export has not come to its end. It is written first and removed last.
const INCOMPLETE: &str = "INCOMPLETE";

/// The folders of a tenant whose files are copied as they are.
const COPIED: [&str; 3] = ["ledger/", "quarantine/", "logs/"];

/// The tables and files that were written, and those that were not.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FolderReport {
    /// The tenant.
    pub tenant: String,
    /// Rows of each table, by its path in the folder.
    pub tables: BTreeMap<String, u64>,
    /// The other files, by their paths in the folder.
    pub files: Vec<String>,
    /// Generations that could not be exported, with the reason.
    pub unreadable: BTreeMap<String, String>,
    /// Files of events that are damaged and not exported, with what is wrong with each.
    pub unreadable_events: Vec<String>,
    /// Files that are left out: locks, and downloads of a run that has not published yet.
    pub left_out: Vec<String>,
}

impl FolderReport {
    /// Returns a sentence about each part that could not be exported.
    pub fn missing(&self) -> Vec<String> {
        let generations = self.unreadable.iter();
        let generations = generations
            .map(|(id, reason)| format!("generation {id} could not be exported: {reason}"));
        let events = self.unreadable_events.iter();
        let events =
            events.map(|found| format!("a part of the events could not be exported: {found}"));
        generations.chain(events).collect()
    }
}

/// The reason why a folder cannot be written to.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system refuses to list it.
    #[error("cannot write into {}: {source}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// An export into it did not come to its end.
    #[error("{} holds an export that was interrupted: remove it, or give another folder", path.display())]
    Interrupted {
        /// The folder.
        path: PathBuf,
    },
    /// It is in the store.
    #[error("{} is in the store, where it would stay unprotected and be taken for a part of it: give a folder elsewhere",
            path.display())]
    InStore {
        /// The folder.
        path: PathBuf,
    },
    /// It holds something.
    #[error("{} is not empty, and nothing in it is overwritten: give a new folder", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
}

/// Refuses a folder that holds anything.
///
/// # Errors
///
/// [`FolderError`].
pub fn check_folder(folder: &Path) -> Result<(), FolderError> {
    let path = || folder.to_owned();
    let mut entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(FolderError::Unusable { path: path(), source }),
    };
    if folder.join(INCOMPLETE).exists() {
        return Err(FolderError::Interrupted { path: path() });
    }
    if entries.next().is_some() {
        return Err(FolderError::NotEmpty { path: path() });
    }
    Ok(())
}

/// Refuses a folder in the folder of the store.
///
/// # Errors
///
/// [`FolderError`].
pub fn check_outside(folder: &Path, store: &Path) -> Result<(), FolderError> {
    let unusable = |source| FolderError::Unusable { path: folder.to_owned(), source };
    // The folder may not exist yet, and a part of its path may be a link.
    let wanted = std::path::absolute(folder).map_err(unusable)?;
    let existing = wanted.ancestors().find_map(|path| path.canonicalize().ok());
    // A store that holds nothing has no folder.
    let store = store.canonicalize().ok();
    match existing {
        Some(existing) if store.is_some_and(|store| existing.starts_with(store)) => {
            Err(FolderError::InStore { path: folder.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Writes everything that is stored of the locked tenant; `log` is the name of its log of events.
///
/// # Errors
///
/// A file cannot be written, or the tenant's folder cannot be listed. The folder then still holds the file
/// `INCOMPLETE`.
pub fn export(
    lock: &RunLock,
    folder: &Path,
    format: TableFormat,
    log: &str,
) -> anyhow::Result<FolderReport> {
    create_folder(folder)?;
    let marker = folder.join(INCOMPLETE);
    write_new_file(&marker, b"This export has not come to its end.\n")?;
    let report = FolderReport { tenant: lock.tenant().name().to_owned(), ..Default::default() };
    let mut export = Export { tenant: lock.tenant(), folder, format, log, report };
    export.write_generations()?;
    export.write_events()?;
    export.write_files()?;
    let Export { report, .. } = export;
    write_new_file(&folder.join("README.md"), readme::text(&report, format).as_bytes())?;
    remove_file(&marker)?;
    sync_folder(folder)?;
    Ok(report)
}

/// An export on its way.
struct Export<'a> {
    tenant: &'a TenantStore,
    folder: &'a Path,
    format: TableFormat,
    log: &'a str,
    report: FolderReport,
}

impl Export<'_> {
    fn write_generations(&mut self) -> anyhow::Result<()> {
        for entry in self.tenant.history()? {
            let name = entry.id.to_string();
            match self.tenant.generation(&entry.id) {
                Ok(generation) => self.write_generation(&generation)?,
                // One damaged generation must not keep the others from being returned.
                Err(error) => self.note_unreadable(&name, &error),
            }
        }
        Ok(())
    }

    fn note_unreadable(&mut self, generation: &str, error: &StoreError) {
        self.report.unreadable.insert(generation.to_owned(), error.to_string());
    }

    fn write_generation(&mut self, generation: &Generation) -> anyhow::Result<()> {
        let id = generation.id().to_string();
        if let Err(error) = generation.verify() {
            self.note_unreadable(&id, &error);
            return Ok(());
        }
        let manifest = serde_json::to_vec_pretty(generation.manifest())?;
        self.write_file(&format!("generations/{id}/manifest.json"), &manifest)?;
        for attachment in &generation.manifest().attachments {
            if let Some(bytes) = generation.attachment(&attachment.path)? {
                self.write_file(&format!("generations/{id}/{}", attachment.path), &bytes)?;
            }
        }
        for table in &generation.manifest().tables {
            let path = format!("generations/{id}/{}", tables::path_of(table, self.format));
            let target = self.parent_of(&path)?;
            tables::write_table(generation, table, self.format, &target)
                .with_context(|| format!("cannot export table {} of {id}", table.name))?;
            self.report.tables.insert(path, table.rows);
        }
        Ok(())
    }

    /// Writes the events of the audit trail, without those in files that are damaged.
    fn write_events(&mut self) -> anyhow::Result<()> {
        let log = match self.tenant.events(self.log) {
            Ok(log) => log,
            Err(error) if error.is_damage() => {
                self.report.unreadable_events.push(error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let (log, damaged) = log.without_damaged()?;
        self.report.unreadable_events = damaged;
        if log.files().is_empty() {
            return Ok(());
        }
        let path = format!("events/{}", tables::events_name(self.log, self.format));
        let target = self.parent_of(&path)?;
        tables::write_events(&log, self.format, &target).context("cannot export the events")?;
        self.report.tables.insert(path, log.rows());
        Ok(())
    }

    /// Copies the small files and the folders that are readable as they are.
    fn write_files(&mut self) -> anyhow::Result<()> {
        for (name, path) in self.tenant.files()? {
            let is_small = !name.contains('/');
            let is_lock = is_small && (name == "lock" || name.starts_with("lock-"));
            let is_done = name.starts_with("generations/") || name.starts_with("events/");
            if is_lock || name.starts_with("staging/") {
                self.report.left_out.push(name);
            } else if is_small {
                self.copy(&path, &format!("state/{name}"))?;
            } else if COPIED.iter().any(|folder| name.starts_with(folder)) {
                self.copy(&path, &name)?;
            } else if !is_done {
                self.copy(&path, &format!("other/{name}"))?;
            }
        }
        Ok(())
    }

    fn copy(&mut self, from: &Path, name: &str) -> anyhow::Result<()> {
        // Removed since it was listed: a reader of the ledger, for example, replaces it as a whole.
        let Some(bytes) = read_if_present(from)? else { return Ok(()) };
        self.write_file(name, &bytes)
    }

    fn write_file(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let target = self.parent_of(name)?;
        write_new_file(&target, bytes)?;
        self.report.files.push(name.to_owned());
        Ok(())
    }

    /// The path of a file in the folder, after the folders above it are made.
    fn parent_of(&self, name: &str) -> anyhow::Result<PathBuf> {
        let target = self.folder.join(name);
        create_folder(target.parent().unwrap_or(self.folder))?;
        Ok(target)
    }
}

/// Makes a written file durable.
pub(crate) fn finish(out: io::BufWriter<File>) -> anyhow::Result<()> {
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.flush()?;
    Ok(file.sync()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_that_is_missing_is_a_sentence_and_a_whole_export_has_none() {
        let mut report = FolderReport::default();
        assert_eq!(report.missing(), [] as [&str; 0]);
        report.unreadable.insert("01JN7Z".to_owned(), "it is damaged".to_owned());
        report.unreadable_events.push("a file is cut".to_owned());
        let expected = [
            "generation 01JN7Z could not be exported: it is damaged",
            "a part of the events could not be exported: a file is cut",
        ];
        assert_eq!(report.missing(), expected);
    }
}
