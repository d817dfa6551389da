//! Writing of events to files that count only once they are committed.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use core_files::File;
use serde_json::Value;

use super::keys::{self, DAY_MS, KEY_COLUMN, Keys, Slot};
use super::{EventDeclaration, EventFile, EventLog, STAGING, STATE_FILE, is_day};
use crate::error::StoreError;
use crate::manifest::TableKind;
use crate::table::{TableDeclaration, TableWriter};
use crate::tenant::RunLock;

/// The number of files of a day above which they are merged into one.
const MAX_FILES_OF_A_DAY: usize = 8;
/// The number of days that are written at the same time: those of the longest window with its
/// margins. Each holds a row group in memory.
const OPEN_DAYS: usize = 8;
/// The most files between two commits. Events in the order of time make one file per day, and the
/// whole logs of fifty Engines, one after the other, fifty per day; events of many days in random
/// order would make one file per event.
const MAX_STAGED_FILES: usize = 10_000;

/// Appends to an event log. Holds the lock.
pub struct EventAppender {
    lock: RunLock,
    log: EventLog,
    declaration: EventDeclaration,
    /// The open files, by day.
    open: BTreeMap<String, OpenFile>,
    /// The files that are written but not committed.
    staged: Vec<EventFile>,
    keys: Keys,
    /// The number of the first file that this appender has written.
    opened_at: u64,
}

struct OpenFile {
    part: u64,
    writer: TableWriter,
    from_ms: i64,
    to_ms: i64,
}

impl EventAppender {
    pub(super) fn open(
        lock: RunLock,
        log: EventLog,
        declaration: EventDeclaration,
    ) -> Result<Self, StoreError> {
        for column in [KEY_COLUMN, declaration.time_column, declaration.own_time_column] {
            if declaration.schema.index_of(column).is_err() {
                let reason = format!("events need a column {column}");
                return Err(StoreError::InvalidTable { name: "events".to_owned(), reason });
            }
        }
        let appender = Self {
            lock,
            opened_at: log.state.next_part,
            log,
            declaration,
            open: BTreeMap::new(),
            staged: Vec::new(),
            keys: Keys::default(),
        };
        core_files::create_folder(&appender.staging())?;
        appender.log.remove_leftovers()?;
        Ok(appender)
    }

    /// The log as of the last commit.
    pub fn log(&self) -> &EventLog {
        &self.log
    }

    /// Records the key of an event that is kept by this time, and returns true if the key was new.
    /// If the time is a guess, because the event has another time or none, the days around it are
    /// searched too.
    ///
    /// # Errors
    ///
    /// [`StoreError::Parquet`] or [`StoreError::Io`] if a file of the day cannot be read.
    pub fn is_new(
        &mut self,
        kept_ms: i64,
        own_ms: Option<i64>,
        key: &str,
    ) -> Result<bool, StoreError> {
        let key = keys::hash(key);
        let slot = Slot::from_times(kept_ms, own_ms);
        if matches!(slot, Slot::Guessed(_)) {
            for near_ms in [kept_ms.saturating_sub(DAY_MS), kept_ms.saturating_add(DAY_MS)] {
                if self.keys_of(Slot::from_times(near_ms, None))?.contains(&key) {
                    return Ok(false);
                }
            }
        }
        Ok(self.keys_of(slot)?.insert(key))
    }

    /// Writes events of one day.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`] unless the day is valid, [`StoreError::InvalidTable`] if the
    /// columns differ from the declared ones.
    pub fn write(&mut self, day: &str, batch: &RecordBatch) -> Result<(), StoreError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if !is_day(day) {
            let name = day.to_owned();
            return Err(StoreError::InvalidName { what: "day", name, rule: "YYYY-MM-DD" });
        }
        if !self.open.contains_key(day) {
            if self.open.len() >= OPEN_DAYS
                && let Some(earliest) = self.open.keys().next().cloned()
            {
                self.close(&earliest)?;
            }
            if self.staged.len() >= MAX_STAGED_FILES {
                let reason = "events of many days come in no order: sort them by time".to_owned();
                return Err(StoreError::InvalidTable { name: "events".to_owned(), reason });
            }
            let file = self.create()?;
            self.open.insert(day.to_owned(), file);
        }
        let file = self.open.get_mut(day).expect("it was opened");
        file.writer.write(batch)?;
        let (from_ms, to_ms) = bounds(batch, self.declaration.time_column);
        file.from_ms = file.from_ms.min(from_ms);
        file.to_ms = file.to_ms.max(to_ms);
        Ok(())
    }

    /// Commits everything written, together with the caller's notes, atomically.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]; then nothing of it is committed.
    pub fn commit(&mut self, notes: Value) -> Result<(), StoreError> {
        self.close_all()?;
        let staged = std::mem::take(&mut self.staged);
        for file in &staged {
            self.put_in_place(file)?;
        }
        let mut state = self.log.state.clone();
        if state.files.is_empty() {
            // The appending run leaves out erased people, and the log has no earlier events.
            state.erasures = self.lock.tenant().erasures()?;
        }
        state.files.extend(staged);
        state.notes = notes;
        self.replace_state(state)?;
        self.keys.remove_spilled(&self.staging());
        Ok(())
    }

    /// Discards everything written since the last commit.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the state cannot be read, or its files cannot be removed.
    pub fn discard(&mut self) -> Result<(), StoreError> {
        self.open.clear();
        self.staged.clear();
        self.keys.clear();
        // A commit that failed in its last fsync is in place all the same, and its files are no leftovers.
        let next_part = self.log.state.next_part;
        self.log.state = self.log.read_state()?;
        self.log.state.next_part = next_part.max(self.log.state.next_part);
        self.log.remove_leftovers()
    }

    /// Removes every event from before a time, in milliseconds since 1970-01-01 UTC. Returns the
    /// number of removed events.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`], [`StoreError::Parquet`] or [`StoreError::Stopped`]; the affected file is then
    /// unchanged.
    pub fn retain_from(&mut self, from_ms: i64) -> Result<u64, StoreError> {
        let mut removed = 0;
        for (day, files) in self.by_day()? {
            let old: Vec<EventFile> =
                files.into_iter().filter(|file| file.from_ms < from_ms).collect();
            if old.is_empty() {
                continue;
            }
            let time_column = self.declaration.time_column;
            let keep = |batch: &RecordBatch| {
                let times = times(batch, time_column);
                times.iter().map(|time| Some(time? >= from_ms)).collect()
            };
            let read: Vec<EventFile> =
                old.iter().filter(|file| file.to_ms >= from_ms).cloned().collect();
            removed += self.rewrite(&day, &old, &read, &keep)?;
        }
        Ok(removed)
    }

    /// Merges the files of days with many files. Files of this appender stay until the next one, so
    /// that a reader can still tell which events are new.
    ///
    /// # Errors
    ///
    /// As [`EventAppender::retain_from`].
    pub fn compact(&mut self) -> Result<(), StoreError> {
        for (day, mut files) in self.by_day()? {
            files.retain(|file| file.newest_part < self.opened_at);
            if files.len() > MAX_FILES_OF_A_DAY {
                let all = |batch: &RecordBatch| BooleanArray::from(vec![true; batch.num_rows()]);
                self.rewrite(&day, &files, &files, &all)?;
            }
        }
        Ok(())
    }

    /// The committed files by day.
    fn by_day(&mut self) -> Result<BTreeMap<String, Vec<EventFile>>, StoreError> {
        self.close_all()?;
        let mut by_day: BTreeMap<String, Vec<EventFile>> = BTreeMap::new();
        for file in &self.log.state.files {
            by_day.entry(file.day.clone()).or_default().push(file.clone());
        }
        Ok(by_day)
    }

    /// Removes the events for which `keep` returns false, marks the log as having been through all
    /// erasures in force, and returns the number of removed events. Days that lose no event are not
    /// rewritten.
    ///
    /// # Errors
    ///
    /// As [`EventAppender::retain_from`].
    pub fn retain_where(
        &mut self,
        keep: &dyn Fn(&RecordBatch) -> BooleanArray,
    ) -> Result<u64, StoreError> {
        self.keys.clear();
        let mut removed = 0;
        for (day, files) in self.by_day()? {
            let mut loses = false;
            for batch in self.log.batches(&files) {
                self.lock.tenant().check_stop()?;
                let keep = keep(&batch?);
                loses |= keep.true_count() < keep.len();
            }
            if loses {
                removed += self.rewrite(&day, &files, &files, keep)?;
            }
        }
        let mut state = self.log.state.clone();
        state.erasures = self.lock.tenant().erasures()?;
        self.replace_state(state)?;
        Ok(removed)
    }

    /// Replaces several files of a day by one, with the kept events of those in `read`.
    fn rewrite(
        &mut self,
        day: &str,
        files: &[EventFile],
        read: &[EventFile],
        keep: &dyn Fn(&RecordBatch) -> BooleanArray,
    ) -> Result<u64, StoreError> {
        let batches = self.log.batches(read);
        let before: u64 = files.iter().map(|file| file.rows).sum();
        for batch in batches {
            self.lock.tenant().check_stop()?;
            let batch = batch?;
            let batch = filter_record_batch(&batch, &keep(&batch)).map_err(|error| {
                StoreError::InvalidTable { name: "events".to_owned(), reason: error.to_string() }
            })?;
            self.write(day, &batch)?;
        }
        self.close(day)?;
        let mut staged = std::mem::take(&mut self.staged);
        let newest_part = files.iter().map(|file| file.newest_part).max().unwrap_or_default();
        for file in &mut staged {
            file.newest_part = newest_part;
            self.put_in_place(file)?;
        }
        let mut state = self.log.state.clone();
        state.files.retain(|file| !files.contains(file));
        let after: u64 = staged.iter().map(|file| file.rows).sum();
        state.files.extend(staged);
        self.replace_state(state)?;
        for file in files {
            remove(&self.log.folder.join(&file.path))?;
        }
        core_files::remove_folder_if_empty(&self.log.folder.join(format!("date={day}")));
        Ok(before - after)
    }

    fn replace_state(&mut self, mut state: super::State) -> Result<(), StoreError> {
        state.next_part = self.log.state.next_part;
        state.files.sort_by(|left, right| left.path.cmp(&right.path));
        let mut text = serde_json::to_vec_pretty(&state).expect("a state is plain data");
        text.push(b'\n');
        core_files::replace_file(&self.log.folder.join(STATE_FILE), &text)?;
        self.log.state = state;
        Ok(())
    }

    /// The keys of a slot: of the committed events, and of those added since.
    fn keys_of(&mut self, slot: Slot) -> Result<&mut HashSet<u128>, StoreError> {
        let staging = self.staging();
        if self.keys.get(slot).is_none() && !self.keys.load(slot, &staging)? {
            let times = slot.times();
            let mut keys = HashSet::new();
            let files = self.log.state.files.iter();
            for file in files.filter(|file| file.from_ms < times.end && file.to_ms >= times.start) {
                let opened = self.log.checksums.open(&file.entry())?;
                let path = self.log.folder.join(&file.path);
                keys::read(opened, &path, &self.declaration, slot, &mut keys)?;
            }
            self.keys.insert(slot, keys, &staging)?;
        }
        Ok(self.keys.get(slot).expect("it is held now"))
    }

    fn create(&mut self) -> Result<OpenFile, StoreError> {
        let part = self.log.state.next_part;
        self.log.state.next_part += 1;
        core_files::create_folder(&self.staging())?;
        let file = File::create(&self.staging().join(part_name(part)))?;
        let declaration = TableDeclaration {
            kind: TableKind::Entity,
            name: "events".to_owned(),
            class: Vec::new(),
            ends: None,
            schema: self.declaration.schema.clone(),
            personal_columns: self.declaration.personal_columns.clone(),
        };
        let writer = TableWriter::new(declaration, file)?;
        Ok(OpenFile { part, writer, from_ms: i64::MAX, to_ms: i64::MIN })
    }

    fn close_all(&mut self) -> Result<(), StoreError> {
        while let Some(day) = self.open.keys().next().cloned() {
            self.close(&day)?;
        }
        Ok(())
    }

    fn close(&mut self, day: &str) -> Result<(), StoreError> {
        let Some(file) = self.open.remove(day) else { return Ok(()) };
        let table = file.writer.finish()?;
        let entry = &table.files.first().expect("a table has a file").file;
        self.staged.push(EventFile {
            day: day.to_owned(),
            path: format!("date={day}/{}", part_name(file.part)),
            rows: table.rows,
            bytes: entry.bytes,
            blake3: entry.blake3.clone(),
            from_ms: file.from_ms,
            to_ms: file.to_ms,
            newest_part: file.part,
        });
        Ok(())
    }

    fn put_in_place(&self, file: &EventFile) -> Result<(), StoreError> {
        let place = self.log.folder.join(&file.path);
        let folder = place.parent().expect("a file of events is in the folder of its day");
        core_files::create_folder(folder)?;
        core_files::rename(&self.staging().join(file_name(&file.path)), &place)?;
        core_files::sync_folder(folder)?;
        Ok(core_files::sync_folder(&self.log.folder)?)
    }

    fn staging(&self) -> PathBuf {
        self.log.folder.join(STAGING)
    }
}

fn part_name(part: u64) -> String {
    format!("part-{part:08}.parquet")
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

pub(super) fn times<'a>(
    batch: &'a RecordBatch,
    column: &str,
) -> &'a arrow_array::PrimitiveArray<TimestampMillisecondType> {
    let column = batch.column_by_name(column).expect("the declared columns were checked");
    column.as_primitive::<TimestampMillisecondType>()
}

fn bounds(batch: &RecordBatch, column: &str) -> (i64, i64) {
    let times = times(batch, column).values();
    let from_ms = times.iter().min().copied().unwrap_or(i64::MAX);
    (from_ms, times.iter().max().copied().unwrap_or(i64::MIN))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    Ok(core_files::remove_file(path)?)
}
