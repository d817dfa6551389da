//! Writes an answer for people (`table`) and for programs (`json`, `ndjson`, `csv`, and Parquet files).

mod cells;
mod escape;
mod json;
mod objects;
mod parquet;
mod table;

use std::io::{self, Write};
use std::str::FromStr;

use core_terminal::escape_for_terminal;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use serde_json::{Map, Value};

pub(crate) use self::cells::Cells;
pub use self::escape::escape_for_csv;
use self::json::JsonLines;
pub(crate) use self::json::with_unique_names;
pub use self::objects::write_objects;
pub use self::parquet::ParquetWriter;
use self::table::TextTable;
use crate::error::QueryError;

/// The format of an answer. Timestamps are RFC 3339 in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns in a frame, for a terminal. Shows the first rows, as many as fit into a few
    /// megabytes, and says how many more there are. Null is empty; characters that steer a terminal, turn
    /// the direction of text or have no width are shown escaped, and long cells end in `…`.
    Table,
    /// One array of objects, one object a line. Null is `null`.
    Json,
    /// One object a line.
    Ndjson,
    /// RFC 4180, with a header. Null is empty, a list is its JSON. Text that a spreadsheet would run as
    /// a formula (it begins with `=`, `+`, `-`, `@`, a tab or a line end, or a part of it after `;`, `|`, a
    /// tab or a line end does) gets a `'` in front of it. Control characters stay as they are, unless the
    /// answer is for a terminal.
    Csv,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "ndjson" => Ok(Self::Ndjson),
            "csv" => Ok(Self::Csv),
            other => Err(format!("{other:?} is not a format: use table, json, ndjson or csv")),
        }
    }
}

/// The size of the pieces in which a batch is turned into text: the text of a piece is held in memory.
const PIECE_BYTES: usize = 1024 * 1024;
/// The rows of a piece, at most.
const PIECE_ROWS: usize = 1024;

/// Writes an answer batch by batch; only [`Format::Table`] waits for the end.
pub struct ResultWriter<W: Write> {
    target: Target<W>,
    is_for_terminal: bool,
}

enum Target<W: Write> {
    Table(TextTable, W),
    Json { lines: JsonLines, n_rows: usize, out: W },
    Ndjson(JsonLines, W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> ResultWriter<W> {
    /// Starts an answer with these columns.
    ///
    /// # Errors
    /// [`QueryError::Output`].
    pub fn new(format: Format, schema: &Schema, out: W) -> Result<Self, QueryError> {
        let target = match format {
            Format::Table => Target::Table(TextTable::new(schema), out),
            Format::Json => Target::Json { lines: JsonLines::new(schema), n_rows: 0, out },
            Format::Ndjson => Target::Ndjson(JsonLines::new(schema), out),
            Format::Csv => {
                let mut writer =
                    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
                let names = schema.fields().iter();
                let header = names.map(|field| escape_for_csv(field.name()).into_owned());
                writer.write_record(header).map_err(csv_error)?;
                Target::Csv(Box::new(writer))
            }
        };
        Ok(Self { target, is_for_terminal: false })
    }

    /// Makes the answer fit for a terminal with so many columns: a table is no wider, and CSV has no
    /// characters that steer it.
    #[must_use]
    pub fn for_terminal(mut self, columns: usize) -> Self {
        if let Target::Table(table, _) = &mut self.target {
            table.set_max_width(columns);
        }
        self.is_for_terminal = true;
        self
    }

    /// Appends rows.
    ///
    /// # Errors
    /// [`QueryError::Output`].
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let row_bytes = batch.get_array_memory_size() / batch.num_rows().max(1);
        let rows = (PIECE_BYTES / row_bytes.max(1)).clamp(1, PIECE_ROWS);
        for start in (0..batch.num_rows()).step_by(rows) {
            self.write_piece(&batch.slice(start, rows.min(batch.num_rows() - start)))?;
        }
        Ok(())
    }

    fn write_piece(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        match &mut self.target {
            Target::Table(table, _) => table.push(batch),
            Target::Ndjson(lines, out) => lines.for_each(batch, |line| writeln!(out, "{line}")),
            Target::Json { lines, n_rows, out } => lines.for_each(batch, |line| {
                let before = if *n_rows == 0 { "[\n" } else { ",\n" };
                *n_rows += 1;
                write!(out, "{before}{line}")
            }),
            Target::Csv(writer) => write_csv_rows(writer, batch, self.is_for_terminal),
        }
    }

    /// Ends the answer and returns the writer.
    ///
    /// # Errors
    /// [`QueryError::Output`].
    pub fn finish(self) -> Result<W, QueryError> {
        let mut out = match self.target {
            Target::Table(table, mut out) => {
                table.write(&mut out)?;
                out
            }
            Target::Json { n_rows, mut out, .. } => {
                out.write_all(if n_rows == 0 { b"[]\n" } else { b"\n]\n" })?;
                out
            }
            Target::Ndjson(_, out) => out,
            Target::Csv(writer) => {
                writer.into_inner().map_err(|error| QueryError::Output(error.into_error()))?
            }
        };
        out.flush()?;
        Ok(out)
    }
}

/// The rows of a batch as JSON objects.
///
/// # Errors
/// [`QueryError::Execution`] for a value that has no form in JSON.
pub(crate) fn rows_as_json(batch: &RecordBatch) -> Result<Vec<Map<String, Value>>, QueryError> {
    let mut rows = Vec::with_capacity(batch.num_rows());
    JsonLines::new(batch.schema_ref()).for_each(batch, |line| {
        rows.push(serde_json::from_str(line)?);
        Ok(())
    })?;
    Ok(rows)
}

fn write_csv_rows<W: Write>(
    writer: &mut csv::Writer<W>,
    batch: &RecordBatch,
    is_for_terminal: bool,
) -> Result<(), QueryError> {
    let cells = Cells::new(batch)?;
    for row in 0..batch.num_rows() {
        for column in 0..batch.num_columns() {
            let cell = cells.text(column, row)?;
            let is_text = cells::is_text(batch.column(column).data_type());
            let cell = if is_text { escape_for_csv(&cell) } else { cell.as_str().into() };
            let cell =
                if is_for_terminal { escape_for_terminal(&cell) } else { cell.as_ref().into() };
            writer.write_field(cell.as_bytes()).map_err(csv_error)?;
        }
        writer.write_record(None::<&[u8]>).map_err(csv_error)?;
    }
    Ok(())
}

fn csv_error(error: csv::Error) -> QueryError {
    // Keeps the kind of a failed write, a closed pipe above all.
    let kind = match error.kind() {
        csv::ErrorKind::Io(io) => io.kind(),
        _ => io::ErrorKind::Other,
    };
    QueryError::Output(io::Error::new(kind, error))
}
