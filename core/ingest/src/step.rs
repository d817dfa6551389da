//! One export into the tables of one step, with an account of every row.
//!
//! The export comes in one file, or in one for each of its parts. The tables are the step's own until
//! all of it has ended well: a file that turns out to be cut in its last line leaves nothing behind.

mod account;
mod intake;
mod mapper;
mod reading;

use std::io::Read;

use core_model::step::Step;
use core_privacy::protection::Protection;
use jiff::tz::TimeZone;

pub use self::account::{HashedNames, IngestError, RowAccount};
use self::intake::Intake;
use self::mapper::Mapper;
pub use self::reading::ReadError;
use crate::batch::{Batch, Cells, NO_TAIL, Origin};
use crate::decoder::DecoderCounts;
use crate::edges::Edges;
use crate::entities::EntityTable;
use crate::graph::Graph;
use crate::partition::Pattern;
use crate::refusal::Quarantine;

/// Reads one export for one step.
pub struct StepIngest<'g> {
    intake: Intake,
    mapping: Mapping<'g>,
}

/// What becomes of batches.
struct Mapping<'g> {
    graph: &'g Graph,
    mapper: Mapper,
    /// The rows that cannot be mapped.
    quarantine: Quarantine,
    /// Of the files that have ended.
    account: RowAccount,
}

/// What one step made of its export.
pub struct StepTables {
    /// One table for each entity type of the step.
    pub entities: Vec<EntityTable>,
    /// One set of edges for each relationship type of the step.
    pub edges: Vec<Edges>,
    /// What became of the rows.
    pub account: RowAccount,
    /// The protection that the step was read with, which by now suppresses the keys of those who were
    /// found by their names.
    pub protection: Option<Protection>,
}

impl<'g> StepIngest<'g> {
    /// Starts with an empty export. `graph` holds what the steps before have made.
    pub fn new(step: &'static Step, graph: &'g Graph) -> Self {
        Self {
            intake: Intake::new(step),
            mapping: Mapping {
                graph,
                mapper: Mapper::new(step),
                quarantine: Quarantine::default(),
                account: RowAccount::default(),
            },
        }
    }

    /// Takes times that name no zone for times of this one; without this they are UTC.
    #[must_use]
    pub fn with_time_zone(mut self, zone: TimeZone) -> Self {
        self.mapping.mapper.zone = zone;
        self
    }

    /// Applies a protection to every row before anything else sees it; nothing leaves them as they are.
    #[must_use]
    pub fn with_protection(mut self, protection: Option<Protection>) -> Self {
        self.intake = self.intake.with_protection(protection);
        self
    }

    /// Reads on in batches of at most so many rows. The first bytes of a file are read together, so
    /// its first batch may have more.
    #[must_use]
    pub fn with_batch_rows(mut self, batch_rows: usize) -> Self {
        self.intake = self.intake.with_batch_rows(batch_rows);
        self
    }

    /// Expects every value of a column of the current file to match a pattern, and counts the rows
    /// whose value does not. Said before the file's first byte. In a file without the column every
    /// value is empty.
    pub fn expect(&mut self, column: &str, pattern: &Pattern) {
        self.intake.expect(column, pattern);
    }

    /// Reads all bytes of the current file and returns how many there were. Other threads help to
    /// have them, to decode and to map them.
    ///
    /// # Errors
    ///
    /// The bytes cannot be read to their end, or the export is refused.
    pub fn read(&mut self, bytes: &mut (dyn Read + Send)) -> Result<u64, ReadError> {
        let Self { intake, mapping } = self;
        reading::read(intake, bytes, |header, batch| mapping.apply(header, batch))
    }

    /// Reads the next bytes of the current file, on this thread.
    ///
    /// # Errors
    ///
    /// The export is refused.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), IngestError> {
        while !bytes.is_empty() {
            let read = self.intake.decode(bytes)?;
            bytes = &bytes[read..];
            if self.intake.is_full() {
                self.apply_batch()?;
            }
        }
        Ok(())
    }

    /// Ends the current file of the export and begins its next one, whose columns may stand in
    /// another order.
    ///
    /// # Errors
    ///
    /// The file that ends is refused, and the export with it.
    pub fn next_file(&mut self) -> Result<(), IngestError> {
        self.end_file()?;
        self.intake.next_file();
        Ok(())
    }

    /// Ends the last file, and the export with it.
    ///
    /// # Errors
    ///
    /// The export is refused, or its account does not close.
    pub fn finish(mut self) -> Result<StepTables, IngestError> {
        self.end_file()?;
        let Mapping { mapper, quarantine, mut account, .. } = self.mapping;
        let protection = self.intake.finish(&mut account);
        account.decoder.quarantine.merge(quarantine);
        let tables = mapper.into_tables(account)?;
        Ok(StepTables { protection, ..tables })
    }

    fn end_file(&mut self) -> Result<(), IngestError> {
        self.intake.end_bytes()?;
        self.apply_batch()?;
        self.intake.end_file();
        self.mapping.account.files += 1;
        self.mapping.mapper.end_file(&mut self.mapping.account);
        Ok(())
    }

    fn apply_batch(&mut self) -> Result<(), IngestError> {
        let batch = self.intake.take_batch();
        self.mapping.apply(self.intake.header(), &batch)?;
        self.intake.recycle(batch);
        Ok(())
    }
}

impl Mapping<'_> {
    fn apply(&mut self, header: &[String], batch: &Batch) -> Result<(), IngestError> {
        self.mapper.columns(header)?;
        self.mapper.apply(self.graph, batch, |row| self.quarantine.add(row));
        self.mapper.check_size()
    }
}

/// Makes the tables of a step from one row, which the run has made itself.
///
/// # Errors
///
/// The row lacks a key column.
pub fn ingest_row(
    step: &'static Step,
    graph: &Graph,
    row: &[(&str, &str)],
) -> Result<StepTables, IngestError> {
    let header: Vec<String> = row.iter().map(|(column, _)| (*column).to_owned()).collect();
    let mut cells = Cells::default();
    for (_, cell) in row {
        cells.push(cell);
    }
    let batch = Batch::new(cells, vec![Origin { line: 1, tail: NO_TAIL }], row.len());
    let mut mapper = Mapper::new(step);
    mapper.columns(&header)?;
    let mut decoder = DecoderCounts { rows: 1, ..DecoderCounts::default() };
    mapper.apply(graph, &batch, |row| decoder.quarantine.add(row));
    mapper.into_tables(RowAccount { decoder, ..RowAccount::default() })
}
