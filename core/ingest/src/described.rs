//! What the rows of a batch say of the entities of one type, as numbers that can be compared.

use std::hash::{Hash as _, Hasher as _};
use std::ops::Range;

use core_model::entity::EntityType;
use rustc_hash::FxHasher;

use crate::batch::{Batch, Column};
use crate::header::ColumnMap;

/// The columns of a batch that describe the entities of a type, as they stand in the file: two rows say the
/// same or not whatever a privacy policy leaves of them.
pub(crate) struct Described<'a> {
    batch: &'a Batch,
    /// Each once, in the order in which they are declared: files may have them in another.
    columns: Vec<Column<'a>>,
    /// From the first of them in the file to the last.
    span: Range<usize>,
    /// Tells files apart that have the columns in another order.
    layout: u64,
}

impl<'a> Described<'a> {
    pub(crate) fn of(entity: &EntityType, batch: &'a Batch, columns: &ColumnMap) -> Self {
        let mut positions: Vec<usize> = Vec::new();
        for name in entity.properties.iter().flat_map(|it| it.columns) {
            let position = columns.position(name);
            positions.extend(position.filter(|it| !positions.contains(it)));
        }
        let mut hasher = FxHasher::default();
        positions.hash(&mut hasher);
        let first = positions.iter().min().copied().unwrap_or(0);
        Self {
            batch,
            span: first..positions.iter().max().map_or(0, |last| last + 1),
            layout: hasher.finish(),
            columns: positions.into_iter().map(|it| batch.full_column(Some(it))).collect(),
        }
    }

    /// A number for what the row says, whatever the order of the columns and the white space around
    /// cells.
    pub(crate) fn fingerprint(&self, row: usize) -> u64 {
        let mut hasher = FxHasher::default();
        for column in &self.columns {
            column.cell(row).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// A number for how the row is written. Rows with the same number have the same
    /// [`Self::fingerprint`]; this one is taken of all cells in one piece.
    pub(crate) fn written_fingerprint(&self, row: usize) -> u64 {
        let (text, ends) = self.batch.written(row, self.span.clone());
        let mut hasher = FxHasher::default();
        hasher.write_u64(self.layout);
        hasher.write(text);
        // Where the cells end, since a quoted cell may have what looks like a separator. Two at a time,
        // as each has to wait for the one before.
        let last = ends.last().copied().unwrap_or(0);
        for pair in ends.chunks(2) {
            let from_end = |it: &u32| u64::from(last - it);
            hasher.write_u64(from_end(&pair[0]) | from_end(&pair[pair.len() - 1]) << 32);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Cells, NO_TAIL, Origin};

    /// The fingerprints of two rows of two cells: as they are written, and of the cells.
    fn agree(rows: [[&str; 2]; 2]) -> [bool; 2] {
        let mut cells = Cells::default();
        for cell in rows.as_flattened() {
            cells.push(cell);
        }
        let batch = Batch::new(cells, [2, 3].map(|line| Origin { line, tail: NO_TAIL }).into(), 2);
        let columns = vec![batch.column(Some(0)), batch.column(Some(1))];
        let described = Described { batch: &batch, columns, span: 0..2, layout: 0 };
        [
            described.written_fingerprint(0) == described.written_fingerprint(1),
            described.fingerprint(0) == described.fingerprint(1),
        ]
    }

    #[test]
    fn rows_that_are_written_alike_say_the_same() {
        let table = [
            ([["a", "b"], ["a", "b"]], [true, true]),
            ([["a", "b"], [" a", "b "]], [false, true]),
            ([["a", "b"], ["a", "c"]], [false, false]),
            // Quoted cells that are the same text once they lie side by side.
            ([["a", "b,c"], ["a,b", "c"]], [false, false]),
        ];
        for (rows, expected) in table {
            assert_eq!(agree(rows), expected, "{rows:?}");
        }
    }
}
