//! Reads one generation. What it reads never changes, whatever runs publish meanwhile.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use url::Url;

use crate::error::StoreError;
use crate::manifest::{FileEntry, Manifest, Table, TableKind};
use crate::names::{self, GenerationId};

/// Rows of the batches that [`Batches`] hands out.
const ROWS_PER_BATCH: usize = 8 * 1024;

/// A generation whose manifest has been read.
#[derive(Debug, Clone)]
pub struct Generation {
    folder: PathBuf,
    manifest: Manifest,
}

impl Generation {
    pub(crate) fn open(
        folder: PathBuf,
        tenant: &str,
        id: &GenerationId,
    ) -> Result<Self, StoreError> {
        let manifest = Manifest::read(&folder, tenant, id)?;
        Ok(Self { folder, manifest })
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its id.
    pub fn id(&self) -> &GenerationId {
        &self.manifest.id
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The rows of a table in their stored order. Files are opened when their turn comes.
    ///
    /// # Errors
    /// [`StoreError::TableNotFound`].
    pub fn batches(&self, kind: TableKind, name: &str) -> Result<Batches, StoreError> {
        let files = self.table(kind, name)?.files.iter();
        let waiting = files.map(|file| self.folder.join(&file.file.path)).collect();
        Ok(Batches { waiting, open: None })
    }

    /// The addresses of a table's Parquet files, for an engine that reads them itself.
    ///
    /// # Errors
    /// [`StoreError::TableNotFound`].
    pub fn table_files(&self, kind: TableKind, name: &str) -> Result<Vec<Url>, StoreError> {
        let address = |path: &str| {
            Url::from_file_path(self.folder.join(path)).expect("a store's folder is absolute")
        };
        let files = &self.table(kind, name)?.files;
        Ok(files.iter().map(|file| address(&file.file.path)).collect())
    }

    /// The bytes of an attachment, or none if there is none of this name.
    ///
    /// # Errors
    /// [`StoreError::InvalidName`] and [`StoreError::Io`].
    pub fn attachment(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        names::check_file(name)?;
        if !self.manifest.attachments.iter().any(|file| file.path == name) {
            return Ok(None);
        }
        let path = self.folder.join(name);
        fs::read(&path).map(Some).map_err(StoreError::io("read", &path))
    }

    /// Reads every file and compares it with the manifest.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with all findings.
    pub fn verify(&self) -> Result<(), StoreError> {
        let mut findings = Vec::new();
        for file in self.manifest.files() {
            if let Some(finding) = examine(&self.folder.join(&file.path), file) {
                findings.push(format!("{} {finding}", file.path));
            }
        }
        if findings.is_empty() {
            return Ok(());
        }
        Err(StoreError::Damaged { id: self.id().to_string(), findings })
    }

    fn table(&self, kind: TableKind, name: &str) -> Result<&Table, StoreError> {
        self.manifest.table(kind, name).ok_or_else(|| StoreError::TableNotFound {
            id: self.id().to_string(),
            name: name.to_owned(),
        })
    }
}

/// What is wrong with a file, if anything.
fn examine(path: &Path, expected: &FileEntry) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    let n_bytes = match File::open(path).and_then(|mut file| io::copy(&mut file, &mut hasher)) {
        Ok(n_bytes) => n_bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Some("is missing".to_owned()),
        Err(error) => return Some(format!("cannot be read ({error})")),
    };
    if n_bytes != expected.bytes {
        return Some(format!("has {n_bytes} bytes instead of {}", expected.bytes));
    }
    if hasher.finalize().to_hex().as_str() != expected.blake3 {
        return Some("has another content than when it was written".to_owned());
    }
    None
}

/// The rows of a table, in batches. Ends after the first error.
pub struct Batches {
    waiting: VecDeque<PathBuf>,
    open: Option<(PathBuf, ParquetRecordBatchReader)>,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((path, reader)) = &mut self.open {
                match reader.next() {
                    Some(Ok(batch)) => return Some(Ok(batch)),
                    Some(Err(error)) => {
                        let error = StoreError::parquet("read", path)(error.into());
                        return Some(Err(self.end(error)));
                    }
                    None => self.open = None,
                }
            }
            let path = self.waiting.pop_front()?;
            match open(&path) {
                Ok(reader) => self.open = Some((path, reader)),
                Err(error) => return Some(Err(self.end(error))),
            }
        }
    }
}

impl Batches {
    /// The rows of these files, one file after the other.
    pub(crate) fn of(files: VecDeque<PathBuf>) -> Self {
        Self { waiting: files, open: None }
    }

    fn end(&mut self, error: StoreError) -> StoreError {
        self.waiting.clear();
        self.open = None;
        error
    }
}

fn open(path: &Path) -> Result<ParquetRecordBatchReader, StoreError> {
    let file = File::open(path).map_err(StoreError::io("open the file", path))?;
    ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(ROWS_PER_BATCH).build())
        .map_err(StoreError::parquet("read", path))
}
