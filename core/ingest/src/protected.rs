//! A batch after the privacy policy was applied: what is dropped is empty, what is replaced is replaced,
//! and the rows of those who were erased are not there. Everything that comes after the decoder sees
//! only this, so nothing else is ever interned or written.

use core_model::step::Step;
use core_privacy::protection::{Cell, ColumnProtection, Protection};

use crate::batch::Batch;
use crate::header::ColumnMap;

/// Applies a protection to the batches of one export.
pub(crate) struct Protector {
    protection: Protection,
    /// For each column of the current file, what happens to it; found once for each file.
    columns: Vec<ColumnProtection>,
    /// For each column of it, how many cells stay as they are from there on.
    kept: Vec<usize>,
    /// The places of the columns that identify the step's own entities.
    keys: Vec<(usize, &'static str)>,
    /// What was found of login names, in the files that have ended.
    hashed: HashedNames,
    buffers: Buffers,
    /// Holds a text while it is used.
    text: String,
}

/// How many distinct login names look like hashes, and how many there are in all.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct HashedNames {
    /// Those that look like hashes.
    pub hashed: u64,
    /// All.
    pub all: u64,
}

/// What a batch is made of, kept for the next one.
#[derive(Default)]
struct Buffers {
    text: Vec<u8>,
    ends: Vec<u32>,
    lines: Vec<u64>,
}

impl Protector {
    pub(crate) fn new(protection: Protection) -> Protector {
        Protector {
            protection,
            columns: Vec::new(),
            kept: Vec::new(),
            keys: Vec::new(),
            hashed: HashedNames::default(),
            buffers: Buffers::default(),
            text: String::new(),
        }
    }

    /// The rows that may be read on, and how many may not. A column that nobody declared is empty.
    pub(crate) fn apply(
        &mut self,
        step: &Step,
        batch: &Batch,
        columns: &ColumnMap,
    ) -> (Batch, u64) {
        if self.columns.is_empty() {
            self.begin_file(step, batch.width(), columns);
        }
        let Buffers { mut text, mut ends, mut lines } = std::mem::take(&mut self.buffers);
        text.clear();
        let mut text = String::from_utf8(text).expect("nothing is a text");
        ends.clear();
        lines.clear();
        let mut suppressed = 0;
        for row in 0..batch.len() {
            let start = (text.len(), ends.len());
            if self.append_row(batch, row, &mut text, &mut ends) {
                lines.push(batch.line(row));
                continue;
            }
            text.truncate(start.0);
            ends.truncate(start.1);
            suppressed += 1;
            self.suppress(batch, row);
        }
        let protected = Batch::new(text, ends, lines, batch.width()).of_file(batch.file());
        (protected, suppressed)
    }

    /// Takes back the memory of a batch that it made.
    pub(crate) fn recycle(&mut self, batch: Batch) {
        let (text, ends, lines) = batch.into_buffers();
        self.buffers = Buffers { text, ends, lines };
    }

    /// Ends a file: the next one may have its columns in another order.
    pub(crate) fn end_file(&mut self) {
        let found = self.columns.iter().filter_map(ColumnProtection::hashed_names);
        for (hashed, all) in found {
            self.hashed.hashed += hashed;
            self.hashed.all += all;
        }
        self.columns.clear();
    }

    /// What is suppressed by now, and what was found of login names.
    pub(crate) fn finish(self) -> (Protection, HashedNames) {
        (self.protection, self.hashed)
    }

    fn begin_file(&mut self, step: &Step, width: usize, columns: &ColumnMap) {
        // Nobody declares a column without a name, so it is dropped.
        let names = (0..width).map(|place| columns.declared_at(place).unwrap_or(""));
        self.columns = names.map(|name| self.protection.column(name)).collect();
        self.kept = vec![0; width];
        let mut kept = 0;
        for (place, column) in self.columns.iter().enumerate().rev() {
            kept = if column.keeps() { kept + 1 } else { 0 };
            self.kept[place] = kept;
        }
        let keys = step.entities.iter().map(|it| it.key_column);
        self.keys = keys.filter_map(|it| Some((columns.position(it)?, it))).collect();
    }

    /// Appends a row, and says whether it may be read on.
    fn append_row(
        &mut self,
        batch: &Batch,
        row: usize,
        text: &mut String,
        ends: &mut Vec<u32>,
    ) -> bool {
        let as_end = |end: usize| u32::try_from(end).expect("a batch has far less than 4 GiB");
        let mut place = 0;
        while let Some(column) = self.columns.get_mut(place) {
            // What stays as it is, is copied in one piece: most cells of most rows.
            let cells = place..place + self.kept[place].max(1);
            place = cells.end;
            let (written, cell_ends) = batch.written(row, cells);
            let start = text.len();
            if column.keeps() {
                text.push_str(written);
                ends.extend(cell_ends.map(|it| as_end(start + it)));
            } else {
                match column.apply(written, &self.protection, &mut self.text) {
                    Cell::Text(cell) => text.push_str(cell),
                    Cell::Suppressed => return false,
                }
                ends.push(as_end(text.len()));
            }
            text.push(',');
        }
        true
    }

    /// Later exports name the person of a row by nothing but the key.
    fn suppress(&mut self, batch: &Batch, row: usize) {
        for &(place, name) in &self.keys {
            let key = batch.column(Some(place)).cell(row);
            self.protection.suppress(name, key);
        }
    }
}
