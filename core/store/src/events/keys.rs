//! The keys of the events of a few days, so that an event that is there is not stored again.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray as _;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::StoreError;

/// The column that identifies an event.
pub(super) const KEY_COLUMN: &str = "_key";
/// How many days are held at once: a trail is nearly in the order of time.
const DAYS: usize = 4;

/// The keys of some days, as hashes: 16 bytes each, whatever their length.
#[derive(Debug, Default)]
pub(super) struct DayKeys {
    /// The one used last is at the back.
    days: VecDeque<(String, HashSet<u128>)>,
}

impl DayKeys {
    /// The keys of a day, if they are held.
    pub(super) fn get(&mut self, day: &str) -> Option<&mut HashSet<u128>> {
        let place = self.days.iter().position(|(held, _)| held == day)?;
        let found = self.days.remove(place)?;
        self.days.push_back(found);
        self.days.back_mut().map(|(_, keys)| keys)
    }

    /// Holds the keys of a day from now on; gives the day that makes room for it, if one must.
    pub(super) fn hold(&mut self, day: &str, keys: HashSet<u128>) -> Option<String> {
        self.days.push_back((day.to_owned(), keys));
        let is_full = self.days.len() > DAYS;
        is_full.then(|| self.days.pop_front().map(|(day, _)| day)).flatten()
    }

    /// Holds no keys any more.
    pub(super) fn clear(&mut self) {
        self.days.clear();
    }
}

/// What stands for a key.
pub(super) fn hash(key: &str) -> u128 {
    let hash = blake3::hash(key.as_bytes());
    u128::from_le_bytes(hash.as_bytes()[..16].try_into().expect("a hash has 32 bytes"))
}

/// Adds the keys of a file.
pub(super) fn read(path: &Path, keys: &mut HashSet<u128>) -> Result<(), StoreError> {
    let failed = || StoreError::parquet("read", path);
    let file = File::open(path).map_err(StoreError::io("open the file", path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed())?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [KEY_COLUMN]);
    for batch in builder.with_projection(mask).build().map_err(failed())? {
        let batch = batch.map_err(|error| failed()(error.into()))?;
        let column = batch.column(0).as_string::<i32>();
        keys.extend(column.iter().flatten().map(hash));
    }
    Ok(())
}
