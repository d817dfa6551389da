//! Names without quotes.

use std::collections::{HashMap, HashSet};

/// The names of tables and columns that have letters in upper case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    exact: HashSet<String>,
    /// The names by their form in lower case; none where several have the same.
    folded: HashMap<String, Option<String>>,
}

impl Names {
    /// Knows names of tables and columns.
    pub(crate) fn new<'a>(known: impl Iterator<Item = &'a str>) -> Self {
        let mut names = Self::default();
        for name in known {
            if names.exact.insert(name.to_owned()) {
                let entry = names.folded.entry(name.to_lowercase());
                entry.and_modify(|other| *other = None).or_insert_with(|| Some(name.to_owned()));
            }
        }
        names
    }

    /// Returns the name that a word without quotes means.
    pub(super) fn folded(&self, word: &str) -> String {
        let lower = word.to_lowercase();
        if self.exact.contains(word) {
            return word.to_owned();
        }
        if self.exact.contains(&lower) {
            return lower;
        }
        self.folded.get(&lower).cloned().flatten().unwrap_or(lower)
    }
}
