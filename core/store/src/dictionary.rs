//! A Parquet writer for tables whose columns are all dictionaries of texts, as edges are: it packs
//! the dictionary numbers directly into Parquet's data pages, without looking at a text per row.
//!
//! The Parquet library's own writer accepts dictionaries, but looks each row's text up in a
//! dictionary that it builds itself. This writer produces what the format calls `RLE_DICTIONARY` in
//! pages of version 1 (Apache Parquet format, "Encodings"); the library makes the page headers and
//! the footer.
//!
//! The dictionary of a row group has the texts of its rows, each once, in byte order, so that the
//! same rows give the same bytes whatever dictionaries they came with.

use std::io::Write;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt32Type;
use arrow_array::{Array as _, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Schema};
use bytes::Bytes;
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter as _};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use crate::packing;

/// The number of rows in a row group. More than in other tables, because each row group repeats its
/// dictionaries.
const ROWS_PER_ROW_GROUP: usize = 1024 * 1024;
/// The number of rows in a page: the unit that a reader decompresses.
const ROWS_PER_PAGE: usize = 128 * 1024;
/// The longest text that is stored as the smallest or largest one.
const MAX_STATISTICS_BYTES: usize = 64;

/// Writes rows whose columns are dictionaries.
pub(crate) struct DictionaryWriter<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Pending>,
    /// The number of rows that wait in `columns`.
    rows: usize,
}

/// One column of the current row group.
struct Pending {
    description: ColumnDescPtr,
    has_statistics: bool,
    /// The dictionaries of the rows, and the number of the first text of each.
    dictionaries: Vec<(u32, ArrayRef)>,
    /// The number of texts in them.
    texts: u32,
    /// The number of the text of each row that has one.
    numbers: Vec<u32>,
    /// True for each row with a text; empty while all rows have one.
    present: Vec<bool>,
}

impl<W: Write + Send> DictionaryWriter<W> {
    /// Returns true if this writer accepts tables of this schema.
    pub(crate) fn accepts(schema: &Schema) -> bool {
        let is_text = |data_type: &DataType| match data_type {
            DataType::Dictionary(key, value) => {
                **key == DataType::UInt32 && **value == DataType::Utf8
            }
            _ => false,
        };
        !schema.fields().is_empty()
            && schema.fields().iter().all(|field| is_text(field.data_type()))
    }

    pub(crate) fn new(
        sink: W,
        schema: &Schema,
        mut properties: WriterProperties,
    ) -> Result<Self, ParquetError> {
        add_encoded_arrow_schema_to_metadata(schema, &mut properties);
        let parquet = ArrowSchemaConverter::new().convert(schema)?;
        let pending = |description: &ColumnDescPtr| Pending {
            description: Arc::clone(description),
            has_statistics: properties.statistics_enabled(description.path())
                != EnabledStatistics::None,
            dictionaries: Vec::new(),
            texts: 0,
            numbers: Vec::new(),
            present: Vec::new(),
        };
        let columns = parquet.columns().iter().map(pending).collect();
        let root = parquet.root_schema_ptr();
        let writer = SerializedFileWriter::new(sink, root, Arc::new(properties))?;
        Ok(Self { writer, columns, rows: 0 })
    }

    /// Appends rows of the schema.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        let mut start = 0;
        while start < batch.num_rows() {
            let rows = (batch.num_rows() - start).min(ROWS_PER_ROW_GROUP - self.rows);
            for (pending, column) in self.columns.iter_mut().zip(batch.columns()) {
                pending.push(&column.slice(start, rows), self.rows);
            }
            self.rows += rows;
            start += rows;
            if self.rows == ROWS_PER_ROW_GROUP {
                self.end_row_group()?;
            }
        }
        Ok(())
    }

    /// Ends the file.
    pub(crate) fn finish(mut self) -> Result<W, ParquetError> {
        self.end_row_group()?;
        self.writer.into_inner()
    }

    fn end_row_group(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return Ok(());
        }
        // Packing and compressing is most of the work, and a row group has a million rows, so each
        // column gets a thread.
        let encoded: Vec<_> = thread::scope(|scope| {
            let columns = self.columns.iter_mut();
            let encoding: Vec<_> =
                columns.map(|column| scope.spawn(move || column.encode(rows))).collect();
            let encoded = encoding.into_iter().map(ScopedJoinHandle::join);
            encoded.map(|chunk| chunk.unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        let mut row_group = self.writer.next_row_group()?;
        for column in encoded {
            let (chunk, close) = column?;
            row_group.append_column(&chunk, close)?;
        }
        row_group.close()?;
        Ok(())
    }
}

impl Pending {
    /// Appends a column of new rows to the `rows` that are already here.
    fn push(&mut self, column: &ArrayRef, rows: usize) {
        let column = column.as_dictionary::<UInt32Type>();
        let base = self.base_of(column.values());
        let numbers = column.keys().values();
        // A null may also be a text of the dictionary.
        let Some(nulls) = column.logical_nulls().filter(|nulls| nulls.null_count() > 0) else {
            if !self.present.is_empty() {
                self.present.resize(rows + numbers.len(), true);
            }
            return self.numbers.extend(numbers.iter().map(|number| base + number));
        };
        self.present.resize(rows, true);
        self.present.extend(nulls.iter());
        self.numbers.extend(nulls.valid_indices().map(|row| base + numbers[row]));
    }

    /// The number of the first text of a dictionary. Batches of one table usually share theirs.
    fn base_of(&mut self, texts: &ArrayRef) -> u32 {
        if let Some((base, known)) = self.dictionaries.last()
            && Arc::ptr_eq(known, texts)
        {
            return *base;
        }
        let base = self.texts;
        self.texts += u32::try_from(texts.len()).expect("a row group has fewer than 2^32 texts");
        self.dictionaries.push((base, Arc::clone(texts)));
        base
    }

    /// Encodes the column, with its metadata for the footer, and drops the rows.
    fn encode(&mut self, rows: usize) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let texts = self.renumber();
        let mut chunk = Chunk::default();
        chunk.write_dictionary(&texts)?;
        let width = packing::width_of(texts.len());
        let mut numbers = self.numbers.as_slice();
        for start in (0..rows).step_by(ROWS_PER_PAGE) {
            let rows = ROWS_PER_PAGE.min(rows - start);
            let present = self.present.get(start..start + rows);
            let n_numbers = present
                .map_or(rows, |present| present.iter().filter(|is_present| **is_present).count());
            let page;
            (page, numbers) = numbers.split_at(n_numbers);
            chunk.write_page(rows, self.levels(rows, present), page, width)?;
        }
        let nulls = (rows - self.numbers.len()) as u64;
        let statistics = self.has_statistics.then(|| statistics(&texts, nulls)).flatten();
        let encoded = chunk.finish(Arc::clone(&self.description), rows, statistics);
        self.dictionaries.clear();
        self.texts = 0;
        self.numbers.clear();
        self.present.clear();
        encoded
    }

    /// Renumbers the texts of the rows in byte order, and returns them in it.
    fn renumber(&mut self) -> Vec<String> {
        const UNUSED: u32 = u32::MAX;
        let mut places = vec![UNUSED; self.texts as usize];
        for &number in &self.numbers {
            places[number as usize] = 0;
        }
        let mut used: Vec<(&str, u32)> = Vec::new();
        for (base, texts) in &self.dictionaries {
            let texts: &StringArray = texts.as_string();
            let numbered = (*base..).zip(0..texts.len());
            let is_used = |(number, _): &(u32, usize)| places[*number as usize] != UNUSED;
            used.extend(numbered.filter(is_used).map(|(number, at)| (texts.value(at), number)));
        }
        used.sort_unstable();
        let mut distinct: Vec<String> = Vec::new();
        for (text, number) in used {
            if distinct.last().is_none_or(|last| last != text) {
                distinct.push(text.to_owned());
            }
            places[number as usize] =
                u32::try_from(distinct.len() - 1).expect("a row group has fewer than 2^32 texts");
        }
        for number in &mut self.numbers {
            *number = places[*number as usize];
        }
        distinct
    }

    /// The definition levels of a page, for a nullable column.
    fn levels(&self, rows: usize, present: Option<&[bool]>) -> Vec<u8> {
        if self.description.max_def_level() == 0 {
            return Vec::new();
        }
        let levels: Vec<u32> = match present {
            Some(present) => present.iter().map(|&is_present| u32::from(is_present)).collect(),
            None => vec![1; rows],
        };
        let mut packed = Vec::new();
        packing::pack(&levels, 1, &mut packed);
        let length = u32::try_from(packed.len()).expect("a page is small");
        [&length.to_le_bytes(), packed.as_slice()].concat()
    }
}

/// An unfinished column chunk, in memory.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    uncompressed_bytes: usize,
    data_page_offset: Option<usize>,
    pages: i32,
}

impl Chunk {
    fn write_dictionary(&mut self, texts: &[String]) -> Result<(), ParquetError> {
        let mut page = Vec::new();
        for text in texts {
            let length = u32::try_from(text.len()).expect("a text has at most some kilobytes");
            page.extend_from_slice(&length.to_le_bytes());
            page.extend_from_slice(text.as_bytes());
        }
        self.append(&page, |buf| Page::DictionaryPage {
            buf,
            num_values: u32::try_from(texts.len()).expect("numbers of texts are 32 bits"),
            encoding: Encoding::PLAIN,
            is_sorted: true,
        })
    }

    fn write_page(
        &mut self,
        rows: usize,
        levels: Vec<u8>,
        numbers: &[u32],
        width: u8,
    ) -> Result<(), ParquetError> {
        let mut page = levels;
        page.push(width);
        packing::pack(numbers, width, &mut page);
        self.data_page_offset.get_or_insert(self.bytes.len());
        self.pages += 1;
        self.append(&page, |buf| Page::DataPage {
            buf,
            num_values: u32::try_from(rows).expect("a page is small"),
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })
    }

    fn append(
        &mut self,
        content: &[u8],
        page: impl FnOnce(Bytes) -> Page,
    ) -> Result<(), ParquetError> {
        let compressed = zstd::bulk::compress(content, crate::table::ZSTD_LEVEL)?;
        let page = CompressedPage::new(page(compressed.into()), content.len());
        let mut sink = TrackedWrite::new(&mut self.bytes);
        let written = SerializedPageWriter::new(&mut sink).write_page(page)?;
        sink.flush()?;
        self.uncompressed_bytes += written.uncompressed_size;
        Ok(())
    }

    fn finish(
        self,
        description: ColumnDescPtr,
        rows: usize,
        statistics: Option<Statistics>,
    ) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let offset = |at: usize| i64::try_from(at).expect("a chunk is in memory");
        let stats = |page_type, encoding, count| PageEncodingStats { page_type, encoding, count };
        let mut metadata = ColumnChunkMetaData::builder(description)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_num_values(offset(rows))
            .set_total_compressed_size(offset(self.bytes.len()))
            .set_total_uncompressed_size(offset(self.uncompressed_bytes))
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(offset(self.data_page_offset.unwrap_or(0)))
            .set_page_encoding_stats(vec![
                stats(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1),
                stats(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY, self.pages),
            ]);
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let close = ColumnCloseResult {
            bytes_written: self.bytes.len() as u64,
            rows_written: rows as u64,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok((self.bytes.into(), close))
    }
}

/// The statistics of the texts for the footer, if they are short.
fn statistics(sorted: &[String], nulls: u64) -> Option<Statistics> {
    let (first, last) = (sorted.first()?, sorted.last()?);
    if first.len().max(last.len()) > MAX_STATISTICS_BYTES {
        return None;
    }
    let [first, last] = [first, last].map(|text| Some(text.as_str().into()));
    Some(Statistics::byte_array(first, last, None, Some(nulls), false))
}

#[cfg(test)]
mod tests {
    use arrow_array::{DictionaryArray, UInt32Array};
    use arrow_schema::Field;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::metadata::RowGroupMetaData;

    use super::*;

    fn schema() -> Arc<Schema> {
        let text = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
        let required = Field::new("required", text.clone(), false);
        Arc::new(Schema::new(vec![required, Field::new("optional", text, true)]))
    }

    fn column(texts: &[Option<&str>], rows: impl Iterator<Item = Option<u32>>) -> ArrayRef {
        let values = Arc::new(StringArray::from(texts.to_vec()));
        let keys: UInt32Array = rows.collect();
        Arc::new(DictionaryArray::new(keys, values))
    }

    /// Rows with alternating single texts, runs and nulls of both kinds.
    fn batch(rows: u32, texts: [&[Option<&str>]; 2]) -> RecordBatch {
        let n_texts = |column: usize| u32::try_from(texts[column].len()).expect("few");
        let [first, second] = [n_texts(0), n_texts(1)];
        let required = (0..rows).map(|row| Some(if row % 200 < 90 { 1 } else { row % first }));
        let optional = (0..rows).map(|row| (row % 7 != 0).then_some((row / 30) % second));
        let columns = vec![column(texts[0], required), column(texts[1], optional)];
        RecordBatch::try_new(schema(), columns).expect("the columns are the declared ones")
    }

    fn written(batches: &[RecordBatch]) -> Bytes {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let mut writer =
            DictionaryWriter::new(Vec::new(), &schema(), properties).expect("it is a schema");
        for batch in batches {
            writer.write(batch).expect("memory takes everything");
        }
        writer.finish().expect("memory takes everything").into()
    }

    /// Reads all rows as texts, and the schema.
    fn read(file: Bytes) -> (Arc<Schema>, Vec<[Option<String>; 2]>) {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
        let schema = Arc::clone(reader.schema());
        let mut rows = Vec::new();
        for batch in reader.build().expect("it is Parquet") {
            let batch = batch.expect("it is whole");
            rows.extend(rows_of(&batch));
        }
        (schema, rows)
    }

    fn rows_of(batch: &RecordBatch) -> impl Iterator<Item = [Option<String>; 2]> {
        let text = |column: usize, row: usize| {
            let column = batch.column(column).as_dictionary::<UInt32Type>();
            let texts = column.values().as_string::<i32>();
            let place = column.key(row).filter(|&place| texts.is_valid(place))?;
            Some(texts.value(place).to_owned())
        };
        (0..batch.num_rows()).map(move |row| [text(0, row), text(1, row)])
    }

    #[test]
    fn rows_round_trip() {
        let many: Vec<String> = (0..5000).map(|number| format!("text {number}")).collect();
        let many: Vec<Option<&str>> = many.iter().map(|text| Some(text.as_str())).collect();
        let cases: [(u32, [&[Option<&str>]; 2]); 6] = [
            (0, [&[Some("a"), Some("b")], &[Some("c")]]),
            (1, [&[Some("a"), Some("b")], &[Some("c")]]),
            (9, [&[Some("b"), Some("a")], &[None]]),
            (1000, [&[Some("b"), Some("b")], &[Some(""), None, Some("c"), Some("c")]]),
            (300_000, [&many, &[None, Some("x"), Some("y")]]),
            (300_000, [&many, &many]),
        ];
        for (rows, texts) in cases {
            let batch = batch(rows, texts);
            let (read_schema, read) = read(written(std::slice::from_ref(&batch)));
            assert_eq!(read_schema.fields(), schema().fields());
            assert!(read.into_iter().eq(rows_of(&batch)), "{rows} rows");
        }
    }

    #[test]
    fn a_row_group_may_end_within_a_batch() {
        let rows = u32::try_from(ROWS_PER_ROW_GROUP).expect("about a million") + 10;
        let batch = batch(rows, [&[Some("a"), Some("b"), Some("c")], &[Some("d"), Some("e")]]);
        let file = written(std::slice::from_ref(&batch));
        let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).expect("it is Parquet");
        let groups = reader.metadata().row_groups().iter();
        let groups: Vec<i64> = groups.map(RowGroupMetaData::num_rows).collect();
        assert_eq!(groups, [i64::from(rows) - 10, 10]);
        assert!(read(file).1.into_iter().eq(rows_of(&batch)));
    }

    #[test]
    fn rows_with_other_dictionaries_give_the_same_bytes() {
        let whole = batch(4000, [&[Some("a"), Some("b"), Some("c")], &[Some("d"), Some("e")]]);
        let expected = written(std::slice::from_ref(&whole));
        let pieces: Vec<RecordBatch> = (0..4000)
            .step_by(700)
            .map(|start| {
                let piece = whole.slice(start, 700.min(4000 - start));
                let anew = |column: usize| -> ArrayRef {
                    let texts: Vec<Option<String>> =
                        rows_of(&piece).map(|mut row| row[column].take()).collect();
                    let texts = texts.iter().map(Option::as_deref);
                    Arc::new(texts.collect::<DictionaryArray<UInt32Type>>())
                };
                RecordBatch::try_new(schema(), vec![anew(0), anew(1)]).expect("the same columns")
            })
            .collect();
        assert!(written(&pieces) == expected);
    }

    #[test]
    fn statistics_are_the_first_and_last_text_and_the_nulls() {
        let batch = batch(270, [&[Some("b"), Some("a"), Some("c")], &[Some("d"), Some("e")]]);
        let reader = ParquetRecordBatchReaderBuilder::try_new(written(&[batch]));
        let reader = reader.expect("it is Parquet");
        let of = |column: usize| {
            let statistics = reader.metadata().row_group(0).column(column).statistics();
            let statistics = statistics.expect("they were not switched off");
            let text =
                |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"-")).into_owned();
            let (first, last) = (statistics.min_bytes_opt(), statistics.max_bytes_opt());
            (text(first), text(last), statistics.null_count_opt())
        };
        assert_eq!(of(0), ("a".to_owned(), "c".to_owned(), Some(0)));
        assert_eq!(of(1), ("d".to_owned(), "e".to_owned(), Some(39)));
    }

    #[test]
    fn only_dictionaries_of_texts_are_accepted() {
        type Writer = DictionaryWriter<Vec<u8>>;
        assert!(Writer::accepts(&schema()));
        let page = Field::new("plain", DataType::Utf8, false);
        let mixed = [schema().fields().to_vec(), vec![Arc::new(page)]].concat();
        assert!(!Writer::accepts(&Schema::new(mixed)));
        assert!(!Writer::accepts(&Schema::empty()));
    }
}
