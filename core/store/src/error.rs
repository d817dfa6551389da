//! The error type of this crate. It names files, tables and ids, and contains no cell value.

use std::io;
use std::path::{Path, PathBuf};

use core_files::FileError;
use parquet::errors::ParquetError;

use crate::manifest::FORMAT_VERSION;

/// An error of reading or writing a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The caller asked to stop.
    #[error("the work was stopped")]
    Stopped,
    /// A system call failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The operation, for example "create the file".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The location of the store is not supported.
    #[error(
        "a store on {scheme}:// is not supported: give a folder, as a path or as a file:// URL, or a bucket, as \
         s3://BUCKET/FOLDER or az://CONTAINER/FOLDER"
    )]
    UnsupportedLocation {
        /// The scheme of the address; the rest may contain credentials and is left out.
        scheme: String,
    },
    /// The location of the store is empty, or a `file://` address without a folder.
    #[error("the place of the store is not a folder: give a path or an absolute file:// URL")]
    InvalidLocation,
    /// A name that would become part of a path is invalid.
    #[error("{what} {name:?} is not a valid name: {rule}")]
    InvalidName {
        /// The purpose of the name.
        what: &'static str,
        /// The given name.
        name: String,
        /// The rule for valid names.
        rule: &'static str,
    },
    /// Another run writes to this tenant.
    #[error("another run holds the lock: {owner}")]
    Locked {
        /// The other run's own description.
        owner: String,
    },
    /// Another delivery to the same destination is in progress.
    #[error("another delivery is under way: {owner}")]
    Delivering {
        /// The other delivery's own description.
        owner: String,
    },
    /// A generation with this id was published before.
    #[error("generation {id} exists already")]
    GenerationExists {
        /// The id.
        id: String,
    },
    /// An entry was added to the ledger while a copy of another one was to take its place.
    #[error("the ledger was added to while a copy arrived: run this again")]
    LedgerChanged,
    /// There is no generation with this id.
    #[error("there is no generation {id}")]
    GenerationNotFound {
        /// The id.
        id: String,
    },
    /// The pointer to the published generation does not contain an id.
    #[error(
        "{} does not hold the ID of a generation: restore it from a backup, or write the ID of a kept generation into it",
        path.display()
    )]
    BrokenPointer {
        /// The pointer's file.
        path: PathBuf,
    },
    /// The manifest cannot be parsed.
    #[error("{} is not a manifest: restore its folder from a backup", path.display())]
    BrokenManifest {
        /// The manifest's file.
        path: PathBuf,
        /// The parse error.
        source: serde_json::Error,
    },
    /// The manifest can be parsed, but its content is inconsistent.
    #[error("{} is not the manifest of this generation: {reason}", path.display())]
    ForeignManifest {
        /// The manifest's file.
        path: PathBuf,
        /// The inconsistency.
        reason: &'static str,
    },
    /// The generation was written by a newer version of the program.
    #[error(
        "generation {id} has format version {found}, this program reads up to {FORMAT_VERSION}: use a newer version"
    )]
    NewerFormat {
        /// The generation.
        id: String,
        /// The format version in its manifest.
        found: u32,
    },
    /// The state of an event log cannot be parsed.
    #[error("{} is not the state of a log of events", path.display())]
    BrokenEvents {
        /// The state's file.
        path: PathBuf,
        /// The parse error.
        source: serde_json::Error,
    },
    /// The event log was written by a newer version of the program.
    #[error("the events of {name} have format version {found}: use a newer version")]
    NewerEvents {
        /// The log.
        name: String,
        /// The format version in its state.
        found: u32,
    },
    /// Files of a generation or event log are missing or do not match their checksums.
    #[error(
        "{owner} is damaged: {}; restore it from a backup, `store verify` lists all damage",
        findings.join(", ")
    )]
    Damaged {
        /// The generation or event log.
        owner: String,
        /// One line for each damaged file.
        findings: Vec<String>,
    },
    /// The generation has no such table.
    #[error("generation {id} has no table {name}")]
    TableNotFound {
        /// The generation.
        id: String,
        /// The requested table.
        name: String,
    },
    /// A table's declaration or its rows contradict it.
    #[error("table {name}: {reason}")]
    InvalidTable {
        /// The table.
        name: String,
        /// The contradiction.
        reason: String,
    },
    /// The tables of a draft differ from the written ones.
    #[error("the draft does not list what was written: {reason}")]
    InvalidDraft {
        /// The first difference.
        reason: String,
    },
    /// A table cannot be written to its file, or read from it.
    #[error("cannot {action} the table file {}", path.display())]
    Parquet {
        /// "write" or "read".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The Parquet library's error.
        source: ParquetError,
    },
    /// An entry of the ledger is too long.
    #[error("an entry of the ledger would have {bytes} bytes, which is too many")]
    LedgerEntryTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A generation may contain an erased person: an erasure was interrupted, or an older copy was
    /// restored.
    #[error(
        "generation {id} may show an erased person, since an erasure was not finished or an \
         older copy was put back: the next run finishes it, and `privacy suppression apply` names the \
         damage if it cannot"
    )]
    NotCleansed {
        /// The generation.
        id: String,
    },
    /// Events may contain an erased person: an erasure was interrupted, or an older copy was
    /// restored.
    #[error(
        "the events of {name} may show an erased person, since an erasure was not finished or an \
         older copy was put back: the next run finishes it"
    )]
    EventsNotCleansed {
        /// The log.
        name: String,
    },
    /// The folder is a working copy of a store in another place, which did not accept a change.
    #[error("{reason}")]
    NotPublished {
        /// The kind, where a caller decides by it.
        failure: PublishingFailure,
        /// The failure and its remedy.
        reason: String,
    },
    /// A small state file cannot be parsed.
    #[error(
        "the file {name}.json of the tenant is damaged; without it the store is looked at anew"
    )]
    BrokenState {
        /// Its name without the extension.
        name: &'static str,
        /// The parse error.
        source: serde_json::Error,
    },
    /// The folder is a working copy of a store in another place, which alone has the tables of the generation.
    #[error(
        "the tables of generation {id} are not on this machine yet, only in the bucket: fetch them with `store verify`; if \
         a run is at work on this machine, when it has ended"
    )]
    NotFetched {
        /// The generation.
        id: String,
    },
    /// The location of the store is not safe for personal data.
    #[error("{} {reason}: {fix}", path.display())]
    UnsafePlace {
        /// The folder.
        path: PathBuf,
        /// The defect.
        reason: &'static str,
        /// The remedy.
        fix: String,
    },
}

/// The reason why the place of a store did not accept a change of its working copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishingFailure {
    /// Another process writes there.
    Locked,
    /// The place cannot be reached.
    Unreachable,
    /// The credentials were refused.
    Credentials,
    /// The content there is damaged, or cannot be replaced by this.
    DataRefused,
    /// The place is configured wrongly.
    Configuration,
    /// Anything else.
    Other,
}

impl From<FileError> for StoreError {
    fn from(error: FileError) -> Self {
        let FileError { action, path, source } = error;
        Self::Io { action, path, source }
    }
}

impl StoreError {
    /// Returns true if stored data is damaged, rather than inaccessible.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::BrokenManifest { .. }
            | Self::ForeignManifest { .. }
            | Self::GenerationNotFound { .. }
            | Self::Damaged { .. }
            | Self::BrokenEvents { .. }
            | Self::Parquet { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Returns a function for `map_err` that adds the operation and the path to an `io::Error`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Returns a function for `map_err` that adds the operation and the path to a `ParquetError`.
    pub(crate) fn parquet(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(ParquetError) -> Self + use<> {
        let path = path.to_owned();
        move |source| match system_error(source) {
            Ok(source) => Self::Io { action, path, source },
            Err(source) => Self::Parquet { action, path, source },
        }
    }
}

/// Returns the answer of the system that an error of the Parquet library wraps, such as that the disk is full. An answer
/// about the content of a file is an error of the library: the file is damaged.
fn system_error(error: ParquetError) -> Result<io::Error, ParquetError> {
    let ParquetError::External(inner) = error else { return Err(error) };
    let inner = inner.downcast::<io::Error>().map_err(ParquetError::External)?;
    match inner.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
            Err(ParquetError::External(inner))
        }
        _ => Ok(*inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_damage_and_is_named_once() {
        let error = |kind: io::ErrorKind| {
            let wrapped =
                ParquetError::External(Box::new(io::Error::new(kind, "the system's words")));
            StoreError::parquet("write", Path::new("a.parquet"))(wrapped)
        };
        let full = error(io::ErrorKind::StorageFull);
        assert!(!full.is_damage());
        assert_eq!(full.to_string(), "cannot write a.parquet");
        let source = std::error::Error::source(&full).map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("the system's words"));
        for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidData] {
            assert!(error(kind).is_damage(), "{kind:?}");
        }
        let other = StoreError::parquet("read", Path::new("a.parquet"));
        assert!(other(ParquetError::General("cut".to_owned())).is_damage());
    }
}
