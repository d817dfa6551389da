//! What is found of the values of a column. A pseudonym costs an HMAC, so it is remembered, for a bounded
//! number of values: some tens of megabytes.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use core_model::cell::{emails, list_items};
use core_model::column::Family;
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::profile::Action;
use crate::pseudonym::{LIST_SEPARATOR, Pseudonyms};
use crate::reuse::Families;
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
    suppressed_unless: Option<Families>,
}

/// What is done with a value.
pub(crate) enum Found<'a> {
    /// It stays.
    Kept,
    /// This stands in its place.
    Pseudonym(&'a str),
    /// It belongs to somebody who was erased, unless the row has another identifier of these families;
    /// then this stands in its place, if anything does.
    Suppressed(Families, Option<&'a str>),
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
        let Known { ends: [start, end], suppressed_unless, .. } = self.found[number];
        let found = match (suppressed_unless, self.action) {
            (Some(unless), Action::Keep) => Found::Suppressed(unless, None),
            (Some(unless), _) => Found::Suppressed(unless, Some(&self.text[start..end])),
            (None, Action::Keep) => Found::Kept,
            (None, _) => Found::Pseudonym(&self.text[start..end]),
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
        let items = other_items(self.family, cell);
        let pseudonyms = self.pseudonyms(cell, &items);
        // In a store of pseudonyms somebody may be known by nothing but one of those.
        let mut values = items.iter().chain(&pseudonyms).map(String::as_str).chain([cell]);
        let suppressed_unless = values.find_map(|value| suppressions.find(self.family, value));
        let (number, start) = (self.found.len(), self.text.len());
        let ends = [cell, &pseudonyms.join(LIST_SEPARATOR)].map(|text| {
            self.text.push_str(text);
            self.text.len()
        });
        self.found.push(Known { start, ends, suppressed_unless });
        let (found, text) = (&self.found, &self.text);
        let hash_of = |&number: &usize| {
            let Known { start, ends: [end, _], .. } = found[number];
            FxBuildHasher.hash_one(&text[start..end])
        };
        self.known.insert_unique(hash, number, hash_of);
        (number, true)
    }

    /// The pseudonyms that stand for a cell: one, or that of each item of a list.
    fn pseudonyms(&self, cell: &str, items: &[String]) -> Vec<String> {
        let (Action::Pseudonym, Some(pseudonyms)) = (self.action, &self.pseudonyms) else {
            return Vec::new();
        };
        // The name of a guest is no list: its item is another identifier of the same person.
        let is_list = items.len() > 1 || list_items(cell).next() != Some(cell);
        if is_list && !items.is_empty() {
            return items.iter().filter_map(|it| pseudonyms.of(self.family, it)).collect();
        }
        pseudonyms.of(self.family, cell).into_iter().collect()
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

/// The identifiers that the graph makes of a cell besides its whole text: the addresses of a list, and the
/// one with which a guest was invited.
fn other_items(family: Family, cell: &str) -> Vec<String> {
    match family {
        Family::Address => {
            let mut items = emails(cell).addresses;
            items.retain(|it| !it.eq_ignore_ascii_case(cell));
            items
        }
        _ => Vec::new(),
    }
}
