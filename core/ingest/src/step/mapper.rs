//! From batches of rows to the tables of a step.

use core_model::entity::EntityType;
use core_model::relationship::{End, RelationshipType};
use core_model::step::Step;
use jiff::tz::TimeZone;

use super::StepTables;
use super::account::{IngestError, RowAccount};
use crate::batch::{Batch, Column};
use crate::edges::{Edges, UNNAMED};
use crate::entities::{EntityTable, RowKeys};
use crate::graph::Graph;
use crate::header::{ColumnMap, near_names};
use crate::keys::UNKNOWN;
use crate::refusal::{QuarantineReason, QuarantinedRow};

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 256;

/// After so many rows the edges that they have drawn are settled. For each row and relationship 12 bytes
/// wait until then, and as many again are in use while they are settled.
const SETTLED_ROWS: usize = 1 << 18;

/// From batches to the tables of a step. Apart from the decoder so that both can be borrowed.
pub(super) struct Mapper {
    step: &'static Step,
    /// The zone of times that name none.
    pub(super) zone: TimeZone,
    /// Where the declared columns stand in the current file, once its header was read.
    columns: Option<ColumnMap>,
    entities: Vec<EntityTable>,
    edges: Vec<Edges>,
    /// Whether each row since edges were settled last has added something.
    added: Vec<bool>,
    /// How many of these rows have no usable key.
    unusable: u64,
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
            entities: step.entities.iter().map(|it| EntityTable::new(it)).collect(),
            edges: step.relationships.iter().map(|it| Edges::new(it)).collect(),
            added: Vec::new(),
            unusable: 0,
            used: 0,
            merged: 0,
            scratch: Scratch::default(),
        }
    }

    /// Where the declared columns stand in the current file, found once.
    pub(super) fn columns(&mut self, header: &[String]) -> Result<&ColumnMap, IngestError> {
        if self.columns.is_none() {
            let columns = ColumnMap::of_step(self.step, header);
            let missing = columns.missing_keys(self.step);
            if !missing.is_empty() {
                let near = missing.iter().flat_map(|it| near_names(it, header));
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

    /// Notes in the account which columns the current file has, and forgets where they stand.
    pub(super) fn end_file(&mut self, account: &mut RowAccount) {
        let columns = self.columns.take().expect("a file that ends well has a header");
        let lacks = |end: &End| end.column.is_some_and(|it| columns.position(it).is_none());
        let relationships = self.step.relationships.iter();
        let without_end = relationships.filter(|it| lacks(&it.from) || lacks(&it.to));
        push_new(&mut account.missing_ends, without_end.map(|it| it.type_name));
        push_new(&mut account.missing_columns, columns.missing.iter().copied());
        account.unknown_columns = account.unknown_columns.max(columns.unknown);
    }

    /// Refuses more text than a table can hold.
    pub(super) fn check_size(&self) -> Result<(), IngestError> {
        let too_large = self.entities.iter().find(|it| it.is_too_large());
        too_large.map_or(Ok(()), |table| {
            Err(IngestError::TooLarge { type_name: table.entity().type_name })
        })
    }

    /// Ends the export; `account` has what the mapper does not know.
    pub(super) fn into_tables(
        mut self,
        mut account: RowAccount,
    ) -> Result<StepTables, IngestError> {
        self.settle_edges();
        for table in &mut self.entities {
            table.end_rows();
        }
        self.check_size()?;
        account.used = self.used;
        account.merged = self.merged;
        account.check()?;
        Ok(StepTables { entities: self.entities, edges: self.edges, account, protection: None })
    }

    /// Adds what the rows of a batch say. Those that cannot be used go to `quarantine`.
    pub(super) fn apply(
        &mut self,
        graph: &Graph,
        batch: &Batch,
        quarantine: impl FnMut(QuarantinedRow),
    ) {
        if batch.is_empty() {
            return;
        }
        self.make_keys(batch);
        self.find_unusable_rows(batch, quarantine);
        self.add_entities(batch);
        self.draw_edges(graph, batch);
        self.unusable += self.scratch.unusable.iter().filter(|&&it| it).count() as u64;
        if self.added.len() >= SETTLED_ROWS {
            self.settle_edges();
        }
    }

    /// Adds the edges that rows have drawn, and counts these rows: which of them added something is known
    /// only then.
    fn settle_edges(&mut self) {
        for edges in &mut self.edges {
            edges.settle(&mut self.added);
        }
        let used = self.added.iter().filter(|&&it| it).count() as u64;
        self.used += used;
        self.merged += self.added.len() as u64 - used - self.unusable;
        self.added.clear();
        self.unusable = 0;
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

    /// Finds the entities that are known, and sets aside the rows whose entities cannot be identified.
    fn find_unusable_rows(&mut self, batch: &Batch, mut quarantine: impl FnMut(QuarantinedRow)) {
        let Scratch { unusable, made_keys, numbers, .. } = &mut self.scratch;
        unusable.clear();
        unusable.resize(batch.len(), false);
        numbers.resize_with(self.entities.len(), Vec::new);
        let columns = self.columns.as_ref().expect("found before the first batch");
        for ((table, numbers), made) in self.entities.iter_mut().zip(numbers).zip(&*made_keys) {
            let entity = table.entity();
            // A pseudonym is always a key, so that what it stands for is judged.
            let keys = batch.full_column(columns.position(entity.key_column)).or_else(made);
            table.find_rows(batch, columns, made, numbers);
            for (row, &number) in numbers.iter().enumerate() {
                // A known key was looked at when it was new.
                if number == UNKNOWN
                    && let Some(reason) = reason_against_key(keys.cell(row), entity)
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
        let Scratch { unusable, made_keys, numbers, new_rows, .. } = &mut self.scratch;
        let first = self.added.len();
        self.added.resize(first + batch.len(), false);
        for ((table, numbers), made) in self.entities.iter_mut().zip(numbers).zip(&*made_keys) {
            let row_keys = RowKeys { unusable, made };
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
        let first = u32::try_from(added).expect("edges are settled after far fewer rows");
        for edges in &mut self.edges {
            let RelationshipType { from, to, .. } = edges.relationship();
            let [found_from, found_to] = &mut *found;
            let ends = [(from, found_from), (to, found_to)].map(|(end, found)| {
                own_numbers(&self.entities, numbers, end.entity).unwrap_or_else(|| {
                    let column = end.column.and_then(|it| columns.position(it));
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

/// Why a cell is no key of a type, if it is none.
fn reason_against_key(cell: &str, entity: &EntityType) -> Option<QuarantineReason> {
    match cell.len() {
        0 => Some(QuarantineReason::NoKey),
        _ if cell.eq_ignore_ascii_case(entity.key_column) => Some(QuarantineReason::RepeatedHeader),
        1..=MAX_KEY_BYTES if cell.bytes().all(|it| matches!(it, b' '..=b'~')) => None,
        1..=MAX_KEY_BYTES => {
            cell.chars().any(is_invisible).then_some(QuarantineReason::InvisibleKey)
        }
        _ => Some(QuarantineReason::LongKey),
    }
}

/// Whether a character leaves no mark, looks like a space, changes the direction of those around it, or
/// stands for one that is no text.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || (!character.is_ascii() && character.is_whitespace())
        || matches!(
            character,
            '\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | char::REPLACEMENT_CHARACTER
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

/// The number of what each row names at one end of an edge, for a type that an earlier step made.
fn find_end(end: &End, graph: &Graph, cells: Column<'_>, found: &mut Vec<u32>) {
    let table = graph.entity_table(end.entity.type_name);
    found.clear();
    match table {
        _ if end.column.is_none() => {
            let only = table.filter(|it| it.len() == 1).map_or(UNKNOWN, |_| 0);
            return found.extend(cells.cells().map(|_| only));
        }
        Some(table) => table.find_all(cells.cells(), found),
        None => found.extend(cells.cells().map(|_| UNKNOWN)),
    }
    for (row, number) in found.iter_mut().enumerate().filter(|(_, it)| **it == UNKNOWN) {
        if cells.cell(row).is_empty() {
            *number = UNNAMED;
        }
    }
}
