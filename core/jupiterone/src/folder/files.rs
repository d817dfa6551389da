//! The files with objects: few and large, of one type each, entities before relationships in the order in
//! which `sync` uploads them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use core_store::{Table, TableKind};

use crate::contents::Contents;
use crate::error::JupiterOneError;
use crate::findings::Findings;
use crate::objects::{LIST_END, ObjectKind};

/// The most bytes of one file: what `sync` uploads at a time (integration SDK 17.4).
const MAX_FILE_BYTES: u64 = 5_000_000;

/// How much is written at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes the objects of one table after the other.
pub(super) struct ObjectFiles {
    folder: PathBuf,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl ObjectFiles {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, files: 0, bytes: 0 }
    }

    /// Writes all objects of a table and says how many.
    pub(super) fn write(
        &mut self,
        contents: &Contents,
        table: &Table,
        findings: &mut Findings,
    ) -> Result<u64, JupiterOneError> {
        let kind = match table.kind {
            TableKind::Entity => ObjectKind::Entities,
            TableKind::Relationship => ObjectKind::Relationships,
        };
        // `sync` reads folders by name, and a relationship is to come after the entities at its ends.
        let folder = self.folder.join(kind.name()).join(&table.name);
        create_folder(&folder)?;
        let (mut open, mut objects): (Option<ObjectFile>, _) = (None, 0_u64);
        contents.for_each_object(table, findings, |object| {
            let length = object.json.len() as u64 + 1;
            if open.as_ref().is_some_and(|file| file.bytes + length > MAX_FILE_BYTES) {
                self.close(open.take())?;
            }
            let file = match &mut open {
                Some(file) => file,
                None => open.insert(ObjectFile::create(&folder, kind, self.files)?),
            };
            objects += 1;
            file.push(object.json)
        })?;
        self.close(open)?;
        Ok(objects)
    }

    fn close(&mut self, file: Option<ObjectFile>) -> Result<(), JupiterOneError> {
        if let Some(file) = file {
            self.files += 1;
            self.bytes += file.finish()?;
        }
        Ok(())
    }
}

struct ObjectFile {
    path: PathBuf,
    writer: BufWriter<File>,
    bytes: u64,
    is_empty: bool,
}

impl ObjectFile {
    fn create(folder: &Path, kind: ObjectKind, number: u64) -> Result<Self, JupiterOneError> {
        let path = folder.join(format!("{number:06}.json"));
        let file = create(&path)?;
        let writer = BufWriter::with_capacity(BUFFER_BYTES, file);
        let mut file = Self { path, writer, bytes: 0, is_empty: true };
        file.append(kind.list_start())?;
        Ok(file)
    }

    fn push(&mut self, object: &[u8]) -> Result<(), JupiterOneError> {
        if !self.is_empty {
            self.append(b",")?;
        }
        self.is_empty = false;
        self.append(object)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), JupiterOneError> {
        self.bytes += bytes.len() as u64;
        self.writer.write_all(bytes).map_err(JupiterOneError::io("write", &self.path))
    }

    fn finish(mut self) -> Result<u64, JupiterOneError> {
        self.append(LIST_END)?;
        let flushed = self.writer.flush().and_then(|()| self.writer.get_ref().sync_data());
        flushed.map_err(JupiterOneError::io("write", &self.path))?;
        Ok(self.bytes)
    }
}

/// Makes a folder and those above it, for the owner only: what is in it tells of people.
pub(super) fn create_folder(path: &Path) -> Result<(), JupiterOneError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(JupiterOneError::io("create the folder", path))
}

/// Writes a small file.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), JupiterOneError> {
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    let mut file = create(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_data());
    written.map_err(JupiterOneError::io("write", path))
}

fn create(path: &Path) -> Result<File, JupiterOneError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(JupiterOneError::io("create the file", path))
}
