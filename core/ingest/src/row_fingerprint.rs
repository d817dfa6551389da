//! Fingerprints of the rows of a batch, to compare what two rows say about the entities of one
//! type.

use std::hash::{Hash as _, Hasher as _};
use std::ops::Range;

use core_model::entity::EntityType;
use rustc_hash::FxHasher;

use crate::batch::{Batch, Column};
use crate::header::ColumnMap;

/// The columns of a batch that describe the entities of a type, before redaction: which rows agree
/// must not depend on the privacy profile.
pub(crate) struct RowFingerprints<'a> {
    batch: &'a Batch,
    /// Each column once, in declaration order: files may have them in another order.
    columns: Vec<Column<'a>>,
    /// From the first of these columns in the file to the last.
    span: Range<usize>,
    /// The order of the columns in the file.
    layout: u64,
}

impl<'a> RowFingerprints<'a> {
    pub(crate) fn new(entity: &EntityType, batch: &'a Batch, columns: &ColumnMap) -> Self {
        let mut positions: Vec<usize> = Vec::new();
        for name in entity.properties.iter().flat_map(|property| property.columns) {
            let position = columns.position(name);
            positions.extend(position.filter(|position| !positions.contains(position)));
        }
        let mut hasher = FxHasher::default();
        positions.hash(&mut hasher);
        let first = positions.iter().min().copied().unwrap_or(0);
        Self {
            batch,
            span: first..positions.iter().max().map_or(0, |last| last + 1),
            layout: hasher.finish(),
            columns: positions
                .into_iter()
                .map(|position| batch.unredacted_column(Some(position)))
                .collect(),
        }
    }

    /// The fingerprint of the cells without surrounding white space, in declaration order.
    pub(crate) fn fingerprint(&self, row: usize) -> u64 {
        let mut hasher = FxHasher::default();
        for column in &self.columns {
            column.cell(row).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The fingerprint of the bytes as the file has them. Rows with equal raw fingerprints have
    /// equal [`Self::fingerprint`]s; this one is faster, because it hashes all cells in one piece.
    pub(crate) fn raw_fingerprint(&self, row: usize) -> u64 {
        let (text, ends) = self.batch.raw_cells(row, self.span.clone());
        let mut hasher = FxHasher::default();
        hasher.write_u64(self.layout);
        hasher.write(text);
        // The cell ends are hashed as well, since a quoted cell may contain a separator. Two at a
        // time, because each step of the hash waits for the previous one.
        let last = ends.last().copied().unwrap_or(0);
        for pair in ends.chunks(2) {
            let from_end = |end: &u32| u64::from(last - end);
            hasher.write_u64(from_end(&pair[0]) | from_end(&pair[pair.len() - 1]) << 32);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Cells, NO_SUFFIX, Origin};

    /// Returns true for each fingerprint, raw and by cell, on which two rows of two cells agree.
    fn compare_fingerprints(rows: [[&str; 2]; 2]) -> [bool; 2] {
        let mut cells = Cells::default();
        for cell in rows.as_flattened() {
            cells.push(cell);
        }
        let batch =
            Batch::new(cells, [2, 3].map(|line| Origin { line, suffix: NO_SUFFIX }).into(), 2);
        let columns = vec![batch.column(Some(0)), batch.column(Some(1))];
        let row_fingerprint = RowFingerprints { batch: &batch, columns, span: 0..2, layout: 0 };
        [
            row_fingerprint.raw_fingerprint(0) == row_fingerprint.raw_fingerprint(1),
            row_fingerprint.fingerprint(0) == row_fingerprint.fingerprint(1),
        ]
    }

    #[test]
    fn equal_raw_fingerprints_imply_equal_fingerprints() {
        let table = [
            ([["a", "b"], ["a", "b"]], [true, true]),
            ([["a", "b"], [" a", "b "]], [false, true]),
            ([["a", "b"], ["a", "c"]], [false, false]),
            // Quoted cells that are the same text once they are joined.
            ([["a", "b,c"], ["a,b", "c"]], [false, false]),
        ];
        for (rows, expected) in table {
            assert_eq!(compare_fingerprints(rows), expected, "{rows:?}");
        }
    }
}
