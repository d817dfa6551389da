//! Writing of one table as Parquet. The same rows give the same bytes on every run, whatever their
//! batches.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Field, Fields, Schema, SchemaRef};
use core_files::File;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::arrow_writer::ArrowTableWriter;
use crate::dictionary::DictionaryWriter;
use crate::error::StoreError;
use crate::manifest::{Column, FileEntry, Table, TableFile, TableKind};
use crate::names;

/// Fixed, so that an update of the Parquet library alone does not look like a change.
const CREATED_BY: &str = "nexthink-graph";
/// Higher levels take several times as long for files that are hardly smaller.
pub(crate) const ZSTD_LEVEL: i32 = 1;

/// The declaration of a table to write.
#[derive(Debug, Clone)]
pub struct TableDeclaration {
    /// Entities or relationships.
    pub kind: TableKind,
    /// The `_type` of its rows: lower-case letters, digits and underscores.
    pub name: String,
    /// The `_class` of its rows; exactly one for a relationship.
    pub class: Vec<String>,
    /// For a relationship the entity types at which it starts and ends.
    pub ends: Option<(String, String)>,
    /// The stored columns. Metadata in it is not stored.
    pub schema: SchemaRef,
    /// Columns without stored minimum and maximum, which would show a cell to a reader of the
    /// footer.
    pub personal_columns: Vec<String>,
}

impl TableDeclaration {
    /// Rejects a name that is not a valid folder name, and declarations that contradict the kind.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        names::check_table(&self.name)?;
        let invalid = |reason: &str| {
            Err(StoreError::InvalidTable { name: self.name.clone(), reason: reason.to_owned() })
        };
        let is_relationship = self.kind == TableKind::Relationship;
        if self.ends.is_some() != is_relationship {
            return invalid("a relationship has two end types, an entity none");
        }
        if self.class.is_empty() || (is_relationship && self.class.len() > 1) {
            return invalid("a relationship has exactly one class, an entity at least one");
        }
        if self.personal_columns.iter().any(|name| self.schema.index_of(name).is_err()) {
            return invalid("a personal column is not in the schema");
        }
        Ok(())
    }

    /// The path of its file in the generation.
    pub(crate) fn file_path(&self) -> String {
        format!("{}/{}/part-00000.parquet", self.kind.folder(), self.name)
    }
}

/// Writes the rows of one table. An unfinished file cannot be published.
pub struct TableWriter {
    declaration: TableDeclaration,
    schema: SchemaRef,
    path: PathBuf,
    rows: u64,
    encoder: Encoder,
}

/// The Parquet encoder, chosen by the table's columns.
enum Encoder {
    Plain(Box<ArrowTableWriter<HashingFile>>),
    Dictionaries(Box<DictionaryWriter<HashingFile>>),
}

impl TableWriter {
    /// Starts a table in an open, empty file.
    pub(crate) fn new(declaration: TableDeclaration, file: File) -> Result<Self, StoreError> {
        let path = file.path().to_owned();
        let schema = without_metadata(&declaration.schema);
        let sink = HashingFile { file, hasher: blake3::Hasher::new(), bytes: 0 };
        let encoder = writer_properties(&schema, &declaration.personal_columns)
            .and_then(|properties| Encoder::new(sink, &schema, properties))
            .map_err(StoreError::parquet("write", &path))?;
        Ok(Self { declaration, schema, path, rows: 0, encoder })
    }

    /// Appends rows.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidTable`] if the columns differ from the declared ones.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec())
            .map_err(|error| self.invalid(&error))?;
        self.rows += batch.num_rows() as u64;
        self.encoder.write(batch).map_err(StoreError::parquet("write", &self.path))
    }

    /// Ends the file and makes it durable. The caller decides whether the table is partial.
    ///
    /// # Errors
    ///
    /// [`StoreError::Parquet`] or [`StoreError::Io`] if the file cannot be completed.
    pub fn finish(self) -> Result<Table, StoreError> {
        let sink = self.encoder.finish().map_err(StoreError::parquet("write", &self.path))?;
        sink.file.sync()?;

        let file = FileEntry {
            path: self.declaration.file_path(),
            bytes: sink.bytes,
            blake3: sink.hasher.finalize().to_hex().to_string(),
        };
        let columns = self.schema.fields().iter().map(|field| Column {
            name: field.name().clone(),
            data_type: field.data_type().to_string(),
            nullable: field.is_nullable(),
        });
        let (from_type, to_type) = self.declaration.ends.unzip();
        Ok(Table {
            kind: self.declaration.kind,
            name: self.declaration.name,
            class: self.declaration.class,
            from_type,
            to_type,
            rows: self.rows,
            partial: false,
            columns: columns.collect(),
            files: vec![TableFile { rows: self.rows, file }],
        })
    }

    fn invalid(&self, error: &ArrowError) -> StoreError {
        // The library's text names columns and types, and no values.
        StoreError::InvalidTable { name: self.declaration.name.clone(), reason: error.to_string() }
    }
}

impl Encoder {
    fn new(
        sink: HashingFile,
        schema: &SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self, ParquetError> {
        if DictionaryWriter::<HashingFile>::accepts(schema) {
            let writer = DictionaryWriter::new(sink, schema, properties)?;
            return Ok(Self::Dictionaries(Box::new(writer)));
        }
        Ok(Self::Plain(Box::new(ArrowTableWriter::new(sink, schema, properties))))
    }

    fn write(&mut self, batch: RecordBatch) -> Result<(), ParquetError> {
        match self {
            Self::Dictionaries(writer) => writer.write(&batch),
            Self::Plain(writer) => writer.write(batch),
        }
    }

    fn finish(self) -> Result<HashingFile, ParquetError> {
        match self {
            Self::Dictionaries(writer) => writer.finish(),
            Self::Plain(writer) => writer.finish(),
        }
    }
}

/// The same columns without metadata, which is an unordered map and would change the bytes between
/// runs.
fn without_metadata(schema: &Schema) -> SchemaRef {
    let arrow_writer = |field: &Arc<Field>| field.as_ref().clone().with_metadata([].into());
    Arc::new(Schema::new(schema.fields().iter().map(arrow_writer).collect::<Fields>()))
}

fn writer_properties(
    schema: &Schema,
    personal_columns: &[String],
) -> Result<WriterProperties, ParquetError> {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).expect("it is a level of Zstandard");
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_dictionary_enabled(true)
        .set_created_by(CREATED_BY.to_owned());
    // Statistics belong to leaves: a list has one below it, with a longer path.
    for leaf in ArrowSchemaConverter::new().convert(schema)?.columns() {
        if personal_columns.contains(&leaf.path().parts()[0]) {
            let path = leaf.path().clone();
            builder = builder.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    Ok(builder.build())
}

/// A file that counts and hashes the bytes written to it.
struct HashingFile {
    file: File,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for HashingFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let n_written = self.file.write(buffer)?;
        self.hasher.update(&buffer[..n_written]);
        self.bytes += n_written as u64;
        Ok(n_written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
