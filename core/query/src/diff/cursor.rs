//! Reads one side of a comparison in the order of its keys.

use std::cmp::Ordering;

use core_store::{Batches, Generation, TableKind};
use datafusion::arrow::array::cast::AsArray as _;
use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;

use crate::error::QueryError;

/// The sorted rows of one table, one after the other.
pub(super) struct Cursor {
    name: String,
    kind: TableKind,
    batches: Option<Batches>,
    current: Option<Current>,
    /// The number of opened batches, which identifies the values that were made from a batch.
    batch_number: usize,
}

/// The batch with the current row.
struct Current {
    batch: RecordBatch,
    row: usize,
    keys: Vec<KeyColumn>,
}

/// A column of keys.
struct KeyColumn {
    values: StringArray,
    /// The place of the text of each row; none if that is the row.
    places: Option<Vec<usize>>,
}

impl KeyColumn {
    fn new(batch: &RecordBatch, name: &str) -> Result<Self, QueryError> {
        let column = batch.column_by_name(name).ok_or(QueryError::NOT_SORTED)?;
        let texts = |array| {
            let array = cast(array, &DataType::Utf8);
            let texts = array.map(|array| array.as_string::<i32>().clone());
            texts.map_err(|error| QueryError::from_arrow(&error))
        };
        match column.as_any_dictionary_opt() {
            Some(dictionary) => Ok(Self {
                values: texts(dictionary.values())?,
                places: Some(dictionary.normalized_keys()),
            }),
            None => Ok(Self { values: texts(column)?, places: None }),
        }
    }

    fn text(&self, row: usize) -> &str {
        self.values.value(self.places.as_ref().map_or(row, |places| places[row]))
    }

    /// Returns true if two rows certainly share their text, without reading it.
    fn is_same_place(&self, row: usize, other: usize) -> bool {
        self.places.as_ref().is_some_and(|places| places[row] == places[other])
    }
}

impl Cursor {
    /// Opens a table at its first row. A table that the generation does not have is empty.
    pub(super) fn open(
        generation: &Generation,
        kind: TableKind,
        name: &str,
    ) -> Result<Self, QueryError> {
        let has_table = generation.manifest().table(kind, name).is_some();
        let batches = has_table.then(|| generation.batches(kind, name)).transpose()?;
        let name = name.to_owned();
        let mut cursor = Self { name, kind, batches, current: None, batch_number: 0 };
        cursor.next_batch()?;
        Ok(cursor)
    }

    /// The table.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The batch with the current row, and the row's place in it; none at the end.
    pub(super) fn row(&self) -> Option<(&RecordBatch, usize)> {
        self.current.as_ref().map(|current| (&current.batch, current.row))
    }

    /// The number of the batch with the current row.
    pub(super) fn batch_number(&self) -> usize {
        self.batch_number
    }

    /// The keys of the current row: its own, or those of both ends.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let current = self.current.iter();
        current.flat_map(|current| current.keys.iter().map(|column| column.text(current.row)))
    }

    /// Compares the keys of the current rows; the end comes last.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (&self.current, &other.current) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(_), Some(_)) => compare_keys(self.keys(), other.keys()),
        }
    }

    /// Goes to the next row.
    ///
    /// # Errors
    /// [`QueryError::Execution`] if the rows are not in the order of their keys.
    pub(super) fn advance(&mut self) -> Result<(), QueryError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.row + 1 == current.batch.num_rows() {
            let last: Vec<String> = self.keys().map(str::to_owned).collect();
            self.next_batch()?;
            let is_sorted = self.current.is_none()
                || compare_keys(last.iter().map(String::as_str), self.keys()).is_lt();
            return if is_sorted { Ok(()) } else { Err(QueryError::NOT_SORTED) };
        }
        current.row += 1;
        for column in &current.keys {
            if column.is_same_place(current.row - 1, current.row) {
                continue;
            }
            match key_order(column.text(current.row - 1), column.text(current.row)) {
                Ordering::Less => return Ok(()),
                Ordering::Equal => {}
                Ordering::Greater => return Err(QueryError::NOT_SORTED),
            }
        }
        Err(QueryError::NOT_SORTED)
    }

    fn next_batch(&mut self) -> Result<(), QueryError> {
        self.current = None;
        let names: &[&str] = match self.kind {
            TableKind::Entity => &["_key"],
            TableKind::Relationship => &["_fromEntityKey", "_toEntityKey"],
        };
        for batch in self.batches.iter_mut().flatten() {
            let batch = batch?;
            if batch.num_rows() > 0 {
                let keys = names.iter().map(|name| KeyColumn::new(&batch, name));
                let keys = keys.collect::<Result<_, _>>()?;
                self.current = Some(Current { batch, row: 0, keys });
                self.batch_number += 1;
                break;
            }
        }
        Ok(())
    }
}

fn compare_keys<'a>(
    left: impl Iterator<Item = &'a str>,
    right: impl Iterator<Item = &'a str>,
) -> Ordering {
    left.zip(right)
        .map(|(left, right)| key_order(left, right))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Compares two keys by their uids, since tables are sorted by those. A key has some characters of its uid
/// as percent codes.
pub(super) fn key_order(left: &str, right: &str) -> Ordering {
    let has_codes = |key: &str| memchr::memchr(b'%', key.as_bytes()).is_some();
    if !has_codes(left) && !has_codes(right) {
        return left.cmp(right);
    }
    decoded(left).cmp(&decoded(right))
}

/// The bytes of a key with its percent codes decoded.
fn decoded(key: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%').then(|| tail.get(..2)).flatten();
        let code = code.and_then(|digits| str::from_utf8(digits).ok());
        if let Some(byte) = code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_as_their_uids_are() {
        // In the order of the uids: "a\u{1}", "a b", "a%", "a1", "ab", "a|", "b".
        let sorted = ["t:a%01", "t:a b", "t:a%25", "t:a1", "t:ab", "t:a%7C", "t:b"];
        for (place, left) in sorted.iter().enumerate() {
            for (other, right) in sorted.iter().enumerate() {
                assert_eq!(key_order(left, right), place.cmp(&other), "{left} {right}");
            }
        }
        assert_eq!(decoded("t:%"), b"t:%");
        assert_eq!(decoded("t:%zz%"), b"t:%zz%");
    }
}
