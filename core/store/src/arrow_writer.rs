//! A Parquet writer for tables with columns of any type, on top of the Parquet library's own
//! writer.
//!
//! The library builds a dictionary for each column that may have one. If nearly every value
//! differs, as in keys and names, it would buffer a megabyte per column and then give up. So the
//! first rows decide which columns get no dictionary.

use std::collections::HashSet;
use std::hash::Hash;
use std::io::Write;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use arrow_select::coalesce::BatchCoalescer;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

/// The number of rows in a batch for the encoder. Fixed, because page limits are checked per batch.
const ROWS_PER_BATCH: usize = 8 * 1024;
/// The number of rows in a row group: the unit of one reader thread, and the rows held in memory.
const ROWS_PER_ROW_GROUP: usize = 4 * ROWS_PER_BATCH;

/// Writes rows of any columns.
pub(crate) struct ArrowTableWriter<W: Write + Send> {
    schema: SchemaRef,
    coalescer: BatchCoalescer,
    /// The inputs of the library's writer, until the first rows are here.
    waiting: Option<(W, WriterProperties)>,
    writer: Option<ArrowWriter<W>>,
}

impl<W: Write + Send> ArrowTableWriter<W> {
    pub(crate) fn new(sink: W, schema: &SchemaRef, properties: WriterProperties) -> Self {
        let builder = properties.into_builder();
        let properties = builder.set_max_row_group_row_count(Some(ROWS_PER_ROW_GROUP)).build();
        Self {
            schema: SchemaRef::clone(schema),
            coalescer: BatchCoalescer::new(SchemaRef::clone(schema), ROWS_PER_BATCH),
            waiting: Some((sink, properties)),
            writer: None,
        }
    }

    /// Appends rows of the schema.
    pub(crate) fn write(&mut self, batch: RecordBatch) -> Result<(), ParquetError> {
        if batch.num_rows() == ROWS_PER_BATCH && self.coalescer.is_empty() {
            // The result would be equal, after a copy of every value.
            return self.encode(&batch);
        }
        self.coalescer.push_batch(batch)?;
        self.write_completed()
    }

    /// Ends the file.
    pub(crate) fn finish(mut self) -> Result<W, ParquetError> {
        self.coalescer.finish_buffered_batch()?;
        self.write_completed()?;
        self.start(&RecordBatch::new_empty(SchemaRef::clone(&self.schema)))?;
        self.writer.ok_or_else(not_started)?.into_inner()
    }

    fn write_completed(&mut self) -> Result<(), ParquetError> {
        while let Some(batch) = self.coalescer.next_completed_batch() {
            self.encode(&batch)?;
        }
        Ok(())
    }

    fn encode(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        self.start(batch)?;
        self.writer.as_mut().ok_or_else(not_started)?.write(batch)
    }

    /// Creates the library's writer, configured by the first rows, if it does not exist.
    fn start(&mut self, first: &RecordBatch) -> Result<(), ParquetError> {
        let Some((sink, properties)) = self.waiting.take() else { return Ok(()) };
        let properties = without_useless_dictionaries(properties, first)?;
        let schema = SchemaRef::clone(&self.schema);
        self.writer = Some(ArrowWriter::try_new(sink, schema, Some(properties))?);
        Ok(())
    }
}

/// The error of a write after an error.
fn not_started() -> ParquetError {
    ParquetError::General("the table could not be started".to_owned())
}

/// The properties without dictionaries for columns in which most of these values are distinct.
fn without_useless_dictionaries(
    properties: WriterProperties,
    rows: &RecordBatch,
) -> Result<WriterProperties, ParquetError> {
    let parquet = ArrowSchemaConverter::new().convert(rows.schema_ref())?;
    let mut builder = properties.into_builder();
    for leaf in parquet.columns() {
        // No table has structures, so a leaf is its column, or the items of its lists.
        let column = rows.column_by_name(&leaf.path().parts()[0]);
        if column.is_some_and(|column| are_mostly_distinct(column)) {
            builder = builder.set_column_dictionary_enabled(leaf.path().clone(), false);
        }
    }
    Ok(builder.build())
}

/// Returns true if more than half of the values are distinct.
fn are_mostly_distinct(column: &dyn Array) -> bool {
    let distinct = match column.data_type() {
        DataType::Utf8 => count_distinct(column.as_string::<i32>().iter().flatten()),
        DataType::Int64 => count_distinct(column.as_primitive::<Int64Type>().iter().flatten()),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            count_distinct(column.as_primitive::<TimestampMillisecondType>().iter().flatten())
        }
        DataType::List(_) => return are_mostly_distinct(&items(column.as_list())),
        _ => return false,
    };
    distinct > (column.len() - column.null_count()) / 2
}

/// The items of only these lists: they may be a slice of a larger array.
fn items(lists: &ListArray) -> ArrayRef {
    let offsets = lists.value_offsets();
    let place =
        |offset: Option<&i32>| offset.and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
    let (start, end) = (place(offsets.first()), place(offsets.last()));
    lists.values().slice(start, end - start)
}

fn count_distinct<T: Hash + Eq>(values: impl Iterator<Item = T>) -> usize {
    values.collect::<HashSet<T>>().len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};
    use arrow_schema::{Field, Schema};
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    /// Rows with distinct values in the first two columns and repeated ones in the others.
    fn rows(range: std::ops::Range<i64>) -> RecordBatch {
        let texts =
            |text: &dyn Fn(i64) -> String| StringArray::from_iter_values(range.clone().map(text));
        let lists = range.clone().map(|number| Some([Some(number)]));
        let columns: [(&str, ArrayRef); 4] = [
            ("key", Arc::new(texts(&|number| format!("key {number}")))),
            ("lists", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
            ("city", Arc::new(texts(&|number| format!("city {}", number % 100)))),
            ("size", Arc::new(range.clone().map(|number| number % 10).collect::<Int64Array>())),
        ];
        RecordBatch::try_from_iter(columns).expect("the columns are equally long")
    }

    fn written(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Bytes {
        let mut writer = ArrowTableWriter::new(Vec::new(), schema, WriterProperties::default());
        for batch in batches {
            writer.write(batch).expect("memory takes everything");
        }
        writer.finish().expect("memory takes everything").into()
    }

    #[test]
    fn columns_with_mostly_distinct_values_get_no_dictionary() {
        let rows = rows(0..50_000);
        let file = written(rows.schema_ref(), vec![rows.clone()]);
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
        for group in reader.metadata().row_groups() {
            let columns = group.columns().iter();
            let dictionaries = columns.map(|column| column.dictionary_page_offset().is_some());
            assert_eq!(dictionaries.collect::<Vec<_>>(), [false, false, true, true]);
        }
        let read: Vec<RecordBatch> = reader
            .build()
            .expect("it is Parquet")
            .map(|batch| batch.expect("it is whole"))
            .collect();
        let read = arrow_select::concat::concat_batches(rows.schema_ref(), &read);
        assert_eq!(read.expect("the same columns"), rows);
    }

    #[test]
    fn batches_of_any_size_give_the_same_bytes() {
        let whole = rows(0..50_000);
        let expected = written(whole.schema_ref(), vec![whole.clone()]);
        for rows in [7_001, ROWS_PER_BATCH, 3 * ROWS_PER_BATCH] {
            let starts = (0..50_000).step_by(rows);
            let pieces = starts.map(|start| whole.slice(start, rows.min(50_000 - start)));
            assert!(written(whole.schema_ref(), pieces.collect()) == expected, "{rows} rows");
        }
    }

    #[test]
    fn an_empty_table_is_valid() {
        let schema: SchemaRef =
            Arc::new(Schema::new(vec![Field::new("key", DataType::Utf8, false)]));
        let reader = ParquetRecordBatchReaderBuilder::try_new(written(&schema, Vec::new()));
        assert_eq!(reader.expect("it is Parquet").metadata().file_metadata().num_rows(), 0);
    }
}
