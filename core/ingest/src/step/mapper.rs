//! The mapping of batches of rows to the tables of a step.

use core_model::entity::EntityType;
use core_model::relationship::{End, RelationshipType};
use core_model::step::Step;
use core_terminal::is_hidden;
use jiff::tz::TimeZone;

use super::StepTables;
use super::account::{IngestError, RowAccount};
use crate::batch::{Batch, Column};
use crate::edges::{Edges, UNNAMED};
use crate::entities::{EntityTable, RowKeys};
use crate::graph::Graph;
use crate::header::{ColumnMap, near_names};
use crate::keys::UNKNOWN;
use crate::rejection::{QuarantineReason, QuarantinedRow};

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 256;

/// The number of rows after which their edges are flushed. Until then each row takes 12 bytes per
/// relationship type, and the same again during the flush.
const ROWS_PER_FLUSH: usize = 1 << 18;

/// Maps batches to the tables of a step. Separate from the decoder so that both can be borrowed.
pub(super) struct Mapper {
    step: &'static Step,
    /// The zone of times that name none.
    pub(super) zone: TimeZone,
    /// The positions of the declared columns in the current file, once its header was read.
    columns: Option<ColumnMap>,
    entities: Vec<EntityTable>,
    edges: Vec<Edges>,
    /// True for each row since the last flush that has added something.
    added: Vec<bool>,
    /// The number of these rows without a usable key.
    unusable: u64,
    used: u64,
    merged: u64,
    scratch: Scratch,
}

/// Buffers of one batch, kept for the next.
#[derive(Default)]
struct Scratch {
    /// True for each row without a usable key.
    unusable: Vec<bool>,
    /// For each entity type of the step, the keys derived for rows without one.
    derived_keys: Vec<Vec<String>>,
    /// For each entity type of the step, the number of each row's entity, or [`UNKNOWN`].
    numbers: Vec<Vec<u32>>,
    new_rows: Vec<usize>,
    /// The numbers of the entities of an earlier step that the rows name at each end of an edge.
    found: [Vec<u32>; 2],
}

impl Mapper {
    pub(super) fn new(step: &'static Step) -> Self {
        Self {
            step,
            zone: TimeZone::UTC,
            columns: None,
            entities: step.entities.iter().map(|entity| EntityTable::new(entity)).collect(),
            edges: step.relationships.iter().map(|relationship| Edges::new(relationship)).collect(),
            added: Vec::new(),
            unusable: 0,
            used: 0,
            merged: 0,
            scratch: Scratch::default(),
        }
    }

    /// Returns the positions of the declared columns in the current file, found once.
    pub(super) fn columns(&mut self, header: &[String]) -> Result<&ColumnMap, IngestError> {
        if self.columns.is_none() {
            let columns = ColumnMap::from_header(self.step, header);
            let missing = columns.missing_keys(self.step);
            if !missing.is_empty() {
                let near = missing.iter().flat_map(|column| near_names(column, header));
                let near = near.map(str::to_owned).collect();
                return Err(IngestError::MissingKey { columns: missing, near });
            }
            if let Some(type_name) = columns.undescribed_type(self.step, header) {
                return Err(IngestError::OtherQuery { type_name });
            }
            self.columns = Some(columns);
        }
        Ok(self.columns.as_ref().expect("set above"))
    }

    /// Adds the current file's missing columns to the account, and ends the file.
    pub(super) fn end_file(&mut self, account: &mut RowAccount) {
        let columns = self.columns.take().expect("a file that ends well has a header");
        // An end that the step makes itself has the key of its row, which may be derived.
        let is_own = |end: &End| {
            self.step.entities.iter().any(|entity| entity.type_name == end.entity.type_name)
        };
        let lacks = |end: &End| {
            !is_own(end) && end.column.is_some_and(|column| columns.position(column).is_none())
        };
        let relationships = self.step.relationships.iter();
        let without_end = relationships
            .filter(|relationship| lacks(&relationship.from) || lacks(&relationship.to));
        push_new(&mut account.missing_ends, without_end.map(|relationship| relationship.type_name));
        push_new(&mut account.missing_columns, columns.missing.iter().copied());
        account.unknown_columns = account.unknown_columns.max(columns.unknown);
    }

    /// Rejects more text than a table can hold.
    pub(super) fn check_size(&self) -> Result<(), IngestError> {
        let too_large = self.entities.iter().find(|table| table.is_too_large());
        too_large.map_or(Ok(()), |table| {
            Err(IngestError::TooLarge { type_name: table.entity().type_name })
        })
    }

    /// Ends the export; `account` has the counts of the other stages.
    pub(super) fn into_tables(
        mut self,
        mut account: RowAccount,
    ) -> Result<StepTables, IngestError> {
        self.flush_edges();
        for table in &mut self.entities {
            table.end_rows();
        }
        self.check_size()?;
        account.used = self.used;
        account.merged = self.merged;
        account.check()?;
        Ok(StepTables { entities: self.entities, edges: self.edges, account, protection: None })
    }

    /// Adds the rows of a batch. Unusable rows go to `quarantine`.
    pub(super) fn apply(
        &mut self,
        graph: &Graph,
        batch: &Batch,
        quarantine: impl FnMut(QuarantinedRow),
    ) {
        if batch.is_empty() {
            return;
        }
        self.derive_keys(batch);
        self.find_unusable_rows(batch, quarantine);
        self.add_entities(batch);
        self.draw_edges(graph, batch);
        self.unusable +=
            self.scratch.unusable.iter().filter(|&&is_unusable| is_unusable).count() as u64;
        if self.added.len() >= ROWS_PER_FLUSH {
            self.flush_edges();
        }
    }

    /// Flushes the pending edges, and counts the rows that drew them: only now is it known which of
    /// them added something.
    fn flush_edges(&mut self) {
        for edges in &mut self.edges {
            edges.flush(&mut self.added);
        }
        let used = self.added.iter().filter(|&&has_added| has_added).count() as u64;
        self.used += used;
        self.merged += self.added.len() as u64 - used - self.unusable;
        self.added.clear();
        self.unusable = 0;
    }

    /// Derives keys for the rows that have none, if the type declares columns for that.
    fn derive_keys(&mut self, batch: &Batch) {
        let columns = self.columns.as_ref().expect("found before the first batch");
        let derived_keys = &mut self.scratch.derived_keys;
        derived_keys.resize_with(self.step.entities.len(), Vec::new);
        for (entity, derived) in self.step.entities.iter().zip(derived_keys) {
            derived.clear();
            let keys = batch.column(columns.position(entity.key_column));
            if entity.fallback_key.is_empty() || keys.cells().all(|cell| !cell.is_empty()) {
                continue;
            }
            let column = |name: &&str| batch.column(columns.position(name));
            let parts: Vec<Vec<Column<'_>>> =
                entity.fallback_key.iter().map(|part| part.iter().map(column).collect()).collect();
            derived.extend((0..batch.len()).map(|row| derive_key(&parts, row)));
        }
    }

    /// Finds the known entities, and quarantines the rows whose entities cannot be identified.
    fn find_unusable_rows(&mut self, batch: &Batch, mut quarantine: impl FnMut(QuarantinedRow)) {
        let Scratch { unusable, derived_keys, numbers, .. } = &mut self.scratch;
        unusable.clear();
        unusable.resize(batch.len(), false);
        numbers.resize_with(self.entities.len(), Vec::new);
        let columns = self.columns.as_ref().expect("found before the first batch");
        for ((table, numbers), derived) in self.entities.iter_mut().zip(numbers).zip(&*derived_keys)
        {
            let entity = table.entity();
            // A pseudonym is always a valid key, so the unredacted cell is checked.
            let keys =
                batch.unredacted_column(columns.position(entity.key_column)).with_fallback(derived);
            table.find_rows(batch, columns, derived, numbers);
            for (row, &number) in numbers.iter().enumerate() {
                // A known key was checked when it was new.
                if number == UNKNOWN
                    && let Some(reason) = key_defect(keys.cell(row), entity)
                    && !std::mem::replace(&mut unusable[row], true)
                {
                    let (file, line) = (batch.file(), batch.line(row));
                    quarantine(QuarantinedRow { file, line, reason });
                }
            }
        }
    }

    fn add_entities(&mut self, batch: &Batch) {
        let columns = self.columns.as_ref().expect("found before the first batch");
        let Scratch { unusable, derived_keys, numbers, new_rows, .. } = &mut self.scratch;
        let first = self.added.len();
        self.added.resize(first + batch.len(), false);
        for ((table, numbers), derived) in self.entities.iter_mut().zip(numbers).zip(&*derived_keys)
        {
            let row_keys = RowKeys { unusable, derived };
            table.add(batch, columns, row_keys, &self.zone, numbers, new_rows);
            for &row in &*new_rows {
                self.added[first + row] = true;
            }
        }
    }

    fn draw_edges(&mut self, graph: &Graph, batch: &Batch) {
        let columns = self.columns.as_ref().expect("found before the first batch");
        let Scratch { unusable, numbers, found, .. } = &mut self.scratch;
        let added = self.added.len() - batch.len();
        let first = u32::try_from(added).expect("edges are flushed after far fewer rows");
        for edges in &mut self.edges {
            let RelationshipType { from, to, .. } = edges.relationship();
            let [found_from, found_to] = &mut *found;
            let ends = [(from, found_from), (to, found_to)].map(|(end, found)| {
                own_numbers(&self.entities, numbers, end.entity).unwrap_or_else(|| {
                    let column = end.column.and_then(|byte| columns.position(byte));
                    find_end(end, graph, batch.column(column), found);
                    found
                })
            });
            edges.draw(ends, unusable, first, &mut self.added[added..]);
        }
    }
}

fn push_new(names: &mut Vec<&'static str>, found: impl Iterator<Item = &'static str>) {
    for name in found {
        if !names.contains(&name) {
            names.push(name);
        }
    }
}

/// Derives a key from the cells that identify a row's entity together; empty if they are all empty.
/// The same cells give the same key on every run and every machine.
fn derive_key(parts: &[Vec<Column<'_>>], row: usize) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut is_empty = true;
    for part in parts {
        let mut cells = part.iter().map(|column| column.cell(row));
        let cell = cells.find(|cell| !cell.is_empty()).unwrap_or_default();
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

/// Returns the reason why a cell is not a valid key of a type.
fn key_defect(cell: &str, entity: &EntityType) -> Option<QuarantineReason> {
    match cell.len() {
        0 => Some(QuarantineReason::NoKey),
        _ if cell.eq_ignore_ascii_case(entity.key_column) => Some(QuarantineReason::RepeatedHeader),
        1..=MAX_KEY_BYTES if cell.bytes().all(|byte| matches!(byte, b' '..=b'~')) => None,
        1..=MAX_KEY_BYTES => {
            cell.chars().any(is_unreadable).then_some(QuarantineReason::InvisibleKey)
        }
        _ => Some(QuarantineReason::LongKey),
    }
}

/// Returns true for a character that leaves no mark, looks like a space, changes the writing
/// direction, or stands for one that is not text.
fn is_unreadable(character: char) -> bool {
    is_hidden(character)
        || (!character.is_ascii() && character.is_whitespace())
        || character == char::REPLACEMENT_CHARACTER
}

/// The numbers of each row's entity, if the step itself makes the type.
fn own_numbers<'a>(
    tables: &[EntityTable],
    numbers: &'a [Vec<u32>],
    entity: &EntityType,
) -> Option<&'a [u32]> {
    let position = tables.iter().position(|table| table.entity().type_name == entity.type_name)?;
    Some(&numbers[position])
}

/// Finds the number of the entity that each row names at one end of an edge, for a type of an
/// earlier step.
fn find_end(end: &End, graph: &Graph, cells: Column<'_>, found: &mut Vec<u32>) {
    let table = graph.entity_table(end.entity.type_name);
    found.clear();
    match table {
        _ if end.column.is_none() => {
            let only = table.filter(|table| table.len() == 1).map_or(UNKNOWN, |_| 0);
            return found.extend(cells.cells().map(|_| only));
        }
        Some(table) => table.find_all(cells.cells(), found),
        None => found.extend(cells.cells().map(|_| UNKNOWN)),
    }
    for (row, number) in found.iter_mut().enumerate().filter(|(_, number)| **number == UNKNOWN) {
        if cells.cell(row).is_empty() {
            *number = UNNAMED;
        }
    }
}
