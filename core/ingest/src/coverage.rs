//! Whether the parts of an export can have every row of the whole: a check on a file that was cut
//! off at Nexthink's maximum, of which nothing else is used.

use core_model::step::Step;

use crate::decoder::Decoder;
use crate::header::ColumnMap;
use crate::partition::Pattern;
use crate::step::IngestError;

/// Counts the rows of one file whose value in a column matches none of the patterns in the case in
/// which they are written.
pub struct Coverage<'a> {
    step: &'static Step,
    column: &'a str,
    patterns: &'a [Pattern],
    decoder: Decoder,
    uncovered: u64,
}

impl<'a> Coverage<'a> {
    /// Starts with an empty file of a step's export. A file without the column has an empty value in
    /// every row.
    pub fn new(step: &'static Step, column: &'a str, patterns: &'a [Pattern]) -> Self {
        Self { step, column, patterns, decoder: Decoder::default(), uncovered: 0 }
    }

    /// Reads the next bytes of the file.
    ///
    /// # Errors
    ///
    /// The file is refused.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), IngestError> {
        while !bytes.is_empty() {
            let read = self.decoder.decode(bytes)?;
            bytes = &bytes[read..];
            if self.decoder.is_full() {
                self.count_batch();
            }
        }
        Ok(())
    }

    /// How many rows no pattern matches, of those that were read so far.
    pub fn uncovered(&self) -> u64 {
        self.uncovered
    }

    /// Ends the file: how many of its rows no pattern matches. Rows that are set aside count too,
    /// since nobody knows where they belong.
    ///
    /// # Errors
    ///
    /// The file is refused.
    pub fn finish(mut self) -> Result<u64, IngestError> {
        self.decoder.finish()?;
        self.count_batch();
        Ok(self.uncovered + self.decoder.counts().quarantine.rows)
    }

    fn count_batch(&mut self) {
        let batch = self.decoder.take_batch();
        let columns = ColumnMap::of_step(self.step, self.decoder.header());
        let cells = batch.column(columns.position(self.column)).cells();
        let uncovered =
            cells.filter(|cell| !self.patterns.iter().any(|it| it.matches_exactly(cell)));
        self.uncovered += uncovered.count() as u64;
        self.decoder.recycle(batch);
    }
}
