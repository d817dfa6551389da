//! The files with objects: few and large, of one type each, entities before relationships in the order in
//! which `sync` uploads them. One thread makes them, another one writes them to the disk.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use core_files::{create_folder, write_new_file};
use core_store::Table;

use crate::contents::Contents;
use crate::error::JupiterOneError;
use crate::objects::{LIST_END, ObjectKind};
use crate::schema_violations::SchemaViolations;

/// The most bytes of one file: what `sync` uploads at a time (integration SDK 17.4).
const MAX_FILE_BYTES: usize = 5_000_000;

/// The number of finished files that may wait for the disk.
const WAITING_FILES: usize = 2;

/// The counts of what was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Objects by type.
    pub(super) objects: BTreeMap<String, u64>,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Writes all objects below a folder. Blocks.
pub(super) fn write_objects(
    contents: &Contents,
    folder: &Path,
    findings: &mut SchemaViolations,
) -> Result<Written, JupiterOneError> {
    let (finished, waiting) = mpsc::sync_channel(WAITING_FILES);
    thread::scope(|scope| {
        let disk = scope.spawn(move || write_files(waiting));
        let mut maker = Maker { folder, finished, written: Written::default() };
        let made = maker.make_all(contents, findings);
        let Maker { finished, written, .. } = maker;
        // Nothing more comes.
        drop(finished);
        disk.join().unwrap_or_else(|defect| resume_unwind(defect))?;
        match made {
            Ok(()) => Ok(written),
            Err(Stop::Refused(error)) => Err(error),
            Err(Stop::WriterEnded) => unreachable!("the writer ends early only with an error"),
        }
    })
}

/// The reason why no more files are made.
enum Stop {
    Refused(JupiterOneError),
    /// The other thread says why.
    WriterEnded,
}

impl From<JupiterOneError> for Stop {
    fn from(error: JupiterOneError) -> Self {
        Self::Refused(error)
    }
}

/// A file with all that is to stand in it.
struct Finished {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Makes the files of one table after the other.
struct Maker<'a> {
    folder: &'a Path,
    finished: SyncSender<Finished>,
    written: Written,
}

impl Maker<'_> {
    fn make_all(
        &mut self,
        contents: &Contents,
        findings: &mut SchemaViolations,
    ) -> Result<(), Stop> {
        for kind in [ObjectKind::Entities, ObjectKind::Relationships] {
            for table in contents.tables(kind.tables()) {
                let objects = self.make(contents, kind, table, findings)?;
                self.written.objects.insert(table.name.clone(), objects);
            }
        }
        Ok(())
    }

    /// Makes the files of a table and says how many objects it has.
    fn make(
        &mut self,
        contents: &Contents,
        kind: ObjectKind,
        table: &Table,
        findings: &mut SchemaViolations,
    ) -> Result<u64, Stop> {
        // `sync` reads folders by name, and a relationship is to come after the entities at its ends.
        let folder = self.folder.join(kind.name()).join(&table.name);
        create_folder(&folder).map_err(JupiterOneError::File)?;
        let (mut bytes, mut objects) = (Vec::new(), 0_u64);
        contents.for_each_object(table, findings, |object| {
            let length = bytes.len() + 1 + object.json.len() + LIST_END.len();
            if !bytes.is_empty() && length > MAX_FILE_BYTES {
                let next = Vec::with_capacity(MAX_FILE_BYTES);
                self.finish(&folder, std::mem::replace(&mut bytes, next))?;
            }
            bytes.extend_from_slice(if bytes.is_empty() { kind.list_start() } else { b"," });
            bytes.extend_from_slice(object.json);
            objects += 1;
            Ok::<(), Stop>(())
        })?;
        if !bytes.is_empty() {
            self.finish(&folder, bytes)?;
        }
        Ok(objects)
    }

    fn finish(&mut self, folder: &Path, mut bytes: Vec<u8>) -> Result<(), Stop> {
        bytes.extend_from_slice(LIST_END);
        let path = folder.join(format!("{:06}.json", self.written.files));
        self.written.files += 1;
        self.written.bytes += bytes.len() as u64;
        self.finished.send(Finished { path, bytes }).map_err(|_| Stop::WriterEnded)
    }
}

/// Writes files until there are none or one cannot be written. The queue is closed then.
fn write_files(waiting: Receiver<Finished>) -> Result<(), JupiterOneError> {
    waiting.into_iter().try_for_each(|file| Ok(write_new_file(&file.path, &file.bytes)?))
}

/// Writes a small file.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), JupiterOneError> {
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    Ok(write_new_file(path, bytes)?)
}
