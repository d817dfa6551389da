//! Declared columns and rows as batches.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Int16Array, Int32Array, Int64Array, ListArray,
    RecordBatch, RecordBatchOptions, StringArray, UInt32Array,
};
use arrow_schema::{DataType, Field, Schema};

use crate::kind::Kind;

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Truth(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}

/// A row: the values of the columns that have one.
pub(super) type Row = Vec<(&'static str, Value)>;

/// Returns the type that a letter of a declaration stands for.
pub(super) fn kind(letter: u8) -> Kind {
    match letter {
        b'o' => Kind::Oid,
        b'n' => Kind::Int4,
        b's' => Kind::Int2,
        b'l' => Kind::Int8,
        b'f' => Kind::Float4,
        b'b' => Kind::Bool,
        b'a' => Kind::Texts,
        b'i' => Kind::Integers,
        _ => Kind::Text,
    }
}

/// Makes a batch. A number, a truth value or a letter that a row lacks is zero, false or empty, unless `has_nulls`.
pub(super) fn batch(columns: &[(&'static str, u8)], rows: &[Row], has_nulls: bool) -> RecordBatch {
    let arrays: Vec<ArrayRef> = columns
        .iter()
        .map(|(name, letter)| column(*letter, &cells(rows, name), has_nulls))
        .collect();
    let fields = columns.iter().zip(&arrays);
    let fields =
        fields.map(|((name, _), array)| Field::new(*name, array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)
        .unwrap_or_else(|_| RecordBatch::new_empty(schema))
}

fn cells<'a>(rows: &'a [Row], column: &str) -> Vec<Option<&'a Value>> {
    let cell = |row: &'a Row| row.iter().find(|(name, _)| *name == column).map(|(_, value)| value);
    rows.iter().map(cell).collect()
}

fn column(letter: u8, cells: &[Option<&Value>], has_nulls: bool) -> ArrayRef {
    let numbers = cells.iter().map(|cell| match cell {
        Some(Value::Number(number)) => Some(*number),
        _ => (!has_nulls).then_some(0),
    });
    let texts = |missing: Option<&'static str>| {
        let texts = cells.iter().map(move |cell| match cell {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => missing,
        });
        Arc::new(texts.collect::<StringArray>()) as ArrayRef
    };
    match letter {
        b'o' => {
            Arc::new(numbers.map(|number| u32::try_from(number?).ok()).collect::<UInt32Array>())
        }
        b'n' => Arc::new(numbers.map(|number| i32::try_from(number?).ok()).collect::<Int32Array>()),
        b's' => Arc::new(numbers.map(|number| i16::try_from(number?).ok()).collect::<Int16Array>()),
        b'l' => Arc::new(numbers.collect::<Int64Array>()),
        b'f' => {
            // A number of rows; a client needs no more digits of it.
            #[allow(clippy::cast_precision_loss, reason = "an estimate")]
            let numbers = numbers.map(|number| number.map(|number| number as f32));
            Arc::new(numbers.collect::<Float32Array>())
        }
        b'b' => {
            let truths = cells.iter().map(|cell| match cell {
                Some(Value::Truth(truth)) => Some(*truth),
                _ => (!has_nulls).then_some(false),
            });
            Arc::new(truths.collect::<BooleanArray>())
        }
        b'a' => {
            let item = Arc::new(Field::new("item", DataType::Utf8, true));
            Arc::new(ListArray::new_null(item, cells.len()))
        }
        b'i' => {
            let item = Arc::new(Field::new("item", DataType::Int64, true));
            Arc::new(ListArray::new_null(item, cells.len()))
        }
        b'c' => texts((!has_nulls).then_some("")),
        _ => texts(None),
    }
}
