//! Merges the two tables of a type and finds the values that differ.

use std::cmp::Ordering;

use core_store::TableKind;
use datafusion::arrow::array::{Array as _, DynComparator, RecordBatch, make_comparator};
use datafusion::arrow::compute::{SortOptions, cast};

use super::DiffRequest;
use super::cursor::Cursor;
use super::report::TypeDiff;
use super::rows::{self, ChangeKind, DiffRows, Object};
use crate::error::QueryError;

/// A type that is compared.
pub(super) struct Comparison<'a> {
    pub(super) request: &'a DiffRequest,
    pub(super) kind: TableKind,
    pub(super) name: &'a str,
    /// The properties that are compared.
    pub(super) columns: Vec<String>,
}

/// Compares the values of two batches, row by row.
struct Comparators {
    /// The numbers of both batches.
    of: (usize, usize),
    /// A function for each property that is compared.
    columns: Vec<DynComparator>,
    /// A function for each volatile property.
    volatile: Vec<DynComparator>,
}

impl Comparison<'_> {
    /// Counts the differences, and passes them to `rows`.
    pub(super) fn run(
        &self,
        diff: &mut TypeDiff,
        rows: &mut DiffRows<'_>,
    ) -> Result<(), QueryError> {
        let mut before = Cursor::open(&self.request.before, self.kind, self.name)?;
        let mut after = Cursor::open(&self.request.after, self.kind, self.name)?;
        let absent = if diff.partial_after { ChangeKind::Unknown } else { ChangeKind::Removed };
        let mut comparators = None;
        while before.row().is_some() || after.row().is_some() {
            match before.compare(&after) {
                Ordering::Less => {
                    match absent {
                        ChangeKind::Unknown => diff.unknown += 1,
                        _ => diff.removed += 1,
                    }
                    self.report(absent, &before, rows)?;
                    before.advance()?;
                }
                Ordering::Greater => {
                    diff.added += 1;
                    self.report(ChangeKind::Added, &after, rows)?;
                    after.advance()?;
                }
                Ordering::Equal => {
                    self.compare_rows(&before, &after, &mut comparators, diff, rows)?;
                    before.advance()?;
                    after.advance()?;
                }
            }
        }
        Ok(())
    }

    fn compare_rows(
        &self,
        before: &Cursor,
        after: &Cursor,
        comparators: &mut Option<Comparators>,
        diff: &mut TypeDiff,
        rows: &mut DiffRows<'_>,
    ) -> Result<(), QueryError> {
        let (Some((old, old_row)), Some((new, new_row))) = (before.row(), after.row()) else {
            return Ok(());
        };
        let of = (before.batch_number(), after.batch_number());
        let comparators = match comparators {
            Some(known) if known.of == of => known,
            other => {
                let columns = comparators_of(&self.columns, old, new)?;
                let volatile = comparators_of(&diff.ignored, old, new)?;
                other.insert(Comparators { of, columns, volatile })
            }
        };
        let differs = |compare: &DynComparator| compare(old_row, new_row).is_ne();
        let changed: Vec<usize> = comparators
            .columns
            .iter()
            .enumerate()
            .filter_map(|(place, compare)| differs(compare).then_some(place))
            .collect();
        if changed.is_empty() {
            diff.unchanged += 1;
            // Another value of a volatile property proves that the object was seen again.
            if diff.partial_after && !comparators.volatile.iter().any(differs) {
                diff.carried_over += 1;
            }
            return Ok(());
        }
        diff.changed += 1;
        let names = || changed.iter().map(|place| self.columns[*place].as_str());
        for name in names() {
            *diff.properties.entry(name.to_owned()).or_default() += 1;
        }
        if rows.wants_rows() {
            let object = self.object(after, ChangeKind::Changed);
            let names: Vec<&str> = names().collect();
            rows.push_changes(&object, &names, (old, old_row), (new, new_row))?;
        }
        Ok(())
    }

    fn report(
        &self,
        change: ChangeKind,
        cursor: &Cursor,
        rows: &mut DiffRows<'_>,
    ) -> Result<(), QueryError> {
        if !rows.wants_rows() {
            return Ok(());
        }
        rows.push(&self.object(cursor, change))
    }

    fn object(&self, cursor: &Cursor, change: ChangeKind) -> Object {
        let class = self.request.relationship_class(self.kind, self.name);
        let mut keys = cursor.keys().map(str::to_owned);
        let (first, second) = (keys.next().unwrap_or_default(), keys.next());
        let key = match &second {
            Some(second) => format!("{first}|{class}|{second}"),
            None => first.clone(),
        };
        let ends = second.map(|second| (first, second));
        let display_name = match cursor.row() {
            Some((batch, row)) if !self.request.is_withheld(self.name, DISPLAY_NAME) => {
                rows::text(batch, DISPLAY_NAME, row).unwrap_or_default()
            }
            _ => None,
        };
        Object { change, type_name: cursor.name().to_owned(), key, ends, display_name }
    }
}

const DISPLAY_NAME: &str = "displayName";

/// A function for each property that both batches have.
fn comparators_of(
    names: &[String],
    old: &RecordBatch,
    new: &RecordBatch,
) -> Result<Vec<DynComparator>, QueryError> {
    let columns = names.iter().map(|name| comparator(old, new, name));
    columns
        .map(|comparison| Ok(comparison?.unwrap_or_else(|| Box::new(|_, _| Ordering::Equal))))
        .collect()
}

/// A function that compares the values of a column in two batches. None if either has no such column.
fn comparator(
    old: &RecordBatch,
    new: &RecordBatch,
    name: &str,
) -> Result<Option<DynComparator>, QueryError> {
    let (Some(old), Some(new)) = (old.column_by_name(name), new.column_by_name(name)) else {
        return Ok(None);
    };
    let error = |error| QueryError::from_arrow(&error);
    // Two versions of the program may have stored a property in two ways.
    let old = if old.data_type() == new.data_type() {
        old.clone()
    } else {
        cast(old, new.data_type()).map_err(error)?
    };
    make_comparator(&old, new, SortOptions::default()).map(Some).map_err(error)
}
