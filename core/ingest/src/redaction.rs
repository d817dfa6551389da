//! Redaction: applies the privacy policy to each batch before any later stage sees it. Dropped
//! cells are empty, replaced cells are replaced, and the rows of erased people are removed.
//!
//! Later stages intern and write only redacted cells. Two exceptions stay in memory: the
//! fingerprint of a row, which is taken before redaction to recognize it, and the suffix cache of
//! the decoder, which lives until the file ends.

use std::panic::resume_unwind;
use std::thread;

use core_model::step::Step;
use core_privacy::protection::{Cell, ColumnProtection, Protection};
use core_privacy::reuse::IdentifierKinds;

use crate::batch::{Batch, Replacement};
use crate::header::ColumnMap;
use crate::keys::keys_equal;

/// The number of rows above which a second thread pays off.
const SHARED_ROWS: usize = 512;

/// Redacts the batches of one export.
pub(crate) struct Redactor {
    protection: Protection,
    /// The columns of the current file; found once per file.
    columns: Vec<RedactedColumn>,
    /// The positions of the columns that identify the step's own entities.
    keys: Vec<(usize, &'static str)>,
    /// The counts of login names in the files that have ended.
    hashed: HashedNames,
}

/// A column of a file, and its rule.
struct RedactedColumn {
    place: usize,
    rule: ColumnProtection,
    /// The previous replacement, kept to reuse its memory.
    spare: Replacement,
    /// A buffer for the rule's result.
    text: String,
}

/// Counts of distinct login names.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct HashedNames {
    /// Login names that look like hashes.
    pub hashed: u64,
    /// All login names.
    pub all: u64,
}

impl Redactor {
    pub(crate) fn new(protection: Protection) -> Self {
        Self { protection, columns: Vec::new(), keys: Vec::new(), hashed: HashedNames::default() }
    }

    /// Redacts a batch and returns the number of rows that were suppressed. An undeclared column
    /// becomes empty.
    pub(crate) fn apply(&mut self, step: &Step, batch: &mut Batch, columns: &ColumnMap) -> u64 {
        if self.columns.is_empty() {
            self.begin_file(step, batch.width(), columns);
        }
        let suppressed = self.suppress_rows(batch);
        batch.replace(self.replacements(batch));
        suppressed
    }

    /// Takes back the replacements of a batch for their memory.
    pub(crate) fn recycle(&mut self, batch: &mut Batch) {
        for (column, replaced) in self.columns.iter_mut().zip(batch.replace(Vec::new())) {
            column.spare = replaced.unwrap_or_default();
        }
    }

    /// Ends a file; the next one may have its columns in another order.
    pub(crate) fn end_file(&mut self) {
        for RedactedColumn { rule, .. } in self.columns.drain(..) {
            let (hashed, all) = rule.hashed_names().unwrap_or_default();
            self.hashed.hashed += hashed;
            self.hashed.all += all;
            self.protection.keep(rule);
        }
    }

    /// Returns the protection with everything that is suppressed by now, and the counts of login
    /// names.
    pub(crate) fn finish(self) -> (Protection, HashedNames) {
        (self.protection, self.hashed)
    }

    fn begin_file(&mut self, step: &Step, width: usize, columns: &ColumnMap) {
        // An undeclared column has no name here, so its rule is to drop it.
        let column = |place| RedactedColumn {
            place,
            rule: self.protection.column(columns.declared_at(place).unwrap_or("")),
            spare: Replacement::default(),
            text: String::new(),
        };
        self.columns = (0..width).map(column).collect();
        let keys = step.entities.iter().map(|entity| entity.key_column);
        self.keys = keys.filter_map(|name| Some((columns.position(name)?, name))).collect();
    }

    /// Removes the rows of erased people. Other rows of this export, and of later ones, may
    /// identify a person by the key alone, so each key is suppressed too once it is known.
    fn suppress_rows(&mut self, batch: &mut Batch) -> u64 {
        if !self.protection.suppresses() {
            return 0;
        }
        let mut stays = vec![true; batch.len()];
        let mut has_new_key = true;
        while has_new_key {
            has_new_key = false;
            for row in self.find_suppressed_rows(batch, &stays) {
                stays[row] = false;
                for &(place, name) in &self.keys {
                    let key = batch.column(Some(place)).cell(row);
                    has_new_key |= self.protection.suppress(name, key);
                }
            }
            if has_new_key {
                self.columns.iter_mut().for_each(|column| column.rule.forget());
            }
        }
        let suppressed = stays.iter().filter(|stays| !**stays).count() as u64;
        if suppressed > 0 {
            batch.retain(&stays);
        }
        suppressed
    }

    /// Finds the suppressed rows among the candidates.
    fn find_suppressed_rows(&mut self, batch: &Batch, is_candidate: &[bool]) -> Vec<usize> {
        let mut found = Vec::new();
        for column in self.columns.iter_mut().filter(|column| column.rule.identifies()) {
            let cells = batch.column(Some(column.place)).cells().enumerate();
            for (row, cell) in cells.filter(|(row, _)| is_candidate[*row]) {
                let applied = column.rule.apply(cell, &self.protection, &mut column.text);
                if let Cell::Suppressed { unless, .. } = applied {
                    found.push((row, unless));
                }
            }
        }
        found.retain(|(row, unless)| !self.has_new_owner(batch, *row, *unless));
        found.into_iter().map(|(row, _)| row).collect()
    }

    /// Returns true if a row has a lasting identifier of one of these kinds that is not
    /// suppressed: the suppressed identifier then belongs to a new owner.
    fn has_new_owner(&mut self, batch: &Batch, row: usize, unless: IdentifierKinds) -> bool {
        self.columns.iter_mut().any(|column| {
            let is_candidate = column
                .rule
                .lasting_kind()
                .is_some_and(|identifier_kind| unless.has(identifier_kind));
            is_candidate && {
                let cell = batch.column(Some(column.place)).cell(row);
                let applied = column.rule.apply(cell, &self.protection, &mut column.text);
                !cell.trim_ascii().is_empty() && !matches!(applied, Cell::Suppressed { .. })
            }
        })
    }

    /// Returns the replacement of each column; `None` for unchanged ones. A pseudonym costs two
    /// hashes, so two threads share the columns that get pseudonyms.
    fn replacements(&mut self, batch: &Batch) -> Vec<Option<Replacement>> {
        let protection = &self.protection;
        let replace = |columns: &mut [RedactedColumn]| -> Vec<Option<Replacement>> {
            columns.iter_mut().map(|column| column.replacement(batch, protection)).collect()
        };
        let costly =
            self.columns.iter().filter(|column| column.rule.identifies() && !column.rule.keeps());
        let costly: Vec<usize> = costly.map(|column| column.place).collect();
        if costly.len() < 2 || batch.len() < SHARED_ROWS {
            return replace(&mut self.columns);
        }
        let (own, others) = self.columns.split_at_mut(costly[costly.len() / 2]);
        thread::scope(|scope| {
            let others = scope.spawn(|| replace(others));
            let mut replaced = replace(own);
            replaced.extend(others.join().unwrap_or_else(|panic| resume_unwind(panic)));
            replaced
        })
    }
}

impl RedactedColumn {
    fn replacement(&mut self, batch: &Batch, protection: &Protection) -> Option<Replacement> {
        if self.rule.keeps() {
            return None;
        }
        let mut replaced = std::mem::take(&mut self.spare);
        replaced.clear();
        if self.rule.drops() {
            return Some(replaced);
        }
        let (mut last, mut repetitions) = (None, 0);
        for cell in batch.column(Some(self.place)).cells() {
            // Exports are often grouped, so the same value often repeats in consecutive rows.
            if last.is_some_and(|last| keys_equal(last, cell)) {
                repetitions += 1;
                continue;
            }
            replaced.repeat(std::mem::take(&mut repetitions));
            last = Some(cell);
            match self.rule.apply(cell, protection, &mut self.text) {
                // The rows of erased people are gone, so this value belongs to its next owner.
                Cell::Text(text) | Cell::Suppressed { text, .. } => replaced.push(text),
            }
        }
        replaced.repeat(repetitions);
        Some(replaced)
    }
}
