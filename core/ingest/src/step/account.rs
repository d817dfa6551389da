//! The account of an export's rows, and the errors of an export.

use crate::decoder::DecoderCounts;
pub use crate::redaction::HashedNames;
use crate::rejection::Rejection;

/// The account of every row of an export.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RowAccount {
    /// The number of files of the export: one, or one per part.
    pub files: usize,
    /// Rows that added an entity or an edge, or that were counted as dangling.
    pub used: u64,
    /// Rows that only repeated what was known.
    pub merged: u64,
    /// Rows of erased people, which were removed before mapping.
    pub suppressed: u64,
    /// The counts of login names that look like hashes, where pseudonyms replace them.
    pub hashed_names: HashedNames,
    /// Rows read, blank lines, and quarantined rows.
    pub decoder: DecoderCounts,
    /// Rows whose value lies outside the part of their file. They are used all the same, but they
    /// show that the saved query ignores its parameter.
    pub outside_partition: u64,
    /// Declared columns that a file lacks; their values are null.
    pub missing_columns: Vec<&'static str>,
    /// Relationship types with an end that a file does not name, so that it draws no edge of them.
    pub missing_ends: Vec<&'static str>,
    /// The number of undeclared columns of the export, which are ignored. The largest number of
    /// several files.
    pub unknown_columns: usize,
}

/// The reason why an export was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// The file is not a CSV export of Nexthink.
    #[error("the file is not the CSV that Nexthink exports")]
    Rejected(#[from] Rejection),
    /// The export lacks a column that identifies its entities.
    #[error("the export has no column `{}`; list it in the saved query{}", columns.join("`, `"), suggestion(near))]
    MissingKey {
        /// The columns.
        columns: Vec<&'static str>,
        /// Columns of the file that may be meant.
        near: Vec<String>,
    },
    /// The export does not describe one of the step's types, as the results of another query do.
    #[error(
        "the export has no column that describes a `{type_name}`, so it may be the results of \
         another query; save the query that `nql` prints under this id"
    )]
    OtherQuery {
        /// The type.
        type_name: &'static str,
    },
    /// The export has more text than a table can hold.
    #[error("the texts of `{type_name}` have more than 1 GiB for one property; bound the query")]
    TooLarge {
        /// The type.
        type_name: &'static str,
    },
    /// The account does not close: a defect of this program.
    #[error("{read} rows were read and {accounted} accounted for; please report this")]
    Unaccounted {
        /// Rows read.
        read: u64,
        /// Rows accounted for.
        accounted: u64,
    },
}

impl RowAccount {
    /// The number of rows of all files, without headers and blank lines.
    pub fn read(&self) -> u64 {
        self.decoder.rows
    }

    /// The number of quarantined rows.
    pub fn quarantined(&self) -> u64 {
        self.decoder.quarantine.rows
    }

    /// Checks that every row read is used, merged, quarantined or suppressed.
    pub(super) fn check(&self) -> Result<(), IngestError> {
        let accounted = self.used + self.merged + self.quarantined() + self.suppressed;
        let read = self.read();
        if read == accounted { Ok(()) } else { Err(IngestError::Unaccounted { read, accounted }) }
    }
}

/// The part of the message that names similar columns.
fn suggestion(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    format!(" under this very name (it has `{}`)", near.join("`, `"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_closes_only_if_each_row_that_was_read_is_in_it_once() {
        let account = |read, [used, merged, quarantined, suppressed]: [u64; 4]| {
            let mut account = RowAccount { used, merged, suppressed, ..RowAccount::default() };
            account.decoder.rows = read;
            account.decoder.quarantine.rows = quarantined;
            account
        };
        for (read, parts, closes) in [
            (0, [0, 0, 0, 0], true),
            (10, [4, 3, 2, 1], true),
            (4, [4, 0, 0, 0], true),
            (3, [0, 3, 0, 0], true),
            (2, [0, 0, 2, 0], true),
            (1, [0, 0, 0, 1], true),
            (11, [4, 3, 2, 1], false),
            (9, [4, 3, 2, 1], false),
        ] {
            let account = account(read, parts);
            let checked = account.check();
            assert_eq!(checked.is_ok(), closes, "{read} {parts:?}");
            assert_eq!((account.read(), account.quarantined()), (read, parts[2]));
            if let Err(error) = checked {
                let accounted = parts.iter().sum();
                assert_eq!(error, IngestError::Unaccounted { read, accounted });
            }
        }
    }

    #[test]
    fn a_missing_key_is_told_with_the_names_that_may_be_meant() {
        let missing = |near: &[&str]| {
            let near = near.iter().map(|&name| name.to_owned()).collect();
            IngestError::MissingKey { columns: vec!["device.uid"], near }.to_string()
        };
        let told = "the export has no column `device.uid`; list it in the saved query";
        assert_eq!(missing(&[]), told);
        let near = format!("{told} under this very name (it has `uid`, `device.id`)");
        assert_eq!(missing(&["uid", "device.id"]), near);
    }
}
