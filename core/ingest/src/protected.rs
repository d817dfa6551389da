//! A batch after the privacy policy was applied: what is dropped is empty, what is replaced is replaced,
//! and the rows of those who were erased are not there. Everything that comes after the decoder sees
//! only this, so nothing else is ever interned or written. How a row was written is hashed, to know it
//! again; the hash stays in memory. What rows repeat stays in the decoder until the file ends.

use std::panic::resume_unwind;
use std::thread;

use core_model::step::Step;
use core_privacy::protection::{Cell, ColumnProtection, Protection};
use core_privacy::reuse::Families;

use crate::batch::{Batch, Replaced};
use crate::header::ColumnMap;
use crate::keys::are_same;

/// In so many rows there may be enough to do for another thread.
const SHARED_ROWS: usize = 512;

/// Applies a protection to the batches of one export.
pub(crate) struct Protector {
    protection: Protection,
    /// The columns of the current file; found once for each file.
    columns: Vec<ProtectedColumn>,
    /// The places of the columns that identify the step's own entities.
    keys: Vec<(usize, &'static str)>,
    /// What was found of login names, in the files that have ended.
    hashed: HashedNames,
}

/// A column of a file, and what happens to it.
struct ProtectedColumn {
    place: usize,
    rule: ColumnProtection,
    /// What stood in its place, kept for its memory.
    spare: Replaced,
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

impl Protector {
    pub(crate) fn new(protection: Protection) -> Self {
        Self {
            protection,
            columns: Vec::new(),
            keys: Vec::new(),
            hashed: HashedNames::default(),
        }
    }

    /// Makes of a batch what may be read on, and returns how many rows may not. A column that nobody
    /// declared is empty.
    pub(crate) fn apply(&mut self, step: &Step, batch: &mut Batch, columns: &ColumnMap) -> u64 {
        if self.columns.is_empty() {
            self.begin_file(step, batch.width(), columns);
        }
        let suppressed = self.suppress_rows(batch);
        batch.replace(self.replacements(batch));
        suppressed
    }

    /// Takes back what stands in the place of columns.
    pub(crate) fn recycle(&mut self, batch: &mut Batch) {
        for (column, replaced) in self.columns.iter_mut().zip(batch.replace(Vec::new())) {
            column.spare = replaced.unwrap_or_default();
        }
    }

    /// Ends a file: the next one may have its columns in another order.
    pub(crate) fn end_file(&mut self) {
        for ProtectedColumn { rule, .. } in self.columns.drain(..) {
            let (hashed, all) = rule.hashed_names().unwrap_or_default();
            self.hashed.hashed += hashed;
            self.hashed.all += all;
            self.protection.keep(rule);
        }
    }

    /// What is suppressed by now, and what was found of login names.
    pub(crate) fn finish(self) -> (Protection, HashedNames) {
        (self.protection, self.hashed)
    }

    fn begin_file(&mut self, step: &Step, width: usize, columns: &ColumnMap) {
        // Nobody declares a column without a name, so it is dropped.
        let column = |place| ProtectedColumn {
            place,
            rule: self.protection.column(columns.declared_at(place).unwrap_or("")),
            spare: Replaced::default(),
            text: String::new(),
        };
        self.columns = (0..width).map(column).collect();
        let keys = step.entities.iter().map(|it| it.key_column);
        self.keys = keys.filter_map(|it| Some((columns.position(it)?, it))).collect();
    }

    /// Takes out the rows of those who were erased. Other rows of the same export, and of later ones, may
    /// name somebody by nothing but the key, so each is suppressed too once it is known.
    fn suppress_rows(&mut self, batch: &mut Batch) -> u64 {
        if !self.protection.suppresses() {
            return 0;
        }
        let mut stays = vec![true; batch.len()];
        let mut is_something_new = true;
        while is_something_new {
            is_something_new = false;
            for row in self.suppressed_rows(batch, &stays) {
                stays[row] = false;
                for &(place, name) in &self.keys {
                    let key = batch.column(Some(place)).cell(row);
                    is_something_new |= self.protection.suppress(name, key);
                }
            }
            if is_something_new {
                self.columns.iter_mut().for_each(|it| it.rule.forget());
            }
        }
        let suppressed = stays.iter().filter(|it| !**it).count() as u64;
        if suppressed > 0 {
            batch.retain(&stays);
        }
        suppressed
    }

    /// The rows that are suppressed, of those that are still to be looked at.
    fn suppressed_rows(&mut self, batch: &Batch, is_asked: &[bool]) -> Vec<usize> {
        let mut found = Vec::new();
        for column in self.columns.iter_mut().filter(|it| it.rule.identifies()) {
            let cells = batch.column(Some(column.place)).cells().enumerate();
            for (row, cell) in cells.filter(|(row, _)| is_asked[*row]) {
                let applied = column.rule.apply(cell, &self.protection, &mut column.text);
                if let Cell::Suppressed { unless, .. } = applied {
                    found.push((row, unless));
                }
            }
        }
        found.retain(|(row, unless)| !self.is_of_a_successor(batch, *row, *unless));
        found.into_iter().map(|(row, _)| row).collect()
    }

    /// Whether a row has a lasting identifier of one of these families that is not suppressed: then
    /// somebody else has got the identifier that is.
    fn is_of_a_successor(&mut self, batch: &Batch, row: usize, unless: Families) -> bool {
        self.columns.iter_mut().any(|column| {
            let is_asked = column.rule.lasting_family().is_some_and(|it| unless.has(it));
            is_asked && {
                let cell = batch.column(Some(column.place)).cell(row);
                let applied = column.rule.apply(cell, &self.protection, &mut column.text);
                !cell.trim_ascii().is_empty() && !matches!(applied, Cell::Suppressed { .. })
            }
        })
    }

    /// What stands in the place of each column; nothing for those that stay as they are. A pseudonym
    /// costs two hashes, so two threads share the columns that get them.
    fn replacements(&mut self, batch: &Batch) -> Vec<Option<Replaced>> {
        let protection = &self.protection;
        let replace = |columns: &mut [ProtectedColumn]| -> Vec<Option<Replaced>> {
            columns.iter_mut().map(|it| it.replacement(batch, protection)).collect()
        };
        let costly = self.columns.iter().filter(|it| it.rule.identifies() && !it.rule.keeps());
        let costly: Vec<usize> = costly.map(|it| it.place).collect();
        if costly.len() < 2 || batch.len() < SHARED_ROWS {
            return replace(&mut self.columns);
        }
        let (own, others) = self.columns.split_at_mut(costly[costly.len() / 2]);
        thread::scope(|scope| {
            let others = scope.spawn(|| replace(others));
            let mut replaced = replace(own);
            replaced.extend(others.join().unwrap_or_else(|defect| resume_unwind(defect)));
            replaced
        })
    }
}

impl ProtectedColumn {
    fn replacement(&mut self, batch: &Batch, protection: &Protection) -> Option<Replaced> {
        if self.rule.keeps() {
            return None;
        }
        let mut replaced = std::mem::take(&mut self.spare);
        replaced.clear();
        if self.rule.drops() {
            return Some(replaced);
        }
        let (mut last, mut repeated) = (None, 0);
        for cell in batch.column(Some(self.place)).cells() {
            // Exports are often grouped, so the same value comes many times in a row.
            if last.is_some_and(|last| are_same(last, cell)) {
                repeated += 1;
                continue;
            }
            replaced.repeat(std::mem::take(&mut repeated));
            last = Some(cell);
            match self.rule.apply(cell, protection, &mut self.text) {
                // The rows of those who were erased were taken out, so it is the next owner's.
                Cell::Text(text) | Cell::Suppressed { text, .. } => replaced.push(text),
            }
        }
        replaced.repeat(repeated);
        Some(replaced)
    }
}
