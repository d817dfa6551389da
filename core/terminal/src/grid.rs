//! Rows in a frame, or as one record below the other if the terminal is too narrow.

use std::borrow::Cow;
use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::fields::fields;

/// The narrowest that columns become before records are written below each other. It is the width of a time, which says
/// little if it is cut.
const MIN_COLUMN_WIDTH: usize = 20;
/// The characters of the frame, in the order of the library.
const FRAME: &str = "││──├─┼┤│    ┬┴┌┐└┘";

/// Rows of texts with a header. Widths are counted in terminal columns.
#[derive(Debug, Clone)]
pub struct Grid {
    header: Vec<String>,
    is_numeric: Vec<bool>,
    widths: Vec<usize>,
    rows: Vec<Vec<String>>,
    max_width: Option<usize>,
}

impl Grid {
    /// Creates a grid without rows, from the name of each column and whether it holds numbers.
    pub fn new(columns: impl IntoIterator<Item = (String, bool)>) -> Self {
        let (header, is_numeric): (Vec<String>, Vec<bool>) = columns.into_iter().unzip();
        let widths = header.iter().map(|name| name.width()).collect();
        Self { header, is_numeric, widths, rows: Vec::new(), max_width: None }
    }

    /// Makes the grid no wider than this.
    pub fn set_max_width(&mut self, columns: usize) {
        self.max_width = Some(columns);
    }

    /// Appends a row, which has a text without line ends for each column.
    pub fn push(&mut self, row: Vec<String>) {
        for (width, text) in self.widths.iter_mut().zip(&row) {
            *width = (*width).max(text.width());
        }
        self.rows.push(row);
    }

    /// Writes the rows. Without any, nothing is written, since a header of many columns would hide that there are none.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self.fitting_widths() {
            _ if self.rows.is_empty() => Ok(()),
            Some(widths) => self.write_grid(out, &widths),
            None => self.write_records(out),
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
        let fitting = |texts: &[String]| {
            let texts =
                texts.iter().zip(widths).map(|(text, width)| cut(text, *width).into_owned());
            texts.collect::<Vec<String>>()
        };
        let mut table = Table::new();
        table.load_preset(FRAME).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(fitting(&self.header));
        table.add_rows(self.rows.iter().map(|row| fitting(row)));
        for (column, is_numeric) in table.column_iter_mut().zip(&self.is_numeric) {
            if *is_numeric {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in table.lines() {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    fn write_records(&self, out: &mut impl Write) -> io::Result<()> {
        let max_width = self.max_width.unwrap_or(usize::MAX);
        for (number, row) in self.rows.iter().enumerate() {
            writeln!(out, "{}", cut(&format!("── row {} ──", number + 1), max_width))?;
            let cells = self.header.iter().cloned().zip(row.iter().cloned());
            out.write_all(fields(cells, "", self.max_width).as_bytes())?;
        }
        Ok(())
    }
}

/// Cuts a text to so many terminal columns; `…` stands for what is cut off.
pub(crate) fn cut(text: &str, width: usize) -> Cow<'_, str> {
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

    #[test]
    fn a_grid_fits_its_terminal_by_cut_columns_and_then_by_records() {
        let written = |max_width: Option<usize>| {
            let columns = [("name".to_owned(), false), ("devices".to_owned(), true)];
            let mut grid = Grid::new(columns);
            grid.push(vec!["a long name of a package".to_owned(), "7".to_owned()]);
            if let Some(width) = max_width {
                grid.set_max_width(width);
            }
            let mut out = Vec::new();
            grid.write(&mut out).expect("memory takes all");
            String::from_utf8(out).expect("it is text")
        };
        let whole = "┌──────────────────────────┬─────────┐\n\
                     │ name                     │ devices │\n\
                     ├──────────────────────────┼─────────┤\n\
                     │ a long name of a package │       7 │\n\
                     └──────────────────────────┴─────────┘\n";
        assert_eq!(written(None), whole);
        assert_eq!(written(Some(38)), whole);
        let cut = "┌──────────────────────┬─────────┐\n\
                   │ name                 │ devices │\n\
                   ├──────────────────────┼─────────┤\n\
                   │ a long name of a pa… │       7 │\n\
                   └──────────────────────┴─────────┘\n";
        assert_eq!(written(Some(34)), cut);
        assert_eq!(
            written(Some(16)),
            "── row 1 ──\nname     a long\n         name of\n         a\n         package\ndevices  7\n"
        );
    }

    #[test]
    fn a_grid_without_rows_is_empty_at_any_width() {
        let mut grid = Grid::new([("name".to_owned(), false)]);
        for width in [None, Some(80), Some(3)] {
            grid.max_width = width;
            let mut out = Vec::new();
            grid.write(&mut out).expect("memory takes all");
            assert_eq!(out, b"", "{width:?}");
        }
    }
}
