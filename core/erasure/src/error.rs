//! The errors of this crate. No message holds an identifier, a cell or a key.

use core_privacy::PrivacyError;
use core_store::StoreError;

/// An error of an erasure, a search or a retrieval.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErasureError {
    /// The key file cannot be used.
    #[error(transparent)]
    KeyFile(anyhow::Error),
    /// The keys do not fit the list of erased people.
    #[error(transparent)]
    Keys(#[from] PrivacyError),
    /// The typed text identifies several objects of one generation.
    #[error(
        "{owners} objects of generation {generation} are known by this: name the right ones by their uids, \
         several if they are one and the same"
    )]
    Ambiguous {
        /// The number of objects.
        owners: usize,
        /// The generation.
        generation: String,
    },
    /// The typed text belonged to several objects, one after the other.
    #[error(
        "this belonged to {owners} objects at different times: name the right ones by their uids, several \
         if they are one and the same"
    )]
    Reused {
        /// The number of objects.
        owners: usize,
    },
    /// There are more identifiers than one search can look for.
    #[error("there are too many identifiers")]
    TooManyIdentifiers,
    /// The copy of the list of erased people cannot be read.
    #[error(transparent)]
    ListCopy(core_files::FileError),
    /// A list of erased people is damaged.
    #[error("{place} cannot be read, and without it people who were erased would come back")]
    DamagedList {
        /// The file.
        place: String,
        /// The defect.
        source: PrivacyError,
    },
    /// The store names erasures, and there is no list of erased people.
    #[error(
        "the store names {named} erasures, and both lists of erased people are missing, so that they would \
         be read again: put back {file} in the tenant's folder of the store, or {copy}, from a backup"
    )]
    LostLists {
        /// The number of erasures.
        named: usize,
        /// The name of the list in the store.
        file: String,
        /// The path of its copy.
        copy: String,
    },
    /// The store is older than the list of erased people.
    #[error(
        "the store is older than the last erasure, so it may contain an erased person: `{program} \
         privacy suppression apply` removes them again"
    )]
    OlderStore {
        /// The name of the program.
        program: String,
    },
    /// The published generation cannot be read.
    #[error("no person can be erased, since the published generation {how_to_restore}")]
    PublishedDamaged {
        /// The generation with its damage, and what to do.
        how_to_restore: String,
    },
    /// Files of the events are damaged.
    #[error(
        "no one can be removed from the events of the audit trail, since they cannot be read: restore their \
         files from a backup, or `{program} backfill audit --start-over --from TIME` removes all events and \
         reads anew what Nexthink still has"
    )]
    EventsDamaged {
        /// The name of the program.
        program: String,
        /// The damage.
        source: StoreError,
    },
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Files(anyhow::Error),
}

/// The kind of an error, for callers that decide by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request, the keys or their place must be corrected.
    Configuration,
    /// The stored data is damaged, lost or older than an erasure.
    Data,
    /// This machine failed, or the store did: its own error says how.
    Local,
}

impl ErasureError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::KeyFile(_)
            | Self::Keys(_)
            | Self::Ambiguous { .. }
            | Self::Reused { .. }
            | Self::ListCopy(_) => ErrorKind::Configuration,
            Self::LostLists { .. }
            | Self::OlderStore { .. }
            | Self::PublishedDamaged { .. }
            | Self::EventsDamaged { .. } => ErrorKind::Data,
            Self::TooManyIdentifiers
            | Self::DamagedList { .. }
            | Self::Store(_)
            | Self::Files(_) => ErrorKind::Local,
        }
    }
}
