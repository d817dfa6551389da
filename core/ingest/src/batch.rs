//! A batch of rows of one export, held as one text and the ends of its cells.

use std::ops::Range;

/// A batch of rows. All rows have the width of the header; all cells are valid UTF-8.
#[derive(Default)]
pub struct Batch {
    /// The cells, row after row, unquoted, each with one separator after it.
    text: String,
    /// The end of each cell in `text`. Invariant: `lines.len() * width` items.
    ends: Vec<u32>,
    /// The line on which each row begins, counted from 1.
    lines: Vec<u64>,
    width: usize,
    /// The file of the export that the rows are in, counted from 1.
    file: usize,
}

/// One column of a batch.
#[derive(Clone, Copy)]
pub struct Column<'a> {
    batch: &'a Batch,
    /// `None` for a column that the export does not have: all its cells are empty.
    index: Option<usize>,
    /// What stands in for the empty cell of each row; no item at all if nothing does.
    instead: &'a [String],
}

impl Batch {
    pub(crate) fn new(text: String, ends: Vec<u32>, lines: Vec<u64>, width: usize) -> Batch {
        debug_assert!(ends.len() == lines.len() * width);
        Batch { text, ends, lines, width, file: 1 }
    }

    /// The same rows as those of a certain file of the export.
    #[must_use]
    pub(crate) fn of_file(self, file: usize) -> Batch {
        Batch { file, ..self }
    }

    /// How many cells a row has.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The buffers, to be used again.
    pub(crate) fn into_buffers(self) -> (Vec<u8>, Vec<u32>, Vec<u64>) {
        (self.text.into_bytes(), self.ends, self.lines)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The file of the export that the rows are in, counted from 1.
    pub fn file(&self) -> usize {
        self.file
    }

    /// The line of the file on which a row begins, counted from 1.
    pub fn line(&self, row: usize) -> u64 {
        self.lines[row]
    }

    /// A column by its position in the file; `None` gives one whose cells are all empty.
    pub fn column(&self, index: Option<usize>) -> Column<'_> {
        debug_assert!(index.is_none_or(|it| it < self.width));
        Column { batch: self, index, instead: &[] }
    }

    /// Neighbouring cells of a row as they are held, and where each of them ends in that text.
    pub(crate) fn written(
        &self,
        row: usize,
        cells: Range<usize>,
    ) -> (&str, impl Iterator<Item = usize>) {
        let first = row * self.width;
        let ends = &self.ends[first + cells.start..first + cells.end];
        let start = self.start(first + cells.start);
        let end = ends.last().map_or(start, |&it| it as usize);
        let lengths = ends.iter().map(move |&it| it as usize - start);
        (&self.text[start..end], lengths)
    }

    #[inline]
    fn cell(&self, cell: usize) -> &str {
        &self.text[self.start(cell)..self.ends[cell] as usize]
    }

    /// Where a cell begins in `text`.
    fn start(&self, cell: usize) -> usize {
        if cell == 0 { 0 } else { self.ends[cell - 1] as usize + 1 }
    }
}

impl<'a> Column<'a> {
    /// The cell of a row without surrounding ASCII white space. Empty means null.
    #[inline]
    pub fn cell(self, row: usize) -> &'a str {
        let cell = match self.index {
            Some(index) => self.batch.cell(row * self.batch.width + index).trim_ascii(),
            None => "",
        };
        if cell.is_empty() { self.instead.get(row).map_or("", String::as_str) } else { cell }
    }

    /// The same column with texts that stand in for its empty cells, one for each row.
    #[must_use]
    pub(crate) fn or_else(self, instead: &'a [String]) -> Column<'a> {
        Column { instead, ..self }
    }

    /// The cells from top to bottom.
    pub fn cells(self) -> impl Iterator<Item = &'a str> {
        (0..self.batch.len()).map(move |row| self.cell(row))
    }
}
