//! Cells of a batch as text, for the formats that have no types: null is empty, a list is its JSON.

use std::sync::Arc;

use arrow::json::writer::{EncoderOptions, make_encoder};
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::QueryError;

/// The cells of one batch.
pub(crate) struct Cells<'a> {
    columns: Vec<Column<'a>>,
}

enum Column<'a> {
    Plain(ArrayFormatter<'a>),
    Nested(Vec<String>),
}

impl<'a> Cells<'a> {
    pub(crate) fn new(batch: &'a RecordBatch) -> Result<Self, QueryError> {
        let options = FormatOptions::new().with_null("");
        let mut columns = Vec::new();
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let column = if array.data_type().is_nested() {
                nested_texts(field, array).map(Column::Nested)
            } else {
                ArrayFormatter::try_new(array, &options).map(Column::Plain)
            };
            columns.push(column.map_err(|error| QueryError::from_arrow(&error))?);
        }
        Ok(Self { columns })
    }

    pub(crate) fn text(&self, column: usize, row: usize) -> Result<String, QueryError> {
        match &self.columns[column] {
            Column::Nested(texts) => Ok(texts[row].clone()),
            Column::Plain(formatter) => {
                formatter.value(row).try_to_string().map_err(|error| QueryError::from_arrow(&error))
            }
        }
    }
}

/// Returns true if a column holds text, so that its cells may have any content.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => other.is_string(),
    }
}

fn nested_texts(field: &FieldRef, array: &Arc<dyn Array>) -> Result<Vec<String>, ArrowError> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(field, array, &options)?;
    let mut texts = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        let mut text = Vec::new();
        if !encoder.is_null(row) {
            encoder.encode(row, &mut text);
        }
        texts.push(String::from_utf8(text).expect("JSON is written as UTF-8"));
    }
    Ok(texts)
}
