//! Writes JSON objects as rows, in the forms that programs read.

use std::borrow::Borrow;
use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use serde_json::Value;

use super::{Format, ResultWriter};
use crate::error::QueryError;

/// The rows of CSV that are made at once.
const CSV_ROWS: usize = 1024;

/// Writes JSON objects as rows, one after the other, since there may be hundreds of thousands. In CSV, the members of
/// the first object are the columns, a list of texts is one cell, and deeper values are JSON. [`Format::Table`] does
/// not apply to objects, so they are written as JSON.
///
/// # Errors
///
/// [`QueryError::Output`].
pub fn write_objects<Object: Borrow<Value>>(
    format: Format,
    objects: impl IntoIterator<Item = Object>,
    out: impl Write,
) -> Result<(), QueryError> {
    let objects = objects.into_iter();
    match format {
        Format::Ndjson => write_ndjson(objects, out),
        Format::Json | Format::Table => write_json(objects, out),
        Format::Csv => return write_csv(objects, out),
    }
    .map_err(QueryError::Output)
}

/// No rows are no lines: not even an empty one, which a reader would take for a row.
fn write_ndjson<Object: Borrow<Value>>(
    objects: impl Iterator<Item = Object>,
    mut out: impl Write,
) -> std::io::Result<()> {
    for object in objects {
        writeln!(out, "{}", object.borrow())?;
    }
    out.flush()
}

/// An array, indented as `serde_json` does it.
fn write_json<Object: Borrow<Value>>(
    objects: impl Iterator<Item = Object>,
    mut out: impl Write,
) -> std::io::Result<()> {
    let mut before = "[";
    for object in objects {
        let text = format!("{:#}", object.borrow()).replace('\n', "\n  ");
        write!(out, "{before}\n  {text}")?;
        before = ",";
    }
    out.write_all(if before == "[" { b"[]\n" } else { b"\n]\n" })?;
    out.flush()
}

fn write_csv<Object: Borrow<Value>>(
    objects: impl Iterator<Item = Object>,
    out: impl Write,
) -> Result<(), QueryError> {
    let mut objects = objects.peekable();
    let names: Vec<String> = match objects.peek().and_then(|first| first.borrow().as_object()) {
        Some(first) => first.keys().cloned().collect(),
        None => return Ok(()),
    };
    let fields = names.iter().map(|name| Field::new(name, DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut writer = ResultWriter::new(Format::Csv, &schema, out)?;
    while objects.peek().is_some() {
        let piece: Vec<Object> = objects.by_ref().take(CSV_ROWS).collect();
        let columns = names.iter().map(|name| {
            let cells = piece.iter().map(|object| csv_cell(&object.borrow()[name.as_str()]));
            Arc::new(cells.collect::<StringArray>()) as ArrayRef
        });
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect());
        writer.write(&batch.expect("each column has a cell for each object"))?;
    }
    writer.finish()?;
    Ok(())
}

fn csv_cell(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(format: Format, objects: &[Value]) -> String {
        let mut out = Vec::new();
        write_objects(format, objects, &mut out).expect("there is room");
        String::from_utf8(out).expect("it is text")
    }

    #[test]
    fn no_rows_are_an_empty_array_and_else_nothing() {
        for (format, expected) in [
            (Format::Json, "[]\n"),
            (Format::Table, "[]\n"),
            (Format::Ndjson, ""),
            (Format::Csv, ""),
        ] {
            assert_eq!(written(format, &[]), expected, "{format:?}");
        }
    }

    #[test]
    fn an_array_that_is_written_object_by_object_is_what_it_would_be_as_a_whole() {
        let objects =
            [json!({ "a": 1, "b": ["x", { "c": null }] }), json!({}), json!({ "a": "é\n" })];
        for length in 1..=objects.len() {
            let whole = format!("{:#}\n", json!(objects[..length]));
            assert_eq!(written(Format::Json, &objects[..length]), whole);
        }
        assert_eq!(written(Format::Ndjson, &objects[1..]), "{}\n{\"a\":\"é\\n\"}\n");
    }

    #[test]
    fn cells_of_csv_are_texts_lists_of_texts_and_json() {
        let objects = [
            json!({ "id": "a", "list": ["x", "y"], "mixed": ["x", 1], "none": null, "on": true }),
            json!({ "id": "=1+1", "list": [], "mixed": { "n": 1 }, "other": 1 }),
        ];
        let expected = "id,list,mixed,none,on\r\na,x y,\"[\"\"x\"\",1]\",,true\r\n'=1+1,,\"{\"\"n\"\":1}\",,\r\n";
        assert_eq!(
            written(Format::Csv, &objects).replace("\r\n", "\n"),
            expected.replace("\r\n", "\n")
        );
    }

    #[test]
    fn many_rows_of_csv_are_all_there() {
        let objects: Vec<Value> = (0..=CSV_ROWS * 2).map(|number| json!({ "n": number })).collect();
        let csv = written(Format::Csv, &objects);
        assert_eq!(csv.lines().count(), objects.len() + 1);
        assert_eq!(csv.lines().last(), Some("2048"));
    }
}
