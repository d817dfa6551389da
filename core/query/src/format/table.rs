//! An answer for a terminal: its first rows, in a grid.

use std::io::{self, Write};

use core_terminal::{Grid, escape_for_terminal};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;

use super::cells::Cells;
use crate::error::QueryError;

/// The memory limit for cells. No one reads a longer table, and all rows are held to find the widths.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// The memory of a cell besides its text.
const CELL_BYTES: usize = size_of::<String>();
/// The characters of a cell that are shown, at most.
const MAX_CELL_CHARACTERS: usize = 1_000;

/// The rows so far.
pub(crate) struct TextTable {
    grid: Grid,
    columns: usize,
    bytes: usize,
    /// The rows that came after the table was full.
    more_rows: u64,
}

impl TextTable {
    pub(crate) fn new(schema: &Schema) -> Self {
        let fields = schema.fields().iter();
        let columns = fields.map(|field| (shown(field.name()), field.data_type().is_numeric()));
        let grid = Grid::new(columns);
        Self { grid, columns: schema.fields().len(), bytes: 0, more_rows: 0 }
    }

    /// Makes the table no wider than this.
    pub(crate) fn set_max_width(&mut self, columns: usize) {
        self.grid.set_max_width(columns);
    }

    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        if self.bytes >= MAX_BYTES {
            self.more_rows += batch.num_rows() as u64;
            return Ok(());
        }
        let cells = Cells::new(batch)?;
        for row in 0..batch.num_rows() {
            if self.bytes >= MAX_BYTES {
                self.more_rows += (batch.num_rows() - row) as u64;
                break;
            }
            let mut texts = Vec::with_capacity(self.columns);
            for column in 0..self.columns {
                let text = shown(&cells.text(column, row)?);
                self.bytes += text.len() + CELL_BYTES;
                texts.push(text);
            }
            // An answer may have no columns.
            self.bytes += CELL_BYTES;
            self.grid.push(texts);
        }
        Ok(())
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        self.grid.write(out)?;
        match self.more_rows {
            0 => Ok(()),
            1 => writeln!(out, "… and 1 more row: --output csv, json or ndjson writes all"),
            more => {
                writeln!(out, "… and {more} more rows: --output csv, json or ndjson writes all")
            }
        }
    }
}

/// Returns the text of a cell as a table shows it.
fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_CELL_CHARACTERS) {
        Some((end, _)) => format!("{}…", escape_for_terminal(&text[..end])),
        None => escape_for_terminal(text).into_owned(),
    }
}
