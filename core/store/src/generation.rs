//! Reading of one generation, whose content never changes, whatever runs publish meanwhile.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::checksum::{Checksums, Thoroughness};
use crate::error::StoreError;
use crate::manifest::{FileEntry, Manifest, Table, TableKind};
use crate::names::{self, GenerationId};
use crate::not_fetched::{self, Origin};
use crate::tenant::TenantStore;

/// The number of rows in a batch of [`Batches`].
const ROWS_PER_BATCH: usize = 8 * 1024;

/// A generation whose manifest was read.
#[derive(Debug, Clone)]
pub struct Generation {
    manifest: Manifest,
    checksums: Checksums,
}

impl Generation {
    pub(crate) fn open(
        folder: &Path,
        tenant: &TenantStore,
        id: &GenerationId,
    ) -> Result<Self, StoreError> {
        let manifest = Manifest::read(folder, tenant.name(), id)?;
        let origin = Origin::new(id, tenant.watcher());
        let tenant =
            folder.ancestors().nth(2).expect("a generation is two folders below its tenant");
        let checksums = Checksums::new(format!("generation {id}"), folder, tenant);
        let checksums = checksums.with_origin(origin);
        Ok(Self { manifest, checksums })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The id.
    pub fn id(&self) -> &GenerationId {
        &self.manifest.id
    }

    /// The folder, which the paths in the manifest are relative to.
    pub fn folder(&self) -> &Path {
        self.checksums.folder()
    }

    /// Returns true if every file is in the folder, or damaged. In a working copy, files may be in the other place only.
    pub fn is_fetched(&self) -> bool {
        !not_fetched::is_marked(self.folder())
    }

    /// The rows of a table in their stored order. Each file is verified and opened when its turn
    /// comes.
    ///
    /// # Errors
    ///
    /// [`StoreError::TableNotFound`].
    pub fn batches(&self, kind: TableKind, name: &str) -> Result<Batches, StoreError> {
        let files = self.table(kind, name)?.files.iter();
        let files = files.map(|file| file.file.clone()).collect();
        Ok(Batches::new(files, self.checksums.clone()))
    }

    /// Reads the columns of a table with their types.
    ///
    /// # Errors
    ///
    /// [`StoreError::TableNotFound`], [`StoreError::Damaged`], [`StoreError::Io`], [`StoreError::Parquet`].
    pub fn schema(&self, kind: TableKind, name: &str) -> Result<SchemaRef, StoreError> {
        let first = self.table(kind, name)?.files.first().expect("a table has a file");
        let file = self.checksums.open(&first.file)?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file);
        let path = self.folder().join(&first.file.path);
        Ok(reader.map_err(StoreError::parquet("read", &path))?.schema().clone())
    }

    /// Opens the files of a table, each verified when its turn comes.
    ///
    /// # Errors
    ///
    /// [`StoreError::TableNotFound`].
    pub fn open_files(
        &self,
        kind: TableKind,
        name: &str,
    ) -> Result<impl Iterator<Item = Result<File, StoreError>>, StoreError> {
        let files = self.table(kind, name)?.files.iter();
        Ok(files.map(|file| self.checksums.open(&file.file)))
    }

    /// Verifies the files of a table, for an engine that reads them itself.
    ///
    /// # Errors
    ///
    /// [`StoreError::TableNotFound`], [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn check_table(&self, kind: TableKind, name: &str) -> Result<(), StoreError> {
        let files = self.table(kind, name)?.files.iter().map(|file| &file.file);
        self.checksums.check(files, Thoroughness::Cached)
    }

    /// Reads an attachment; `None` if there is none of this name.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`], [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn attachment(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        names::check_file(name)?;
        let Some(entry) = self.manifest.attachments.iter().find(|file| file.path == name) else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let read = self.checksums.open(entry)?.read_to_end(&mut bytes);
        read.map_err(StoreError::io("read", &self.folder().join(name)))?;
        Ok(Some(bytes))
    }

    /// Reads every file and verifies its checksum.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] with all findings, [`StoreError::Io`].
    pub fn verify(&self) -> Result<(), StoreError> {
        self.checksums.check(self.manifest.files(), Thoroughness::Full)
    }

    /// Returns a line for each damaged file. Large files that matched before and have not changed
    /// since are not read again. Of a generation that was not fetched, none is known.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn find_damage(&self) -> Result<Vec<String>, StoreError> {
        if !self.is_fetched() {
            return Ok(Vec::new());
        }
        self.checksums.findings(self.manifest.files(), Thoroughness::Cached)
    }

    fn table(&self, kind: TableKind, name: &str) -> Result<&Table, StoreError> {
        self.manifest.table(kind, name).ok_or_else(|| StoreError::TableNotFound {
            id: self.id().to_string(),
            name: name.to_owned(),
        })
    }
}

/// The rows of a table, in batches. Ends after the first error.
pub struct Batches {
    waiting: VecDeque<FileEntry>,
    checksums: Checksums,
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
            let entry = self.waiting.pop_front()?;
            let path = self.checksums.folder().join(&entry.path);
            match self.open_next(&entry, &path) {
                Ok(reader) => self.open = Some((path, reader)),
                Err(error) => return Some(Err(self.end(error))),
            }
        }
    }
}

impl Batches {
    /// Iterates over the rows of these files, one file after the other.
    pub(crate) fn new(files: VecDeque<FileEntry>, checksums: Checksums) -> Self {
        Self { waiting: files, checksums, open: None }
    }

    fn open_next(
        &self,
        entry: &FileEntry,
        path: &Path,
    ) -> Result<ParquetRecordBatchReader, StoreError> {
        let file = self.checksums.open(entry)?;
        ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|builder| builder.with_batch_size(ROWS_PER_BATCH).build())
            .map_err(StoreError::parquet("read", path))
    }

    fn end(&mut self, error: StoreError) -> StoreError {
        self.waiting.clear();
        self.open = None;
        error
    }
}
