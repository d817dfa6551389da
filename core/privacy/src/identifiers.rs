//! What is found of the values of a column. A pseudonym costs an HMAC, so it is remembered, for a bounded
//! number of values: some tens of megabytes.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use core_model::column::Family;
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::profile::Action;
use crate::pseudonym::Pseudonyms;
use crate::suppression::Suppressions;

/// How many values of a column are remembered before all are forgotten.
pub(crate) const MAX_KNOWN: usize = 1 << 18;

/// A column whose values are remembered with what was found of them.
pub(crate) struct Identifiers {
    family: Family,
    action: Action,
    pseudonyms: Option<Arc<Pseudonyms>>,
    /// Places in `found` by the hashes of the values.
    known: HashTable<usize>,
    found: Vec<Known>,
    /// Each value, and what stands in its place after it.
    text: String,
}

struct Known {
    /// Where the value begins in `text`, and where it and what stands in its place end.
    start: usize,
    ends: [usize; 2],
    is_suppressed: bool,
}

/// What is done with a value.
pub(crate) enum Found<'a> {
    /// It stays.
    Kept,
    /// This stands in its place.
    Pseudonym(&'a str),
    /// It belongs to somebody who was erased.
    Suppressed,
}

impl Identifiers {
    pub(crate) fn new(
        family: Family,
        action: Action,
        pseudonyms: Option<Arc<Pseudonyms>>,
    ) -> Identifiers {
        let (known, found, text) = (HashTable::new(), Vec::new(), String::new());
        Identifiers { family, action, pseudonyms, known, found, text }
    }

    pub(crate) fn family(&self) -> Family {
        self.family
    }

    pub(crate) fn action(&self) -> Action {
        self.action
    }

    /// What was found of a value, and whether it is a new one.
    pub(crate) fn find(&mut self, cell: &str, suppressions: &Suppressions) -> (Found<'_>, bool) {
        let (number, is_new) = self.number(cell, suppressions);
        let Known { ends: [start, end], is_suppressed, .. } = self.found[number];
        let found = match (is_suppressed, self.action) {
            (true, _) => Found::Suppressed,
            (false, Action::Keep) => Found::Kept,
            (false, _) => Found::Pseudonym(&self.text[start..end]),
        };
        (found, is_new)
    }

    fn number(&mut self, cell: &str, suppressions: &Suppressions) -> (usize, bool) {
        let hash = FxBuildHasher.hash_one(cell);
        let is_it = |&number: &usize| self.value(number) == cell;
        if let Some(&number) = self.known.find(hash, is_it) {
            return (number, false);
        }
        if self.found.len() >= MAX_KNOWN {
            self.forget();
        }
        let instead = match (self.action, &self.pseudonyms) {
            (Action::Pseudonym, Some(pseudonyms)) => pseudonyms.of(self.family, cell),
            _ => None,
        };
        // In a store of pseudonyms somebody may be known by nothing but one of those.
        let has = |value: &str| suppressions.has(self.family, value);
        let is_suppressed = has(cell) || instead.as_deref().is_some_and(has);
        let (number, start) = (self.found.len(), self.text.len());
        let ends = [cell, instead.as_deref().unwrap_or("")].map(|text| {
            self.text.push_str(text);
            self.text.len()
        });
        self.found.push(Known { start, ends, is_suppressed });
        let (found, text) = (&self.found, &self.text);
        let hash_of = |&number: &usize| {
            let Known { start, ends: [end, _], .. } = found[number];
            FxBuildHasher.hash_one(&text[start..end])
        };
        self.known.insert_unique(hash, number, hash_of);
        (number, true)
    }

    fn value(&self, number: usize) -> &str {
        let Known { start, ends: [end, _], .. } = self.found[number];
        &self.text[start..end]
    }

    /// Forgets all values.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
        self.found.clear();
        self.text.clear();
    }
}
