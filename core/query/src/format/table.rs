//! An answer as aligned columns in a frame.

use std::io::{self, Write};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use unicode_width::UnicodeWidthStr;

use super::cells::Cells;
use super::escape::escape_for_terminal;
use crate::error::QueryError;

/// The rows so far. Widths are counted in terminal columns.
pub(crate) struct TextTable {
    header: Vec<String>,
    is_numeric: Vec<bool>,
    widths: Vec<usize>,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    pub(crate) fn new(schema: &Schema) -> Self {
        let fields = schema.fields();
        let header: Vec<_> =
            fields.iter().map(|field| escape_for_terminal(field.name()).into_owned()).collect();
        Self {
            is_numeric: fields.iter().map(|field| field.data_type().is_numeric()).collect(),
            widths: header.iter().map(|name| name.width()).collect(),
            header,
            rows: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let cells = Cells::new(batch)?;
        for row in 0..batch.num_rows() {
            let mut texts = Vec::with_capacity(self.header.len());
            for column in 0..self.header.len() {
                let text = escape_for_terminal(&cells.text(column, row)?).into_owned();
                self.widths[column] = self.widths[column].max(text.width());
                texts.push(text);
            }
            self.rows.push(texts);
        }
        Ok(())
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        self.write_border(out, ["┌", "┬", "┐"])?;
        self.write_row(out, &self.header)?;
        self.write_border(out, ["├", "┼", "┤"])?;
        for row in &self.rows {
            self.write_row(out, row)?;
        }
        self.write_border(out, ["└", "┴", "┘"])
    }

    fn write_border(
        &self,
        out: &mut impl Write,
        [left, middle, right]: [&str; 3],
    ) -> io::Result<()> {
        let lines: Vec<_> = self.widths.iter().map(|width| "─".repeat(width + 2)).collect();
        writeln!(out, "{left}{}{right}", lines.join(middle))
    }

    fn write_row(&self, out: &mut impl Write, cells: &[String]) -> io::Result<()> {
        for (column, cell) in cells.iter().enumerate() {
            let space = " ".repeat(self.widths[column] - cell.width());
            if self.is_numeric[column] {
                write!(out, "│ {space}{cell} ")?;
            } else {
                write!(out, "│ {cell}{space} ")?;
            }
        }
        writeln!(out, "│")
    }
}
