//! The entities of one type, numbered by key. If several rows share a key, the best one wins.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array as _, RecordBatch};
use arrow_schema::ArrowError;
use core_model::entity::{EntityType, KEY};
use core_model::property::Property;
use jiff::tz::TimeZone;

use crate::batch::{Batch, Column};
use crate::conflicts::Conflicts;
use crate::duplicate_rows::DuplicateRows;
use crate::earlier_values::{ReadProperty, ValueQuality};
use crate::graph::TextColumn;
use crate::header::ColumnMap;
use crate::keys::{Keys, UNKNOWN};
use crate::property_values::{PropertyValues, SourceColumns};
use crate::row_fingerprint::RowFingerprints;
use crate::shared_identifiers;
use crate::sorted::ClosedEntities;
use crate::values::{CellCounts, MAX_PROPERTY_BYTES};

/// The number of new rows above which a second thread saves far more time than starting it costs.
const SHARED_ROWS: usize = 512;

/// The most milliseconds that a time may lie in the future without being reported.
const FUTURE_FROM_MS: i64 = 48 * 60 * 60 * 1000;

/// The invariant of every function that adds keys.
const MUST_BE_OPEN: &str = "a closed table gets no more keys";

/// The entities of one type while a run collects them.
pub struct EntityTable {
    entity: &'static EntityType,
    /// Shared once the table is closed.
    keys: Arc<Keys>,
    /// The fingerprint of the first row of each key, which tells an identical row from a
    /// conflicting one. Carried-over entities have none.
    fingerprints: Vec<Fingerprint>,
    duplicate_rows: DuplicateRows,
    values: Vec<PropertyValues>,
    conflicts: Conflicts,
    /// The quality of the values of each property.
    quality: Vec<ValueQuality>,
    /// The number of identifiers that many entities share, by property.
    shared: Vec<(&'static str, u64)>,
    counts: EntityCounts,
}

/// The keys of a batch beyond their cells.
#[derive(Clone, Copy)]
pub(crate) struct RowKeys<'a> {
    /// True for each row without a usable key.
    pub(crate) unusable: &'a [bool],
    /// The value that replaces an empty key, for each row or for none.
    pub(crate) derived: &'a [String],
}

/// The fingerprints of a row, as numbers to compare.
#[derive(Debug, Default, Clone, Copy)]
struct Fingerprint {
    /// The fingerprint of the bytes as the file has them. Most repeated rows are equal here, and
    /// equal bytes mean equal cells.
    raw: u64,
    /// The fingerprint of the cells without surrounding white space, in declaration order. This one
    /// decides.
    cells: u64,
}

/// The work of one property for a batch.
struct PropertyTask<'a> {
    property: &'static Property,
    /// The values of the entities, and of the conflicting rows.
    values: [&'a mut PropertyValues; 2],
    quality: &'a mut ValueQuality,
}

/// Counts of the rows that named an entity of a type.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct EntityCounts {
    /// Entities that rows made.
    pub entities: u64,
    /// Rows that were identical to the first row of their entity.
    pub identical: u64,
    /// Rows that conflicted with the first row of their entity; the best of its rows won.
    pub conflicting: u64,
    /// Entities carried over from the previous generation.
    pub carried_over: u64,
}

impl EntityTable {
    pub(crate) fn new(entity: &'static EntityType) -> Self {
        let values = entity.properties.iter().map(PropertyValues::new).collect();
        Self {
            entity,
            keys: Arc::default(),
            fingerprints: Vec::new(),
            duplicate_rows: DuplicateRows::default(),
            values,
            conflicts: Conflicts::new(entity),
            quality: vec![ValueQuality::default(); entity.properties.len()],
            shared: Vec::new(),
            counts: EntityCounts::default(),
        }
    }

    /// The entity type.
    pub fn entity(&self) -> &'static EntityType {
        self.entity
    }

    /// The number of entities.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns true if there are no entities.
    pub fn is_empty(&self) -> bool {
        self.keys.len() == 0
    }

    /// The counts of the rows.
    pub fn counts(&self) -> EntityCounts {
        self.counts
    }

    /// The number of the entity with this uid.
    pub fn number(&self, uid: &str) -> Option<u32> {
        self.keys.number(uid)
    }

    /// Finds the number of each of these uids, or [`UNKNOWN`].
    pub(crate) fn find_all<'a>(&self, uids: impl Iterator<Item = &'a str>, found: &mut Vec<u32>) {
        self.keys.find_all(uids, found);
    }

    /// Finds the number of the entity of each row of a batch, or [`UNKNOWN`]. `derived` has the key
    /// that replaces an empty one, for each row or for none.
    pub(crate) fn find_rows(
        &mut self,
        batch: &Batch,
        columns: &ColumnMap,
        derived: &[String],
        found: &mut Vec<u32>,
    ) {
        self.duplicate_rows.begin(self.entity, batch, columns, derived);
        let keys = batch.column(columns.position(self.entity.key_column)).with_fallback(derived);
        found.clear();
        found.extend((0..batch.len()).map(|row| self.duplicate_rows.number(batch.suffix(row))));
        let others: Vec<usize> = (0..batch.len()).filter(|&row| found[row] == UNKNOWN).collect();
        let mut numbers = Vec::new();
        self.keys.find_all(others.iter().map(|&row| keys.cell(row)), &mut numbers);
        for (row, number) in others.into_iter().zip(numbers) {
            found[row] = number;
        }
    }

    /// Adds the new entities of a batch, and compares its other rows with the entities that they
    /// describe. `numbers` has the number of each row's entity if it was known before, and gets the
    /// numbers of the others; `new_rows` gets the rows that made an entity.
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
        // Conflicts are rare, so these buffers are not kept for the next batch.
        let (mut conflicting_rows, mut conflicting_fingerprints) = (Vec::new(), Vec::new());
        let keys =
            batch.column(columns.position(self.entity.key_column)).with_fallback(row_keys.derived);
        let fingerprints = RowFingerprints::new(self.entity, batch, columns);
        let known_keys = Arc::get_mut(&mut self.keys).expect(MUST_BE_OPEN);
        for (row, entity) in numbers.iter_mut().enumerate() {
            if row_keys.unusable[row] {
                *entity = UNKNOWN;
                continue;
            }
            let suffix = batch.suffix(row);
            let duplicate_of = self.duplicate_rows.number(suffix);
            if duplicate_of != UNKNOWN {
                *entity = duplicate_of;
                self.counts.identical += 1;
                continue;
            }
            let (number, is_new) = match *entity {
                UNKNOWN => known_keys.insert(keys.cell(row)),
                number => (number, false),
            };
            *entity = number;
            let raw = fingerprints.raw_fingerprint(row);
            if is_new {
                let cells = fingerprints.fingerprint(row);
                self.fingerprints.push(Fingerprint { raw, cells });
                self.duplicate_rows.record(suffix, number);
                new_rows.push(row);
                continue;
            }
            let first = self.fingerprints[number as usize];
            if first.raw == raw {
                self.counts.identical += 1;
                self.duplicate_rows.record(suffix, number);
                continue;
            }
            let cells = fingerprints.fingerprint(row);
            if first.cells == cells {
                self.counts.identical += 1;
                self.duplicate_rows.record(suffix, number);
            } else {
                self.counts.conflicting += 1;
                if !self.conflicts.is_winner(number, cells) {
                    conflicting_rows.push(row);
                    conflicting_fingerprints.push(cells);
                }
            }
        }
        self.counts.entities += new_rows.len() as u64;
        self.extend_values(batch, columns, row_keys, zone, [new_rows, &conflicting_rows]);
        for (&row, fingerprint) in conflicting_rows.iter().zip(conflicting_fingerprints) {
            self.conflicts.add(numbers[row], fingerprint, &self.values);
        }
        if self.conflicts.should_apply(self.keys.len()) {
            self.apply_conflicts();
        }
    }

    /// Appends the values of new rows to the table and those of conflicting rows to the conflicts.
    /// If all rows are new, as those of devices are, this is most of the work, so two threads share
    /// it.
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
        let extend = |task: &mut PropertyTask<'_>| {
            let derived_for = |name: &str| if name == key_column { row_keys.derived } else { &[] };
            let PropertyTask { property, values, quality } = task;
            let read = |column: fn(&'_ Batch, Option<usize>) -> Column<'_>| {
                let of_name = |name: &&'static str| {
                    column(batch, columns.position(name)).with_fallback(derived_for(name))
                };
                property.columns.iter().map(of_name).collect()
            };
            let is_changed = |name: &&str| batch.is_redacted(columns.position(name));
            let columns = SourceColumns {
                unredacted: read(Batch::unredacted_column),
                published: read(Batch::column),
                is_redacted: values.iter().any(|values| values.has_unredacted())
                    || property.columns.iter().any(is_changed),
            };
            if property.columns.iter().any(&lacks) {
                let known = values[0].compared().len();
                quality.add_lacking(known..known + rows[0].len());
            }
            for (values, rows) in values.iter_mut().zip(rows) {
                let cells = values.extend(property, &columns, rows, zone);
                quality.cells += cells;
                quality.readable += rows.len() as u64 - cells.lost;
            }
        };
        let values = self.values.iter_mut().zip(&mut self.conflicts.values);
        let properties = self.entity.properties.iter().zip(&mut self.quality);
        let tasks = values.zip(properties).map(|((values, conflicts), (property, quality))| {
            PropertyTask { property, values: [values, conflicts], quality }
        });
        if rows[0].len() < SHARED_ROWS {
            return tasks.into_iter().for_each(|mut task| extend(&mut task));
        }
        // Some properties take far longer than others, so each thread takes the next one when it is
        // free.
        let tasks = Mutex::new(tasks);
        let next = || tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || std::iter::from_fn(next).for_each(|mut task| extend(&mut task));
        thread::scope(|scope| {
            scope.spawn(work);
            work();
        });
    }

    /// Replaces the values of entities by those of the rows that won. Until then the table may show
    /// rows that have lost.
    fn apply_conflicts(&mut self) {
        self.conflicts.apply(self.entity, &mut self.values);
    }

    /// Ends the rows: resolves the remaining conflicts and keeps only the values to publish.
    pub(crate) fn end_rows(&mut self) {
        self.apply_conflicts();
        self.shared = shared_identifiers::remove(self.entity, &mut self.values);
        self.values.iter_mut().for_each(PropertyValues::finish_comparisons);
    }

    /// The number of keys that differ from another one only by the case of ASCII letters, and so
    /// may name the same object twice.
    pub fn keys_that_differ_by_case(&self) -> u64 {
        let has_capitals = |key: &str| key.bytes().any(|byte| byte.is_ascii_uppercase());
        if !(0..self.keys.len()).any(|place| has_capitals(self.keys.key_at(place))) {
            return 0;
        }
        let mut folded: Vec<String> = (0..self.keys.len())
            .map(|place| self.keys.key_at(place).to_ascii_lowercase())
            .collect();
        folded.sort_unstable();
        let groups = folded.chunk_by(|a, b| a == b).map(<[String]>::len);
        groups.filter(|&keys| keys > 1).sum::<usize>() as u64
    }

    /// The properties with times more than 48 hours after `now`, and the number of those: a device
    /// has a wrong clock. The times are kept.
    pub fn future_times(&self, now: jiff::Timestamp) -> impl Iterator<Item = (&'static str, u64)> {
        let latest = now.as_millisecond() + FUTURE_FROM_MS;
        let times = self.values.iter().zip(self.entity.properties);
        // Carried-over entities come after those of the export.
        let exported = usize::try_from(self.counts.entities).unwrap_or(usize::MAX);
        times
            .map(move |(values, property)| {
                (property.name, values.compared().count_times_after(latest, exported))
            })
            .filter(|(_, count)| *count > 0)
    }

    /// The properties with unreadable cells, and the number of those.
    pub fn unreadable(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.cell_counts(|cells| cells.unreadable)
    }

    /// The properties with times that mean never, such as `1970-01-01 00:00:00`, and the number of
    /// those. They are null.
    pub fn never_times(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.cell_counts(|cells| cells.never)
    }

    fn cell_counts(
        &self,
        count: impl Fn(CellCounts) -> u64,
    ) -> impl Iterator<Item = (&'static str, u64)> {
        let properties = self.entity.properties.iter().zip(&self.quality);
        let counts =
            properties.map(move |(property, quality)| (property.name, count(quality.cells)));
        counts.filter(|(_, count)| *count > 0)
    }

    /// The properties with identifiers that more than a few entities of the export share, and the
    /// number of those. They are null.
    pub fn shared_identifiers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.shared.iter().copied()
    }

    /// The properties that keep earlier values, or would if there were any: the export lacks a column of them, or has
    /// no readable value.
    pub fn doubtful_properties(&self) -> impl Iterator<Item = &'static str> {
        let read = self.values.iter().zip(self.entity.properties).zip(&self.quality);
        let doubtful = read.filter(|((values, property), quality)| {
            quality.is_doubtful(&self.read_property(property), values.published())
        });
        doubtful.map(|((_, property), _)| property.name)
    }

    /// Returns true if earlier values may replace some of the table.
    pub fn may_keep_earlier(&self) -> bool {
        self.quality.iter().any(ValueQuality::may_keep)
    }

    fn read_property(&self, property: &'static Property) -> ReadProperty<'_> {
        ReadProperty { entity: self.entity, property, keys: &self.keys }
    }

    /// Keeps an earlier generation's values of the same entities where the export lacks a column and has no value.
    ///
    /// # Errors
    ///
    /// A batch has no text column `_key`.
    pub(crate) fn keep_earlier(&mut self, before: &[RecordBatch]) -> Result<(), ArrowError> {
        let mut rows: Vec<Option<(&RecordBatch, usize)>> = vec![None; self.keys.len()];
        for batch in before {
            let keys = TextColumn::from_batch(batch, KEY)?;
            for row in 0..batch.num_rows() {
                let uid = keys.value(row).and_then(|key| self.entity.uid_of_key(key));
                if let Some(number) = uid.and_then(|uid| self.keys.number(&uid)) {
                    rows[number as usize] = Some((batch, row));
                }
            }
        }
        let properties = self.entity.properties.iter().zip(&mut self.quality);
        for (values, (property, quality)) in self.values.iter_mut().zip(properties) {
            if quality.may_keep() {
                let read = ReadProperty { entity: self.entity, property, keys: &self.keys };
                quality.keep(&read, values.published_mut(), &rows);
            }
        }
        Ok(())
    }

    /// Returns true if a property or the keys have more text than a table can hold.
    pub(crate) fn is_too_large(&self) -> bool {
        // A key is written with its type before it, and percent coding makes three bytes of one at
        // worst.
        let keys = 3 * self.keys.text_bytes() + self.keys.len() * (self.entity.type_name.len() + 1);
        keys > MAX_PROPERTY_BYTES
            || self.values.iter().any(|values| values.text_bytes() > MAX_PROPERTY_BYTES)
    }

    /// Carries over the entities of an earlier generation whose keys are missing here.
    ///
    /// # Errors
    ///
    /// The batch has no text column `_key`.
    pub(crate) fn carry_over(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let keys = TextColumn::from_batch(batch, KEY)?;
        let (mut rows, first) = (Vec::new(), self.keys.len());
        let known_keys = Arc::get_mut(&mut self.keys).expect(MUST_BE_OPEN);
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
            let column = column.filter(|column| values.holds(column.data_type()));
            if !property.never_null {
                values.extend_from(column, &rows);
                continue;
            }
            // A generation of an older version may lack values that are never null today.
            for (number, &row) in (first..).zip(&rows) {
                match column.filter(|column| column.is_valid(row)) {
                    Some(column) => values.extend_from(Some(column), &[row]),
                    None => values.append_default(property, self.keys.key_at(number)),
                }
            }
        }
        self.counts.carried_over += rows.len() as u64;
        Ok(())
    }

    /// The number of entities of an earlier generation that are missing here.
    ///
    /// # Errors
    ///
    /// The batch has no text column `_key`.
    pub(crate) fn count_missing(&self, batch: &RecordBatch) -> Result<u64, ArrowError> {
        Ok(self.missing_rows(batch)?.len() as u64)
    }

    /// The number of those of which a property is a time before `oldest_ms`.
    pub(crate) fn count_expired(
        &self,
        batch: &RecordBatch,
        property: &str,
        oldest_ms: i64,
    ) -> Result<u64, ArrowError> {
        let times = batch.column_by_name(property);
        let times = times.and_then(|times| times.as_primitive_opt::<TimestampMillisecondType>());
        let Some(times) = times else { return Ok(0) };
        let is_expired = |row: &usize| times.is_valid(*row) && times.value(*row) < oldest_ms;
        Ok(self.missing_rows(batch)?.into_iter().filter(is_expired).count() as u64)
    }

    fn missing_rows(&self, batch: &RecordBatch) -> Result<Vec<usize>, ArrowError> {
        let keys = TextColumn::from_batch(batch, KEY)?;
        let is_missing = |row: &usize| {
            let uid = keys.value(*row).and_then(|key| self.entity.uid_of_key(key));
            uid.is_some_and(|uid| self.keys.number(&uid).is_none())
        };
        Ok((0..batch.num_rows()).filter(is_missing).collect())
    }

    /// The newest time of a property, in milliseconds since 1970-01-01 UTC; none if there is no time.
    pub fn newest_ms(&self, property: &str) -> Option<i64> {
        let place = self.entity.properties.iter().position(|known| known.name == property)?;
        self.values[place].compared().newest_ms()
    }

    /// Closes the table: moves its values out and keeps only the numbers by key.
    pub(crate) fn close(&mut self) -> ClosedEntities {
        let values = std::mem::take(&mut self.values);
        let values = values.into_iter().map(PropertyValues::into_published).collect();
        ClosedEntities::new(self.entity, Arc::clone(&self.keys), values)
    }
}
