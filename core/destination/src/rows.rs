//! The fingerprint of a row, by its typed values. Two rows of the same values have the same one, in whatever order or
//! type of dictionary a generation stores their columns.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMillisecondType, UInt32Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;

/// The hashes of a row: of the columns that identify it, and of all others. 64 bits each: among ten million rows
/// two share one with a chance of 3 in a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowFingerprint {
    /// The hash of the identity.
    pub key: u64,
    /// The hash of the content.
    pub content: u64,
}

/// Hands out the fingerprint of each row of a batch.
///
/// `keys` are the columns that identify a row; `is_compared` says which of the others count. `form` is what decides
/// beside the values how a destination shows the row: rows of two forms have different contents.
///
/// # Errors
///
/// The name and type of a column whose type no generation has.
pub fn for_each_fingerprint(
    batch: &RecordBatch,
    keys: &[&str],
    is_compared: &dyn Fn(&str) -> bool,
    form: &[u8],
    each: &mut dyn FnMut(RowFingerprint),
) -> Result<(), (String, String)> {
    let schema = batch.schema();
    let mut identity: Vec<(&str, &ArrayRef)> = Vec::new();
    let mut content: Vec<(&str, &ArrayRef)> = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let name = field.name().as_str();
        if !is_known(column.data_type()) {
            return Err((name.to_owned(), column.data_type().to_string()));
        }
        if keys.contains(&name) {
            identity.push((name, column));
        } else if is_compared(name) {
            content.push((name, column));
        }
    }
    // A generation may have its columns in another order.
    identity.sort_unstable_by_key(|(name, _)| *name);
    content.sort_unstable_by_key(|(name, _)| *name);
    let mut bytes = Vec::new();
    for row in 0..batch.num_rows() {
        bytes.clear();
        write_cells(&identity, row, &mut bytes);
        let key = short_hash(&bytes);
        bytes.clear();
        write_length(form.len(), &mut bytes);
        bytes.extend_from_slice(form);
        write_cells(&content, row, &mut bytes);
        each(RowFingerprint { key, content: short_hash(&bytes) });
    }
    Ok(())
}

/// Returns true for the types of the columns of generations.
fn is_known(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::Int64 | DataType::Boolean | DataType::Timestamp(..) => true,
        DataType::List(item) => *item.data_type() == DataType::Utf8,
        DataType::Dictionary(keys, values) => **keys == DataType::UInt32 && is_known(values),
        _ => false,
    }
}

/// Writes the name, type and value of every cell that is not null.
fn write_cells(columns: &[(&str, &ArrayRef)], row: usize, bytes: &mut Vec<u8>) {
    for (name, column) in columns {
        let start = bytes.len();
        write_text(name, bytes);
        if !write_value(column.as_ref(), row, bytes) {
            bytes.truncate(start);
        }
    }
}

/// Writes a value with its type; returns false if it is null.
fn write_value(column: &dyn Array, row: usize, bytes: &mut Vec<u8>) -> bool {
    if column.is_null(row) {
        return false;
    }
    match column.data_type() {
        DataType::Utf8 => {
            bytes.push(b't');
            write_text(column.as_string::<i32>().value(row), bytes);
        }
        DataType::Int64 => {
            bytes.push(b'i');
            bytes.extend(column.as_primitive::<Int64Type>().value(row).to_le_bytes());
        }
        DataType::Boolean => bytes.extend([b'b', u8::from(column.as_boolean().value(row))]),
        DataType::Timestamp(..) => {
            bytes.push(b'm');
            let time = column.as_primitive::<TimestampMillisecondType>().value(row);
            bytes.extend(time.to_le_bytes());
        }
        DataType::Dictionary(..) => {
            let dictionary = column.as_dictionary::<UInt32Type>();
            let number = dictionary.keys().value(row) as usize;
            return write_value(dictionary.values().as_ref(), number, bytes);
        }
        _ => {
            let texts = column.as_list::<i32>().value(row);
            let texts = texts.as_string::<i32>();
            bytes.push(b'l');
            write_length(texts.len(), bytes);
            for text in texts {
                // A null in a list differs from an empty text.
                bytes.push(u8::from(text.is_some()));
                write_text(text.unwrap_or_default(), bytes);
            }
        }
    }
    true
}

/// The length comes first, so that no two sequences of texts have the same bytes.
fn write_text(text: &str, bytes: &mut Vec<u8>) {
    write_length(text.len(), bytes);
    bytes.extend_from_slice(text.as_bytes());
}

fn write_length(length: usize, bytes: &mut Vec<u8>) {
    bytes.extend((length as u64).to_le_bytes());
}

fn short_hash(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    let first = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
    u64::from_le_bytes(*first)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::{
        BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray,
        TimestampMillisecondArray,
    };

    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, true)),
        )
        .expect("columns of one length")
    }

    fn texts(values: Vec<Option<&str>>) -> ArrayRef {
        Arc::new(StringArray::from(values))
    }

    fn list(values: &[Option<&str>]) -> ArrayRef {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for text in values {
            builder.values().append_option(*text);
        }
        builder.append(true);
        Arc::new(builder.finish())
    }

    fn fingerprints_as(batch: &RecordBatch, form: &[u8]) -> Vec<RowFingerprint> {
        let mut found = Vec::new();
        for_each_fingerprint(batch, &["_key"], &|name| name != "ignored", form, &mut |row| {
            found.push(row);
        })
        .expect("the types are known");
        found
    }

    fn fingerprints(columns: Vec<(&str, ArrayRef)>) -> Vec<RowFingerprint> {
        fingerprints_as(&batch(columns), b"")
    }

    #[test]
    fn the_same_values_are_the_same_in_another_order_and_as_a_dictionary() {
        let plain = fingerprints(vec![
            ("_key", texts(vec![Some("a"), Some("b")])),
            ("name", texts(vec![Some("x"), None])),
            ("age", Arc::new(Int64Array::from(vec![1, 2]))),
        ]);
        let coded: DictionaryArray<UInt32Type> = [Some("x"), None].into_iter().collect();
        let other = fingerprints(vec![
            ("age", Arc::new(Int64Array::from(vec![1, 2]))),
            ("name", Arc::new(coded)),
            ("_key", texts(vec![Some("a"), Some("b")])),
        ]);
        assert_eq!(plain, other);
        assert_ne!(plain[0], plain[1]);
    }

    #[test]
    fn a_column_without_values_is_as_none() {
        let without = fingerprints(vec![("_key", texts(vec![Some("a")]))]);
        let with = fingerprints(vec![("_key", texts(vec![Some("a")])), ("new", texts(vec![None]))]);
        assert_eq!(without, with);
    }

    #[test]
    fn the_end_of_one_value_is_not_the_beginning_of_the_next() {
        let of = |name: &str, value: &str| {
            let key = ("_key", texts(vec![Some("a")]));
            fingerprints(vec![key, (name, texts(vec![Some(value)]))])[0].content
        };
        assert_ne!(of("name", "x"), of("nam", "ex"));
    }

    #[test]
    fn only_columns_that_generations_have_are_known() {
        let coded = |keys: DataType, values: DataType| {
            DataType::Dictionary(Box::new(keys), Box::new(values))
        };
        assert!(is_known(&coded(DataType::UInt32, DataType::Utf8)));
        assert!(!is_known(&coded(DataType::UInt8, DataType::Utf8)));
        assert!(!is_known(&coded(DataType::UInt32, DataType::Float64)));
    }

    #[test]
    fn every_difference_of_a_value_is_one() {
        let time = |ms| TimestampMillisecondArray::from(vec![ms]);
        let cells: Vec<ArrayRef> = vec![
            texts(vec![None]),
            texts(vec![Some("")]),
            texts(vec![Some("1")]),
            texts(vec![Some("true")]),
            Arc::new(Int64Array::from(vec![1])),
            Arc::new(Int64Array::from(vec![-1])),
            Arc::new(BooleanArray::from(vec![true])),
            Arc::new(BooleanArray::from(vec![false])),
            Arc::new(time(1)),
            list(&[]),
            list(&[None]),
            list(&[Some("")]),
            list(&[Some("1")]),
            list(&[Some("a"), Some("b")]),
            list(&[Some("ab"), Some("")]),
            list(&[Some("b"), Some("a")]),
        ];
        let contents: Vec<u64> = cells
            .into_iter()
            .map(|cell| {
                fingerprints(vec![("_key", texts(vec![Some("a")])), ("value", cell)])[0].content
            })
            .collect();
        let distinct: std::collections::BTreeSet<_> = contents.iter().collect();
        assert_eq!(distinct.len(), contents.len(), "{contents:?}");
    }

    #[test]
    fn a_value_belongs_to_its_column() {
        let row = |name| {
            fingerprints(vec![("_key", texts(vec![Some("a")])), (name, texts(vec![Some("x")]))])
        };
        assert_ne!(row("first"), row("second"));
        assert_eq!(row("ignored"), fingerprints(vec![("_key", texts(vec![Some("a")]))]));
    }

    #[test]
    fn another_form_is_another_content_of_the_same_key() {
        let rows = batch(vec![("_key", texts(vec![Some("a")]))]);
        let [plain, raw] =
            [b"plain".as_slice(), b"raw"].map(|form| fingerprints_as(&rows, form)[0]);
        assert_eq!(plain.key, raw.key);
        assert_ne!(plain.content, raw.content);
    }

    #[test]
    fn a_type_that_no_generation_has_is_refused_by_its_name() {
        let rows = batch(vec![
            ("_key", texts(vec![Some("a")])),
            ("share", Arc::new(Float64Array::from(vec![0.5]))),
        ]);
        let refused = for_each_fingerprint(&rows, &["_key"], &|_| true, b"", &mut |_| ());
        assert_eq!(refused, Err(("share".to_owned(), "Float64".to_owned())));
    }
}
