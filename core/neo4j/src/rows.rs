//! Rows of a generation as parameters of statements.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMillisecondType, UInt32Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use core_destination::for_each_fingerprint;

use crate::error::Neo4jError;
use crate::statement::{HASH, KEY, Shape};
use crate::value::{Value, map};

/// The columns with the keys of both ends of a relationship.
const ENDS: [&str; 2] = ["_fromEntityKey", "_toEntityKey"];

/// The form in which rows are shown. A higher number makes every row differ from what was written before.
const FORM: &str = "1";

/// A node or a relationship that is to be there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Its key.
    pub(crate) key: String,
    /// The keys of both ends of a relationship.
    pub(crate) ends: Option<(String, String)>,
    /// The hash of its content.
    pub(crate) hash: i64,
    /// All its properties, the key and the hash too.
    pub(crate) properties: Value,
    /// About how many bytes it takes in a statement.
    pub(crate) size: usize,
}

impl Row {
    /// The row as a parameter.
    pub(crate) fn to_value(&self) -> Value {
        let key = ("key", Value::from(self.key.as_str()));
        let properties = ("properties", self.properties.clone());
        match &self.ends {
            None => map([key, properties]),
            Some((from, to)) => {
                map([key, ("from", from.as_str().into()), ("to", to.as_str().into()), properties])
            }
        }
    }
}

/// Makes the key of a relationship of those of its ends, as JupiterOne and the tables of `query` do.
fn relationship_key(from: &str, class: &str, to: &str) -> String {
    format!("{from}|{class}|{to}")
}

/// Encodes batches of rows of one type.
pub(crate) struct RowEncoder<'a> {
    shape: &'a Shape,
    /// Everything beside the values that decides how a row is shown.
    form: Vec<u8>,
    /// The number of values that Neo4j cannot hold as they are.
    pub(crate) changed_values: u64,
}

impl<'a> RowEncoder<'a> {
    /// An encoder for a type.
    pub(crate) fn new(shape: &'a Shape) -> Self {
        let form = [&[FORM.to_owned()], shape.classes.as_slice()].concat().join("\n").into_bytes();
        Self { shape, form, changed_values: 0 }
    }

    /// Returns the keys of these rows.
    pub(crate) fn keys(&self, batch: &RecordBatch) -> Result<Vec<String>, Neo4jError> {
        let names: &[&str] = if self.shape.ends.is_some() { &ENDS } else { &[KEY] };
        let columns = names.iter().map(|name| self.texts(batch, name));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        Ok(match columns.as_slice() {
            [from, to] => {
                let pairs = from.iter().zip(to);
                pairs.map(|(from, to)| relationship_key(from, self.class(), to)).collect()
            }
            _ => columns.into_iter().next().unwrap_or_default(),
        })
    }

    /// Encodes these rows.
    pub(crate) fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<Row>, Neo4jError> {
        let keys = self.keys(batch)?;
        let ends = match &self.shape.ends {
            None => None,
            Some(_) => Some((self.texts(batch, ENDS[0])?, self.texts(batch, ENDS[1])?)),
        };
        let hashes = self.hashes(batch)?;
        let schema = batch.schema();
        let columns: Vec<(Arc<str>, &dyn Array)> = schema
            .fields()
            .iter()
            .zip(batch.columns())
            .filter(|(field, _)| field.name() != KEY && !ENDS.contains(&field.name().as_str()))
            .map(|(field, column)| (Arc::from(field.name().as_str()), column.as_ref()))
            .collect();
        let (key_name, hash_name): (Arc<str>, Arc<str>) = (Arc::from(KEY), Arc::from(HASH));
        let mut rows = Vec::with_capacity(batch.num_rows());
        for (number, (key, hash)) in keys.into_iter().zip(hashes).enumerate() {
            let mut size = 2 * key.len() + 32;
            let mut properties = vec![
                (Arc::clone(&key_name), Value::Text(key.clone())),
                (Arc::clone(&hash_name), Value::Integer(hash)),
            ];
            for (name, column) in &columns {
                let value = self.value(*column, number);
                if value != Value::Null {
                    size += name.len() + size_of_value(&value);
                    properties.push((Arc::clone(name), value));
                }
            }
            let ends = ends.as_ref().map(|(from, to)| (from[number].clone(), to[number].clone()));
            rows.push(Row { key, ends, hash, properties: Value::Map(properties), size });
        }
        Ok(rows)
    }

    fn class(&self) -> &str {
        self.shape.classes.first().map_or("", String::as_str)
    }

    fn hashes(&self, batch: &RecordBatch) -> Result<Vec<i64>, Neo4jError> {
        let keys: &[&str] = if self.shape.ends.is_some() { &ENDS } else { &[KEY] };
        let mut hashes = Vec::with_capacity(batch.num_rows());
        for_each_fingerprint(batch, keys, &|_| true, &self.form, &mut |row| {
            hashes.push(row.content.cast_signed());
        })
        .map_err(|(column, found)| self.refuse(column, found))?;
        Ok(hashes)
    }

    fn refuse(&self, column: String, found: String) -> Neo4jError {
        Neo4jError::Column { type_name: self.shape.name.clone(), column, found }
    }

    /// The texts of a column of keys.
    fn texts(&self, batch: &RecordBatch, name: &str) -> Result<Vec<String>, Neo4jError> {
        let missing = || self.refuse(name.to_owned(), "no text".to_owned());
        let column = batch.column_by_name(name).ok_or_else(missing)?;
        let text = |row| text_at(column.as_ref(), row).map(ToOwned::to_owned);
        (0..batch.num_rows()).map(|row| text(row).ok_or_else(missing)).collect()
    }

    /// A value; all columns are of types that [`for_each_fingerprint`] knows.
    fn value(&mut self, column: &dyn Array, row: usize) -> Value {
        if column.is_null(row) {
            return Value::Null;
        }
        match column.data_type() {
            DataType::Utf8 => Value::from(column.as_string::<i32>().value(row)),
            DataType::Int64 => Value::Integer(column.as_primitive::<Int64Type>().value(row)),
            DataType::Boolean => Value::Boolean(column.as_boolean().value(row)),
            DataType::Timestamp(..) => {
                Value::Time(column.as_primitive::<TimestampMillisecondType>().value(row))
            }
            DataType::Dictionary(..) => {
                let dictionary = column.as_dictionary::<UInt32Type>();
                let number = dictionary.keys().value(row) as usize;
                self.value(dictionary.values().as_ref(), number)
            }
            _ => {
                let items = column.as_list::<i32>().value(row);
                let items = items.as_string::<i32>();
                // A list in Neo4j has no nulls.
                self.changed_values += u64::from(items.null_count() > 0);
                Value::List(items.iter().flatten().map(Value::from).collect())
            }
        }
    }
}

/// The text of a cell, plain or by a dictionary; `None` if it is none.
fn text_at(column: &dyn Array, row: usize) -> Option<&str> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Utf8 => Some(column.as_string::<i32>().value(row)),
        DataType::Dictionary(..) => {
            let dictionary = column.as_dictionary_opt::<UInt32Type>()?;
            let values = dictionary.values().as_string_opt::<i32>()?;
            Some(values.value(dictionary.keys().value(row) as usize))
        }
        _ => None,
    }
}

fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len() + 5,
        Value::List(items) => items.iter().map(size_of_value).sum::<usize>() + 5,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::{
        ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray,
        TimestampMillisecondArray,
    };

    use super::*;

    fn shape(ends: Option<(&str, &str)>) -> Shape {
        Shape {
            name: "device".to_owned(),
            ends: ends.map(|(from, to)| (from.to_owned(), to.to_owned())),
            classes: vec!["HAS".to_owned()],
        }
    }

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, true)),
        )
        .expect("columns of one length")
    }

    fn text(value: Option<&str>) -> ArrayRef {
        Arc::new(StringArray::from(vec![value]))
    }

    fn list(items: &[Option<&str>]) -> ArrayRef {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for item in items {
            builder.values().append_option(*item);
        }
        builder.append(true);
        Arc::new(builder.finish())
    }

    fn encode(shape: &Shape, batch: &RecordBatch) -> (Vec<Row>, u64) {
        let mut encoder = RowEncoder::new(shape);
        let rows = encoder.encode(batch).expect("the types are known");
        (rows, encoder.changed_values)
    }

    #[test]
    fn every_type_of_a_column_has_its_type_of_property() {
        let dictionary: DictionaryArray<UInt32Type> = [Some("coded")].into_iter().collect();
        let table: Vec<(ArrayRef, Value)> = vec![
            (text(Some("ab")), Value::from("ab")),
            (text(Some("")), Value::from("")),
            (Arc::new(dictionary), Value::from("coded")),
            (Arc::new(Int64Array::from(vec![-2])), Value::Integer(-2)),
            (Arc::new(BooleanArray::from(vec![true])), Value::Boolean(true)),
            (Arc::new(TimestampMillisecondArray::from(vec![5])), Value::Time(5)),
            (list(&[Some("a"), Some("b")]), crate::value::texts(["a", "b"])),
            (list(&[]), Value::List(Vec::new())),
        ];
        for (column, expected) in table {
            let rows = batch(vec![("_key", text(Some("k"))), ("value", column)]);
            let (rows, changed) = encode(&shape(None), &rows);
            let [row] = rows.as_slice() else { panic!("it is one") };
            assert_eq!(row.properties.field("value"), Some(&expected));
            assert_eq!(row.properties.field(KEY), Some(&Value::from("k")));
            assert_eq!(row.properties.field(HASH), Some(&Value::Integer(row.hash)));
            assert_eq!((changed, &row.ends), (0, &None));
        }
    }

    #[test]
    fn a_null_is_no_property_and_one_in_a_list_is_left_out_and_counted() {
        let columns = vec![
            ("_key", text(Some("k"))),
            ("nothing", text(None)),
            ("list", list(&[Some("a"), None])),
        ];
        let (rows, changed) = encode(&shape(None), &batch(columns));
        assert_eq!(rows[0].properties.field("nothing"), None);
        assert_eq!(rows[0].properties.field("list"), Some(&crate::value::texts(["a"])));
        assert_eq!(changed, 1);
    }

    #[test]
    fn a_relationship_has_the_key_of_both_its_ends_and_these_are_no_properties() {
        let ends: DictionaryArray<UInt32Type> = [Some("u:1")].into_iter().collect();
        let columns = vec![
            ("_fromEntityKey", Arc::new(ends) as ArrayRef),
            ("_toEntityKey", text(Some("d:1"))),
            ("since", Arc::new(Int64Array::from(vec![3]))),
        ];
        let (rows, _) = encode(&shape(Some(("user", "device"))), &batch(columns));
        let row = &rows[0];
        assert_eq!(row.key, "u:1|HAS|d:1");
        assert_eq!(row.ends, Some(("u:1".to_owned(), "d:1".to_owned())));
        let Value::Map(properties) = &row.properties else { panic!("it is a map") };
        let names: Vec<&str> = properties.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, [KEY, HASH, "since"]);
        let value = row.to_value();
        assert_eq!(value.field("from"), Some(&Value::from("u:1")));
        assert_eq!(value.field("to"), Some(&Value::from("d:1")));
    }

    #[test]
    fn a_hash_tells_another_value_and_another_class_and_not_another_key() {
        let hash = |classes: &[&str], key: &str, value: &str| {
            let classes = classes.iter().map(|class| (*class).to_owned()).collect();
            let shape = Shape { name: "device".to_owned(), ends: None, classes };
            let columns = vec![("_key", text(Some(key))), ("value", text(Some(value)))];
            encode(&shape, &batch(columns)).0[0].hash
        };
        let first = hash(&["Host"], "k", "a");
        assert_eq!(first, hash(&["Host"], "other", "a"));
        assert_ne!(first, hash(&["Host"], "k", "b"));
        assert_ne!(first, hash(&["Host", "Device"], "k", "a"));
    }

    #[test]
    fn a_column_that_no_generation_has_and_a_missing_key_are_refused_by_name() {
        let shape = shape(None);
        let mut encoder = RowEncoder::new(&shape);
        let float = Arc::new(Float64Array::from(vec![0.5])) as ArrayRef;
        for (columns, part) in [
            (vec![("_key", text(Some("k"))), ("share", float)], "column share of device"),
            (vec![("name", text(Some("k")))], "column _key of device"),
            (vec![("_key", text(None))], "column _key of device"),
        ] {
            let error = encoder.encode(&batch(columns)).expect_err("it is refused").to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
