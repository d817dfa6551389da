//! An answer as aligned columns in a frame, or as one record below the other where a terminal is too narrow.

use std::borrow::Cow;
use std::io::{self, Write};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::cells::Cells;
use super::escape::escape_for_terminal;
use crate::error::QueryError;

/// The memory for cells. Nobody reads a table of this length, and all rows are held to find the widths.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// What a cell takes besides its text.
const CELL_BYTES: usize = size_of::<String>();
/// The characters of a cell that are shown, at most.
const MAX_CELL_CHARACTERS: usize = 1_000;
/// The narrowest that columns become before records are written below each other.
const MIN_COLUMN_WIDTH: usize = 6;

/// The rows so far. Widths are counted in terminal columns.
pub(crate) struct TextTable {
    header: Vec<String>,
    is_numeric: Vec<bool>,
    widths: Vec<usize>,
    rows: Vec<Vec<String>>,
    bytes: usize,
    /// The rows that came after the table was full.
    more_rows: u64,
    max_width: Option<usize>,
}

impl TextTable {
    pub(crate) fn new(schema: &Schema) -> Self {
        let fields = schema.fields();
        let header: Vec<_> = fields.iter().map(|field| shown(field.name())).collect();
        Self {
            is_numeric: fields.iter().map(|field| field.data_type().is_numeric()).collect(),
            widths: header.iter().map(|name| name.width()).collect(),
            header,
            rows: Vec::new(),
            bytes: 0,
            more_rows: 0,
            max_width: None,
        }
    }

    /// Makes the table no wider than this.
    pub(crate) fn set_max_width(&mut self, columns: usize) {
        self.max_width = Some(columns);
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
            let mut texts = Vec::with_capacity(self.header.len());
            for column in 0..self.header.len() {
                let text = shown(&cells.text(column, row)?);
                self.widths[column] = self.widths[column].max(text.width());
                self.bytes += text.len() + CELL_BYTES;
                texts.push(text);
            }
            // An answer may have no columns.
            self.bytes += CELL_BYTES;
            self.rows.push(texts);
        }
        Ok(())
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self.fitting_widths() {
            Some(widths) => self.write_grid(out, &widths)?,
            None if self.rows.is_empty() => writeln!(out, "no rows")?,
            None => self.write_records(out)?,
        }
        match self.more_rows {
            0 => Ok(()),
            1 => writeln!(out, "… and 1 more row: --output csv, json or ndjson writes all"),
            more => {
                writeln!(out, "… and {more} more rows: --output csv, json or ndjson writes all")
            }
        }
    }

    /// Returns the widths of the columns, the widest of them made narrower until all fit; none if some would
    /// become too narrow to read.
    fn fitting_widths(&self) -> Option<Vec<usize>> {
        let Some(max_width) = self.max_width else { return Some(self.widths.clone()) };
        // A column has a line and two spaces besides its text, and the last line ends the frame.
        let available = max_width.checked_sub(3 * self.widths.len() + 1)?;
        if self.widths.iter().sum::<usize>() <= available {
            return Some(self.widths.clone());
        }
        let capped = |cap: usize| self.widths.iter().map(move |width| (*width).min(cap));
        let cap = (MIN_COLUMN_WIDTH..=available)
            .rev()
            .find(|cap| capped(*cap).sum::<usize>() <= available)?;
        Some(capped(cap).collect())
    }

    fn write_grid(&self, out: &mut impl Write, widths: &[usize]) -> io::Result<()> {
        write_border(out, widths, ["┌", "┬", "┐"])?;
        self.write_row(out, widths, &self.header)?;
        write_border(out, widths, ["├", "┼", "┤"])?;
        for row in &self.rows {
            self.write_row(out, widths, row)?;
        }
        write_border(out, widths, ["└", "┴", "┘"])
    }

    fn write_row(
        &self,
        out: &mut impl Write,
        widths: &[usize],
        cells: &[String],
    ) -> io::Result<()> {
        for ((cell, width), is_numeric) in cells.iter().zip(widths).zip(&self.is_numeric) {
            let cell = cut(cell, *width);
            // The width of a text can differ from the sum of its characters: an emoji of several.
            let space = " ".repeat(width.saturating_sub(cell.width()));
            if *is_numeric {
                write!(out, "│ {space}{cell} ")?;
            } else {
                write!(out, "│ {cell}{space} ")?;
            }
        }
        writeln!(out, "│")
    }

    fn write_records(&self, out: &mut impl Write) -> io::Result<()> {
        let max_width = self.max_width.unwrap_or(usize::MAX);
        let longest_name = self.header.iter().map(|name| name.width()).max().unwrap_or_default();
        let name_width = longest_name.min(max_width / 2);
        let value_width = max_width.saturating_sub(name_width + 2).max(1);
        for (number, row) in self.rows.iter().enumerate() {
            writeln!(out, "{}", cut(&format!("── row {} ──", number + 1), max_width))?;
            for (name, cell) in self.header.iter().zip(row) {
                let name = cut(name, name_width);
                let space = " ".repeat(name_width.saturating_sub(name.width()));
                writeln!(out, "{name}{space}  {}", cut(cell, value_width))?;
            }
        }
        Ok(())
    }
}

fn write_border(
    out: &mut impl Write,
    widths: &[usize],
    [left, middle, right]: [&str; 3],
) -> io::Result<()> {
    let lines: Vec<_> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
    writeln!(out, "{left}{}{right}", lines.join(middle))
}

/// The text of a cell as a table shows it.
fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_CELL_CHARACTERS) {
        Some((end, _)) => format!("{}…", escape_for_terminal(&text[..end])),
        None => escape_for_terminal(text).into_owned(),
    }
}

/// Cuts a text to so many terminal columns; `…` stands for what is cut off.
fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut used = 1;
    let fits = |character: &char| {
        used += character.width().unwrap_or_default();
        used <= width
    };
    Cow::Owned(text.chars().take_while(fits).chain(['…']).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_terminal_columns() {
        let table = [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("東京都", 6, "東京都"),
            ("東京都", 5, "東京…"),
            ("東京都", 4, "東…"),
            ("ab", 1, "…"),
        ];
        for (text, width, expected) in table {
            assert_eq!(cut(text, width), expected, "{text} in {width}");
        }
    }
}
