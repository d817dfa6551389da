//! What became of the rows of an export, and why an export is refused.

use crate::decoder::DecoderCounts;
pub use crate::protected::HashedNames;
use crate::refusal::Refusal;

/// What became of every row of an export.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RowAccount {
    /// Files that the export came in: one, or as many as it has parts.
    pub files: usize,
    /// Rows that added an entity or an edge, or that were counted as dangling.
    pub used: u64,
    /// Rows that only repeated what was known.
    pub merged: u64,
    /// Rows of those who were erased, of which nothing was read.
    pub suppressed: u64,
    /// What the login names look like, where pseudonyms stand for them.
    pub hashed_names: HashedNames,
    /// Rows read, blank lines, and rows set aside.
    pub decoder: DecoderCounts,
    /// Rows whose value lies outside the part that their file was to hold. They are used all the same,
    /// but they show that the saved query ignores its parameter.
    pub outside_partition: u64,
    /// Declared columns that a file does not have; their values are null.
    pub missing_columns: Vec<&'static str>,
    /// Relationship types of which a file names no end, so that it draws no edge of them.
    pub missing_ends: Vec<&'static str>,
    /// Columns of the export that nobody declared; they were ignored. Of several files, the most.
    pub unknown_columns: usize,
}

/// Why an export was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// It is no CSV as Nexthink exports it.
    #[error("the file is not the CSV that Nexthink exports")]
    Refused(#[from] Refusal),
    /// It lacks a column without which nothing can be identified.
    #[error("the export has no column `{}`; list it in the saved query{}", columns.join("`, `"), meant(near))]
    MissingKey {
        /// The columns.
        columns: Vec<&'static str>,
        /// Columns of the file that may be meant by them.
        near: Vec<String>,
    },
    /// It describes something else than a type, as the results of another query do.
    #[error(
        "the export has no column that describes a `{type_name}`, so it may be the results of \
         another query; save the query that `nql` prints under this id"
    )]
    OtherQuery {
        /// The type.
        type_name: &'static str,
    },
    /// It has more text than a table can hold.
    #[error("the texts of `{type_name}` have more than 1 GiB for one property; bound the query")]
    TooLarge {
        /// The type.
        type_name: &'static str,
    },
    /// The sums of the account do not close: a defect of this program.
    #[error("{read} rows were read and {accounted} accounted for; please report this")]
    Unaccounted {
        /// Rows read.
        read: u64,
        /// Rows accounted for.
        accounted: u64,
    },
}

impl RowAccount {
    /// Rows of all files, without the header and blank lines.
    pub fn read(&self) -> u64 {
        self.decoder.rows
    }

    /// Rows that were set aside.
    pub fn quarantined(&self) -> u64 {
        self.decoder.quarantine.rows
    }

    /// Every row read must be used, merged, quarantined or suppressed.
    pub(super) fn check(&self) -> Result<(), IngestError> {
        let accounted = self.used + self.merged + self.quarantined() + self.suppressed;
        let read = self.read();
        if read == accounted { Ok(()) } else { Err(IngestError::Unaccounted { read, accounted }) }
    }
}

/// What to say of columns that may be meant.
fn meant(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    format!(" under this very name (it has `{}`)", near.join("`, `"))
}
