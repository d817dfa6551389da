//! Which tables of a generation a delivery brings to a mirror, and of which types it removes nothing.

use std::collections::BTreeSet;
use std::fmt;

use core_store::{Generation, Table, TableKind};

use super::{MirroredType, MirroredTypes};

/// The form in which mirrors get rows. A higher number makes every mirror get everything again.
const FORM: u32 = 1;

/// A mark of the rows of a table: two tables with the same one have the same columns and rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMark(String);

impl TableMark {
    /// Returns the mark of a table. The same rows are stored as the same bytes, so that the checksums of its files
    /// tell.
    pub fn new(table: &Table) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        add(&FORM.to_string());
        for column in &table.columns {
            add(&column.name);
            add(&column.data_type);
        }
        add("");
        for file in &table.files {
            add(&file.file.blake3);
        }
        Self(hasher.finalize().to_hex()[..32].to_owned())
    }

    /// The mark as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableMark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The scope of a delivery, and its reason.
#[derive(Debug, Clone)]
pub struct MirrorScope {
    /// The generation.
    pub generation: Generation,
    /// The reason for the delivery, by the one before; `None` if nothing changed since.
    pub reason: Option<&'static str>,
    /// True if people or devices were erased since the last delivery: then the mirror gets exactly the rows of the
    /// generation, whatever is partial.
    pub after_erasure: bool,
    partial: BTreeSet<String>,
    withheld: BTreeSet<String>,
}

impl MirrorScope {
    /// Returns the scope of a delivery of `generation` without the types of `withheld` and the relationship types
    /// that touch them. `there` are the types that the mirror has.
    pub fn new(generation: Generation, there: &MirroredTypes, withheld: &BTreeSet<String>) -> Self {
        let tables = &generation.manifest().tables;
        let here = tables.iter().map(|table| (table.name.as_str(), ends_of(table)));
        let there = there.iter().map(|(name, held)| (name.as_str(), held.ends.clone()));
        let ends: Vec<(&str, (String, String))> =
            here.chain(there).filter_map(|(name, ends)| Some((name, ends?))).collect();
        let with_touching = |mut types: BTreeSet<String>| {
            let touching =
                ends.iter().filter(|(_, (from, to))| types.contains(from) || types.contains(to));
            let touching: Vec<String> = touching.map(|(name, _)| (*name).to_owned()).collect();
            types.extend(touching);
            types
        };
        let partial = tables.iter().filter(|table| table.partial).map(|table| table.name.clone());
        let partial = with_touching(partial.collect());
        let withheld = with_touching(withheld.clone());
        Self { generation, reason: None, after_erasure: false, partial, withheld }
    }

    /// Returns the reason for the delivery to a database that was found to need it.
    pub fn reason_to_deliver(&self, after_erasure: bool) -> &'static str {
        match self.reason {
            _ if after_erasure => "people or devices were erased since the last delivery",
            Some(reason) => reason,
            None => "the destination did not have what was delivered last",
        }
    }

    /// The tables to deliver: entities, then relationships, in the order of the manifest.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        let of = |kind: TableKind| {
            let tables = self.generation.manifest().tables.iter();
            tables.filter(move |table| table.kind == kind)
        };
        let tables = of(TableKind::Entity).chain(of(TableKind::Relationship));
        tables.filter(|table| !self.is_withheld(&table.name))
    }

    /// Returns true for a type of which nothing is removed, because the generation may lack some of it. Types that the
    /// generation does not have are none of these.
    pub fn is_partial(&self, name: &str) -> bool {
        self.partial.contains(name)
    }

    /// Returns true for a type that is removed at the mirror.
    pub fn is_withheld(&self, name: &str) -> bool {
        self.withheld.contains(name)
    }

    /// The types that are removed at the mirror.
    pub fn withheld(&self) -> &BTreeSet<String> {
        &self.withheld
    }

    /// The types to deliver that are partial.
    pub fn partial_datasets(&self) -> Vec<String> {
        let tables = self.tables().filter(|table| self.is_partial(&table.name));
        tables.map(|table| table.name.clone()).collect()
    }

    /// The types that the mirror gets.
    pub fn types(&self) -> MirroredTypes {
        let mirrored = |table: &Table| MirroredType {
            ends: ends_of(table),
            mark: TableMark::new(table).to_string(),
            is_partial: self.is_partial(&table.name),
        };
        self.tables().map(|table| (table.name.clone(), mirrored(table))).collect()
    }
}

/// The types of both ends of a relationship type.
fn ends_of(table: &Table) -> Option<(String, String)> {
    table.from_type.clone().zip(table.to_type.clone())
}
