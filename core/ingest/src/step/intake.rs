//! The rows of an export as they may be mapped: decoded, counted and protected. Apart from the mapping,
//! which may be on another thread.

use core_model::step::Step;
use core_privacy::protection::Protection;

use super::account::RowAccount;
use crate::batch::Batch;
use crate::decoder::Decoder;
use crate::header::ColumnMap;
use crate::partition::Pattern;
use crate::protected::Protector;
use crate::refusal::Refusal;

/// From bytes to batches.
pub(super) struct Intake {
    step: &'static Step,
    decoder: Decoder,
    /// What happens to rows that were decoded.
    protector: Option<Protector>,
    /// What the values of a column match in the current file.
    expected: Option<(String, Pattern)>,
    /// Where the declared columns stand in the current file, once its header was read.
    columns: Option<ColumnMap>,
    /// Rows that are not what was expected.
    outside_partition: u64,
    /// Rows that may not be read on.
    suppressed: u64,
}

impl Intake {
    pub(super) fn new(step: &'static Step) -> Self {
        Self {
            step,
            decoder: Decoder::default(),
            protector: None,
            expected: None,
            columns: None,
            outside_partition: 0,
            suppressed: 0,
        }
    }

    pub(super) fn with_protection(self, protection: Option<Protection>) -> Self {
        Self { protector: protection.map(Protector::new), ..self }
    }

    pub(super) fn with_batch_rows(self, batch_rows: usize) -> Self {
        Self { decoder: self.decoder.with_batch_rows(batch_rows), ..self }
    }

    /// Counts the rows of the current file whose value of a column does not match.
    pub(super) fn expect(&mut self, column: &str, pattern: &Pattern) {
        self.expected = Some((column.to_owned(), pattern.clone()));
    }

    /// The names of the columns; empty until the first line was read.
    pub(super) fn header(&self) -> &[String] {
        self.decoder.header()
    }

    /// Reads bytes until they end or a batch is full, and returns how many were read.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        self.decoder.decode(bytes)
    }

    /// Whether the batch must be taken before more is decoded.
    pub(super) fn is_full(&self) -> bool {
        self.decoder.is_full()
    }

    /// The rows that were decoded since the last call and may be mapped.
    pub(super) fn take_batch(&mut self) -> Batch {
        let mut batch = self.decoder.take_batch();
        if self.expected.is_none() && self.protector.is_none() {
            return batch;
        }
        let header = self.decoder.header();
        let columns = self.columns.get_or_insert_with(|| ColumnMap::of_step(self.step, header));
        if let Some((column, pattern)) = &self.expected {
            let cells = batch.column(columns.position(column)).cells();
            self.outside_partition += outside(pattern, cells);
        }
        if let Some(protector) = &mut self.protector {
            self.suppressed += protector.apply(self.step, &mut batch, columns);
        }
        batch
    }

    /// Takes back a batch for its memory.
    pub(super) fn recycle(&mut self, mut batch: Batch) {
        if let Some(protector) = &mut self.protector {
            protector.recycle(&mut batch);
        }
        self.decoder.recycle(batch);
    }

    /// Ends the bytes of the current file: what is left is its last batch.
    pub(super) fn end_bytes(&mut self) -> Result<(), Refusal> {
        self.decoder.finish()
    }

    /// Ends the current file, whose last batch was taken.
    pub(super) fn end_file(&mut self) {
        if let Some(protector) = &mut self.protector {
            protector.end_file();
        }
        self.expected = None;
        self.columns = None;
    }

    /// Begins the next file of the export.
    pub(super) fn next_file(&mut self) {
        self.decoder.next_file();
    }

    /// Ends the export: notes what was counted, and gives the protection as it is by now.
    pub(super) fn finish(self, account: &mut RowAccount) -> Option<Protection> {
        account.decoder = self.decoder.counts().clone();
        account.outside_partition = self.outside_partition;
        account.suppressed = self.suppressed;
        let (protection, hashed_names) = self.protector?.finish();
        account.hashed_names = hashed_names;
        Some(protection)
    }
}

/// How many values a pattern does not match.
fn outside<'a>(pattern: &Pattern, values: impl Iterator<Item = &'a str>) -> u64 {
    // Exports are often grouped, so the same value comes many times in a row.
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
