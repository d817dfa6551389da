//! The stored values of an entity as its `_rawData`, before the data model nulls or cuts any of them.
//!
//! Source: integration SDK 17.4, `integration-sdk-core/src/data/rawData.ts`.

use arrow_array::RecordBatch;

use crate::column::{Cell, Column};
use crate::json::{write_integer, write_text, write_texts};

const START: &[u8] = b",\"_rawData\":[{\"name\":\"default\",\"rawData\":{";
const END: &[u8] = b"}}]";

/// The columns of one batch, by name.
pub(crate) struct RawData<'a> {
    columns: Vec<(&'a str, Column<'a>)>,
}

impl<'a> RawData<'a> {
    /// All columns of a batch but the key; what no table of a generation has is left out.
    pub(crate) fn new(batch: &'a RecordBatch, key: &str) -> Self {
        let schema = batch.schema_ref();
        let named = schema.fields().iter().zip(batch.columns());
        let columns = named
            .filter(|(field, _)| field.name() != key)
            .filter_map(|(field, array)| Some((field.name().as_str(), Column::from_array(array)?)))
            .collect();
        Self { columns }
    }

    /// Writes the values that a row has, as one member of its object.
    pub(crate) fn write(&self, row: usize, json: &mut Vec<u8>) {
        json.extend_from_slice(START);
        let cells =
            self.columns.iter().filter_map(|(name, column)| Some((name, column.cell(row)?)));
        for (place, (name, cell)) in cells.enumerate() {
            if place > 0 {
                json.push(b',');
            }
            write_text(name, json);
            json.push(b':');
            match cell {
                Cell::Text(text) => write_text(text, json),
                Cell::Number(number) => write_integer(number, json),
                Cell::Boolean(yes) => json.extend_from_slice(if yes { b"true" } else { b"false" }),
                Cell::Texts(texts) => write_texts(texts.iter(), json),
            }
        }
        json.extend_from_slice(END);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
    use serde_json::{Value, json};

    use super::*;

    /// The raw data of a row of these columns.
    fn raw_data(columns: Vec<(&str, ArrayRef)>, row: usize) -> Value {
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        );
        let batch = batch.expect("the columns are of one length");
        let mut object = b"{\"_key\":\"a\"".to_vec();
        RawData::new(&batch, "_key").write(row, &mut object);
        object.push(b'}');
        let object: Value = serde_json::from_slice(&object).expect("it is one object");
        assert_eq!(object["_rawData"][0]["name"], "default");
        object["_rawData"][0]["rawData"].clone()
    }

    fn texts(texts: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(texts.to_vec()))
    }

    #[test]
    fn each_stored_value_is_there_with_its_type_but_for_the_key() {
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("a"), None, Some("b")]);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("_key", texts(&[Some("device:1")])),
            ("name", texts(&[Some("laptop")])),
            ("memory", Arc::new(Int64Array::from(vec![i64::MAX]))),
            ("isEncrypted", Arc::new(BooleanArray::from(vec![false]))),
            ("groups", Arc::new(lists.finish())),
        ];
        let expected = json!({
            "name": "laptop",
            "memory": i64::MAX,
            "isEncrypted": false,
            "groups": ["a", "b"],
        });
        assert_eq!(raw_data(columns, 0), expected);
    }

    #[test]
    fn a_value_that_the_row_does_not_have_is_left_out_wherever_it_stands() {
        let columns = || {
            vec![
                ("first", texts(&[None, Some("a"), None])),
                ("second", texts(&[Some("b"), None, None])),
                ("third", texts(&[Some("c"), Some("d"), None])),
            ]
        };
        assert_eq!(raw_data(columns(), 0), json!({ "second": "b", "third": "c" }));
        assert_eq!(raw_data(columns(), 1), json!({ "first": "a", "third": "d" }));
        assert_eq!(raw_data(columns(), 2), json!({}));
    }

    #[test]
    fn what_would_end_a_text_of_json_is_escaped_in_names_and_values() {
        let columns = vec![("a\"b", texts(&[Some("x\"},{\"y\\\n\u{1b}")]))];
        assert_eq!(raw_data(columns, 0), json!({ "a\"b": "x\"},{\"y\\\n\u{1b}" }));
    }

    #[test]
    fn a_column_of_a_kind_that_no_generation_has_is_left_out() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("share", Arc::new(Float64Array::from(vec![0.5]))),
            ("name", texts(&[Some("laptop")])),
        ];
        assert_eq!(raw_data(columns, 0), json!({ "name": "laptop" }));
    }
}
