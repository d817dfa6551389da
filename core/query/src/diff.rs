//! The changes between two generations: added and removed objects, and changed properties.
//!
//! Stored tables are sorted, entities by uid and relationships by their ends, so that two of them are merged
//! in one pass, with a batch of each in memory. A table whose files have the same checksums in both
//! generations is not read.
//!
//! Absence is not always a removal. If the newer table is partial, a missing object is `unknown`, and an unchanged
//! object may only have been carried over.

mod compare;
mod cursor;
pub mod page;
mod report;
mod rows;
pub mod summary;
mod tables;

use core_store::{Generation, PrivacyMark, Table, TableKind};
use datafusion::arrow::array::RecordBatch;

use self::compare::Comparison;
pub use self::report::{DiffReport, TypeDiff};
pub use self::rows::DiffDetail;
use self::rows::DiffRows;
use crate::error::{self, QueryError};
use crate::withheld::{ColumnView, Withholding};

/// The generations, types and properties to compare.
#[derive(Clone)]
pub struct DiffRequest {
    /// The older one.
    pub before: Generation,
    /// The newer one.
    pub after: Generation,
    /// The types to compare; all if empty.
    pub types: Vec<String>,
    /// The properties that count as a change, volatile ones too; all others if empty.
    pub properties: Vec<String>,
    /// The properties, by type and name, that change with every run and are ignored unless they are named.
    pub volatile: Vec<(String, String)>,
    /// The columns that are neither compared nor shown.
    pub withholding: Option<Withholding>,
}

impl DiffRequest {
    /// Compares the generations. Passes the changes to `each` in batches, unless only counts are requested.
    ///
    /// # Errors
    /// [`QueryError::IncomparablePrivacy`], [`QueryError::UnknownTable`], [`QueryError::UnknownColumn`] for
    /// what cannot be asked, [`QueryError::Store`] for damaged files, and what `each` answers.
    pub fn run(
        &self,
        detail: DiffDetail,
        each: &mut dyn FnMut(RecordBatch) -> Result<(), QueryError>,
    ) -> Result<DiffReport, QueryError> {
        self.check()?;
        let mut rows = DiffRows::new(detail, each);
        let mut types = Vec::new();
        for (kind, name) in self.tables() {
            types.push(self.diff_type(kind, &name, &mut rows)?);
        }
        rows.finish()?;
        Ok(DiffReport::new(&self.before, &self.after, types))
    }

    /// Refuses generations that show people in two ways, and names that neither has.
    fn check(&self) -> Result<(), QueryError> {
        let mark = |generation: &Generation| -> PrivacyMark {
            generation.manifest().privacy.clone().unwrap_or_default()
        };
        let (before, after) = (mark(&self.before), mark(&self.after));
        if before != after {
            let difference = if before.profile == after.profile && before.columns == after.columns {
                "their pseudonyms are made by two keys".to_owned()
            } else if before.profile == after.profile {
                "their `[privacy.columns]` differ".to_owned()
            } else {
                format!(
                    "the profile is {} in one and {} in the other",
                    before.profile, after.profile
                )
            };
            return Err(QueryError::IncomparablePrivacy { difference });
        }
        let known: Vec<String> = self.all_tables().into_iter().map(|(_, name)| name).collect();
        for name in &self.types {
            if !known.contains(name) {
                let suggestion = error::most_similar(name, &known).map(|best| known[best].clone());
                let name = name.clone();
                let (tables, condition) = (known, None);
                return Err(QueryError::UnknownTable { name, suggestion, tables, condition });
            }
        }
        self.check_properties()
    }

    fn check_properties(&self) -> Result<(), QueryError> {
        let mut known: Vec<String> = Vec::new();
        for (kind, name) in self.tables() {
            let tables = [&self.before, &self.after]
                .map(|generation| generation.manifest().table(kind, &name));
            for column in tables.into_iter().flatten().flat_map(|table| &table.columns) {
                if !column.name.starts_with('_') && !known.contains(&column.name) {
                    known.push(column.name.clone());
                }
            }
        }
        for name in &self.properties {
            if !known.contains(name) {
                let suggestion = error::most_similar(name, &known).map(|best| known[best].clone());
                let name = name.clone();
                return Err(QueryError::UnknownColumn { name, suggestion, columns: known });
            }
        }
        Ok(())
    }

    /// The tables of both generations, entities first, each sorted by name.
    fn all_tables(&self) -> Vec<(TableKind, String)> {
        let generations = [&self.before, &self.after];
        let tables = generations.into_iter().flat_map(|generation| &generation.manifest().tables);
        let mut tables: Vec<_> = tables.map(|table| (table.kind, table.name.clone())).collect();
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    /// The tables that are compared.
    fn tables(&self) -> Vec<(TableKind, String)> {
        let mut tables = self.all_tables();
        tables.retain(|(_, name)| self.types.is_empty() || self.types.contains(name));
        tables
    }

    fn diff_type(
        &self,
        kind: TableKind,
        name: &str,
        rows: &mut DiffRows<'_>,
    ) -> Result<TypeDiff, QueryError> {
        let before = self.before.manifest().table(kind, name);
        let after = self.after.manifest().table(kind, name);
        let mut diff = TypeDiff::new(kind, name, before, after);
        let columns = self.columns(name, before, after, &mut diff);
        if let (Some(before), Some(after)) = (before, after)
            && is_same_content(before, after)
        {
            diff.note_same(after.rows);
            return Ok(diff);
        }
        let comparison = Comparison { request: self, kind, name, columns };
        comparison.run(&mut diff, rows)?;
        Ok(diff)
    }

    /// The properties that are compared. Notes those that are not.
    fn columns(
        &self,
        name: &str,
        before: Option<&Table>,
        after: Option<&Table>,
        diff: &mut TypeDiff,
    ) -> Vec<String> {
        let (Some(before), Some(after)) = (before, after) else { return Vec::new() };
        let mut compared = Vec::new();
        for column in after.columns.iter().filter(|column| !column.name.starts_with('_')) {
            let column = &column.name;
            let is_volatile =
                self.volatile.iter().any(|(of, property)| of == name && property == column);
            if self.is_withheld(name, column) {
                diff.withheld.push(column.clone());
            } else if !before.columns.iter().any(|other| other.name == *column) {
                diff.only_once.push(column.clone());
            } else if self.properties.contains(column)
                || (self.properties.is_empty() && !is_volatile)
            {
                compared.push(column.clone());
            } else if self.properties.is_empty() {
                diff.ignored.push(column.clone());
            }
        }
        let is_gone = |name: &str| !after.columns.iter().any(|column| column.name == name);
        let gone = before.columns.iter().map(|column| &column.name).filter(|name| is_gone(name));
        diff.only_once.extend(gone.cloned());
        compared
    }

    /// The class of a type of relationships as keys have it.
    fn relationship_class(&self, kind: TableKind, name: &str) -> String {
        let tables =
            [&self.after, &self.before].map(|generation| generation.manifest().table(kind, name));
        let class = tables.into_iter().flatten().find_map(|table| table.class.first());
        class.map(|class| class.to_lowercase()).unwrap_or_default()
    }

    /// Returns whether a column is not shown as it is stored. Days would hide changes within a day, so that they
    /// are not compared.
    fn is_withheld(&self, type_name: &str, column: &str) -> bool {
        let withholding = self.withholding.as_ref();
        withholding
            .is_some_and(|withholding| withholding.view(type_name, column) != ColumnView::Stored)
    }
}

/// Returns whether the files of a table are the same, byte by byte.
fn is_same_content(before: &Table, after: &Table) -> bool {
    let checksums = |table: &Table| -> Vec<String> {
        table.files.iter().map(|file| file.file.blake3.clone()).collect()
    };
    checksums(before) == checksums(after)
}
