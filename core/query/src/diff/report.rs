//! The counts of a comparison.

use std::collections::BTreeMap;

use core_store::{Generation, Table, TableKind};

/// The changes, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffReport {
    /// The ID of the older generation, and when it was made (RFC 3339).
    pub before: (String, String),
    /// The same of the newer one.
    pub after: (String, String),
    /// The types that were compared, entities first.
    pub types: Vec<TypeDiff>,
}

impl DiffReport {
    pub(super) fn new(before: &Generation, after: &Generation, types: Vec<TypeDiff>) -> Self {
        let name = |generation: &Generation| {
            (generation.id().to_string(), generation.manifest().created_at.clone())
        };
        Self { before: name(before), after: name(after), types }
    }

    /// Returns whether anything is proven to differ.
    pub fn differs(&self) -> bool {
        self.types.iter().any(|diff| diff.added + diff.removed + diff.changed > 0)
    }

    /// Returns whether the comparison lacks a proof: a table of either generation is partial.
    pub fn is_partial(&self) -> bool {
        self.types.iter().any(|diff| diff.partial_before || diff.partial_after)
    }
}

/// The changes in one type, in numbers of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDiff {
    /// Entities or relationships.
    pub kind: TableKind,
    /// The `_type`.
    pub name: String,
    /// Objects in the older generation.
    pub before: u64,
    /// Objects in the newer generation.
    pub after: u64,
    /// Only in the newer one.
    pub added: u64,
    /// Only in the older one, and the newer one is complete.
    pub removed: u64,
    /// Only in the older one, and the newer one is partial: they may exist still.
    pub unknown: u64,
    /// In both, with another value of a property that counts.
    pub changed: u64,
    /// In both, without such a change.
    pub unchanged: u64,
    /// Those of `unchanged` in a partial table: they may have been carried over and not exist any more.
    pub carried_over: u64,
    /// The number of objects that have another value of each property.
    pub properties: BTreeMap<String, u64>,
    /// True if the older table is partial or missing, so that added objects may have existed before.
    pub partial_before: bool,
    /// True if the newer table is partial, or not there.
    pub partial_after: bool,
    /// Volatile properties that were not compared.
    pub ignored: Vec<String>,
    /// Properties that only one of the generations has.
    pub only_once: Vec<String>,
    /// Properties that are withheld.
    pub withheld: Vec<String>,
}

impl TypeDiff {
    pub(super) fn new(
        kind: TableKind,
        name: &str,
        before: Option<&Table>,
        after: Option<&Table>,
    ) -> Self {
        let rows = |table: Option<&Table>| table.map_or(0, |table| table.rows);
        // A type that nothing reads any more may exist still.
        let is_partial = |table: Option<&Table>| table.is_none_or(|table| table.partial);
        Self {
            kind,
            name: name.to_owned(),
            before: rows(before),
            after: rows(after),
            added: 0,
            removed: 0,
            unknown: 0,
            changed: 0,
            unchanged: 0,
            carried_over: 0,
            properties: BTreeMap::new(),
            partial_before: is_partial(before),
            partial_after: is_partial(after),
            ignored: Vec::new(),
            only_once: Vec::new(),
            withheld: Vec::new(),
        }
    }

    /// Counts objects that have the same values in both.
    pub(super) fn note_same(&mut self, objects: u64) {
        self.unchanged += objects;
        if self.partial_after {
            self.carried_over += objects;
        }
    }
}
