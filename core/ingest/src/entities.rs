//! The entities of one type, numbered by key; of the rows of a key the best one describes it.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use arrow_array::{Array as _, RecordBatch};
use arrow_schema::ArrowError;
use core_model::entity::EntityType;
use core_model::property::Property;
use jiff::tz::TimeZone;

use crate::batch::{Batch, Column};
use crate::described::Described;
use crate::graph::TextColumn;
use crate::header::ColumnMap;
use crate::keys::{Keys, UNKNOWN};
use crate::property_values::{PropertyValues, Sources};
use crate::repeats::Repeats;
use crate::rivals::Rivals;
use crate::shared_identifiers;
use crate::sorted::ClosedEntities;
use crate::values::{CellCounts, KEY, MAX_PROPERTY_BYTES, Values};

/// With so many new rows at once, starting a thread takes far less time than what it takes over.
const SHARED_ROWS: usize = 512;

/// How far ahead of the present a time may be without being told, in milliseconds.
const FUTURE_FROM_MS: i64 = 48 * 60 * 60 * 1000;

/// Why keys can be added.
const OPEN: &str = "nothing is added to a table that was closed";

/// The entities of one type while a run collects them.
pub struct EntityTable {
    entity: &'static EntityType,
    /// Shared once the table is closed.
    keys: Arc<Keys>,
    /// What the first row of each key said of the entity, to tell an identical row from one that
    /// contradicts it. Carried-over entities have none.
    fingerprints: Vec<Fingerprint>,
    repeats: Repeats,
    values: Vec<PropertyValues>,
    rivals: Rivals,
    /// For each property, whether the export lacks a column of it, and how many cells it could not
    /// read.
    doubts: Vec<Doubt>,
    /// How many identifiers many entities share, by property.
    shared: Vec<(&'static str, u64)>,
    counts: EntityCounts,
}

/// What is known of the keys of a batch besides their cells.
#[derive(Clone, Copy)]
pub(crate) struct RowKeys<'a> {
    /// For each row, whether it has no usable key.
    pub(crate) unusable: &'a [bool],
    /// What stands in for an empty key, for each row or for none.
    pub(crate) made: &'a [String],
}

/// What a row said of an entity, as numbers to compare.
#[derive(Debug, Default, Clone, Copy)]
struct Fingerprint {
    /// Of the bytes as they stand in the file. The same bytes say the same, and most repeated rows
    /// have them.
    written: u64,
    /// Of the cells without the white space around them, whatever their order in the file: this
    /// decides.
    cells: u64,
}

/// A property that gets the values of a batch.
struct Filled<'a> {
    property: &'static Property,
    /// Of the entities, and of the rivals.
    values: [&'a mut PropertyValues; 2],
    doubt: &'a mut Doubt,
}

/// Why the values of a property are not to be trusted as a whole.
#[derive(Debug, Default, Clone, Copy)]
struct Doubt {
    lacks_a_column: bool,
    cells: CellCounts,
    /// Rows whose cells could be read, empty ones included.
    readable: u64,
}

/// What became of the rows that named an entity of a type.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct EntityCounts {
    /// Entities that the rows made.
    pub entities: u64,
    /// Rows that said the same of a known entity as its first row.
    pub identical: u64,
    /// Rows that contradicted the first row of a known entity; of all its rows the best won.
    pub conflicting: u64,
    /// Entities taken over from the generation before.
    pub carried_over: u64,
}

impl EntityTable {
    pub(crate) fn new(entity: &'static EntityType) -> Self {
        let values = entity.properties.iter().map(PropertyValues::new).collect();
        Self {
            entity,
            keys: Arc::default(),
            fingerprints: Vec::new(),
            repeats: Repeats::default(),
            values,
            rivals: Rivals::new(entity),
            doubts: vec![Doubt::default(); entity.properties.len()],
            shared: Vec::new(),
            counts: EntityCounts::default(),
        }
    }

    /// The type.
    pub fn entity(&self) -> &'static EntityType {
        self.entity
    }

    /// How many entities there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.len() == 0
    }

    /// What became of the rows.
    pub fn counts(&self) -> EntityCounts {
        self.counts
    }

    /// The number of the entity with this uid.
    pub fn number(&self, uid: &str) -> Option<u32> {
        self.keys.number(uid)
    }

    /// The number of each of these uids, or [`UNKNOWN`].
    pub(crate) fn find_all<'a>(&self, uids: impl Iterator<Item = &'a str>, found: &mut Vec<u32>) {
        self.keys.find_all(uids, found);
    }

    /// The number of the entity of each row of a batch, or [`UNKNOWN`]. `made` has what stands in for an
    /// empty key, for each row or for none.
    pub(crate) fn find_rows(
        &mut self,
        batch: &Batch,
        columns: &ColumnMap,
        made: &[String],
        found: &mut Vec<u32>,
    ) {
        self.repeats.begin(self.entity, batch, columns, made);
        let keys = batch.column(columns.position(self.entity.key_column)).or_else(made);
        found.clear();
        found.extend((0..batch.len()).map(|row| self.repeats.number(batch.tail(row))));
        let others: Vec<usize> = (0..batch.len()).filter(|&row| found[row] == UNKNOWN).collect();
        let mut numbers = Vec::new();
        self.keys.find_all(others.iter().map(|&row| keys.cell(row)), &mut numbers);
        for (row, number) in others.into_iter().zip(numbers) {
            found[row] = number;
        }
    }

    /// Adds the entities of a batch that are new, and compares what its other rows say of those that
    /// are known. `numbers` has the number of each row's entity if it was known before, and gets that
    /// of the others; `new_rows` gets the rows that made one.
    pub(crate) fn add(
        &mut self,
        batch: &Batch,
        columns: &ColumnMap,
        row_keys: RowKeys<'_>,
        zone: &TimeZone,
        numbers: &mut [u32],
        new_rows: &mut Vec<usize>,
    ) {
        new_rows.clear();
        // Rare, so that their memory is not kept for the next batch.
        let (mut rival_rows, mut rival_fingerprints) = (Vec::new(), Vec::new());
        let keys = batch.column(columns.position(self.entity.key_column)).or_else(row_keys.made);
        let described = Described::of(self.entity, batch, columns);
        let known_keys = Arc::get_mut(&mut self.keys).expect(OPEN);
        for (row, known) in numbers.iter_mut().enumerate() {
            if row_keys.unusable[row] {
                *known = UNKNOWN;
                continue;
            }
            let tail = batch.tail(row);
            let repeated = self.repeats.number(tail);
            if repeated != UNKNOWN {
                *known = repeated;
                self.counts.identical += 1;
                continue;
            }
            let (number, is_new) = match *known {
                UNKNOWN => known_keys.insert(keys.cell(row)),
                number => (number, false),
            };
            *known = number;
            let written = described.written_fingerprint(row);
            if is_new {
                let cells = described.fingerprint(row);
                self.fingerprints.push(Fingerprint { written, cells });
                self.repeats.note(tail, number);
                new_rows.push(row);
                continue;
            }
            let first = self.fingerprints[number as usize];
            if first.written == written {
                self.counts.identical += 1;
                self.repeats.note(tail, number);
                continue;
            }
            let fingerprint = described.fingerprint(row);
            if first.cells == fingerprint {
                self.counts.identical += 1;
                self.repeats.note(tail, number);
            } else {
                self.counts.conflicting += 1;
                if !self.rivals.has_won(number, fingerprint) {
                    rival_rows.push(row);
                    rival_fingerprints.push(fingerprint);
                }
            }
        }
        self.counts.entities += new_rows.len() as u64;
        self.extend_values(batch, columns, row_keys, zone, [new_rows, &rival_rows]);
        for (&row, fingerprint) in rival_rows.iter().zip(rival_fingerprints) {
            self.rivals.challenge(numbers[row], fingerprint, &self.values);
        }
        if self.rivals.are_many(self.keys.len()) {
            self.settle_rivals();
        }
    }

    /// Appends the values of new rows to the table and those of rivals to the rivals. Where all rows are
    /// new, as those of devices are, this is most of the work, so two threads share it.
    fn extend_values(
        &mut self,
        batch: &Batch,
        columns: &ColumnMap,
        row_keys: RowKeys<'_>,
        zone: &TimeZone,
        rows: [&[usize]; 2],
    ) {
        let key_column = self.entity.key_column;
        let lacks = |name: &&str| columns.position(name).is_none() && *name != key_column;
        let extend = |filled: &mut Filled<'_>| {
            let made_for = |name: &str| if name == key_column { row_keys.made } else { &[] };
            let Filled { property, values, doubt } = filled;
            let read = |column: fn(&'_ Batch, Option<usize>) -> Column<'_>| {
                let of_name = |name: &&'static str| {
                    column(batch, columns.position(name)).or_else(made_for(name))
                };
                property.columns.iter().map(of_name).collect()
            };
            let is_changed = |name: &&str| batch.is_replaced(columns.position(name));
            let sources = Sources {
                full: read(Batch::full_column),
                published: read(Batch::column),
                are_changed: values.iter().any(|it| it.has_full())
                    || property.columns.iter().any(is_changed),
            };
            doubt.lacks_a_column |= property.columns.iter().any(&lacks);
            for (values, rows) in values.iter_mut().zip(rows) {
                let cells = values.extend(property, &sources, rows, zone);
                doubt.cells += cells;
                doubt.readable += rows.len() as u64 - cells.lost;
            }
        };
        let values = self.values.iter_mut().zip(&mut self.rivals.values);
        let described = self.entity.properties.iter().zip(&mut self.doubts);
        let filled = values.zip(described).map(|((values, rivals), (property, doubt))| Filled {
            property,
            values: [values, rivals],
            doubt,
        });
        if rows[0].len() < SHARED_ROWS {
            return filled.into_iter().for_each(|mut it| extend(&mut it));
        }
        // Some properties take far longer than others, so each thread takes the next one.
        let filled = Mutex::new(filled);
        let next = || filled.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || std::iter::from_fn(next).for_each(|mut it| extend(&mut it));
        thread::scope(|scope| {
            scope.spawn(work);
            work();
        });
    }

    /// Puts the rows that won over a known entity into the table. Before this the table may show rows
    /// that have lost.
    fn settle_rivals(&mut self) {
        self.rivals.settle(self.entity, &mut self.values);
    }

    /// Ends the rows: what describes an entity is decided by now, and only what may be published is kept.
    pub(crate) fn end_rows(&mut self) {
        self.settle_rivals();
        self.shared = shared_identifiers::remove(self.entity, &mut self.values);
        self.values.iter_mut().for_each(PropertyValues::end_judging);
    }

    /// How many keys differ from another one only by the case of ASCII letters: perhaps two names of
    /// one thing.
    pub fn keys_that_differ_by_case(&self) -> u64 {
        let has_capitals = |it: &str| it.bytes().any(|byte| byte.is_ascii_uppercase());
        if !(0..self.keys.len()).any(|it| has_capitals(self.keys.key_at(it))) {
            return 0;
        }
        let mut folded: Vec<String> =
            (0..self.keys.len()).map(|it| self.keys.key_at(it).to_ascii_lowercase()).collect();
        folded.sort_unstable();
        let groups = folded.chunk_by(|a, b| a == b).map(<[String]>::len);
        groups.filter(|&keys| keys > 1).sum::<usize>() as u64
    }

    /// The properties with times more than 48 hours after `now`, and how many: the clock of a device
    /// is wrong. The times are kept.
    pub fn future_times(&self, now: jiff::Timestamp) -> impl Iterator<Item = (&'static str, u64)> {
        let latest = now.as_millisecond() + FUTURE_FROM_MS;
        let times = self.values.iter().zip(self.entity.properties);
        // Entities of an earlier generation come after those of the export.
        let of_export = usize::try_from(self.counts.entities).unwrap_or(usize::MAX);
        times
            .map(move |(values, property)| {
                (property.name, values.judged().count_times_after(latest, of_export))
            })
            .filter(|(_, count)| *count > 0)
    }

    /// The properties with cells that could not be read, and how many.
    pub fn unreadable(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.cell_counts(|it| it.unreadable)
    }

    /// The properties with times that stand for never, such as `1970-01-01 00:00:00`, and how many. They
    /// are null.
    pub fn never_times(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.cell_counts(|it| it.never)
    }

    fn cell_counts(
        &self,
        count: impl Fn(CellCounts) -> u64,
    ) -> impl Iterator<Item = (&'static str, u64)> {
        let doubts = self.entity.properties.iter().zip(&self.doubts);
        let counts = doubts.map(move |(property, doubt)| (property.name, count(doubt.cells)));
        counts.filter(|(_, count)| *count > 0)
    }

    /// The properties with identifiers that more than a few entities of the export share, and how many.
    /// They are null.
    pub fn shared_identifiers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.shared.iter().copied()
    }

    /// The properties that keep the values they had: those of which the export lacks a column, and
    /// those of which it has no readable value.
    pub fn doubtful(&self) -> impl Iterator<Item = &'static str> {
        let doubts = self.entity.properties.iter().zip(&self.doubts);
        doubts.filter(|(_, it)| it.is_serious()).map(|(property, _)| property.name)
    }

    /// Gives doubtful properties the values that an earlier generation has for the same entities.
    ///
    /// # Errors
    ///
    /// A batch has no text column `_key`.
    pub(crate) fn keep_doubtful(&mut self, before: &[RecordBatch]) -> Result<(), ArrowError> {
        let mut rows: Vec<Option<(&RecordBatch, usize)>> = vec![None; self.keys.len()];
        for batch in before {
            let keys = TextColumn::of(batch, KEY)?;
            for row in 0..batch.num_rows() {
                let uid = keys.value(row).and_then(|key| self.entity.uid_of_key(key));
                if let Some(number) = uid.and_then(|uid| self.keys.number(&uid)) {
                    rows[number as usize] = Some((batch, row));
                }
            }
        }
        let properties = self.entity.properties.iter().zip(&self.doubts);
        for (values, (property, doubt)) in self.values.iter_mut().zip(properties) {
            if !doubt.is_serious() {
                continue;
            }
            let values = values.published_mut();
            let mut kept = Values::new(property.value_type());
            let now = std::mem::replace(values, Values::new(property.value_type())).finish();
            for (number, before) in rows.iter().enumerate() {
                let column = before.and_then(|(batch, _)| batch.column_by_name(property.name));
                match (before, column) {
                    (Some((_, row)), Some(column))
                        if kept.holds(column.data_type()) && column.is_valid(*row) =>
                    {
                        kept.extend_from(Some(column), &[*row]);
                    }
                    _ => kept.extend_from(Some(&now), &[number]),
                }
            }
            *values = kept;
        }
        Ok(())
    }

    /// Whether a property or the keys have more text than a table can hold.
    pub(crate) fn is_too_large(&self) -> bool {
        // A key is written with its type before it, and a byte of it as three at worst.
        let keys = 3 * self.keys.text_bytes() + self.keys.len() * (self.entity.type_name.len() + 1);
        keys > MAX_PROPERTY_BYTES
            || self.values.iter().any(|it| it.text_bytes() > MAX_PROPERTY_BYTES)
    }

    /// Takes over the entities of an earlier generation whose keys are not here.
    ///
    /// # Errors
    ///
    /// The batch has no text column `_key`.
    pub(crate) fn carry_over(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let keys = TextColumn::of(batch, KEY)?;
        let (mut rows, first) = (Vec::new(), self.keys.len());
        let known_keys = Arc::get_mut(&mut self.keys).expect(OPEN);
        for row in 0..batch.num_rows() {
            let uid = keys.value(row).and_then(|key| self.entity.uid_of_key(key));
            if let Some(uid) = uid
                && known_keys.insert(&uid).1
            {
                rows.push(row);
            }
        }
        self.fingerprints.resize(self.keys.len(), Fingerprint::default());
        for (values, property) in self.values.iter_mut().zip(self.entity.properties) {
            let values = values.published_mut();
            let column = batch.column_by_name(property.name);
            let column = column.filter(|it| values.holds(it.data_type()));
            if !property.never_null {
                values.extend_from(column, &rows);
                continue;
            }
            // A generation that an older program wrote may lack what is never null today.
            for (number, &row) in (first..).zip(&rows) {
                match column.filter(|it| it.is_valid(row)) {
                    Some(column) => values.extend_from(Some(column), &[row]),
                    None => values.append_default(property, self.keys.key_at(number)),
                }
            }
        }
        self.counts.carried_over += rows.len() as u64;
        Ok(())
    }

    /// How many entities of an earlier generation are not here.
    ///
    /// # Errors
    ///
    /// The batch has no text column `_key`.
    pub(crate) fn count_missing(&self, batch: &RecordBatch) -> Result<u64, ArrowError> {
        let keys = TextColumn::of(batch, KEY)?;
        let is_missing = |row: &usize| {
            let uid = keys.value(*row).and_then(|key| self.entity.uid_of_key(key));
            uid.is_some_and(|uid| self.keys.number(&uid).is_none())
        };
        Ok((0..batch.num_rows()).filter(is_missing).count() as u64)
    }

    /// Ends the table: its values go, what is left are the numbers by key.
    pub(crate) fn close(&mut self) -> ClosedEntities {
        let values = std::mem::take(&mut self.values);
        let values = values.into_iter().map(PropertyValues::into_published).collect();
        ClosedEntities::new(self.entity, Arc::clone(&self.keys), values)
    }
}

impl Doubt {
    fn is_serious(self) -> bool {
        self.lacks_a_column || (self.cells.lost > 0 && self.readable == 0)
    }
}
