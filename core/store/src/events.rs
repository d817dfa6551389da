//! Event logs: data that is only ever added, stored apart from the generations in files by day,
//! with its own retention. A small state file lists the valid files; it is replaced atomically
//! together with the caller's notes on its reading position, so that no crash loses an event or
//! stores it twice.

mod append;
mod keys;

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_schema::SchemaRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::append::EventAppender;
use crate::checksum::{Checksums, Thoroughness};
use crate::error::StoreError;
use crate::generation::Batches;
use crate::manifest::FileEntry;
use crate::tenant::{RunLock, TenantStore, folder_names};
use crate::{leftovers, names};

/// The folder beside the generations.
const FOLDER: &str = "events";
pub(crate) const STATE_FILE: &str = "state.json";
/// The folder of files that are not committed yet.
pub(crate) const STAGING: &str = "staging";
/// The version this program writes, and the highest it reads.
const FORMAT_VERSION: u32 = 1;

/// The declaration of a log's events.
#[derive(Debug, Clone)]
pub struct EventDeclaration {
    /// Their columns; `_key` is among them and identifies an event.
    pub schema: SchemaRef,
    /// Columns without stored minimum and maximum.
    pub personal_columns: Vec<String>,
    /// The column with the time by which events are kept and removed: milliseconds, never null.
    pub time_column: &'static str,
    /// The column with an event's own time, if it has one. The retention time of an event without
    /// its own time is a guess, so duplicates are searched in the days around it too.
    pub own_time_column: &'static str,
}

/// A file of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFile {
    /// The UTC day of its events, `2026-03-01`.
    pub day: String,
    /// Its path in the log, `date=2026-03-01/part-00000007.parquet`.
    pub path: String,
    /// The number of events in it.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of its content, in hexadecimal.
    pub blake3: String,
    /// The earliest time in it, in milliseconds since 1970-01-01 UTC.
    pub from_ms: i64,
    /// The latest time in it.
    pub to_ms: i64,
    /// The number of the latest file to which its events were first written, by which
    /// [`EventLog::events_since`] finds new ones.
    #[serde(default)]
    pub newest_part: u64,
}

/// A snapshot of a log. Only retention and compaction remove its files.
#[derive(Debug, Clone)]
pub struct EventLog {
    folder: PathBuf,
    state: State,
    checksums: Checksums,
}

impl EventFile {
    /// The expected content of the file.
    fn entry(&self) -> FileEntry {
        let (path, blake3) = (self.path.clone(), self.blake3.clone());
        FileEntry { path, bytes: self.bytes, blake3 }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    format_version: u32,
    /// The number of the next file, so that no name is used twice.
    next_part: u64,
    /// By day, then in the order in which they were written.
    files: Vec<EventFile>,
    notes: Value,
    /// The erasures that all of its events have been through.
    #[serde(default)]
    erasures: BTreeSet<String>,
}

impl EventLog {
    fn open(tenant: &TenantStore, name: &str) -> Result<Self, StoreError> {
        names::check_table(name)?;
        let folder = tenant.folder().join(FOLDER).join(name);
        let state = State::read(&folder, name)?;
        let checksums = Checksums::new(format!("the event log {name}"), &folder, tenant.folder());
        Ok(Self { folder, state, checksums })
    }

    /// The files, by day.
    pub fn files(&self) -> &[EventFile] {
        &self.state.files
    }

    /// The number of events.
    pub fn rows(&self) -> u64 {
        self.state.files.iter().map(|file| file.rows).sum()
    }

    /// The writer's notes of its last commit; null before the first.
    pub fn notes(&self) -> &Value {
        &self.state.notes
    }

    /// The number of the next file, as a position for [`EventLog::events_since`].
    pub fn next_part(&self) -> u64 {
        self.state.next_part
    }

    /// Returns the number of events in the files that have any events stored since a value of
    /// [`EventLog::next_part`], and these events. If small files were merged meanwhile, older
    /// events are among them.
    pub fn events_since(&self, part: u64) -> (u64, Batches) {
        let new = || self.state.files.iter().filter(|file| file.newest_part >= part);
        (new().map(|file| file.rows).sum(), self.batches(new()))
    }

    /// Counts the events from before a time, by this column of times.
    ///
    /// # Errors
    ///
    /// [`StoreError::Parquet`] or [`StoreError::Io`] if a file cannot be read.
    pub fn rows_before(&self, time_column: &str, ms: i64) -> Result<u64, StoreError> {
        let (mut rows, mut partly) = (0, Vec::new());
        for file in &self.state.files {
            if file.to_ms < ms {
                rows += file.rows;
            } else if file.from_ms < ms {
                partly.push(file);
            }
        }
        for batch in self.batches(partly) {
            let times = append::times(&batch?, time_column).clone();
            rows += times.values().iter().filter(|time| **time < ms).count() as u64;
        }
        Ok(rows)
    }

    /// Reads the state that is in place now.
    fn read_state(&self) -> Result<State, StoreError> {
        let name = self.folder.file_name().unwrap_or_default();
        State::read(&self.folder, &name.to_string_lossy())
    }

    /// Removes unlisted files.
    fn remove_leftovers(&self) -> Result<(), StoreError> {
        let files = self.state.files.iter();
        let listed: HashSet<PathBuf> = files.map(|file| self.folder.join(&file.path)).collect();
        core_files::remove_leftovers(&self.folder.join(STATE_FILE));
        leftovers::remove_unlisted_events(&self.folder, &listed)
    }

    /// The folder that the paths of its files are relative to.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Verifies its files, for an engine that reads them itself. Large files that matched before
    /// and have not changed since are not read again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] with all findings, [`StoreError::Io`].
    pub fn check(&self) -> Result<(), StoreError> {
        self.compare(Thoroughness::Cached)
    }

    /// Reads every file and verifies its checksum.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] with all findings, [`StoreError::Io`].
    pub fn verify(&self) -> Result<(), StoreError> {
        self.compare(Thoroughness::Full)
    }

    fn compare(&self, thoroughness: Thoroughness) -> Result<(), StoreError> {
        let entries: Vec<_> = self.state.files.iter().map(EventFile::entry).collect();
        self.checksums.check(&entries, thoroughness)
    }

    /// Leaves out damaged files, and returns a line for each of them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if an existing file cannot be read.
    pub fn without_damaged(mut self) -> Result<(Self, Vec<String>), StoreError> {
        let (mut whole, mut damaged) = (Vec::new(), Vec::new());
        for file in std::mem::take(&mut self.state.files) {
            let findings = self.checksums.findings([&file.entry()], Thoroughness::Full)?;
            if findings.is_empty() { whole.push(file) } else { damaged.extend(findings) }
        }
        self.state.files = whole;
        Ok((self, damaged))
    }

    /// Opens its files, each verified when its turn comes.
    pub fn open_files(&self) -> impl Iterator<Item = Result<File, StoreError>> {
        self.state.files.iter().map(|file| self.checksums.open(&file.entry()))
    }

    /// Iterates over the events of some files, one file after the other.
    fn batches<'a>(&self, files: impl IntoIterator<Item = &'a EventFile>) -> Batches {
        let entries = files.into_iter().map(EventFile::entry).collect();
        Batches::new(entries, self.checksums.clone())
    }

    /// Iterates over the events from a day on, by day and then in the order of storage.
    pub fn batches_from(&self, day: &str) -> Batches {
        self.batches(self.state.files.iter().filter(|file| file.day.as_str() >= day))
    }
}

impl State {
    fn read(folder: &Path, name: &str) -> Result<Self, StoreError> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let path = folder.join(STATE_FILE);
        let Some(bytes) = core_files::read_if_present(&path)? else {
            return Ok(Self {
                format_version: FORMAT_VERSION,
                next_part: 0,
                files: Vec::new(),
                notes: Value::Null,
                erasures: BTreeSet::new(),
            });
        };
        let broken = |source| StoreError::BrokenEvents { path: path.clone(), source };
        let version: Version = serde_json::from_slice(&bytes).map_err(broken)?;
        if version.format_version > FORMAT_VERSION {
            let found = version.format_version;
            return Err(StoreError::NewerEvents { name: name.to_owned(), found });
        }
        let state: Self = serde_json::from_slice(&bytes).map_err(broken)?;
        match state.files.iter().find(|file| !is_inside(&file.path)) {
            Some(_) => Err(StoreError::ForeignManifest {
                path,
                reason: "it lists a file outside its folder",
            }),
            None => Ok(state),
        }
    }
}

/// Removes what killed processes left in every log. A log with an unreadable state lists nothing,
/// so none of its files count as leftovers.
pub(crate) fn remove_leftovers(tenant: &TenantStore) -> Result<(), StoreError> {
    for name in folder_names(&tenant.folder().join(FOLDER))? {
        if let Ok(log) = tenant.uncleansed_events(&name) {
            log.remove_leftovers()?;
        }
    }
    Ok(())
}

/// Returns true for the name of a day's folder, `date=2026-03-01`.
pub(crate) fn is_day_folder(name: &str) -> bool {
    name.strip_prefix("date=").is_some_and(is_day)
}

/// Returns true for the path of a file of events.
pub(crate) fn is_inside(path: &str) -> bool {
    let Some((folder, file)) = path.split_once('/') else { return false };
    is_day_folder(folder) && names::check_file(file).is_ok()
}

/// Returns true for a day, `2026-03-01`.
fn is_day(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(i, byte)| match i {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

impl TenantStore {
    /// Opens an event log, which is empty if nothing was ever appended. Reading needs no lock.
    ///
    /// # Errors
    ///
    /// [`StoreError::EventsNotCleansed`] if an erasure was interrupted or an older copy was
    /// restored; [`StoreError::InvalidName`], [`StoreError::NewerEvents`],
    /// [`StoreError::BrokenEvents`].
    pub fn events(&self, name: &str) -> Result<EventLog, StoreError> {
        let log = self.uncleansed_events(name)?;
        if log.state.files.is_empty() || self.erasures()?.is_subset(&log.state.erasures) {
            return Ok(log);
        }
        Err(StoreError::EventsNotCleansed { name: name.to_owned() })
    }

    /// As [`TenantStore::events`], even if the log may contain erased people: to cleanse or count
    /// it, never to show it.
    ///
    /// # Errors
    ///
    /// As [`TenantStore::events`], except the first.
    pub fn uncleansed_events(&self, name: &str) -> Result<EventLog, StoreError> {
        EventLog::open(self, name)
    }
}

impl RunLock {
    /// Opens an event log for appending. Removes what killed runs left.
    ///
    /// # Errors
    ///
    /// As [`TenantStore::events`], and [`StoreError::InvalidTable`] for columns that events cannot
    /// have.
    pub fn append_events(
        &self,
        name: &str,
        declaration: EventDeclaration,
    ) -> Result<EventAppender, StoreError> {
        EventAppender::open(self.clone(), self.tenant().uncleansed_events(name)?, declaration)
    }
}
