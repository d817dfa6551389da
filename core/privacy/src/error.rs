//! What can be wrong with keys, suppressions and profiles. No message holds a secret or a value.

/// What can be wrong with keys, suppressions and profiles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivacyError {
    /// A key file is none, or it was damaged.
    #[error("this is no key file: {reason}; put back the copy that you keep of it")]
    KeyFile {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A newer program wrote a file.
    #[error("the {what} has version {found}, and this program reads {known}: use a newer one")]
    NewerVersion {
        /// Which file.
        what: &'static str,
        /// Its version.
        found: u32,
        /// The highest version that this program reads.
        known: u32,
    },
    /// Pseudonyms are to be made without a key.
    #[error("pseudonyms need a key: `privacy key new` makes one")]
    NoKey,
    /// No key has this id.
    #[error("there is no key `{id}`; `privacy key list` shows the keys")]
    UnknownKey {
        /// The id that was named.
        id: String,
    },
    /// The key that makes new pseudonyms cannot be retired.
    #[error("key `{id}` makes the pseudonyms: rotate first, run, and retire it then")]
    KeyInUse {
        /// Its id.
        id: String,
    },
    /// A key's secret is gone.
    #[error("key `{id}` is retired, so that its pseudonyms cannot be made again")]
    RetiredKey {
        /// Its id.
        id: String,
    },
    /// A list of suppressions is none, or it was damaged.
    #[error("this is no list of suppressions: {reason}")]
    SuppressionList {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A list of suppressions was made under another key.
    #[error(
        "the suppressions were made under key `{found}`, and the key file has `{expected}`: without \
         the right key erased people would come back; put back the right key file"
    )]
    OtherSuppressionKey {
        /// The id of the key in the list.
        found: String,
        /// The id of the key at hand.
        expected: String,
    },
}
