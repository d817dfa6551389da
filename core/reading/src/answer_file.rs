//! Writes an answer in pieces: to the reader or into a new file, as text or as Parquet.

use std::io::{self, Write};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use core_files::{FileError, Replacement, link_target};
use core_query::{Format, ParquetWriter, QueryError, ResultWriter};

/// The writer to the reader.
pub struct Printed {
    /// Takes what is written.
    pub writer: Box<dyn Write + Send>,
    /// The width of the terminal; none if it goes elsewhere.
    pub columns: Option<usize>,
}

/// An answer that is being written.
pub struct AnswerFile(Writer);

enum Writer {
    Text(Box<ResultWriter<Place>>),
    Parquet(Box<ParquetWriter<Place>>),
}

/// The reader or a file.
enum Place {
    Printed(Box<dyn Write + Send>),
    File(io::BufWriter<Replacement>),
}

impl AnswerFile {
    /// Begins an answer in a form, Parquet if none is given: in a file if one is named, else for the reader.
    ///
    /// # Errors
    ///
    /// The file or a column cannot be written.
    pub fn open(
        file: Option<&Path>,
        format: Option<Format>,
        schema: &Schema,
        printed: Printed,
    ) -> Result<Self, QueryError> {
        let place = match file {
            Some(path) => {
                let file = link_target(path).and_then(|path| Replacement::begin(&path));
                Place::File(io::BufWriter::new(file.map_err(unwritten)?))
            }
            None => Place::Printed(printed.writer),
        };
        let Some(format) = format else {
            return Ok(Self(Writer::Parquet(Box::new(ParquetWriter::new(schema, place)?))));
        };
        let writer = ResultWriter::new(format, schema, place)?;
        Ok(Self(Writer::Text(Box::new(match printed.columns.filter(|_| file.is_none()) {
            Some(columns) => writer.for_terminal(columns),
            None => writer,
        }))))
    }

    /// Writes rows.
    ///
    /// # Errors
    ///
    /// They cannot be written.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), QueryError> {
        match &mut self.0 {
            Writer::Text(writer) => writer.write(rows),
            Writer::Parquet(writer) => writer.write(rows),
        }
    }

    /// Ends the answer. A file is in its place from then on.
    ///
    /// # Errors
    ///
    /// The end cannot be written.
    pub fn finish(self) -> Result<(), QueryError> {
        let place = match self.0 {
            Writer::Text(writer) => writer.finish()?,
            Writer::Parquet(writer) => writer.finish()?,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use arrow_array::{ArrayRef, StringArray};

    use super::*;

    /// A writer whose bytes a test sees.
    struct Watched(Sender<Vec<u8>>);

    impl Write for Watched {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed() -> (Printed, Receiver<Vec<u8>>) {
        let (sender, receiver) = channel();
        (Printed { writer: Box::new(Watched(sender)), columns: None }, receiver)
    }

    fn batch() -> RecordBatch {
        let names: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        RecordBatch::try_from_iter([("name", names)]).expect("one column")
    }

    fn write(file: Option<&Path>, format: Option<Format>) -> Vec<u8> {
        let (printed, receiver) = printed();
        let answer = AnswerFile::open(file, format, &batch().schema(), printed);
        let mut answer = answer.expect("it can be begun");
        answer.write(&batch()).expect("it can be written");
        answer.finish().expect("it can be ended");
        receiver.into_iter().flatten().collect()
    }

    #[test]
    fn an_answer_goes_to_the_reader_or_into_a_file_and_not_to_both() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("answer.csv");
        assert_eq!(write(None, Some(Format::Csv)), b"name\r\na\r\nb\r\n");
        assert_eq!(write(Some(&file), Some(Format::Csv)), b"");
        assert_eq!(std::fs::read(&file).expect("it was written"), b"name\r\na\r\nb\r\n");
        assert_eq!(write(Some(&file), None), b"");
        assert!(std::fs::read(&file).expect("it was written").starts_with(b"PAR1"));
    }

    #[test]
    fn a_file_is_there_only_once_its_answer_has_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("answer.csv");
        let (printed, _receiver) = printed();
        let answer = AnswerFile::open(Some(&file), Some(Format::Csv), &batch().schema(), printed);
        let mut answer = answer.expect("it can be begun");
        answer.write(&batch()).expect("it can be written");
        assert!(!file.exists());
        drop(answer);
        assert!(!file.exists(), "an answer that failed leaves none");
    }
}
