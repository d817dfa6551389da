//! Finds the edges at entities by reading the dictionary codes of a table of edges.
//!
//! The codes of a row group are compared as numbers: the keys in question are looked up in its dictionary
//! once, and a row group without any of them is skipped. Row groups are read on several threads.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use core_store::{Generation, TableKind};
use datafusion::arrow::array::types::UInt32Type;
use datafusion::arrow::array::{
    Array as _, ArrayData, ArrayRef, AsArray as _, DictionaryArray, RecordBatch,
};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowSelection,
};
use datafusion::parquet::errors::ParquetError;

use super::positioned::PositionedFile;
use crate::error::QueryError;

/// The number of rows in a batch of codes, which are compared at once.
const ROWS_PER_BATCH: usize = 64 * 1024;
/// The threads that read row groups, at most. Each holds the columns of one.
const MAX_THREADS: usize = 4;
/// The columns with the keys of both ends.
const FROM: &str = "_fromEntityKey";
const TO: &str = "_toEntityKey";

/// One end of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    From,
    To,
}

impl End {
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::From => FROM,
            Self::To => TO,
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::From => Self::To,
            Self::To => Self::From,
        }
    }
}

/// The edges at one entity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct EdgesAt {
    /// The number of them.
    pub(super) count: u64,
    /// The first of them after the row that was asked for, by their row in the table.
    pub(super) rows: Vec<u64>,
}

/// The stored edges of one type.
pub(super) struct EdgeTable {
    generation: Generation,
    kind: TableKind,
    name: String,
}

/// A row group, and where its first row is in the table.
struct RowGroup {
    file: Arc<OpenFile>,
    number: usize,
    rows: Range<u64>,
}

struct OpenFile {
    file: PositionedFile,
    metadata: ArrowReaderMetadata,
}

impl EdgeTable {
    pub(super) fn new(generation: Generation, kind: TableKind, name: &str) -> Self {
        Self { generation, kind, name: name.to_owned() }
    }

    /// Counts the edges at each of the keys, and returns the rows of the first ones from `first_row` on,
    /// at most `limit` for each key.
    pub(super) fn find(
        &self,
        end: End,
        keys: &[String],
        first_row: u64,
        limit: usize,
    ) -> Result<Vec<EdgesAt>, QueryError> {
        let numbers: HashMap<&str, usize> =
            keys.iter().enumerate().map(|(number, key)| (key.as_str(), number)).collect();
        let groups = self.row_groups(end, keys)?;
        let parts = in_parallel(&groups, |group| find_in(group, end, &numbers, first_row, limit))?;
        let mut found = vec![EdgesAt::default(); keys.len()];
        for part in parts {
            for (key, at) in part {
                found[key].count += at.count;
                let room = limit.saturating_sub(found[key].rows.len());
                found[key].rows.extend(at.rows.into_iter().take(room));
            }
        }
        Ok(found)
    }

    /// Reads some columns of rows, which must be in ascending order. A column that is not stored is left
    /// out.
    pub(super) fn read(&self, rows: &[u64], columns: &[String]) -> Result<RecordBatch, QueryError> {
        if rows.is_empty() {
            return Ok(RecordBatch::new_empty(SchemaRef::new(Schema::empty())));
        }
        let mut batches = Vec::new();
        let groups = self.row_groups(End::From, &[])?;
        for group in &groups {
            let start = rows.partition_point(|row| *row < group.rows.start);
            let end = rows.partition_point(|row| *row < group.rows.end);
            if start == end {
                continue;
            }
            let place = |row: &u64| usize::try_from(row - group.rows.start).unwrap_or(usize::MAX);
            let ranges = rows[start..end].iter().map(|row| place(row)..place(row) + 1);
            let total = usize::try_from(group.rows.end - group.rows.start).unwrap_or(usize::MAX);
            let selection = RowSelection::from_consecutive_ranges(ranges, total);
            let reader = group.builder();
            let names = columns.iter().map(String::as_str);
            let mask = ProjectionMask::columns(reader.parquet_schema(), names);
            let reader = reader.with_projection(mask).with_row_selection(selection).build();
            for batch in reader.map_err(|error| failed(&error))? {
                batches.push(batch.map_err(|error| QueryError::from_arrow(&error))?);
            }
        }
        let schema = batches.first().ok_or(UNREADABLE)?.schema();
        concat_batches(&schema, &batches).map_err(|error| QueryError::from_arrow(&error))
    }

    /// Returns the keys at the other end of all edges at the frontier, each with one key of the frontier
    /// that it is related to.
    pub(super) fn expand(
        &self,
        end: End,
        frontier: &[String],
    ) -> Result<HashMap<String, String>, QueryError> {
        let keys: HashSet<&str> = frontier.iter().map(String::as_str).collect();
        let groups = self.row_groups(end, frontier)?;
        let parts = in_parallel(&groups, |group| expand_in(group, end, &keys))?;
        let mut reached = HashMap::new();
        for part in parts {
            for (key, parent) in part {
                reached.entry(key).or_insert(parent);
            }
        }
        Ok(reached)
    }

    /// Returns the ends of the edges from one of some keys to one of others, at most `limit` of them.
    pub(super) fn between(
        &self,
        from: &[String],
        to: &[String],
        limit: usize,
    ) -> Result<Vec<(String, String)>, QueryError> {
        let near: HashSet<&str> = from.iter().map(String::as_str).collect();
        let far: HashSet<&str> = to.iter().map(String::as_str).collect();
        let groups = self.row_groups(End::From, from)?;
        let parts = in_parallel(&groups, |group| between_in(group, &near, &far, limit))?;
        Ok(parts.into_iter().flatten().take(limit).collect())
    }

    /// The row groups that may have one of the keys at this end, or all if there are no keys.
    fn row_groups(&self, end: End, keys: &[String]) -> Result<Vec<RowGroup>, QueryError> {
        let mut groups = Vec::new();
        let mut first_row = 0;
        let low_and_high = keys.iter().min().zip(keys.iter().max());
        for file in self.generation.open_files(self.kind, &self.name)? {
            let file = file?;
            let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
            let metadata = metadata.map_err(|error| failed(&error))?;
            let file = Arc::new(OpenFile { file: PositionedFile::new(file), metadata });
            let parquet = Arc::clone(file.metadata.metadata());
            for (number, group) in parquet.row_groups().iter().enumerate() {
                let rows = first_row..first_row + group.num_rows().unsigned_abs();
                first_row = rows.end;
                let column = group
                    .columns()
                    .iter()
                    .find(|known| known.column_path().string() == end.column());
                let statistics = column.and_then(|column| column.statistics());
                let range =
                    statistics.and_then(|known| known.min_bytes_opt().zip(known.max_bytes_opt()));
                let is_outside = match (low_and_high, range) {
                    (Some((low, high)), Some((first, last))) => {
                        high.as_bytes() < first || last < low.as_bytes()
                    }
                    _ => false,
                };
                if !is_outside && !rows.is_empty() {
                    groups.push(RowGroup { file: Arc::clone(&file), number, rows });
                }
            }
        }
        Ok(groups)
    }
}

impl RowGroup {
    fn builder(&self) -> ParquetRecordBatchReaderBuilder<PositionedFile> {
        let OpenFile { file, metadata } = &*self.file;
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), metadata.clone());
        builder.with_row_groups(vec![self.number]).with_batch_size(ROWS_PER_BATCH)
    }

    /// A reader of the codes of some columns.
    fn codes(&self, columns: &[End]) -> Result<ParquetRecordBatchReader, ParquetError> {
        let builder = self.builder();
        let names = columns.iter().map(|end| end.column());
        let mask = ProjectionMask::columns(builder.parquet_schema(), names);
        builder.with_projection(mask).build()
    }
}

/// A column of a batch as codes.
fn codes_of(batch: &RecordBatch, end: End) -> Result<DictionaryArray<UInt32Type>, ArrowError> {
    let column = batch.column_by_name(end.column());
    let column = column.ok_or_else(|| ArrowError::SchemaError("no such column".to_owned()))?;
    // As this program writes them; other programs may have written texts.
    let codes = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    Ok(cast(column, &codes)?.as_dictionary().clone())
}

/// The meaning that the codes of a dictionary have for a search. Batches of one row group share their dictionary: each has an
/// array of its own over the same buffers.
struct Meanings<T> {
    dictionary: Option<ArrayData>,
    by_code: Vec<T>,
}

impl<T> Meanings<T> {
    fn new() -> Self {
        Self { dictionary: None, by_code: Vec::new() }
    }

    /// Returns the meaning of each code, computed again if the dictionary has changed.
    fn of(&mut self, dictionary: &ArrayRef, meaning: impl Fn(&str) -> T) -> &mut [T] {
        let data = dictionary.to_data();
        if !self.dictionary.as_ref().is_some_and(|known| known.ptr_eq(&data)) {
            let texts = dictionary.as_string::<i32>();
            let texts = texts.iter().map(|text| meaning(text.unwrap_or_default()));
            self.by_code = texts.collect();
            self.dictionary = Some(data);
        }
        &mut self.by_code
    }
}

fn find_in(
    group: &RowGroup,
    end: End,
    keys: &HashMap<&str, usize>,
    first_row: u64,
    limit: usize,
) -> Result<HashMap<usize, EdgesAt>, ArrowError> {
    let mut found: HashMap<usize, EdgesAt> = HashMap::new();
    let mut meanings = Meanings::new();
    let mut row = group.rows.start;
    for batch in group.codes(&[end])? {
        let codes = codes_of(&batch?, end)?;
        let numbers = meanings.of(codes.values(), |key| keys.get(key).copied());
        if numbers.iter().all(Option::is_none) {
            row += codes.len() as u64;
            continue;
        }
        for &code in codes.keys().values() {
            if let Some(Some(key)) = numbers.get(code as usize) {
                let at = found.entry(*key).or_default();
                at.count += 1;
                if row >= first_row && at.rows.len() < limit {
                    at.rows.push(row);
                }
            }
            row += 1;
        }
    }
    Ok(found)
}

fn expand_in(
    group: &RowGroup,
    end: End,
    keys: &HashSet<&str>,
) -> Result<Vec<(String, String)>, ArrowError> {
    let mut reached = Vec::new();
    let mut is_near = Meanings::new();
    let mut is_known = Meanings::new();
    for batch in group.codes(&[end, end.other()])? {
        let batch = batch?;
        let (near, far) = (codes_of(&batch, end)?, codes_of(&batch, end.other())?);
        let is_near = is_near.of(near.values(), |key| keys.contains(key));
        if !is_near.contains(&true) {
            continue;
        }
        let is_known = is_known.of(far.values(), |_| false);
        let (near_keys, far_keys) =
            (near.values().as_string::<i32>(), far.values().as_string::<i32>());
        for (&near, &far) in near.keys().values().iter().zip(far.keys().values()) {
            let (near, far) = (near as usize, far as usize);
            if is_near.get(near) == Some(&true) && is_known.get(far) == Some(&false) {
                is_known[far] = true;
                reached.push((far_keys.value(far).to_owned(), near_keys.value(near).to_owned()));
            }
        }
    }
    Ok(reached)
}

fn between_in(
    group: &RowGroup,
    from: &HashSet<&str>,
    to: &HashSet<&str>,
    limit: usize,
) -> Result<Vec<(String, String)>, ArrowError> {
    let mut found = Vec::new();
    let mut is_from = Meanings::new();
    let mut is_to = Meanings::new();
    for batch in group.codes(&[End::From, End::To])? {
        let batch = batch?;
        let (starts, ends) = (codes_of(&batch, End::From)?, codes_of(&batch, End::To)?);
        let is_from = is_from.of(starts.values(), |key| from.contains(key));
        let is_to = is_to.of(ends.values(), |key| to.contains(key));
        if !is_from.contains(&true) || !is_to.contains(&true) {
            continue;
        }
        let (start_keys, end_keys) =
            (starts.values().as_string::<i32>(), ends.values().as_string::<i32>());
        for (&start, &end) in starts.keys().values().iter().zip(ends.keys().values()) {
            let (start, end) = (start as usize, end as usize);
            if is_from.get(start) == Some(&true) && is_to.get(end) == Some(&true) {
                found.push((start_keys.value(start).to_owned(), end_keys.value(end).to_owned()));
                if found.len() == limit {
                    return Ok(found);
                }
            }
        }
    }
    Ok(found)
}

/// Does something with each row group on some threads; the results are in the order of the groups.
fn in_parallel<T: Send>(
    groups: &[RowGroup],
    work: impl Fn(&RowGroup) -> Result<T, ArrowError> + Sync,
) -> Result<Vec<T>, QueryError> {
    let next = AtomicUsize::new(0);
    let work_off = || {
        let mut results = Vec::new();
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            let position = group.rows.start;
            results.push(work(group).map(|result| (position, result)));
        }
        results
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let helpers = threads.min(MAX_THREADS).min(groups.len()).saturating_sub(1);
    let results = thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, work_off).ok();
        let helpers: Vec<_> = (0..helpers).filter_map(spawn).collect();
        let mut results = work_off();
        for helper in helpers {
            results.extend(helper.join().map_err(|_| QueryError::PANICKED)?);
        }
        Ok::<_, QueryError>(results)
    })?;
    let results: Result<Vec<_>, ArrowError> = results.into_iter().collect();
    let mut results = results.map_err(|error| QueryError::from_arrow(&error))?;
    results.sort_unstable_by_key(|(position, _)| *position);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

const UNREADABLE: QueryError =
    QueryError::Execution { reason: "a file of the generation cannot be read, verify it" };

/// The text of the library's error may show a value.
fn failed(_: &ParquetError) -> QueryError {
    UNREADABLE
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use datafusion::arrow::array::StringArray;
    use datafusion::arrow::datatypes::Field;
    use datafusion::parquet::arrow::ArrowWriter;

    use super::*;

    /// A search looks at each key of a row group once, not once for each batch of its rows.
    #[test]
    fn batches_of_a_row_group_share_what_their_codes_mean() {
        let keys = ["a", "b", "c"];
        let column: DictionaryArray<UInt32Type> = (0..1_000).map(|row| keys[row % 3]).collect();
        let field = Field::new(FROM, column.data_type().clone(), false);
        let batch = RecordBatch::try_new(
            SchemaRef::new(Schema::new(vec![field])),
            vec![Arc::new(column.clone())],
        );
        let batch = batch.expect("the column has the type of its field");
        let mut file = tempfile::tempfile().expect("a file can be made");
        let mut writer =
            ArrowWriter::try_new(&mut file, batch.schema(), None).expect("it can be written");
        writer.write(&batch).expect("it can be written");
        writer.close().expect("it can be written");

        let reader = ParquetRecordBatchReaderBuilder::try_new(PositionedFile::new(file));
        let reader = reader.expect("it can be read").with_batch_size(10).build();
        let asked = Cell::new(0);
        let mut meanings = Meanings::new();
        let mut batches = 0;
        for batch in reader.expect("it can be read") {
            let codes = codes_of(&batch.expect("it can be read"), End::From);
            let codes = codes.expect("they are codes");
            let first = codes.keys().value(0) as usize;
            let expected: &StringArray = codes.values().as_string();
            let expected = expected.value(first).to_owned();
            let known = meanings.of(codes.values(), |key| {
                asked.set(asked.get() + 1);
                key.to_owned()
            });
            assert_eq!(known[first], expected);
            batches += 1;
        }
        assert_eq!((batches, asked.get()), (100, keys.len()));
        let others: DictionaryArray<UInt32Type> = ["x", "y"].into_iter().collect();
        assert_eq!(meanings.of(others.values(), str::to_owned), ["x", "y"]);
    }
}
