//! Values in both forms, byte by byte, and lists and numbers that are read back.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    Date32Array, Decimal128Array, DictionaryArray, DurationMillisecondArray, Float64Array,
    Int64Array, ListArray, NullArray, StringArray, TimestampMillisecondArray, UInt32Array,
    UInt64Array,
};
use proptest::prelude::*;

use super::*;
use crate::decode;

/// Returns the first cell in text and in binary.
fn sent(column: ArrayRef) -> (Option<String>, Vec<u8>) {
    let rows = Rows::new(&batch(column)).expect("its values are in range");
    let mut out = BytesMut::new();
    rows.write(0, &[true], &mut out);
    // The kind, two lengths and the number of columns come before the value.
    (rows.text(0, 0), out[11..].to_vec())
}

#[test]
fn values_are_written_as_postgres_writes_them() {
    let time = |ms: i64| TimestampMillisecondArray::from(vec![ms]);
    let lists = ListArray::from_iter_primitive::<arrow_array::types::Int64Type, _, _>([Some([
        Some(1),
        None,
    ])]);
    let numbers = |value: i128, scale: i8| {
        let array = Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale);
        Arc::new(array.expect("it is a scale")) as ArrayRef
    };
    let dictionary: DictionaryArray<Int32Type> = ["LAP-1"].into_iter().collect();
    let table: Vec<(ArrayRef, &str, &[u8])> = vec![
        (Arc::new(BooleanArray::from(vec![true])), "t", &[1]),
        (Arc::new(Int64Array::from(vec![-2])), "-2", &[255, 255, 255, 255, 255, 255, 255, 254]),
        (Arc::new(UInt32Array::from(vec![26])), "26", &[0, 0, 0, 26]),
        (Arc::new(Float64Array::from(vec![1.5])), "1.5", &[63, 248, 0, 0, 0, 0, 0, 0]),
        (
            Arc::new(Float64Array::from(vec![f64::NEG_INFINITY])),
            "-Infinity",
            &[255, 240, 0, 0, 0, 0, 0, 0],
        ),
        (Arc::new(StringArray::from(vec!["näme"])), "näme", "näme".as_bytes()),
        (Arc::new(dictionary), "LAP-1", b"LAP-1"),
        (Arc::new(Date32Array::from(vec![10_957])), "2000-01-01", &[0, 0, 0, 0]),
        (
            Arc::new(time(946_684_800_250).with_timezone("UTC")),
            "2000-01-01 00:00:00.25+00",
            &[0, 0, 0, 0, 0, 3, 208, 144],
        ),
        (Arc::new(time(946_684_800_000)), "2000-01-01 00:00:00", &[0; 8]),
        (numbers(-15_000, 4), "-1.5000", &[0, 2, 0, 0, 64, 0, 0, 4, 0, 1, 19, 136]),
        (numbers(120_000, 0), "120000", &[0, 1, 0, 1, 0, 0, 0, 0, 0, 12]),
        (numbers(5, 3), "0.005", &[0, 1, 255, 255, 0, 0, 0, 3, 0, 50]),
        (
            Arc::new(DurationMillisecondArray::from(vec![90_061_500])),
            "25:01:01.5",
            &[0, 0, 0, 20, 248, 21, 110, 96, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        (
            Arc::new(lists),
            "{1,NULL}",
            &[
                0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 20, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0,
                0, 0, 0, 0, 1, 255, 255, 255, 255,
            ],
        ),
    ];
    for (column, text, binary) in table {
        let data_type = column.data_type().clone();
        assert_eq!(sent(column), (Some(text.to_owned()), binary.to_vec()), "{data_type}");
    }
    let rows = Rows::new(&batch(Arc::new(NullArray::new(1)))).expect("nulls have no range");
    assert_eq!(rows.text(0, 0), None);
}

#[test]
fn a_number_that_has_no_room_is_an_error_and_no_other_number() {
    let error = Rows::new(&batch(Arc::new(UInt64Array::from(vec![u64::MAX])))).err();
    assert_eq!(error.map(|error| error.state), Some("22003"));
}

proptest! {
    #[test]
    fn a_list_of_texts_is_read_back_as_it_was_written(
        items in prop::collection::vec(prop::option::of("[a-c{},\"\\\\ N]{0,6}"), 0..5),
    ) {
        let mut out = BytesMut::new();
        text::write(&Cell::Texts(items.clone()), &mut out);
        let written = String::from_utf8(out.into()).expect("it is text");
        prop_assert_eq!(decode::list(&written), Some(items));
    }

    #[test]
    fn a_number_is_the_same_in_both_forms(value in any::<i64>(), scale in 0_i8..20) {
        let cell = Cell::Number(value.into(), scale);
        let (mut written, mut binary) = (BytesMut::new(), BytesMut::new());
        text::write(&cell, &mut written);
        super::binary::write(&cell, &mut binary);
        let read = decode::value(1, 1700, true, Some(&binary)).expect("it is a number");
        let core_query::ParameterValue::Written(read) = read else { panic!("{read:?}") };
        let plain = |text: &str| {
            let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
            let digits = digits.trim_start_matches('0');
            let zero = if digits.is_empty() || digits.starts_with('.') { "0" } else { "" };
            format!("{sign}{zero}{digits}")
        };
        let written = String::from_utf8(written.into()).expect("it is text");
        prop_assert_eq!(plain(&read), plain(&written));
    }
}
