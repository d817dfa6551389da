//! Where an answer goes: to standard output or into a new file, as text or as Parquet.

use std::io::{self, IsTerminal as _, Write};

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use core_files::{FileError, Replacement};
use core_query::{ParquetWriter, QueryError, ResultWriter};

use crate::cli::{AnswerFormat, AnswerOutput};
use crate::exit::Failure;
use crate::output;

/// Writes an answer in pieces.
pub(super) enum Sink {
    Text(Box<ResultWriter<Place>>),
    Parquet(Box<ParquetWriter<Place>>),
}

/// Standard output or a file.
pub(super) enum Place {
    Printed(Box<dyn Write + Send>),
    File(io::BufWriter<Replacement>),
}

/// Refuses what cannot be written, before anything is asked.
pub(super) fn check(output: &AnswerOutput) -> Result<(), Failure> {
    match &output.out {
        Some(path) if path.exists() && !output.force => Err(Failure::usage(format!(
            "{} exists: name another file for --out, or replace it with --force",
            path.display()
        ))),
        None if output.output == AnswerFormat::Parquet && io::stdout().is_terminal() => Err(
            Failure::usage("a terminal cannot show Parquet: write it into a file with --out FILE"),
        ),
        _ => Ok(()),
    }
}

impl Sink {
    pub(super) fn open(output: &AnswerOutput, schema: &Schema) -> Result<Self, QueryError> {
        let place = match &output.out {
            Some(path) => {
                Place::File(io::BufWriter::new(Replacement::begin(path).map_err(unwritten)?))
            }
            None => Place::Printed(Box::new(output::writer())),
        };
        let Some(format) = output.output.of_rows() else {
            return Ok(Self::Parquet(Box::new(ParquetWriter::new(schema, place)?)));
        };
        let is_printed = output.out.is_none();
        let writer = ResultWriter::new(format.into(), schema, place)?;
        Ok(Self::Text(Box::new(match output::terminal_columns().filter(|_| is_printed) {
            Some(columns) => writer.for_terminal(columns),
            None => writer,
        })))
    }

    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), QueryError> {
        match self {
            Self::Text(writer) => writer.write(rows),
            Self::Parquet(writer) => writer.write(rows),
        }
    }

    /// Ends the answer. A file is in its place from then on.
    pub(super) fn finish(self) -> Result<(), QueryError> {
        let place = match self {
            Self::Text(writer) => writer.finish()?,
            Self::Parquet(writer) => writer.finish()?,
        };
        match place {
            Place::Printed(_) => Ok(()),
            Place::File(file) => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.finish().map_err(unwritten)
            }
        }
    }
}

fn unwritten(error: FileError) -> QueryError {
    QueryError::Output(io::Error::new(error.source.kind(), error))
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Printed(out) => out.write(bytes),
            Self::File(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Printed(out) => out.flush(),
            Self::File(out) => out.flush(),
        }
    }
}
