//! Rows that repeat all that an earlier row of their file said of an entity, known by what they have after
//! their first cell.

use core_model::entity::EntityType;

use crate::batch::{Batch, NO_TAIL};
use crate::header::ColumnMap;
use crate::keys::UNKNOWN;

/// Of the rows of a file, which ones repeat what is known of an entity of one type.
#[derive(Default)]
pub(crate) struct Repeats {
    file: usize,
    /// The number of the entity by the number of what rows have after their first cell.
    numbers: Vec<u32>,
    /// Whether what rows have there is all that they say of entities of the type.
    are_told: bool,
}

impl Repeats {
    /// Begins a batch. What stands in for an empty key is `made`.
    pub(crate) fn begin(
        &mut self,
        entity: &EntityType,
        batch: &Batch,
        columns: &ColumnMap,
        made: &[String],
    ) {
        let names = entity.properties.iter().flat_map(|it| it.columns).chain([&entity.key_column]);
        let mut positions = names.filter_map(|name| columns.position(name));
        // What a privacy policy puts in the place of a cell follows from the cell. Only free text may also
        // be gone in a later row, which is no better than what an earlier one has said.
        self.are_told = made.is_empty() && positions.all(|it| it > 0);
        if !self.are_told || self.file != batch.file() {
            self.numbers.clear();
        }
        self.file = batch.file();
    }

    /// The number of the entity that such a row repeats, or [`UNKNOWN`].
    #[inline]
    pub(crate) fn number(&self, tail: u32) -> u32 {
        self.numbers.get(tail as usize).copied().unwrap_or(UNKNOWN)
    }

    /// Notes that such a row says the same of an entity as its first row.
    pub(crate) fn note(&mut self, tail: u32, number: u32) {
        if !self.are_told || tail == NO_TAIL {
            return;
        }
        let tail = tail as usize;
        if tail >= self.numbers.len() {
            self.numbers.resize(tail + 1, UNKNOWN);
        }
        self.numbers[tail] = number;
    }
}
