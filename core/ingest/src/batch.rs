//! A batch of rows of one export: one text and the end offset of each cell.

use std::ops::Range;

/// A batch of rows. Every row is as wide as the header; every cell is valid UTF-8.
#[derive(Default)]
pub struct Batch {
    /// The cells, row by row.
    cells: Cells,
    origins: Vec<Origin>,
    width: usize,
    /// The file of the export that the rows come from, counted from 1.
    file: usize,
    /// The replacement of each column that the privacy policy changes, by position; empty if it
    /// changes none.
    replacements: Vec<Option<Replacement>>,
}

/// The place in the file that a row comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    /// The line on which the row begins, counted from 1.
    pub(crate) line: u64,
    /// The number of the row's suffix, which is everything after its first cell. Rows of a file
    /// with the same number have the same suffix, byte for byte. [`NO_SUFFIX`] if the suffix is not
    /// cached.
    pub(crate) suffix: u32,
}

/// The suffix number of a row whose suffix is not cached.
pub(crate) const NO_SUFFIX: u32 = u32::MAX;

/// Unquoted cells, each followed by one separator.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    pub(crate) text: String,
    /// The end of each cell in `text`.
    pub(crate) ends: Vec<u32>,
}

/// The cells that replace a column. Several rows may share one text.
#[derive(Debug, Default)]
pub(crate) struct Replacement {
    text: String,
    /// The start and end of each row's cell in `text`; empty if every cell is empty.
    spans: Vec<(u32, u32)>,
}

/// One column of a batch.
#[derive(Clone, Copy)]
pub struct Column<'a> {
    text: &'a str,
    layout: Layout<'a>,
    rows: usize,
    /// The value that replaces the empty cell of each row; empty if none is replaced.
    fallback: &'a [String],
}

/// The layout of a column's cells in its text.
#[derive(Clone, Copy)]
enum Layout<'a> {
    /// Between the cells of other columns: the ends of all cells, the index of this column's first
    /// cell, and the distance from one of its cells to the next.
    Interleaved { ends: &'a [u32], first: usize, step: usize },
    /// A text of their own. No spans means that every cell is empty, as in a column that the export
    /// lacks.
    Separate(&'a [(u32, u32)]),
}

impl Batch {
    /// Makes a batch of these cells. Invariant: there are `origins.len() * width` cells.
    pub(crate) fn new(cells: Cells, origins: Vec<Origin>, width: usize) -> Self {
        debug_assert!(cells.ends.len() == origins.len() * width);
        Self { cells, origins, width, file: 1, replacements: Vec::new() }
    }

    /// Marks the rows as coming from this file of the export.
    #[must_use]
    pub(crate) fn with_file(self, file: usize) -> Self {
        Self { file, ..self }
    }

    /// The number of cells in a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Returns the buffers for reuse.
    pub(crate) fn into_buffers(self) -> (Vec<u8>, Vec<u32>, Vec<Origin>) {
        (self.cells.text.into_bytes(), self.cells.ends, self.origins)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Returns true if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// The file of the export that the rows come from, counted from 1.
    pub fn file(&self) -> usize {
        self.file
    }

    /// The line of the file on which a row begins, counted from 1.
    pub fn line(&self, row: usize) -> u64 {
        self.origins[row].line
    }

    /// The number of a row's suffix, or [`NO_SUFFIX`].
    pub(crate) fn suffix(&self, row: usize) -> u32 {
        self.origins[row].suffix
    }

    /// Returns a column by its position in the file, after redaction. `None` gives a column of
    /// empty cells.
    pub fn column(&self, index: Option<usize>) -> Column<'_> {
        debug_assert!(index.is_none_or(|index| index < self.width));
        let replacement =
            index.and_then(|index| self.replacements.get(index)).and_then(Option::as_ref);
        let (text, layout) = match (index, replacement) {
            (_, Some(replacement)) => {
                (replacement.text.as_str(), Layout::Separate(&replacement.spans))
            }
            (Some(_), None) => return self.unredacted_column(index),
            (None, None) => ("", Layout::Separate(&[])),
        };
        Column { text, layout, rows: self.len(), fallback: &[] }
    }

    /// Returns a column by its position in the file, before redaction.
    pub(crate) fn unredacted_column(&self, index: Option<usize>) -> Column<'_> {
        let Some(first) = index else { return self.column(None) };
        let Cells { text, ends } = &self.cells;
        let layout = Layout::Interleaved { ends, first, step: self.width };
        Column { text, layout, rows: self.len(), fallback: &[] }
    }

    /// Returns true if the privacy policy replaces a column.
    pub(crate) fn is_redacted(&self, index: Option<usize>) -> bool {
        index.is_some_and(|index| self.replacements.get(index).is_some_and(Option::is_some))
    }

    /// Sets the replacement of each column, or of none, and returns the previous ones.
    pub(crate) fn replace(
        &mut self,
        columns: Vec<Option<Replacement>>,
    ) -> Vec<Option<Replacement>> {
        debug_assert!(columns.is_empty() || columns.len() == self.width);
        std::mem::replace(&mut self.replacements, columns)
    }

    /// Keeps only the rows that are marked. Called before any column is replaced.
    pub(crate) fn retain(&mut self, stays: &[bool]) {
        debug_assert!(self.replacements.is_empty());
        let mut kept = Cells::default();
        for row in (0..self.len()).filter(|&row| stays[row]) {
            for cell in row * self.width..(row + 1) * self.width {
                let Cells { text, ends } = &self.cells;
                kept.push(&text[start_of(ends, cell)..ends[cell] as usize]);
            }
        }
        self.cells = kept;
        let mut stays = stays.iter();
        self.origins.retain(|_| stays.next().is_none_or(|stays| *stays));
    }

    /// Returns the bytes of neighbouring cells of a row as the file has them, before redaction, and
    /// the ends of the cells, counted from an arbitrary origin.
    #[inline]
    pub(crate) fn raw_cells(&self, row: usize, cells: Range<usize>) -> (&[u8], &[u32]) {
        let first = row * self.width;
        let ends = &self.cells.ends[first + cells.start..first + cells.end];
        let start = start_of(&self.cells.ends, first + cells.start);
        let end = ends.last().map_or(start, |&last| last as usize);
        (&self.cells.text.as_bytes()[start..end], ends)
    }
}

impl Cells {
    /// Appends a cell.
    pub(crate) fn push(&mut self, cell: &str) {
        self.text.push_str(cell);
        let end = u32::try_from(self.text.len()).expect("a batch has far less than 4 GiB");
        self.ends.push(end);
        self.text.push(',');
    }
}

impl Replacement {
    /// Appends a row with this text.
    pub(crate) fn push(&mut self, text: &str) {
        let as_offset =
            |offset: usize| u32::try_from(offset).expect("a batch has far less than 4 GiB");
        let start = as_offset(self.text.len());
        self.text.push_str(text);
        self.spans.push((start, as_offset(self.text.len())));
    }

    /// Appends this many rows with the text of the last one, if there is one.
    pub(crate) fn repeat(&mut self, rows: usize) {
        if let Some(&last) = self.spans.last() {
            self.spans.resize(self.spans.len() + rows, last);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
    }
}

/// The start of a cell.
#[inline]
fn start_of(ends: &[u32], cell: usize) -> usize {
    if cell == 0 { 0 } else { ends[cell - 1] as usize + 1 }
}

impl<'a> Column<'a> {
    /// Returns the cell of a row without surrounding ASCII white space. An empty cell means null.
    #[inline]
    pub fn cell(self, row: usize) -> &'a str {
        let cell = match self.layout {
            Layout::Interleaved { ends, first, step } => {
                let place = row * step + first;
                trimmed(&self.text[start_of(ends, place)..ends[place] as usize])
            }
            Layout::Separate(spans) => text_at(self.text, spans, row),
        };
        if cell.is_empty() { self.fallback.get(row).map_or("", String::as_str) } else { cell }
    }

    /// Returns the same column with one value per row that replaces an empty cell.
    #[must_use]
    pub(crate) fn with_fallback(self, fallback: &'a [String]) -> Self {
        Self { fallback, ..self }
    }

    /// Iterates over the cells from the first row to the last.
    pub fn cells(self) -> impl Iterator<Item = &'a str> {
        (0..self.rows).map(move |row| self.cell(row))
    }
}

/// Returns the text of a row. Never inlined: [`Column::cell`] must stay small enough to be inlined
/// for ordinary columns, and this path serves only redacted ones.
#[inline(never)]
fn text_at<'a>(text: &'a str, spans: &[(u32, u32)], row: usize) -> &'a str {
    spans.get(row).map_or("", |&(start, end)| &text[start as usize..end as usize])
}

/// Removes surrounding ASCII white space. Most cells have none, so the first and last byte are
/// checked before the slower trim.
#[inline]
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if *first > b' ' && *last > b' ' => text,
        _ => text.trim_ascii(),
    }
}
