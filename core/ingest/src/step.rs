//! Mapping of one export to the tables of one step, with an account of every row.
//!
//! The export comes in one file, or in one for each of its parts. The tables belong to the step
//! until the whole export has succeeded: a file that turns out to be truncated in its last line
//! leaves nothing behind.

mod account;
mod mapper;
mod pipeline;
mod row_reader;

use std::io::Read;

use core_model::step::Step;
use core_privacy::protection::Protection;
use jiff::tz::TimeZone;

pub use self::account::{HashedNames, IngestError, RowAccount};
use self::mapper::Mapper;
pub use self::pipeline::ReadError;
use self::row_reader::RowReader;
use crate::batch::{Batch, Cells, NO_SUFFIX, Origin};
use crate::decoder::DecoderCounts;
use crate::edges::Edges;
use crate::entities::EntityTable;
use crate::graph::Graph;
use crate::partition::Pattern;
use crate::rejection::Quarantine;

/// Reads one export for one step.
pub struct StepIngest<'g> {
    row_reader: RowReader,
    map_stage: MapStage<'g>,
}

/// The stage that maps batches.
struct MapStage<'g> {
    graph: &'g Graph,
    mapper: Mapper,
    /// Rows that cannot be mapped.
    quarantine: Quarantine,
    /// The account of the files that have ended.
    account: RowAccount,
}

/// The result of one step.
pub struct StepTables {
    /// One table for each entity type of the step.
    pub entities: Vec<EntityTable>,
    /// One set of edges for each relationship type of the step.
    pub edges: Vec<Edges>,
    /// The account of the rows.
    pub account: RowAccount,
    /// The protection that redacted the step. By now it also suppresses the keys of people who were
    /// found by name.
    pub protection: Option<Protection>,
}

impl<'g> StepIngest<'g> {
    /// Starts with an empty export. `graph` has the tables of earlier steps.
    pub fn new(step: &'static Step, graph: &'g Graph) -> Self {
        Self {
            row_reader: RowReader::new(step),
            map_stage: MapStage {
                graph,
                mapper: Mapper::new(step),
                quarantine: Quarantine::default(),
                account: RowAccount::default(),
            },
        }
    }

    /// Sets the time zone of times that name none. The default is UTC.
    #[must_use]
    pub fn with_time_zone(mut self, zone: TimeZone) -> Self {
        self.map_stage.mapper.zone = zone;
        self
    }

    /// Redacts every row with this protection before any later stage sees it. `None` leaves the
    /// rows unchanged.
    #[must_use]
    pub fn with_protection(mut self, protection: Option<Protection>) -> Self {
        self.row_reader = self.row_reader.with_protection(protection);
        self
    }

    /// Limits batches to this many rows. The first bytes of a file are decoded together, so its
    /// first batch may have more.
    #[must_use]
    pub fn with_batch_rows(mut self, batch_rows: usize) -> Self {
        self.row_reader = self.row_reader.with_batch_rows(batch_rows);
        self
    }

    /// Expects every value of a column of the current file to match a pattern, and counts the rows
    /// whose value does not. Must be called before the first byte of the file. In a file without
    /// the column every value is empty.
    pub fn expect(&mut self, column: &str, pattern: &Pattern) {
        self.row_reader.expect(column, pattern);
    }

    /// Reads all bytes of the current file and returns their number. Other threads help to
    /// decompress, decode and map them.
    ///
    /// # Errors
    ///
    /// The bytes cannot be read to their end, or the export is rejected.
    pub fn read(&mut self, bytes: &mut (dyn Read + Send)) -> Result<u64, ReadError> {
        let Self { row_reader, map_stage } = self;
        pipeline::run(row_reader, bytes, |header, batch| map_stage.apply(header, batch))
    }

    /// Reads the next bytes of the current file, on this thread.
    ///
    /// # Errors
    ///
    /// The export is rejected.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), IngestError> {
        while !bytes.is_empty() {
            let read = self.row_reader.decode(bytes)?;
            bytes = &bytes[read..];
            if self.row_reader.is_full() {
                self.apply_batch()?;
            }
        }
        Ok(())
    }

    /// Ends the current file of the export and begins the next one, which may have its columns in
    /// another order.
    ///
    /// # Errors
    ///
    /// The file that ends is rejected, and the export with it.
    pub fn next_file(&mut self) -> Result<(), IngestError> {
        self.end_file()?;
        self.row_reader.next_file();
        Ok(())
    }

    /// Ends the last file, and the export with it.
    ///
    /// # Errors
    ///
    /// The export is rejected, or its account does not close.
    pub fn finish(mut self) -> Result<StepTables, IngestError> {
        self.end_file()?;
        let MapStage { mapper, quarantine, mut account, .. } = self.map_stage;
        let protection = self.row_reader.finish(&mut account);
        account.decoder.quarantine.merge(quarantine);
        let tables = mapper.into_tables(account)?;
        Ok(StepTables { protection, ..tables })
    }

    fn end_file(&mut self) -> Result<(), IngestError> {
        self.row_reader.end_bytes()?;
        self.apply_batch()?;
        self.row_reader.end_file();
        self.map_stage.account.files += 1;
        self.map_stage.mapper.end_file(&mut self.map_stage.account);
        Ok(())
    }

    fn apply_batch(&mut self) -> Result<(), IngestError> {
        let batch = self.row_reader.take_batch();
        self.map_stage.apply(self.row_reader.header(), &batch)?;
        self.row_reader.recycle(batch);
        Ok(())
    }
}

impl MapStage<'_> {
    fn apply(&mut self, header: &[String], batch: &Batch) -> Result<(), IngestError> {
        self.mapper.columns(header)?;
        self.mapper.apply(self.graph, batch, |row| self.quarantine.add(row));
        self.mapper.check_size()
    }
}

/// Makes the tables of a step from one row that the run itself has made.
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
    let batch = Batch::new(cells, vec![Origin { line: 1, suffix: NO_SUFFIX }], row.len());
    let mut mapper = Mapper::new(step);
    mapper.columns(&header)?;
    let mut decoder = DecoderCounts { rows: 1, ..DecoderCounts::default() };
    mapper.apply(graph, &batch, |row| decoder.quarantine.add(row));
    mapper.into_tables(RowAccount { decoder, ..RowAccount::default() })
}
