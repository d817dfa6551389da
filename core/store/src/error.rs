//! The one error type of this crate. It names files, tables and ids, and holds no cell value.

use std::io;
use std::path::{Path, PathBuf};

use core_files::FileError;
use parquet::errors::ParquetError;

use crate::manifest::FORMAT_VERSION;

/// What can go wrong when a store is read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused something; `source` says what.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, for example "create the file".
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The place of the store cannot be used.
    #[error(
        "a store on {scheme}:// is not supported yet: give a folder, as a path or as a file:// URL"
    )]
    UnsupportedLocation {
        /// The scheme of the address; the rest may hold credentials and is left out.
        scheme: String,
    },
    /// The place of the store is empty, or a `file://` address that names no folder.
    #[error("the place of the store is not a folder: give a path or an absolute file:// URL")]
    InvalidLocation,
    /// A name that would become part of a path is refused.
    #[error("{what} {name:?} is not a valid name: {rule}")]
    InvalidName {
        /// What the name is for.
        what: &'static str,
        /// The name as it was given.
        name: String,
        /// What a valid name looks like.
        rule: &'static str,
    },
    /// Another run writes to this tenant.
    #[error("another run holds the lock: {owner}")]
    Locked {
        /// What the other run wrote about itself.
        owner: String,
    },
    /// Another delivery to the same destination is under way.
    #[error("another delivery is under way: {owner}")]
    Delivering {
        /// What the other delivery wrote about itself.
        owner: String,
    },
    /// A generation with this id was published before.
    #[error("generation {id} exists already")]
    GenerationExists {
        /// The id.
        id: String,
    },
    /// There is no generation with this id.
    #[error("there is no generation {id}")]
    GenerationNotFound {
        /// The id.
        id: String,
    },
    /// The pointer to the published generation holds something else than an id.
    #[error("{} does not hold the id of a generation", path.display())]
    BrokenPointer {
        /// The pointer's file.
        path: PathBuf,
    },
    /// The manifest cannot be read as one.
    #[error("{} is not a manifest", path.display())]
    BrokenManifest {
        /// The manifest's file.
        path: PathBuf,
        /// Where the text stops making sense.
        source: serde_json::Error,
    },
    /// The manifest can be read, but what it says cannot be right.
    #[error("{} is not the manifest of this generation: {reason}", path.display())]
    ForeignManifest {
        /// The manifest's file.
        path: PathBuf,
        /// What does not fit.
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
    /// The state of a log of events cannot be read as one.
    #[error("{} is not the state of a log of events", path.display())]
    BrokenEvents {
        /// The state's file.
        path: PathBuf,
        /// Where the text stops making sense.
        source: serde_json::Error,
    },
    /// The log of events was written by a newer version of the program.
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
        /// The table asked for.
        name: String,
    },
    /// A table's declaration or its rows contradict it.
    #[error("table {name}: {reason}")]
    InvalidTable {
        /// The table.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The draft's tables are not the tables that were written.
    #[error("the draft does not list what was written: {reason}")]
    InvalidDraft {
        /// The first difference.
        reason: String,
    },
    /// A table cannot be written to or read from its file.
    #[error("cannot {action} the table file {}", path.display())]
    Parquet {
        /// "write" or "read".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the Parquet library says.
        source: ParquetError,
    },
    /// An entry of the ledger is longer than one can be.
    #[error("an entry of the ledger would have {bytes} bytes, which is too many")]
    LedgerEntryTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A generation may show somebody who was erased: an erasure was interrupted, or an older copy put
    /// back.
    #[error(
        "generation {id} may show somebody who was erased, since an erasure was not finished or an \
         older copy was put back: the next run finishes it, and `privacy suppression apply` says if \
         damage keeps it from that"
    )]
    NotCleansed {
        /// The generation.
        id: String,
    },
    /// Events may show somebody who was erased: an erasure was interrupted, or an older copy put back.
    #[error(
        "the events of {name} may show somebody who was erased, since an erasure was not finished or an \
         older copy was put back: the next run finishes it"
    )]
    EventsNotCleansed {
        /// The log.
        name: String,
    },
    /// A small file of ours cannot be read as what it should be.
    #[error(
        "the file {name}.json of the tenant is damaged; without it the store is looked at anew"
    )]
    BrokenState {
        /// Its name without the extension.
        name: &'static str,
        /// Where the text stops making sense.
        source: serde_json::Error,
    },
    /// The place of the store is not safe to keep personal data in.
    #[error("{} {reason}: {fix}", path.display())]
    UnsafePlace {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
        /// What to do.
        fix: String,
    },
}

impl From<FileError> for StoreError {
    fn from(error: FileError) -> Self {
        let FileError { action, path, source } = error;
        Self::Io { action, path, source }
    }
}

impl StoreError {
    /// Returns whether what is stored cannot be read, though the system lets it be read.
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

    /// Makes the conversion for one `io::Error`: what was tried, and on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Makes the conversion for one `ParquetError`.
    pub(crate) fn parquet(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(ParquetError) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Parquet { action, path, source }
    }
}
