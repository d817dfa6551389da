//! Changes as rows: one for each object, or one for each property that has another value.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, RecordBatch, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::QueryError;
use crate::format::Cells;

/// The rows of a batch of changes, at most but for the properties of its last object.
const BATCH_ROWS: usize = 1024;

/// The detail of each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffDetail {
    /// Only counts.
    Summary,
    /// A row for each object: `change`, `_type`, `_key`, `displayName`, `properties`.
    Names,
    /// A row for each object that came or went and for each value that changed: `change`, `_type`, `_key`,
    /// `displayName`, `property`, `before`, `after`.
    Rows,
    /// The same with `_fromEntityKey` and `_toEntityKey` in place of `displayName`.
    Edges,
}

impl DiffDetail {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Summary => &[],
            Self::Names => &["change", "_type", "_key", "displayName", "properties"],
            Self::Rows => {
                &["change", "_type", "_key", "displayName", "property", "before", "after"]
            }
            Self::Edges => &[
                "change",
                "_type",
                "_key",
                "_fromEntityKey",
                "_toEntityKey",
                "property",
                "before",
                "after",
            ],
        }
    }

    /// The columns of the rows: texts that may be null.
    pub fn schema(self) -> SchemaRef {
        let fields = self.names().iter().map(|name| Field::new(*name, DataType::Utf8, true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// The change of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Added,
    Removed,
    Unknown,
    Changed,
}

impl ChangeKind {
    fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Unknown => "unknown",
            Self::Changed => "changed",
        }
    }
}

/// An object that differs.
pub(super) struct Object {
    pub(super) change: ChangeKind,
    pub(super) type_name: String,
    pub(super) key: String,
    /// The keys of a relationship's ends.
    pub(super) ends: Option<(String, String)>,
    pub(super) display_name: Option<String>,
}

/// Collects rows and hands them out in batches.
pub(super) struct DiffRows<'a> {
    detail: DiffDetail,
    columns: Vec<StringBuilder>,
    rows: usize,
    each: &'a mut dyn FnMut(RecordBatch) -> Result<(), QueryError>,
}

impl<'a> DiffRows<'a> {
    pub(super) fn new(
        detail: DiffDetail,
        each: &'a mut dyn FnMut(RecordBatch) -> Result<(), QueryError>,
    ) -> Self {
        let columns = detail.names().iter().map(|_| StringBuilder::new()).collect();
        Self { detail, columns, rows: 0, each }
    }

    /// Returns whether anything but counts is asked for.
    pub(super) fn wants_rows(&self) -> bool {
        self.detail != DiffDetail::Summary
    }

    /// Adds an object that came or went.
    pub(super) fn push(&mut self, object: &Object) -> Result<(), QueryError> {
        self.push_row(object, None, None, None);
        self.flush_if_full()
    }

    /// Adds an object whose values differ.
    pub(super) fn push_changes(
        &mut self,
        object: &Object,
        properties: &[&str],
        (old, old_row): (&RecordBatch, usize),
        (new, new_row): (&RecordBatch, usize),
    ) -> Result<(), QueryError> {
        if self.detail == DiffDetail::Names {
            self.push_row(object, Some(&properties.join(", ")), None, None);
            return self.flush_if_full();
        }
        for property in properties {
            let before = text(old, property, old_row)?;
            let after = text(new, property, new_row)?;
            self.push_row(object, Some(property), before.as_deref(), after.as_deref());
        }
        self.flush_if_full()
    }

    fn push_row(
        &mut self,
        object: &Object,
        property: Option<&str>,
        before: Option<&str>,
        after: Option<&str>,
    ) {
        let (from, to) =
            object.ends.as_ref().map(|(from, to)| (from.as_str(), to.as_str())).unzip();
        for (name, column) in self.detail.names().iter().zip(&mut self.columns) {
            column.append_option(match *name {
                "change" => Some(object.change.name()),
                "_type" => Some(object.type_name.as_str()),
                "_key" => Some(object.key.as_str()),
                "displayName" => object.display_name.as_deref(),
                "_fromEntityKey" => from,
                "_toEntityKey" => to,
                "before" => before,
                "after" => after,
                // `property`, or all `properties`.
                _ => property,
            });
        }
        self.rows += 1;
    }

    fn flush_if_full(&mut self) -> Result<(), QueryError> {
        if self.rows < BATCH_ROWS { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), QueryError> {
        self.rows = 0;
        let columns: Vec<ArrayRef> =
            self.columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
        let batch = RecordBatch::try_new(self.detail.schema(), columns);
        (self.each)(batch.map_err(|error| QueryError::from_arrow(&error))?)
    }

    /// Passes on the remaining rows.
    pub(super) fn finish(mut self) -> Result<(), QueryError> {
        if self.rows == 0 { Ok(()) } else { self.flush() }
    }
}

/// A value as text; none if it is null or if there is no such column.
pub(super) fn text(
    batch: &RecordBatch,
    name: &str,
    row: usize,
) -> Result<Option<String>, QueryError> {
    let Ok(place) = batch.schema_ref().index_of(name) else { return Ok(None) };
    if batch.column(place).is_null(row) {
        return Ok(None);
    }
    let cell =
        batch.slice(row, 1).project(&[place]).map_err(|error| QueryError::from_arrow(&error))?;
    Cells::new(&cell)?.text(0, 0).map(Some)
}
