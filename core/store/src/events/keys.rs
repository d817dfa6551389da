//! The keys of the events around the incoming ones, to detect duplicates. The keys of a few hours
//! are in memory; evicted ones are spilled to a file, so that memory does not grow with the events
//! of a day.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMillisecondType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::EventDeclaration;
use crate::error::StoreError;

/// The column that identifies an event.
pub(super) const KEY_COLUMN: &str = "_key";
const HOUR_MS: i64 = 3_600_000;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
/// The number of slots in memory: a trail is nearly in the order of time.
const SLOTS: usize = 6;

/// A set of events in which a duplicate is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    /// The events of an hour since 1970-01-01 UTC.
    Hour(i64),
    /// The events of a day since 1970-01-01 UTC whose time is a guess: few, unless a whole trail
    /// has no times.
    Guessed(i64),
}

/// The keys of some slots, as hashes of 16 bytes each, whatever their length.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The most recently used slot is at the back.
    held: VecDeque<(Slot, HashSet<u128>)>,
    put_down: HashSet<Slot>,
}

impl Slot {
    /// The slot of an event with this retention time and its own time, if it has one.
    pub(super) fn from_times(kept_ms: i64, own_ms: Option<i64>) -> Self {
        if own_ms == Some(kept_ms) {
            Self::Hour(kept_ms.div_euclid(HOUR_MS))
        } else {
            Self::Guessed(kept_ms.div_euclid(DAY_MS))
        }
    }

    /// The retention times of its events.
    pub(super) fn times(self) -> Range<i64> {
        match self {
            Self::Hour(hour) => hour * HOUR_MS..(hour + 1) * HOUR_MS,
            Self::Guessed(day) => day * DAY_MS..(day + 1) * DAY_MS,
        }
    }

    fn file(self, folder: &Path) -> PathBuf {
        folder.join(match self {
            Self::Hour(hour) => format!("keys-of-hour-{hour}"),
            Self::Guessed(day) => format!("guessed-keys-of-day-{day}"),
        })
    }
}

impl Keys {
    /// The keys of a slot, if they are in memory.
    pub(super) fn get(&mut self, slot: Slot) -> Option<&mut HashSet<u128>> {
        let place = self.held.iter().position(|(held, _)| *held == slot)?;
        let found = self.held.remove(place)?;
        self.held.push_back(found);
        self.held.back_mut().map(|(_, keys)| keys)
    }

    /// Loads the spilled keys of a slot from this folder, if there are any.
    pub(super) fn load(&mut self, slot: Slot, folder: &Path) -> Result<bool, StoreError> {
        if !self.put_down.remove(&slot) {
            return Ok(false);
        }
        let path = slot.file(folder);
        let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
        core_files::remove_file(&path)?;
        let (keys, _) = bytes.as_chunks::<16>();
        self.insert(slot, keys.iter().map(|key| u128::from_le_bytes(*key)).collect(), folder)?;
        Ok(true)
    }

    /// Keeps the keys of a slot in memory, and spills the evicted ones to the folder.
    pub(super) fn insert(
        &mut self,
        slot: Slot,
        keys: HashSet<u128>,
        folder: &Path,
    ) -> Result<(), StoreError> {
        self.held.push_back((slot, keys));
        if self.held.len() > SLOTS
            && let Some((slot, keys)) = self.held.pop_front()
        {
            let path = slot.file(folder);
            write(&path, &keys)?;
            self.put_down.insert(slot);
        }
        Ok(())
    }

    /// Removes the spilled keys, which the events' own files now contain. A file that cannot be
    /// removed does no harm, and is removed with other leftovers.
    pub(super) fn remove_spilled(&mut self, folder: &Path) {
        for slot in self.put_down.drain() {
            let _ = core_files::remove_file(&slot.file(folder));
        }
    }

    /// Drops all keys.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.put_down.clear();
    }
}

fn write(path: &Path, keys: &HashSet<u128>) -> Result<(), StoreError> {
    let mut file = BufWriter::new(core_files::File::create(path)?);
    let written = keys.iter().try_for_each(|key| file.write_all(&key.to_le_bytes()));
    written.and_then(|()| file.flush()).map_err(StoreError::io("write", path))
}

/// The hash of a key.
pub(super) fn hash(key: &str) -> u128 {
    let hash = blake3::hash(key.as_bytes());
    u128::from_le_bytes(hash.as_bytes()[..16].try_into().expect("a hash has 32 bytes"))
}

/// Adds the keys of those events of a file that are in a slot.
pub(super) fn read(
    file: File,
    path: &Path,
    declaration: &EventDeclaration,
    slot: Slot,
    keys: &mut HashSet<u128>,
) -> Result<(), StoreError> {
    let failed = || StoreError::parquet("read", path);
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed())?;
    let [time, own] = [declaration.time_column, declaration.own_time_column];
    let mask = ProjectionMask::columns(builder.parquet_schema(), [KEY_COLUMN, time, own]);
    let times = slot.times();
    let leaf = builder.parquet_schema().columns().iter().position(|column| column.name() == time);
    let groups = builder.metadata().row_groups().iter().enumerate();
    let groups = groups.filter(|(_, group)| leaf.is_none_or(|leaf| may_have(group, leaf, &times)));
    let groups = groups.map(|(number, _)| number).collect();
    let reader = builder.with_projection(mask).with_row_groups(groups);
    for batch in reader.build().map_err(failed())? {
        let batch = batch.map_err(|error| failed()(error.into()))?;
        let column = |name| batch.column_by_name(name).expect("it is in every file of the log");
        let [times, own_times] =
            [time, own].map(|name| column(name).as_primitive::<TimestampMillisecondType>().iter());
        let rows = column(KEY_COLUMN).as_string::<i32>().iter().zip(times.zip(own_times));
        keys.extend(rows.filter_map(|(key, (kept_ms, own_ms))| {
            (Slot::from_times(kept_ms?, own_ms) == slot).then(|| key.map(hash)).flatten()
        }));
    }
    Ok(())
}

/// Returns true if a row group may have a time in a range, by its statistics.
fn may_have(group: &RowGroupMetaData, leaf: usize, times: &Range<i64>) -> bool {
    match group.column(leaf).statistics() {
        Some(Statistics::Int64(statistics)) => {
            statistics.min_opt().is_none_or(|min| *min < times.end)
                && statistics.max_opt().is_none_or(|max| *max >= times.start)
        }
        _ => true,
    }
}
