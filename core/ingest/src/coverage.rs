//! A check that the parts of an export cover every row of the whole. It reads a file that Nexthink
//! truncated at its maximum, of which nothing else is used.

use core_model::step::Step;

use crate::decoder::Decoder;
use crate::header::ColumnMap;
use crate::partition::Pattern;
use crate::step::IngestError;

/// Counts the rows of one file whose value in a column matches none of the patterns,
/// case-sensitively.
pub struct Coverage<'a> {
    step: &'static Step,
    column: &'a str,
    patterns: &'a [Pattern],
    decoder: Decoder,
    uncovered: u64,
}

impl<'a> Coverage<'a> {
    /// Starts with an empty file of a step's export. In a file without the column every row has an
    /// empty value.
    pub fn new(step: &'static Step, column: &'a str, patterns: &'a [Pattern]) -> Self {
        Self { step, column, patterns, decoder: Decoder::default(), uncovered: 0 }
    }

    /// Reads the next bytes of the file.
    ///
    /// # Errors
    ///
    /// The file is rejected.
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

    /// The number of rows read so far that no pattern matches.
    pub fn uncovered(&self) -> u64 {
        self.uncovered
    }

    /// Ends the file and returns the number of its rows that no pattern matches. Quarantined rows
    /// count too, since it is unknown which part they belong to.
    ///
    /// # Errors
    ///
    /// The file is rejected.
    pub fn finish(mut self) -> Result<u64, IngestError> {
        self.decoder.finish()?;
        self.count_batch();
        Ok(self.uncovered + self.decoder.counts().quarantine.rows)
    }

    fn count_batch(&mut self) {
        let batch = self.decoder.take_batch();
        let columns = ColumnMap::from_header(self.step, self.decoder.header());
        let cells = batch.column(columns.position(self.column)).cells();
        let uncovered =
            cells.filter(|cell| !self.patterns.iter().any(|pattern| pattern.matches_exactly(cell)));
        self.uncovered += uncovered.count() as u64;
        self.decoder.recycle(batch);
    }
}
