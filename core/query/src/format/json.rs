//! Rows as JSON objects, one a line.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use arrow::json::writer::{LineDelimited, WriterBuilder};
use core_terminal::escape_in_json;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};

use crate::error::QueryError;

/// Turns batches of one answer into lines.
pub(crate) struct JsonLines {
    schema: SchemaRef,
}

impl JsonLines {
    pub(crate) fn new(schema: &Schema) -> Self {
        Self { schema: with_unique_names(schema) }
    }

    /// Hands out the line of each row.
    pub(crate) fn for_each(
        &self,
        batch: &RecordBatch,
        mut each: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<(), QueryError> {
        let text = self.text(batch).map_err(|error| QueryError::from_arrow(&error))?;
        let text = String::from_utf8(text).expect("JSON is written as UTF-8");
        for line in text.lines() {
            each(&escape_in_json(line))?;
        }
        Ok(())
    }

    fn text(&self, batch: &RecordBatch) -> Result<Vec<u8>, arrow::error::ArrowError> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec())?;
        let mut writer =
            WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
        writer.write(&batch)?;
        writer.finish()?;
        Ok(writer.into_inner())
    }
}

/// An answer may have a column name twice (`select a.name, b.name`), an object may not: the second
/// `name` becomes `name_2`.
pub(crate) fn with_unique_names(schema: &Schema) -> SchemaRef {
    let mut used = HashSet::new();
    let mut fields = Vec::new();
    for field in schema.fields() {
        let mut name = field.name().clone();
        let mut number = 1;
        while !used.insert(name.clone()) {
            number += 1;
            name = format!("{}_{number}", field.name());
        }
        // The engine is not strict about its own promises of no nulls.
        fields.push(Field::clone(field).with_name(name).with_nullable(true));
    }
    Arc::new(Schema::new(fields))
}
