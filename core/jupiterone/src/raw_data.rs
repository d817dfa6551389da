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
