//! Reads parts of a file by their position, so that several threads can read the same open file. The clones of a
//! [`File`] share one position: a thread that seeks would move the position of another thread that reads.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::reader::{ChunkReader, Length};

/// An open file that is read by position only.
#[derive(Clone)]
pub(super) struct PositionedFile(Arc<File>);

/// A reader with its own position.
pub(super) struct PositionedReader {
    file: Arc<File>,
    position: u64,
}

impl PositionedFile {
    pub(super) fn new(file: File) -> Self {
        Self(Arc::new(file))
    }
}

impl Length for PositionedFile {
    fn len(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }
}

impl ChunkReader for PositionedFile {
    type T = BufReader<PositionedReader>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(PositionedReader { file: Arc::clone(&self.0), position: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut bytes = Vec::with_capacity(length);
        let reader = PositionedReader { file: Arc::clone(&self.0), position: start };
        reader.take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF("the file ends too early".to_owned()));
        }
        Ok(bytes.into())
    }
}

impl Read for PositionedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = read_at(&self.file, buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, position)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn threads_that_read_one_file_do_not_disturb_each_other() {
        let content: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut file = tempfile::tempfile().expect("a file can be made");
        file.write_all(&content).expect("it can be written");
        let file = PositionedFile::new(file);
        assert_eq!(file.len(), content.len() as u64);
        let read = |thread: usize| {
            for round in 0..200 {
                let (start, length) = ((thread * 7_919 + round * 104_729) % 3_000_000, 100_000);
                let expected = &content[start..start + length];
                let bytes = file.get_bytes(start as u64, length).expect("it is there");
                assert_eq!(bytes, expected, "thread {thread}, round {round}");
                let mut first = [0; 5_000];
                let mut reader = file.get_read(start as u64).expect("it is there");
                reader.read_exact(&mut first).expect("it is there");
                assert_eq!(first, expected[..5_000], "thread {thread}, round {round}");
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || read(thread));
            }
        });
        assert!(file.get_bytes(3_999_999, 2).is_err(), "it ends before");
    }
}
