//! One column of a batch, read cell by cell whatever its layout.

use std::ops::Range;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, BooleanArray, ListArray, PrimitiveArray, StringArray};
use arrow_schema::{DataType, TimeUnit};

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    Text(&'a str),
    Number(i64),
    Boolean(bool),
    Texts(Texts<'a>),
}

/// The texts of a list, nulls left out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Texts<'a> {
    values: &'a StringArray,
    range: Range<usize>,
}

impl<'a> Texts<'a> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let values = self.values;
        self.range.clone().filter(|&at| values.is_valid(at)).map(|at| values.value(at))
    }
}

/// A column of a kind that a generation's tables have.
pub(crate) enum Column<'a> {
    Text(&'a StringArray),
    Integer(&'a PrimitiveArray<Int64Type>),
    Timestamp(&'a PrimitiveArray<TimestampMillisecondType>),
    Boolean(&'a BooleanArray),
    Texts(&'a ListArray, &'a StringArray),
    Dictionary { array: &'a dyn Array, places: Vec<usize>, values: Box<Column<'a>> },
}

impl<'a> Column<'a> {
    /// Reads a column; none for a kind of data that no table of a generation has.
    pub(crate) fn from_array(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Int64 => Self::Integer(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Millisecond, _) => Self::Timestamp(array.as_primitive()),
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::List(item) if item.data_type() == &DataType::Utf8 => {
                let list = array.as_list::<i32>();
                Self::Texts(list, list.values().as_string())
            }
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                // Without any value every row is null, and the keys mean nothing.
                let places = if dictionary.values().is_empty() {
                    vec![0; array.len()]
                } else {
                    dictionary.normalized_keys()
                };
                let values = Box::new(Self::from_array(dictionary.values())?);
                Self::Dictionary { array, places, values }
            }
            _ => return None,
        })
    }

    /// The cell of a row; none where it is null.
    pub(crate) fn cell(&self, row: usize) -> Option<Cell<'a>> {
        match self {
            Self::Text(array) => array.is_valid(row).then(|| Cell::Text(array.value(row))),
            Self::Integer(array) => array.is_valid(row).then(|| Cell::Number(array.value(row))),
            Self::Timestamp(array) => array.is_valid(row).then(|| Cell::Number(array.value(row))),
            Self::Boolean(array) => array.is_valid(row).then(|| Cell::Boolean(array.value(row))),
            Self::Texts(list, values) => list.is_valid(row).then(|| {
                let offsets = list.value_offsets();
                let at = |place: usize| usize::try_from(offsets[place]).unwrap_or_default();
                Cell::Texts(Texts { values, range: at(row)..at(row + 1) })
            }),
            Self::Dictionary { array, places, values } => {
                if array.is_null(row) {
                    None
                } else {
                    values.cell(places[row])
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::types::Int32Type;
    use arrow_array::{
        ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, TimestampMillisecondArray,
    };

    use super::*;

    fn cells<'a>(column: &Column<'a>, rows: usize) -> Vec<Option<Cell<'a>>> {
        (0..rows).map(|row| column.cell(row)).collect()
    }

    #[test]
    fn a_cell_of_every_kind_is_read_and_a_null_is_none() {
        let texts = StringArray::from(vec![Some("a"), None, Some("")]);
        let read = Column::from_array(&texts).expect("a generation has texts");
        assert_eq!(cells(&read, 3), [Some(Cell::Text("a")), None, Some(Cell::Text(""))]);
        let numbers = Int64Array::from(vec![Some(i64::MIN), None]);
        let read = Column::from_array(&numbers).expect("a generation has numbers");
        assert_eq!(cells(&read, 2), [Some(Cell::Number(i64::MIN)), None]);
        let times = TimestampMillisecondArray::from(vec![Some(7), None]).with_timezone("UTC");
        let read = Column::from_array(&times).expect("a generation has times");
        assert_eq!(cells(&read, 2), [Some(Cell::Number(7)), None]);
        let flags = BooleanArray::from(vec![Some(false), None]);
        let read = Column::from_array(&flags).expect("a generation has flags");
        assert_eq!(cells(&read, 2), [Some(Cell::Boolean(false)), None]);
    }

    #[test]
    fn a_list_has_its_own_texts_without_nulls_and_an_empty_one_is_no_null() {
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("a"), None, Some("b")]);
        lists.append_null();
        lists.append_value([None::<&str>; 0]);
        lists.append_value([Some("c")]);
        let lists = lists.finish();
        let read = Column::from_array(&lists).expect("a generation has lists");
        let texts = |row: usize| match read.cell(row) {
            Some(Cell::Texts(texts)) => Some(texts.iter().collect::<Vec<_>>()),
            _ => None,
        };
        let expected = [Some(vec!["a", "b"]), None, Some(vec![]), Some(vec!["c"])];
        assert_eq!([0, 1, 2, 3].map(texts), expected);
        let later = lists.slice(2, 2);
        let read = Column::from_array(&later).expect("a generation has lists");
        assert!(matches!(read.cell(1), Some(Cell::Texts(texts)) if texts.iter().eq(["c"])));
    }

    #[test]
    fn a_dictionary_is_read_through_its_keys_also_where_it_has_no_value() {
        let keys = Int32Array::from(vec![Some(1), None, Some(0), Some(2)]);
        let values: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("b"), None]));
        let coded = DictionaryArray::<Int32Type>::new(keys, values);
        let read = Column::from_array(&coded).expect("a generation has dictionaries");
        let expected = [Some(Cell::Text("b")), None, Some(Cell::Text("a")), None];
        assert_eq!(cells(&read, 4), expected);
        let values: ArrayRef = Arc::new(StringArray::from(Vec::<&str>::new()));
        let empty = DictionaryArray::<Int32Type>::new(Int32Array::from(vec![None, None]), values);
        let read = Column::from_array(&empty).expect("a generation has dictionaries");
        assert_eq!(cells(&read, 2), [None, None]);
    }

    #[test]
    fn a_kind_of_data_that_no_generation_has_is_no_column() {
        assert!(Column::from_array(&Float64Array::from(vec![1.5])).is_none());
        let keys = Int32Array::from(vec![Some(0)]);
        let coded =
            DictionaryArray::<Int32Type>::new(keys, Arc::new(Float64Array::from(vec![1.5])));
        assert!(Column::from_array(&coded).is_none(), "nor is one in a dictionary");
    }
}
