//! Names that become part of a path, and their rules, so that no name can leave its folder.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::error::StoreError;

/// Device names that Windows reserves in every folder, with any extension.
const WINDOWS_DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// The id of a generation: a ULID, made by the caller. Ids sort by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GenerationId(
    // Invariant: a ULID as it is written by default, in upper case.
    String,
);

impl GenerationId {
    /// Parses an id: 26 characters, upper case.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`] if the text is not a ULID.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        // Other spellings, such as lower case, would be other names of the same folder.
        if Ulid::from_string(text).is_ok_and(|ulid| ulid.to_string() == text) {
            return Ok(Self(text.to_owned()));
        }
        Err(StoreError::InvalidName {
            what: "generation",
            name: text.to_owned(),
            rule: "26 characters of a ULID in upper case",
        })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The time in the id, in milliseconds since 1970-01-01 UTC.
    pub fn time_ms(&self) -> u64 {
        Ulid::from_string(&self.0).expect("an id is a ULID").timestamp_ms()
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for GenerationId {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for GenerationId {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        Self::parse(&text)
    }
}

impl From<GenerationId> for String {
    fn from(id: GenerationId) -> Self {
        id.0
    }
}

/// Checks the name of a tenant: a label as in a host name, in lower case.
pub(crate) fn check_tenant(name: &str) -> Result<(), StoreError> {
    let valid = (1..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !is_windows_device(name);
    let rule = "1 to 63 lower-case letters, digits and hyphens, no hyphen at either end";
    accept(valid, "tenant", name, rule)
}

/// Checks the name of a table, which is an entity's or relationship's `_type`.
pub(crate) fn check_table(name: &str) -> Result<(), StoreError> {
    let valid = (1..=120).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !is_windows_device(name);
    let rule = "a lower-case letter, then lower-case letters, digits and underscores, at most 120";
    accept(valid, "table", name, rule)
}

/// Checks the name of a file in one of our folders: a download or an attachment.
pub(crate) fn check_file(name: &str) -> Result<(), StoreError> {
    let valid = (1..=120).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && !name.ends_with('.')
        && !is_windows_device(name);
    let rule =
        "a letter or digit, then letters, digits, dots, hyphens and underscores, at most 120";
    accept(valid, "file", name, rule)
}

/// Returns true if a path from a manifest stays inside its generation.
pub(crate) fn is_inside(path: &str) -> bool {
    path.split('/').all(|part| check_file(part).is_ok())
}

fn accept(
    valid: bool,
    what: &'static str,
    name: &str,
    rule: &'static str,
) -> Result<(), StoreError> {
    if valid { Ok(()) } else { Err(StoreError::InvalidName { what, name: name.to_owned(), rule }) }
}

fn is_windows_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    let letters = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let n_digits = stem.len() - letters.len();
    let takes_digit = letters == "com" || letters == "lpt";
    WINDOWS_DEVICES.contains(&letters) && n_digits == usize::from(takes_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_are_labels_that_stay_in_their_folder() {
        for name in ["acme", "a", "acme-2", "1a", "com", "com10", "console"] {
            assert!(check_tenant(name).is_ok(), "{name}");
        }
        let long = "a".repeat(64);
        for name in ["", ".", "..", "a/b", "a\\b", "../a", "-a", "a-", "Acme", "a.b", "nul", &long]
        {
            assert!(check_tenant(name).is_err(), "{name}");
        }
    }

    #[test]
    fn file_names_stay_in_their_folder() {
        for name in ["devices.csv.gz", "run.json", "a", "A-1_b", "part-00000.parquet"] {
            assert!(check_file(name).is_ok(), "{name}");
        }
        for name in ["", "..", ".hidden", "a/b", "a\\b", "a:b", "nul.csv", "Com1.csv", "a.", "ä"] {
            assert!(check_file(name).is_err(), "{name}");
        }
    }

    #[test]
    fn manifest_paths_stay_in_their_generation() {
        assert!(is_inside("entities/nexthink_device/part-00000.parquet"));
        for path in ["../x", "a/../../x", "/etc/passwd", "a//b", "C:\\x", ""] {
            assert!(!is_inside(path), "{path}");
        }
    }

    #[test]
    fn ids_are_ulids_and_hold_their_time() -> Result<(), StoreError> {
        // The specification's own example of a time: 01ARYZ6S41 is 1469918176385.
        assert_eq!(GenerationId::parse("01ARYZ6S41TSV4RRFFQ69G5FAV")?.time_ms(), 1_469_918_176_385);
        for text in ["", "01ARYZ6S41", "81ARYZ6S41TSV4RRFFQ69G5FAV", "01ARYZ6S41TSV4RRFFQ69G5FAU"] {
            assert!(GenerationId::parse(text).is_err(), "{text}");
        }
        assert!(GenerationId::parse("01aryz6s41tsv4rrffq69g5fav").is_err());
        Ok(())
    }
}
