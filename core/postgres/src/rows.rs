//! Rows of a generation in the binary form of `COPY`. Nothing is quoted or parsed, so that no text of a cell can be
//! anything but a text.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMillisecondType, UInt32Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use bytes::{BufMut as _, Bytes, BytesMut};

/// The beginning of every stream: a signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// 2000-01-01 in milliseconds since 1970: where Postgres counts from.
const EPOCH_MS: i64 = 946_684_800_000;
/// The times that Postgres can hold, in microseconds since 2000: from 4713 BC to 294276 AD.
const TIMES: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;
/// The type of the items of a list: `text`.
const TEXT_OID: i32 = 25;

/// Encodes batches of rows; one for each table.
#[derive(Debug, Default)]
pub(crate) struct RowEncoder {
    is_begun: bool,
    changed_values: u64,
}

impl RowEncoder {
    /// Returns the bytes of these rows. All columns must be of types that [`column_type`](crate::sql::column_type)
    /// knows.
    pub(crate) fn encode(&mut self, batch: &RecordBatch) -> Bytes {
        let mut bytes = BytesMut::with_capacity(batch.get_array_memory_size());
        if !self.is_begun {
            bytes.put_slice(HEADER);
            self.is_begun = true;
        }
        let columns =
            i16::try_from(batch.num_columns()).expect("a table has at most 1,024 columns");
        for row in 0..batch.num_rows() {
            bytes.put_i16(columns);
            for column in batch.columns() {
                self.put_value(column.as_ref(), row, &mut bytes);
            }
        }
        bytes.freeze()
    }

    /// Returns the end of the stream, and how many values Postgres cannot hold as they were.
    pub(crate) fn finish(mut self) -> (Bytes, u64) {
        let mut bytes = BytesMut::new();
        if !self.is_begun {
            bytes.put_slice(HEADER);
            self.is_begun = true;
        }
        bytes.put_i16(-1);
        (bytes.freeze(), self.changed_values)
    }

    fn put_value(&mut self, column: &dyn Array, row: usize, bytes: &mut BytesMut) {
        if column.is_null(row) {
            bytes.put_i32(-1);
            return;
        }
        match column.data_type() {
            DataType::Utf8 => self.put_text(column.as_string::<i32>().value(row), bytes),
            DataType::Int64 => {
                bytes.put_i32(8);
                bytes.put_i64(column.as_primitive::<Int64Type>().value(row));
            }
            DataType::Boolean => {
                bytes.put_i32(1);
                bytes.put_u8(u8::from(column.as_boolean().value(row)));
            }
            DataType::Timestamp(..) => {
                self.put_time(column.as_primitive::<TimestampMillisecondType>().value(row), bytes);
            }
            DataType::Dictionary(..) => {
                let dictionary = column.as_dictionary::<UInt32Type>();
                let number = dictionary.keys().value(row) as usize;
                self.put_value(dictionary.values().as_ref(), number, bytes);
            }
            _ => self.put_texts(column.as_list::<i32>().value(row).as_ref(), bytes),
        }
    }

    /// Writes a text. Postgres cannot hold U+0000 in one.
    fn put_text(&mut self, text: &str, bytes: &mut BytesMut) {
        let text = if text.contains('\0') {
            self.changed_values += 1;
            std::borrow::Cow::Owned(text.replace('\0', "\u{fffd}"))
        } else {
            text.into()
        };
        bytes.put_i32(length(text.len()));
        bytes.put_slice(text.as_bytes());
    }

    fn put_time(&mut self, time_ms: i64, bytes: &mut BytesMut) {
        let time = time_ms.checked_sub(EPOCH_MS).and_then(|time| time.checked_mul(1_000));
        let Some(time) = time.filter(|time| TIMES.contains(time)) else {
            self.changed_values += 1;
            bytes.put_i32(-1);
            return;
        };
        bytes.put_i32(8);
        bytes.put_i64(time);
    }

    /// Writes a list: the number of dimensions, whether there are nulls, the type, and for the one dimension its
    /// length and first index. A list without items has no dimension.
    fn put_texts(&mut self, texts: &dyn Array, bytes: &mut BytesMut) {
        let texts = texts.as_string::<i32>();
        let start = bytes.len();
        bytes.put_i32(0);
        bytes.put_i32(i32::from(!texts.is_empty()));
        bytes.put_i32(i32::from(texts.null_count() > 0));
        bytes.put_i32(TEXT_OID);
        if !texts.is_empty() {
            bytes.put_i32(length(texts.len()));
            bytes.put_i32(1);
        }
        for text in texts {
            match text {
                Some(text) => self.put_text(text, bytes),
                None => bytes.put_i32(-1),
            }
        }
        let size = length(bytes.len() - start - 4);
        bytes[start..start + 4].copy_from_slice(&size.to_be_bytes());
    }
}

fn length(length: usize) -> i32 {
    i32::try_from(length).expect("a row has at most 16 MiB")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::{
        ArrayRef, BooleanArray, DictionaryArray, Int64Array, StringArray, TimestampMillisecondArray,
    };

    use super::*;

    /// The bytes of the fields of one row of one column, without the header.
    fn field(column: ArrayRef) -> (Vec<u8>, u64) {
        let batch =
            RecordBatch::try_from_iter_with_nullable([("c", column, true)]).expect("one column");
        let mut encoder = RowEncoder::default();
        let bytes = encoder.encode(&batch);
        let (end, changed) = encoder.finish();
        assert_eq!(&end[..], [0xff, 0xff]);
        assert_eq!(&bytes[..HEADER.len()], HEADER);
        assert_eq!(&bytes[HEADER.len()..HEADER.len() + 2], [0, 1], "one field");
        (bytes[HEADER.len() + 2..].to_vec(), changed)
    }

    fn texts(items: &[Option<&str>]) -> ArrayRef {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for item in items {
            builder.values().append_option(*item);
        }
        builder.append(true);
        Arc::new(builder.finish())
    }

    #[test]
    fn each_type_has_the_bytes_that_postgres_documents() {
        let time = |ms| Arc::new(TimestampMillisecondArray::from(vec![ms])) as ArrayRef;
        let dictionary: DictionaryArray<UInt32Type> = [Some("ab")].into_iter().collect();
        let table: Vec<(ArrayRef, &[u8])> = vec![
            (Arc::new(StringArray::from(vec!["ab"])), b"\0\0\0\x02ab"),
            (Arc::new(StringArray::from(vec![""])), b"\0\0\0\0"),
            (Arc::new(StringArray::from(vec![None::<&str>])), b"\xff\xff\xff\xff"),
            (Arc::new(dictionary), b"\0\0\0\x02ab"),
            (Arc::new(Int64Array::from(vec![-2])), b"\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xfe"),
            (Arc::new(BooleanArray::from(vec![true])), b"\0\0\0\x01\x01"),
            (time(EPOCH_MS + 1), b"\0\0\0\x08\0\0\0\0\0\0\x03\xe8"),
            (texts(&[]), b"\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\x19"),
            (
                texts(&[Some("a"), None]),
                b"\0\0\0\x1d\0\0\0\x01\0\0\0\x01\0\0\0\x19\0\0\0\x02\0\0\0\x01\0\0\0\x01a\xff\xff\xff\xff",
            ),
        ];
        for (column, expected) in table {
            let name = column.data_type().to_string();
            assert_eq!(field(column), (expected.to_vec(), 0), "{name}");
        }
    }

    #[test]
    fn what_postgres_cannot_hold_is_changed_and_counted() {
        let (bytes, changed) = field(Arc::new(StringArray::from(vec!["a\0b"])));
        assert_eq!((&bytes[4..], changed), ("a\u{fffd}b".as_bytes(), 1));
        for ms in [i64::MAX, i64::MIN, EPOCH_MS - 211_813_488_000_001] {
            let (bytes, changed) = field(Arc::new(TimestampMillisecondArray::from(vec![ms])));
            assert_eq!((&bytes[..], changed), (&[0xff; 4][..], 1), "{ms}");
        }
    }

    #[test]
    fn a_table_without_rows_is_a_whole_stream() {
        let (bytes, _) = RowEncoder::default().finish();
        assert_eq!(&bytes[..], [HEADER, &[0xff, 0xff]].concat());
    }
}
