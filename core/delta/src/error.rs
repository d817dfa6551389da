//! Failures in a folder of Delta tables, and their remedies.

use std::io;
use std::path::{Path, PathBuf};

use core_destination::DeliveryError;
use core_files::FileError;

/// A failure in a folder of Delta tables.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The folder has something that is not ours.
    #[error(
        "{folder} has files that this program did not make, such as {name}: name an empty or a new folder in \
         `destinations.delta.folder`"
    )]
    ForeignFolder {
        /// The folder.
        folder: PathBuf,
        /// One of the files.
        name: String,
    },
    /// The folder has another tenant.
    #[error(
        "{folder} has the tables of tenant {found}, and this is tenant {tenant}: name another folder in \
         `destinations.delta.folder`"
    )]
    ForeignTenant {
        /// The folder.
        folder: PathBuf,
        /// Its tenant.
        found: String,
        /// Ours.
        tenant: String,
    },
    /// A newer version of the program wrote the folder.
    #[error(
        "{folder} was written by a newer version of this program (format {found}): update this one"
    )]
    NewerFormat {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The folder has a newer generation.
    #[error(
        "{folder} has generation {found}, which is newer than {ours}: this store may be an old copy; if it is the \
         right one, deliver once with `--accept-destination`"
    )]
    NewerGeneration {
        /// The folder.
        folder: PathBuf,
        /// Its generation.
        found: String,
        /// Ours.
        ours: String,
    },
    /// The folder has been through an erasure that the generation has not been through.
    #[error(
        "{folder} has been through erasure {erasure}, and generation {ours} has not: this store may be from before it, and \
         would bring the erased back; if the erasure was lifted, deliver once with `--accept-destination`"
    )]
    BeforeErasure {
        /// The folder.
        folder: PathBuf,
        /// The erasure, by its id.
        erasure: String,
        /// Our generation.
        ours: String,
    },
    /// A version of a table is not ours.
    #[error(
        "version {version} of {table} was written by another program: a delivery would undo what it did; remove the \
         table's folder to have it made anew"
    )]
    ForeignVersion {
        /// The table's folder.
        table: PathBuf,
        /// The version.
        version: u64,
    },
    /// Another program committed at the same moment.
    #[error("another program wrote version {version} of {table} at the same time: deliver again")]
    Conflict {
        /// The table's folder.
        table: PathBuf,
        /// The version.
        version: u64,
    },
    /// A file of the folder cannot be understood.
    #[error("{path} is damaged: remove the folder of the table to have it made anew")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A column whose type no generation has.
    #[error("column {column} of {type_name} has the type {found}, which no generation has")]
    Column {
        /// The `_type`.
        type_name: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// A checkpoint cannot be made.
    #[error("the checkpoint of {type_name} cannot be written")]
    Checkpoint {
        /// The `_type`.
        type_name: String,
        /// The reason.
        #[source]
        source: anyhow::Error,
    },
    /// The system refuses.
    #[error(transparent)]
    File(#[from] FileError),
}

impl DeltaError {
    /// A failure of the system at a path.
    pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File(FileError { action, path: path.to_owned(), source })
    }
}

impl From<DeltaError> for DeliveryError {
    fn from(error: DeltaError) -> Self {
        match error {
            DeltaError::ForeignFolder { .. }
            | DeltaError::ForeignTenant { .. }
            | DeltaError::NewerFormat { .. }
            | DeltaError::NewerGeneration { .. }
            | DeltaError::BeforeErasure { .. } => Self::Configuration(error.into()),
            error => Self::Failed(error.into()),
        }
    }
}
