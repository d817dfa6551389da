//! One export into the tables of one step, with an account of every row.
//!
//! The tables are the step's own until it has ended well: a file that turns out to be cut in its
//! last line leaves nothing behind.

use core_model::entity::EntityType;
use core_model::relationship::{End, RelationshipType};
use core_model::step::Step;
use jiff::tz::TimeZone;

use crate::batch::{Batch, Column};
use crate::decoder::{Decoder, DecoderCounts};
use crate::edges::{Drawn, Edges, EndOfRow};
use crate::entities::{EntityTable, RowKeys};
use crate::graph::Graph;
use crate::header::ColumnMap;
use crate::refusal::{QuarantineReason, QuarantinedRow, Refusal};

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 256;

/// Reads one export for one step.
pub struct StepIngest<'g> {
    graph: &'g Graph,
    decoder: Decoder,
    mapper: Mapper,
}

/// What one step made of its export.
pub struct StepTables {
    /// One table for each entity type of the step.
    pub entities: Vec<EntityTable>,
    /// One set of edges for each relationship type of the step.
    pub edges: Vec<Edges>,
    /// What became of the rows.
    pub account: RowAccount,
}

/// What became of every row of an export.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RowAccount {
    /// Rows that added an entity or an edge, or that were counted as dangling.
    pub used: u64,
    /// Rows that only repeated what was known.
    pub merged: u64,
    /// Rows read, blank lines, and rows set aside.
    pub decoder: DecoderCounts,
    /// Declared columns that the export does not have; their values are null.
    pub missing_columns: Vec<&'static str>,
    /// Relationship types of which the export names no end, so that it draws no edge of them.
    pub missing_ends: Vec<&'static str>,
    /// Columns of the export that nobody declared; they were ignored.
    pub unknown_columns: usize,
}

/// Why an export was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// It is no CSV as Nexthink exports it.
    #[error("the file is not the CSV that Nexthink exports")]
    Refused(#[from] Refusal),
    /// It lacks a column without which nothing can be identified.
    #[error("the export has no column `{}`; list it in the saved query", columns.join("`, `"))]
    MissingKey {
        /// The columns.
        columns: Vec<&'static str>,
    },
    /// It has more text than a table can hold.
    #[error("the texts of `{type_name}` have more than 1 GiB for one property; bound the query")]
    TooLarge {
        /// The type.
        type_name: &'static str,
    },
    /// The sums of the account do not close: a defect of this program.
    #[error("{read} rows were read and {accounted} accounted for; please report this")]
    Unaccounted {
        /// Rows read.
        read: u64,
        /// Rows accounted for.
        accounted: u64,
    },
}

/// From batches to the tables of a step. Apart from the decoder so that both can be borrowed.
struct Mapper {
    step: &'static Step,
    /// The zone of times that name none.
    zone: TimeZone,
    columns: Option<ColumnMap>,
    entities: Vec<EntityTable>,
    edges: Vec<Edges>,
    used: u64,
    merged: u64,
    scratch: Scratch,
}

/// Buffers of one batch, kept for the next.
#[derive(Default)]
struct Scratch {
    /// Rows without a usable key.
    unusable: Vec<bool>,
    /// For each entity type of the step, the keys that were made for rows without one.
    made_keys: Vec<Vec<String>>,
    /// Rows that added something.
    added: Vec<bool>,
    /// For each entity type of the step, the number of each row's entity.
    numbers: Vec<Vec<u32>>,
    new_rows: Vec<usize>,
    from: Vec<EndOfRow>,
    to: Vec<EndOfRow>,
}

impl<'g> StepIngest<'g> {
    /// Starts with an empty export. `graph` holds what the steps before have made.
    pub fn new(step: &'static Step, graph: &'g Graph) -> StepIngest<'g> {
        StepIngest { graph, decoder: Decoder::default(), mapper: Mapper::new(step) }
    }

    /// Takes times that name no zone for times of this one; without this they are UTC.
    #[must_use]
    pub fn with_time_zone(mut self, zone: TimeZone) -> StepIngest<'g> {
        self.mapper.zone = zone;
        self
    }

    /// Reads on in batches of at most so many rows.
    #[must_use]
    pub fn with_batch_rows(mut self, batch_rows: usize) -> StepIngest<'g> {
        self.decoder = self.decoder.with_batch_rows(batch_rows);
        self
    }

    /// Reads the next bytes of the export.
    ///
    /// # Errors
    ///
    /// The export is refused.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), IngestError> {
        while !bytes.is_empty() {
            let read = self.decoder.decode(bytes)?;
            bytes = &bytes[read..];
            if self.decoder.is_full() {
                self.apply_batch()?;
            }
        }
        Ok(())
    }

    /// Ends the export.
    ///
    /// # Errors
    ///
    /// The export is refused, or its account does not close.
    pub fn finish(mut self) -> Result<StepTables, IngestError> {
        self.decoder.finish()?;
        self.apply_batch()?;
        let columns = self.mapper.columns(self.decoder.header())?.clone();
        let lacks = |end: &End| end.column.is_some_and(|it| columns.position(it).is_none());
        let relationships = self.mapper.step.relationships.iter();
        let account = RowAccount {
            used: self.mapper.used,
            merged: self.mapper.merged,
            decoder: self.decoder.counts().clone(),
            missing_ends: relationships
                .filter(|it| lacks(&it.from) || lacks(&it.to))
                .map(|it| it.type_name)
                .collect(),
            missing_columns: columns.missing,
            unknown_columns: columns.unknown,
        };
        account.check()?;
        let Mapper { entities, edges, .. } = self.mapper;
        Ok(StepTables { entities, edges, account })
    }

    fn apply_batch(&mut self) -> Result<(), IngestError> {
        let batch = self.decoder.take_batch();
        self.mapper.columns(self.decoder.header())?;
        self.mapper.apply(self.graph, &batch, |row| self.decoder.quarantine(row));
        self.decoder.recycle(batch);
        let too_large = self.mapper.entities.iter().find(|it| it.is_too_large());
        too_large.map_or(Ok(()), |table| {
            Err(IngestError::TooLarge { type_name: table.entity().type_name })
        })
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
    let mut text = String::new();
    let mut ends = Vec::with_capacity(row.len());
    for (_, cell) in row {
        text.push_str(cell);
        ends.push(u32::try_from(text.len()).expect("a configuration is small"));
    }
    let batch = Batch::new(text, ends, vec![1], row.len());
    let mut mapper = Mapper::new(step);
    mapper.columns(&header)?;
    let mut decoder = DecoderCounts { rows: 1, ..DecoderCounts::default() };
    mapper.apply(graph, &batch, |row| decoder.quarantine.add(row));
    let Mapper { entities, edges, used, merged, .. } = mapper;
    let account = RowAccount { used, merged, decoder, ..RowAccount::default() };
    account.check()?;
    Ok(StepTables { entities, edges, account })
}

impl Mapper {
    fn new(step: &'static Step) -> Mapper {
        Mapper {
            step,
            zone: TimeZone::UTC,
            columns: None,
            entities: step.entities.iter().map(|it| EntityTable::new(it)).collect(),
            edges: step.relationships.iter().map(|it| Edges::new(it)).collect(),
            used: 0,
            merged: 0,
            scratch: Scratch::default(),
        }
    }

    /// Where the declared columns stand, found once.
    fn columns(&mut self, header: &[String]) -> Result<&ColumnMap, IngestError> {
        if self.columns.is_none() {
            let mut declared = self.step.columns();
            declared.extend(self.step.unlisted_columns());
            let mut columns = ColumnMap::new(&declared, self.step.aliases(), header);
            let listed = self.step.columns();
            columns.missing.retain(|it| listed.contains(it));
            let is_there = |column: &&str| columns.position(column).is_some();
            let entities = self.step.entities.iter();
            let without_key = entities
                .filter(|it| !is_there(&it.key_column) && !it.key_else.iter().any(is_there));
            let missing: Vec<_> = without_key.map(|it| it.key_column).collect();
            if !missing.is_empty() {
                return Err(IngestError::MissingKey { columns: missing });
            }
            self.columns = Some(columns);
        }
        Ok(self.columns.as_ref().expect("set above"))
    }

    fn apply(&mut self, graph: &Graph, batch: &Batch, quarantine: impl FnMut(QuarantinedRow)) {
        if batch.is_empty() {
            return;
        }
        self.make_keys(batch);
        self.find_unusable_rows(batch, quarantine);
        self.add_entities(batch);
        self.draw_edges(graph, batch);
        for row in 0..batch.len() {
            if self.scratch.added[row] {
                self.used += 1;
            } else if !self.scratch.unusable[row] {
                self.merged += 1;
            }
        }
    }

    /// Makes keys for the rows that have none, where a type says from what.
    fn make_keys(&mut self, batch: &Batch) {
        let columns = self.columns.as_ref().expect("found before the first batch");
        let made_keys = &mut self.scratch.made_keys;
        made_keys.resize_with(self.step.entities.len(), Vec::new);
        for (entity, made) in self.step.entities.iter().zip(made_keys) {
            made.clear();
            let keys = batch.column(columns.position(entity.key_column));
            if entity.key_else.is_empty() || keys.cells().all(|it| !it.is_empty()) {
                continue;
            }
            let parts: Vec<Column<'_>> =
                entity.key_else.iter().map(|it| batch.column(columns.position(it))).collect();
            made.extend((0..batch.len()).map(|row| made_key(&parts, row)));
        }
    }

    /// Sets aside the rows whose entities cannot be identified.
    fn find_unusable_rows(&mut self, batch: &Batch, mut quarantine: impl FnMut(QuarantinedRow)) {
        let Scratch { unusable, made_keys, .. } = &mut self.scratch;
        unusable.clear();
        unusable.resize(batch.len(), false);
        let columns = self.columns.as_ref().expect("found before the first batch");
        for (entity, made) in self.step.entities.iter().zip(&*made_keys) {
            let keys = batch.column(columns.position(entity.key_column)).or_else(made);
            for (row, cell) in keys.cells().enumerate() {
                let reason = match cell.len() {
                    0 => QuarantineReason::NoKey,
                    1..=MAX_KEY_BYTES if !cell.chars().any(is_invisible) => continue,
                    1..=MAX_KEY_BYTES => QuarantineReason::InvisibleKey,
                    _ => QuarantineReason::LongKey,
                };
                if !std::mem::replace(&mut unusable[row], true) {
                    quarantine(QuarantinedRow { line: batch.line(row), reason });
                }
            }
        }
    }

    fn add_entities(&mut self, batch: &Batch) {
        let columns = self.columns.as_ref().expect("found before the first batch");
        let Scratch { unusable, made_keys, added, numbers, new_rows, .. } = &mut self.scratch;
        added.clear();
        added.resize(batch.len(), false);
        numbers.resize_with(self.entities.len(), Vec::new);
        for ((table, numbers), made) in self.entities.iter_mut().zip(numbers).zip(&*made_keys) {
            let row_keys = RowKeys { unusable, made };
            table.add(batch, columns, row_keys, &self.zone, numbers, new_rows);
            for &row in &*new_rows {
                added[row] = true;
            }
        }
    }

    fn draw_edges(&mut self, graph: &Graph, batch: &Batch) {
        let columns = self.columns.as_ref().expect("found before the first batch");
        let Scratch { unusable, added, numbers, from, to, .. } = &mut self.scratch;
        for edges in &mut self.edges {
            let relationship: &RelationshipType = edges.relationship();
            let resolve = |end: &End, ends: &mut Vec<EndOfRow>| {
                ends.clear();
                if let Some(own) = own_numbers(&self.entities, numbers, end.entity) {
                    ends.extend(own.iter().map(|&number| EndOfRow::Entity(number)));
                } else {
                    resolve_end(end, graph, batch, columns, ends);
                }
            };
            resolve(&relationship.from, from);
            resolve(&relationship.to, to);
            for (row, (&from, &to)) in from.iter().zip(&*to).enumerate() {
                if unusable[row] {
                    continue;
                }
                match edges.draw(from, to) {
                    Drawn::New | Drawn::Dangling => added[row] = true,
                    Drawn::Again | Drawn::Nothing => {}
                }
            }
        }
    }
}

/// A key from the cells that identify a row's entity together; empty if they are all empty. The same
/// cells give the same key on every run and every machine.
fn made_key(parts: &[Column<'_>], row: usize) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut is_empty = true;
    for part in parts {
        let cell = part.cell(row);
        is_empty &= cell.is_empty();
        // The length keeps `ab`, `c` apart from `a`, `bc`.
        hasher.update(&(cell.len() as u64).to_le_bytes());
        hasher.update(cell.as_bytes());
    }
    if is_empty {
        return String::new();
    }
    format!("made-{}", &hasher.finalize().to_hex()[..32])
}

/// Whether a character leaves no mark, or changes the direction of those around it.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

/// The numbers of each row's entity, if the step itself makes the type.
fn own_numbers<'a>(
    tables: &[EntityTable],
    numbers: &'a [Vec<u32>],
    entity: &EntityType,
) -> Option<&'a [u32]> {
    let position = tables.iter().position(|it| it.entity().type_name == entity.type_name)?;
    Some(&numbers[position])
}

/// What each row names at one end of an edge, for a type that an earlier step made.
fn resolve_end(
    end: &End,
    graph: &Graph,
    batch: &Batch,
    columns: &ColumnMap,
    ends: &mut Vec<EndOfRow>,
) {
    let table = graph.entity_table(end.entity.type_name);
    let Some(column) = end.column else {
        let only = match table {
            Some(table) if table.len() == 1 => EndOfRow::Entity(0),
            _ => EndOfRow::Unknown,
        };
        ends.resize(batch.len(), only);
        return;
    };
    let cells: Column<'_> = batch.column(columns.position(column));
    // Exports are often grouped by one end, so the same key comes many times in a row.
    let mut last = ("", EndOfRow::Empty);
    for cell in cells.cells() {
        if cell != last.0 {
            let number = table.and_then(|it| it.number(cell));
            last = (cell, number.map_or(EndOfRow::Unknown, EndOfRow::Entity));
            if cell.is_empty() {
                last.1 = EndOfRow::Empty;
            }
        }
        ends.push(last.1);
    }
}

impl RowAccount {
    /// Rows of the file, without the header and blank lines.
    pub fn read(&self) -> u64 {
        self.decoder.rows
    }

    /// Rows that were set aside.
    pub fn quarantined(&self) -> u64 {
        self.decoder.quarantine.rows
    }

    /// Every row read must be used, merged or quarantined.
    fn check(&self) -> Result<(), IngestError> {
        let (read, accounted) = (self.read(), self.used + self.merged + self.quarantined());
        if read == accounted { Ok(()) } else { Err(IngestError::Unaccounted { read, accounted }) }
    }
}
