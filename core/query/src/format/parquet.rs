//! Writes an answer as a Parquet file, for programs that read tables.

use std::io::{self, Write};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use super::with_unique_names;
use crate::error::QueryError;

/// The bytes of rows that are held until they are written as a row group.
const GROUP_BYTES: usize = 32 * 1024 * 1024;

/// Writes an answer batch by batch. Values are stored as they are: nothing is escaped or cut.
pub struct ParquetWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: SchemaRef,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Starts a file with these columns. If two have one name, the second `name` becomes `name_2`.
    ///
    /// # Errors
    /// [`QueryError::Output`], [`QueryError::Execution`] for a column whose type Parquet does not have.
    pub fn new(schema: &Schema, out: W) -> Result<Self, QueryError> {
        let schema = with_unique_names(schema);
        let compression = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(compression).build();
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties));
        Ok(Self { writer: writer.map_err(failed)?, schema })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// [`QueryError::Output`].
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec());
        let batch = batch.map_err(|error| QueryError::from_arrow(&error))?;
        self.writer.write(&batch).map_err(failed)?;
        if self.writer.in_progress_size() > GROUP_BYTES {
            self.writer.flush().map_err(failed)?;
        }
        Ok(())
    }

    /// Ends the file and returns the writer.
    ///
    /// # Errors
    /// [`QueryError::Output`].
    pub fn finish(self) -> Result<W, QueryError> {
        let mut out = self.writer.into_inner().map_err(failed)?;
        out.flush()?;
        Ok(out)
    }
}

fn failed(error: ParquetError) -> QueryError {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => QueryError::Output(*error),
            Err(_) => UNWRITABLE,
        },
        _ => UNWRITABLE,
    }
}

/// The text of the library's error may show a value.
const UNWRITABLE: QueryError = QueryError::Execution {
    reason: "a column has a type that Parquet does not have: cast it to text or to a number",
};
