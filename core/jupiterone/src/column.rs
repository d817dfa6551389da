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
