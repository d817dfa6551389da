//! Places in which a person or device is named: files, tables and logs, without any value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// The most keys of a place that are listed.
const MAX_KEYS: usize = 100;

/// The file with the findings of rules.
const FINDINGS: &str = "findings.json";

/// The result of a search.
#[derive(Debug, Default)]
pub struct SearchReport {
    /// Where the subject is named beyond doubt.
    pub certain: Places,
    /// Where the subject may be named.
    pub possible: Places,
    /// The number of entries of the ledger that name the subject as the one who acted. They stay until they expire.
    pub acts_in_ledger: u64,
    /// The number of files that were searched.
    pub scanned_files: usize,
    /// The number of tables that were searched.
    pub scanned_tables: usize,
    /// The rows of each generation that an erasure would remove, the oldest first.
    pub rows: BTreeMap<String, u64>,
    /// The number of texts of other objects that an erasure would empty.
    pub texts: u64,
    /// The number of events that an erasure would remove.
    pub events: u64,
}

/// Places by file, table or log, and by column.
#[derive(Debug, Default)]
pub struct Places(pub BTreeMap<(String, String), Place>);

/// The rows of one place. It has no values.
#[derive(Debug, Default)]
pub struct Place {
    /// Rows with a match.
    pub rows: u64,
    /// The keys of the first rows.
    pub keys: BTreeSet<String>,
    /// The IDs of findings and silences. They do not name a person.
    pub ids: BTreeSet<String>,
}

impl Places {
    /// The files, tables and logs, each once.
    pub fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(|(place, _)| place.as_str()).collect()
    }

    /// The number of rows in all places.
    pub fn rows(&self) -> u64 {
        self.0.values().map(|place| place.rows).sum()
    }

    /// The places as JSON, without values and keys. A certificate stays: with the key of someone else, it would be found to
    /// name that person when they are erased. IDs of findings are hashes, so they are there.
    pub fn to_json(&self) -> Value {
        let places = self.0.iter().map(|((name, column), place)| {
            let mut object = json!({ "place": name, "column": column, "rows": place.rows });
            if !place.ids.is_empty() {
                object["ids"] = json!(place.ids);
            }
            object
        });
        places.collect()
    }

    /// Adds a finding, a message about it or a silence, by its ID.
    pub fn add_finding(&mut self, part: &str, id: &str) {
        let place = self.0.entry((FINDINGS.to_owned(), part.to_owned())).or_default();
        place.rows += 1;
        place.ids.insert(id.to_owned());
    }

    /// The IDs of findings and silences in all places.
    pub fn ids(&self) -> BTreeSet<&str> {
        self.0.values().flat_map(|place| &place.ids).map(String::as_str).collect()
    }

    /// Adds a row, by its key if it has one.
    pub(crate) fn add(&mut self, place: &str, column: &str, key: &str) {
        let place = self.0.entry((place.to_owned(), column.to_owned())).or_default();
        place.rows += 1;
        if !key.is_empty() && place.keys.len() < MAX_KEYS {
            place.keys.insert(key.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_lists_some_keys_and_counts_all_rows() {
        let mut places = Places::default();
        for number in 0..MAX_KEYS + 50 {
            places.add("generation: type", "name", &format!("key:{number}"));
        }
        places.add("generation: type", "sid", "");
        assert_eq!(places.rows(), 151);
        assert_eq!(places.names(), BTreeSet::from(["generation: type"]));
        let place = ("generation: type".to_owned(), "name".to_owned());
        assert_eq!(places.0[&place].keys.len(), MAX_KEYS);
        let written = places.to_json();
        assert_eq!(written[0]["rows"], 150);
        assert!(!written.to_string().contains("key:"), "{written}");
    }
}
