//! Rows of an answer as messages, in text or in binary.

mod binary;
pub(crate) use self::binary::EPOCH_MICROSECONDS;
mod text;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, GenericListArray, PrimitiveArray, RecordBatch, StringArray,
};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, IntervalUnit, TimeUnit};
use bytes::{BufMut as _, BytesMut};

use crate::backend;
use crate::error::{WireError, state};
use crate::kind::Kind;

/// The places after the point that a number with places is cut to in an answer. Sums and averages have fewer.
const MAX_SCALE: i8 = 37;

/// The rows of a batch, with each column in the one form that its type is sent from.
pub(crate) struct Rows {
    columns: Vec<Cells>,
    rows: usize,
}

/// A column.
enum Cells {
    Bools(BooleanArray),
    /// Whole numbers, and the type that they are sent as.
    Integers(PrimitiveArray<Int64Type>, Kind),
    Singles(PrimitiveArray<Float32Type>),
    Doubles(PrimitiveArray<Float64Type>),
    Numbers(PrimitiveArray<Decimal128Type>, i8),
    Texts(StringArray),
    Days(PrimitiveArray<Date32Type>),
    /// Microseconds since 1970, and whether they are in UTC.
    Times(PrimitiveArray<TimestampMicrosecondType>, bool),
    Intervals(PrimitiveArray<IntervalMonthDayNanoType>),
    TextLists(GenericListArray<i32>),
    IntegerLists(GenericListArray<i32>),
}

/// A value.
enum Cell<'a> {
    Bool(bool),
    Integer(i64, Kind),
    Single(f32),
    Double(f64),
    Number(i128, i8),
    Text(&'a str),
    /// Days since 1970.
    Day(i32),
    /// Microseconds since 1970, and whether they are in UTC.
    Time(i64, bool),
    Interval(IntervalMonthDayNano),
    Texts(Vec<Option<String>>),
    Integers(Vec<Option<i64>>),
}

impl Rows {
    /// Prepares a batch.
    pub(crate) fn new(batch: &RecordBatch) -> Result<Self, WireError> {
        let columns = batch.columns().iter().map(|column| {
            Cells::new(column).map_err(|_| {
                WireError::new(
                    state::OUT_OF_RANGE,
                    "a value of the answer is out of the range of its type",
                )
            })
        });
        Ok(Self { columns: columns.collect::<Result<_, _>>()?, rows: batch.num_rows() })
    }

    /// Returns the number of rows.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Appends a row as a message.
    pub(crate) fn write(&self, row: usize, binary: &[bool], out: &mut BytesMut) {
        backend::message(out, b'D', |out| {
            out.put_i16(i16::try_from(self.columns.len()).unwrap_or(i16::MAX));
            for (place, column) in self.columns.iter().enumerate() {
                let Some(cell) = column.cell(row) else {
                    out.put_i32(-1);
                    continue;
                };
                let start = out.len();
                out.put_i32(0);
                if binary.get(place) == Some(&true) {
                    binary::write(&cell, out);
                } else {
                    text::write(&cell, out);
                }
                let length = i32::try_from(out.len() - start - 4).unwrap_or(i32::MAX);
                out[start..start + 4].copy_from_slice(&length.to_be_bytes());
            }
        });
    }

    /// Returns the text of a cell; none where there is no value.
    pub(crate) fn text(&self, row: usize, column: usize) -> Option<String> {
        let cell = self.columns.get(column)?.cell(row)?;
        let mut out = BytesMut::new();
        text::write(&cell, &mut out);
        String::from_utf8(out.into()).ok()
    }
}

impl Cells {
    fn new(column: &ArrayRef) -> Result<Self, ArrowError> {
        let to = |data_type: &DataType| {
            let options = arrow_cast::CastOptions { safe: false, ..Default::default() };
            arrow_cast::cast_with_options(column, data_type, &options)
        };
        let data_type = column.data_type();
        Ok(match Kind::of(data_type) {
            Kind::Bool => Self::Bools(to(&DataType::Boolean)?.as_boolean().clone()),
            kind @ (Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Oid) => {
                Self::Integers(to(&DataType::Int64)?.as_primitive().clone(), kind)
            }
            Kind::Float4 => Self::Singles(to(&DataType::Float32)?.as_primitive().clone()),
            Kind::Float8 => Self::Doubles(to(&DataType::Float64)?.as_primitive().clone()),
            Kind::Numeric => {
                let (DataType::Decimal32(_, scale)
                | DataType::Decimal64(_, scale)
                | DataType::Decimal128(_, scale)
                | DataType::Decimal256(_, scale)) = data_type
                else {
                    return Err(ArrowError::InvalidArgumentError("no decimal".to_owned()));
                };
                let scale = (*scale).clamp(0, MAX_SCALE);
                Self::Numbers(to(&DataType::Decimal128(38, scale))?.as_primitive().clone(), scale)
            }
            Kind::Date => Self::Days(to(&DataType::Date32)?.as_primitive().clone()),
            kind @ (Kind::Timestamp | Kind::TimestampTz) => {
                let DataType::Timestamp(_, zone) = data_type else {
                    return Err(ArrowError::InvalidArgumentError("no time".to_owned()));
                };
                let times = to(&DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
                Self::Times(times.as_primitive().clone(), kind == Kind::TimestampTz)
            }
            Kind::Interval => {
                let intervals = to(&DataType::Interval(IntervalUnit::MonthDayNano))?;
                Self::Intervals(intervals.as_primitive().clone())
            }
            Kind::Texts => {
                Self::TextLists(to(&DataType::new_list(DataType::Utf8, true))?.as_list().clone())
            }
            Kind::Integers => Self::IntegerLists(
                to(&DataType::new_list(DataType::Int64, true))?.as_list().clone(),
            ),
            Kind::Text => Self::Texts(texts(column)?),
        })
    }

    fn cell(&self, row: usize) -> Option<Cell<'_>> {
        if self.array().is_null(row) {
            return None;
        }
        Some(match self {
            Self::Bools(values) => Cell::Bool(values.value(row)),
            Self::Integers(values, kind) => Cell::Integer(values.value(row), *kind),
            Self::Singles(values) => Cell::Single(values.value(row)),
            Self::Doubles(values) => Cell::Double(values.value(row)),
            Self::Numbers(values, scale) => Cell::Number(values.value(row), *scale),
            Self::Texts(values) => Cell::Text(values.value(row)),
            Self::Days(values) => Cell::Day(values.value(row)),
            Self::Times(values, is_utc) => Cell::Time(values.value(row), *is_utc),
            Self::Intervals(values) => Cell::Interval(values.value(row)),
            Self::TextLists(values) => {
                let items = values.value(row);
                let items = items.as_string::<i32>().iter();
                Cell::Texts(items.map(|item| item.map(str::to_owned)).collect())
            }
            Self::IntegerLists(values) => {
                Cell::Integers(values.value(row).as_primitive::<Int64Type>().iter().collect())
            }
        })
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Bools(values) => values,
            Self::Integers(values, _) => values,
            Self::Singles(values) => values,
            Self::Doubles(values) => values,
            Self::Numbers(values, _) => values,
            Self::Texts(values) => values,
            Self::Days(values) => values,
            Self::Times(values, _) => values,
            Self::Intervals(values) => values,
            Self::TextLists(values) | Self::IntegerLists(values) => values,
        }
    }
}

/// Returns a column as texts; what has no form as a text is shown as the program shows it.
fn texts(column: &ArrayRef) -> Result<StringArray, ArrowError> {
    if arrow_cast::can_cast_types(column.data_type(), &DataType::Utf8) {
        return Ok(arrow_cast::cast(column, &DataType::Utf8)?.as_string::<i32>().clone());
    }
    let options = FormatOptions::new();
    let formatter = ArrayFormatter::try_new(column, &options)?;
    let rows = (0..column.len())
        .map(|row| column.is_valid(row).then(|| formatter.value(row).try_to_string()).transpose());
    rows.collect()
}

/// Makes a batch of one column, for tests.
#[cfg(test)]
fn batch(column: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter([("value", column)]).expect("one column has one length")
}

#[cfg(test)]
mod tests;
