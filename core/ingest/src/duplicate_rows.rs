//! Detection of rows that only repeat what an earlier row of their file said about an entity, by
//! the number of their suffix. It skips the hashing and the key lookup of most rows of a grouped
//! export.

use core_model::entity::EntityType;

use crate::batch::{Batch, NO_SUFFIX};
use crate::header::ColumnMap;
use crate::keys::UNKNOWN;

/// The duplicate rows of a file, for the entities of one type.
#[derive(Default)]
pub(crate) struct DuplicateRows {
    file: usize,
    /// The entity number for each suffix number.
    numbers: Vec<u32>,
    /// True if the suffix of a row has all columns of the type, so that equal suffixes mean equal
    /// entities.
    suffix_identifies_entity: bool,
}

impl DuplicateRows {
    /// Begins a batch. `derived` has the keys that replace empty ones.
    pub(crate) fn begin(
        &mut self,
        entity: &EntityType,
        batch: &Batch,
        columns: &ColumnMap,
        derived: &[String],
    ) {
        let names = entity
            .properties
            .iter()
            .flat_map(|property| property.columns)
            .chain([&entity.key_column]);
        let mut positions = names.filter_map(|name| columns.position(name));
        // A redacted cell follows from the cell alone, with one exception: free text may be missing
        // in a later row, which then says no more than an earlier one.
        self.suffix_identifies_entity =
            derived.is_empty() && positions.all(|position| position > 0);
        if !self.suffix_identifies_entity || self.file != batch.file() {
            self.numbers.clear();
        }
        self.file = batch.file();
    }

    /// The number of the entity that a row with this suffix repeats, or [`UNKNOWN`].
    #[inline]
    pub(crate) fn number(&self, suffix: u32) -> u32 {
        self.numbers.get(suffix as usize).copied().unwrap_or(UNKNOWN)
    }

    /// Records that rows with this suffix are identical to the first row of an entity.
    pub(crate) fn record(&mut self, suffix: u32, number: u32) {
        if !self.suffix_identifies_entity || suffix == NO_SUFFIX {
            return;
        }
        let suffix = suffix as usize;
        if suffix >= self.numbers.len() {
            self.numbers.resize(suffix + 1, UNKNOWN);
        }
        self.numbers[suffix] = number;
    }
}
