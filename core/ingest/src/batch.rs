//! A batch of rows of one export, held as one text and the ends of its cells.

use std::ops::Range;

/// A batch of rows. All rows have the width of the header; all cells are valid UTF-8.
#[derive(Default)]
pub struct Batch {
    /// Row after row.
    cells: Cells,
    origins: Vec<Origin>,
    width: usize,
    /// The file of the export that the rows are in, counted from 1.
    file: usize,
    /// What stands in for the columns that a privacy policy changes, by place; empty if it changes
    /// none.
    replaced: Vec<Option<Replaced>>,
}

/// Where a row comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    /// The line on which it begins, counted from 1.
    pub(crate) line: u64,
    /// The number of what it has after its first cell: rows of a file with the same one have the same
    /// there, byte for byte. [`NO_TAIL`] if that is not known.
    pub(crate) tail: u32,
}

/// Stands for the number of a tail that has none.
pub(crate) const NO_TAIL: u32 = u32::MAX;

/// Cells, unquoted, each with one separator after it.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    pub(crate) text: String,
    /// The end of each cell in `text`.
    pub(crate) ends: Vec<u32>,
}

/// What stands in the place of a column. Rows may share a text.
#[derive(Debug, Default)]
pub(crate) struct Replaced {
    text: String,
    /// Where the cell of each row is in `text`; empty if all cells are.
    spans: Vec<(u32, u32)>,
}

/// One column of a batch.
#[derive(Clone, Copy)]
pub struct Column<'a> {
    text: &'a str,
    places: Places<'a>,
    rows: usize,
    /// What stands in for the empty cell of each row; no item at all if nothing does.
    instead: &'a [String],
}

/// Where the cells of a column are in its text.
#[derive(Clone, Copy)]
enum Places<'a> {
    /// Among those of other columns: the ends of all cells, the place of the first one of this column,
    /// and how far it is to the next.
    Among { ends: &'a [u32], first: usize, step: usize },
    /// By themselves. Empty for a column that the export does not have: all its cells are empty.
    Alone(&'a [(u32, u32)]),
}

impl Batch {
    /// A batch of these cells. Invariant: `origins.len() * width` cells.
    pub(crate) fn new(cells: Cells, origins: Vec<Origin>, width: usize) -> Self {
        debug_assert!(cells.ends.len() == origins.len() * width);
        Self { cells, origins, width, file: 1, replaced: Vec::new() }
    }

    /// The same rows as those of a certain file of the export.
    #[must_use]
    pub(crate) fn of_file(self, file: usize) -> Self {
        Self { file, ..self }
    }

    /// How many cells a row has.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The buffers, to be used again.
    pub(crate) fn into_buffers(self) -> (Vec<u8>, Vec<u32>, Vec<Origin>) {
        (self.cells.text.into_bytes(), self.cells.ends, self.origins)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// The file of the export that the rows are in, counted from 1.
    pub fn file(&self) -> usize {
        self.file
    }

    /// The line of the file on which a row begins, counted from 1.
    pub fn line(&self, row: usize) -> u64 {
        self.origins[row].line
    }

    /// The number of what a row has after its first cell in the file, or [`NO_TAIL`].
    pub(crate) fn tail(&self, row: usize) -> u32 {
        self.origins[row].tail
    }

    /// A column by its position in the file; `None` gives one whose cells are all empty.
    pub fn column(&self, index: Option<usize>) -> Column<'_> {
        debug_assert!(index.is_none_or(|it| it < self.width));
        let replaced = index.and_then(|it| self.replaced.get(it)).and_then(Option::as_ref);
        let (text, places) = match (index, replaced) {
            (_, Some(replaced)) => (replaced.text.as_str(), Places::Alone(&replaced.spans)),
            (Some(_), None) => return self.full_column(index),
            (None, None) => ("", Places::Alone(&[])),
        };
        Column { text, places, rows: self.len(), instead: &[] }
    }

    /// A column by its position in the file, as it stands there, whatever a privacy policy puts in its
    /// place.
    pub(crate) fn full_column(&self, index: Option<usize>) -> Column<'_> {
        let Some(first) = index else { return self.column(None) };
        let Cells { text, ends } = &self.cells;
        let places = Places::Among { ends, first, step: self.width };
        Column { text, places, rows: self.len(), instead: &[] }
    }

    /// Whether something stands in the place of a column.
    pub(crate) fn is_replaced(&self, index: Option<usize>) -> bool {
        index.is_some_and(|it| self.replaced.get(it).is_some_and(Option::is_some))
    }

    /// Puts others in the place of columns, for each column or for none; those that were in their place
    /// are given back.
    pub(crate) fn replace(&mut self, columns: Vec<Option<Replaced>>) -> Vec<Option<Replaced>> {
        debug_assert!(columns.is_empty() || columns.len() == self.width);
        std::mem::replace(&mut self.replaced, columns)
    }

    /// Leaves only the rows that are to stay. No column is replaced yet.
    pub(crate) fn retain(&mut self, stays: &[bool]) {
        debug_assert!(self.replaced.is_empty());
        let mut kept = Cells::default();
        for row in (0..self.len()).filter(|&row| stays[row]) {
            for cell in row * self.width..(row + 1) * self.width {
                let Cells { text, ends } = &self.cells;
                kept.push(&text[start_of(ends, cell)..ends[cell] as usize]);
            }
        }
        self.cells = kept;
        let mut stays = stays.iter();
        self.origins.retain(|_| stays.next().is_none_or(|it| *it));
    }

    /// Neighbouring cells of a row as they stand in the file, whatever stands in for them, and where
    /// each of them ends, counted from anywhere.
    #[inline]
    pub(crate) fn written(&self, row: usize, cells: Range<usize>) -> (&[u8], &[u32]) {
        let first = row * self.width;
        let ends = &self.cells.ends[first + cells.start..first + cells.end];
        let start = start_of(&self.cells.ends, first + cells.start);
        let end = ends.last().map_or(start, |&it| it as usize);
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

impl Replaced {
    /// Appends a row with this text.
    pub(crate) fn push(&mut self, text: &str) {
        let as_place = |it: usize| u32::try_from(it).expect("a batch has far less than 4 GiB");
        let start = as_place(self.text.len());
        self.text.push_str(text);
        self.spans.push((start, as_place(self.text.len())));
    }

    /// Appends so many rows with the text of the one before, if there is one.
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

/// Where a cell begins.
#[inline]
fn start_of(ends: &[u32], cell: usize) -> usize {
    if cell == 0 { 0 } else { ends[cell - 1] as usize + 1 }
}

impl<'a> Column<'a> {
    /// The cell of a row without surrounding ASCII white space. Empty means null.
    #[inline]
    pub fn cell(self, row: usize) -> &'a str {
        let cell = match self.places {
            Places::Among { ends, first, step } => {
                let place = row * step + first;
                trimmed(&self.text[start_of(ends, place)..ends[place] as usize])
            }
            Places::Alone(spans) => text_at(self.text, spans, row),
        };
        if cell.is_empty() { self.instead.get(row).map_or("", String::as_str) } else { cell }
    }

    /// The same column with texts that stand in for its empty cells, one for each row.
    #[must_use]
    pub(crate) fn or_else(self, instead: &'a [String]) -> Self {
        Self { instead, ..self }
    }

    /// The cells from top to bottom.
    pub fn cells(self) -> impl Iterator<Item = &'a str> {
        (0..self.rows).map(move |row| self.cell(row))
    }
}

/// The text of a row. Apart, since it is in the way of what most columns need.
#[inline(never)]
fn text_at<'a>(text: &'a str, spans: &[(u32, u32)], row: usize) -> &'a str {
    spans.get(row).map_or("", |&(start, end)| &text[start as usize..end as usize])
}

/// The text without surrounding ASCII white space, which most texts have none of.
#[inline]
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if *first > b' ' && *last > b' ' => text,
        _ => text.trim_ascii(),
    }
}
