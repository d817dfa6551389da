//! A cache of the treatment of a column's values. A pseudonym costs an HMAC, so it is cached, for a
//! bounded number of values: some tens of megabytes.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use core_model::cell::{emails, list_items};
use core_model::column::IdentifierKind;
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::profile::Action;
use crate::pseudonym::{LIST_SEPARATOR, Pseudonyms};
use crate::reuse::IdentifierKinds;
use crate::suppression::Suppressions;

/// The number of cached values of a column after which all are dropped.
pub(crate) const MAX_CACHED: usize = 1 << 18;

/// A column with its cache.
pub(crate) struct IdentifierCache {
    identifier_kind: IdentifierKind,
    action: Action,
    pseudonyms: Option<Arc<Pseudonyms>>,
    /// Positions in `found`, by the hash of the value.
    known: HashTable<usize>,
    found: Vec<Known>,
    /// Each value, followed by its replacement.
    text: String,
}

struct Known {
    /// The start of the value in `text`, its end, and the end of its replacement.
    start: usize,
    ends: [usize; 2],
    suppressed_unless: Option<IdentifierKinds>,
}

/// The treatment of a value.
pub(crate) enum Treatment<'a> {
    /// The value is kept.
    Kept,
    /// This pseudonym replaces the value.
    Pseudonym(&'a str),
    /// The value belongs to an erased person, unless the row has another identifier of these
    /// kinds; then this text replaces it, if there is one.
    Suppressed(IdentifierKinds, Option<&'a str>),
}

impl IdentifierCache {
    pub(crate) fn new(
        identifier_kind: IdentifierKind,
        action: Action,
        pseudonyms: Option<Arc<Pseudonyms>>,
    ) -> Self {
        let (known, found, text) = (HashTable::new(), Vec::new(), String::new());
        Self { identifier_kind, action, pseudonyms, known, found, text }
    }

    pub(crate) fn identifier_kind(&self) -> IdentifierKind {
        self.identifier_kind
    }

    pub(crate) fn action(&self) -> Action {
        self.action
    }

    /// Returns the treatment of a value, and true if the value was not cached.
    pub(crate) fn find(
        &mut self,
        cell: &str,
        suppressions: &Suppressions,
    ) -> (Treatment<'_>, bool) {
        let (number, is_new) = self.number(cell, suppressions);
        let Known { ends: [start, end], suppressed_unless, .. } = self.found[number];
        let found = match (suppressed_unless, self.action) {
            (Some(unless), Action::Keep) => Treatment::Suppressed(unless, None),
            (Some(unless), _) => Treatment::Suppressed(unless, Some(&self.text[start..end])),
            (None, Action::Keep) => Treatment::Kept,
            (None, _) => Treatment::Pseudonym(&self.text[start..end]),
        };
        (found, is_new)
    }

    fn number(&mut self, cell: &str, suppressions: &Suppressions) -> (usize, bool) {
        let hash = FxBuildHasher.hash_one(cell);
        let is_it = |&number: &usize| self.value(number) == cell;
        if let Some(&number) = self.known.find(hash, is_it) {
            return (number, false);
        }
        if self.found.len() >= MAX_CACHED {
            self.forget();
        }
        let items = other_items(self.identifier_kind, cell);
        let pseudonyms = self.pseudonyms(cell, &items);
        // In a store of pseudonyms a person may be known only by a pseudonym.
        let values = items.iter().chain(&pseudonyms).map(String::as_str).chain([cell]);
        // With values of several erased people, the cell is kept only if all of them have other owners now.
        let found = values.filter_map(|value| suppressions.find(self.identifier_kind, value));
        let suppressed_unless = found.reduce(IdentifierKinds::common);
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

    /// The pseudonyms of a cell: one, or one for each item of a list.
    fn pseudonyms(&self, cell: &str, items: &[String]) -> Vec<String> {
        let (Action::Pseudonym, Some(pseudonyms)) = (self.action, &self.pseudonyms) else {
            return Vec::new();
        };
        // The name of a guest is not a list: its item is another identifier of the same person.
        let is_list = items.len() > 1 || list_items(cell).next() != Some(cell);
        if is_list && !items.is_empty() {
            return items
                .iter()
                .filter_map(|item| pseudonyms.of(self.identifier_kind, item))
                .collect();
        }
        pseudonyms.of(self.identifier_kind, cell).into_iter().collect()
    }

    fn value(&self, number: usize) -> &str {
        let Known { start, ends: [end, _], .. } = self.found[number];
        &self.text[start..end]
    }

    /// Drops all cached values.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
        self.found.clear();
        self.text.clear();
    }
}

/// The identifiers that the graph makes of a cell besides its whole text: the addresses of a list,
/// and the address with which a guest was invited.
fn other_items(identifier_kind: IdentifierKind, cell: &str) -> Vec<String> {
    match identifier_kind {
        IdentifierKind::Address => {
            let mut items = emails(cell).addresses;
            items.retain(|item| !item.eq_ignore_ascii_case(cell));
            items
        }
        _ => Vec::new(),
    }
}
