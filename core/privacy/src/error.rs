//! The errors of keys, suppressions and profiles. No message holds a secret or a value.

/// An error of keys, suppressions or profiles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivacyError {
    /// A file is not a key file, or it was damaged.
    #[error("this is not a key file: {reason}; restore your copy of it")]
    KeyFile {
        /// The defect.
        reason: &'static str,
    },
    /// A newer version of the program wrote a file.
    #[error(
        "the {what} has version {found}, and this program reads up to {known}; use a newer program"
    )]
    NewerVersion {
        /// The kind of file.
        what: &'static str,
        /// The version of the file.
        found: u32,
        /// The highest version that this program reads.
        known: u32,
    },
    /// Pseudonyms are needed, but there is no key.
    #[error("pseudonyms need a key: `privacy key new` makes one")]
    NoKey,
    /// No key has this id.
    #[error("there is no key `{id}`; `privacy key list` shows the keys")]
    UnknownKey {
        /// The requested id.
        id: String,
    },
    /// The key that makes new pseudonyms cannot be retired.
    #[error(
        "key `{id}` makes the current pseudonyms; run `privacy key rotate` and a run first, then retire it"
    )]
    KeyInUse {
        /// Its id.
        id: String,
    },
    /// The secret of a key was erased.
    #[error("key `{id}` is retired, so its pseudonyms cannot be made again")]
    RetiredKey {
        /// Its id.
        id: String,
    },
    /// A file is not a list of suppressions, or it was damaged.
    #[error("this is not a list of suppressions: {reason}")]
    SuppressionList {
        /// The defect.
        reason: &'static str,
    },
    /// A list of suppressions was made under another key.
    #[error(
        "the suppressions were made under key `{found}`, and the key file has `{expected}`: without \
         the right key erased people would come back; restore the right key file"
    )]
    OtherSuppressionKey {
        /// The id of the key in the list.
        found: String,
        /// The id of the installed key.
        expected: String,
    },
}
