//! The first two stages of an export: decoding and redaction. Separate from the mapping, which may
//! run on another thread.

use core_model::step::Step;
use core_privacy::protection::Protection;

use super::account::RowAccount;
use crate::batch::Batch;
use crate::decoder::Decoder;
use crate::header::ColumnMap;
use crate::partition::Pattern;
use crate::redaction::Redactor;
use crate::rejection::Rejection;

/// Reads bytes and returns batches of redacted rows.
pub(super) struct RowReader {
    step: &'static Step,
    decoder: Decoder,
    /// Redacts the decoded rows.
    redactor: Option<Redactor>,
    /// The pattern that the values of a column must match in the current file.
    expected: Option<(String, Pattern)>,
    /// The positions of the declared columns in the current file, once its header was read.
    columns: Option<ColumnMap>,
    /// Rows outside the part of their file.
    outside_partition: u64,
    /// Rows of erased people.
    suppressed: u64,
}

impl RowReader {
    pub(super) fn new(step: &'static Step) -> Self {
        Self {
            step,
            decoder: Decoder::default(),
            redactor: None,
            expected: None,
            columns: None,
            outside_partition: 0,
            suppressed: 0,
        }
    }

    pub(super) fn with_protection(self, protection: Option<Protection>) -> Self {
        Self { redactor: protection.map(Redactor::new), ..self }
    }

    pub(super) fn with_batch_rows(self, batch_rows: usize) -> Self {
        Self { decoder: self.decoder.with_batch_rows(batch_rows), ..self }
    }

    /// Counts the rows of the current file whose value of a column does not match.
    pub(super) fn expect(&mut self, column: &str, pattern: &Pattern) {
        self.expected = Some((column.to_owned(), pattern.clone()));
    }

    /// The column names; empty until the first line was read.
    pub(super) fn header(&self) -> &[String] {
        self.decoder.header()
    }

    /// Reads bytes until they end or a batch is full, and returns the number of bytes read.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<usize, Rejection> {
        self.decoder.decode(bytes)
    }

    /// Returns true if the batch must be taken before more is decoded.
    pub(super) fn is_full(&self) -> bool {
        self.decoder.is_full()
    }

    /// Returns the rows that were decoded since the last call, redacted.
    pub(super) fn take_batch(&mut self) -> Batch {
        let mut batch = self.decoder.take_batch();
        if self.expected.is_none() && self.redactor.is_none() {
            return batch;
        }
        let header = self.decoder.header();
        let columns = self.columns.get_or_insert_with(|| ColumnMap::from_header(self.step, header));
        if let Some((column, pattern)) = &self.expected {
            let cells = batch.column(columns.position(column)).cells();
            self.outside_partition += count_outside(pattern, cells);
        }
        if let Some(redactor) = &mut self.redactor {
            self.suppressed += redactor.apply(self.step, &mut batch, columns);
        }
        batch
    }

    /// Takes back a batch for its memory.
    pub(super) fn recycle(&mut self, mut batch: Batch) {
        if let Some(redactor) = &mut self.redactor {
            redactor.recycle(&mut batch);
        }
        self.decoder.recycle(batch);
    }

    /// Ends the bytes of the current file; the remaining rows are its last batch.
    pub(super) fn end_bytes(&mut self) -> Result<(), Rejection> {
        self.decoder.finish()
    }

    /// Ends the current file, after its last batch was taken.
    pub(super) fn end_file(&mut self) {
        if let Some(redactor) = &mut self.redactor {
            redactor.end_file();
        }
        self.expected = None;
        self.columns = None;
    }

    /// Begins the next file of the export.
    pub(super) fn next_file(&mut self) {
        self.decoder.next_file();
    }

    /// Ends the export: adds the counts to the account and returns the protection with everything
    /// that is suppressed by now.
    pub(super) fn finish(self, account: &mut RowAccount) -> Option<Protection> {
        account.decoder = self.decoder.counts().clone();
        account.outside_partition = self.outside_partition;
        account.suppressed = self.suppressed;
        let (protection, hashed_names) = self.redactor?.finish();
        account.hashed_names = hashed_names;
        Some(protection)
    }
}

/// Counts the values that a pattern does not match.
fn count_outside<'a>(pattern: &Pattern, values: impl Iterator<Item = &'a str>) -> u64 {
    // Exports are often grouped, so the same value often repeats in consecutive rows.
    let mut last = ("", pattern.matches(""));
    let mut outside = 0;
    for value in values {
        if value != last.0 {
            last = (value, pattern.matches(value));
        }
        outside += u64::from(!last.1);
    }
    outside
}
