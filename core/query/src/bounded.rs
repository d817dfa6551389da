//! Functions whose result can be far larger than their arguments: `repeat`, `range` and their like.
//!
//! The engine's memory limit covers what its operators hold, not what one call of a function allocates:
//! `repeat(name, 100000000)` would take gigabytes within any limit. Each of these functions is wrapped
//! here. The wrapper estimates the result of a call from the sizes of its arguments, evaluates the rows in
//! parts where the estimate is too high, and refuses what is certainly too large.

use std::sync::Arc;

use datafusion::arrow::array::types::{Int64Type, IntervalMonthDayNanoType};
use datafusion::arrow::array::{Array, AsArray as _};
use datafusion::arrow::compute::kernels::length::length;
use datafusion::arrow::compute::{cast, concat};
use datafusion::arrow::datatypes::{DataType, FieldRef, IntervalUnit, TimeUnit};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry as _;
use datafusion::logical_expr::udf_eq::UdfEq;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion::prelude::SessionContext;

const DAY_NS: i128 = 24 * 3_600 * 1_000_000_000;
/// Bytes of an element of a list, at least.
const ELEMENT_BYTES: u128 = 8;

/// The wrapped functions.
const FUNCTIONS: [(&str, Growth); 9] = [
    ("repeat", Growth::Repeat),
    ("lpad", Growth::Pad),
    ("rpad", Growth::Pad),
    ("replace", Growth::Replace),
    ("regexp_replace", Growth::RegexpReplace),
    ("array_repeat", Growth::RepeatElement),
    ("array_resize", Growth::Resize),
    ("range", Growth::Series),
    ("generate_series", Growth::Series),
];

/// The growth of a function's result with its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// `(text, count)`
    Repeat,
    /// `(text, length, …)`
    Pad,
    /// `(text, from, to)`
    Replace,
    /// `(text, pattern, replacement, …)`
    RegexpReplace,
    /// `(element, count)`
    RepeatElement,
    /// `(list, length, element)`
    Resize,
    /// `(stop)` or `(start, stop, …)`
    Series,
}

impl Growth {
    /// An upper estimate of the bytes of one row of the result.
    fn row_bytes(self, arguments: &[Argument], row: usize) -> u128 {
        let argument = |index: usize| arguments.get(index);
        let number = |index: usize| argument(index).map_or(0, |argument| argument.number(row));
        let count = |index: usize| number(index).max(0).unsigned_abs();
        let element = |index: usize| argument(index).map_or(0, |argument| argument.row_bytes);
        match self {
            Self::Repeat => count(0) * count(1),
            // A character has four bytes at most.
            Self::Pad => count(1) * 4,
            // An empty text is found before each character and at the end.
            Self::Replace => {
                count(0) + count(0).checked_div(count(1)).unwrap_or(count(0) + 1) * count(2)
            }
            // At most one match before each byte and at the end. The groups of all matches together are
            // no longer than the text, and naming a group takes two characters of the replacement.
            Self::RegexpReplace => (count(0) + 1) * (count(2) + 1) * 2,
            Self::RepeatElement => element(0).max(ELEMENT_BYTES) * count(1),
            Self::Resize => element(0) + element(2).max(ELEMENT_BYTES) * count(1),
            Self::Series => {
                let (first, last) =
                    if arguments.len() == 1 { (0, number(0)) } else { (number(0), number(1)) };
                let step = if arguments.len() > 2 { number(2).unsigned_abs().max(1) } else { 1 };
                (first.abs_diff(last) / step + 1) * ELEMENT_BYTES
            }
        }
    }
}

/// Wraps the functions of a context, so that no call of one returns more than this.
pub(crate) fn bound_functions(context: &SessionContext, limit_bytes: usize) -> Result<()> {
    for (name, growth) in FUNCTIONS {
        let inner = Arc::clone(context.udf(name)?.inner()).into();
        let limit_bytes = limit_bytes as u128;
        context.register_udf(ScalarUDF::new_from_impl(Bounded { inner, growth, limit_bytes }));
    }
    Ok(())
}

/// The part of a call's argument that the estimates need.
struct Argument {
    /// The length of a text in bytes or of a list in elements, or the value of a number, a time or an interval in
    /// nanoseconds; zero for null and anything else.
    numbers: Vec<i128>,
    is_scalar: bool,
    /// The average size of a row.
    row_bytes: u128,
}

impl Argument {
    fn new(value: &ColumnarValue) -> Result<Self> {
        let (array, is_scalar) = match value {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array_of_size(1)?, true),
        };
        let row_bytes = (array.get_array_memory_size() / array.len().max(1)) as u128;
        Ok(Self { numbers: numbers(&array)?, is_scalar, row_bytes })
    }

    fn number(&self, row: usize) -> i128 {
        let row = if self.is_scalar { 0 } else { row };
        self.numbers.get(row).copied().unwrap_or_default()
    }
}

fn numbers(array: &dyn Array) -> Result<Vec<i128>> {
    let numbers = match array.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let intervals = array.as_primitive::<IntervalMonthDayNanoType>().iter();
            let nanoseconds = intervals.map(|interval| {
                // The shortest month gives the most elements.
                interval.map_or(0, |interval| {
                    let days = i128::from(interval.months) * 28 + i128::from(interval.days);
                    days * DAY_NS + i128::from(interval.nanoseconds)
                })
            });
            return Ok(nanoseconds.collect());
        }
        text_or_list if text_or_list.is_string() || text_or_list.is_list() => {
            cast(&length(array)?, &DataType::Int64)?
        }
        number if number.is_integer() => cast(array, &DataType::Int64)?,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
            let nanoseconds = cast(array, &DataType::Timestamp(TimeUnit::Nanosecond, None))?;
            cast(&nanoseconds, &DataType::Int64)?
        }
        _ => return Ok(vec![0; array.len()]),
    };
    Ok(numbers
        .as_primitive::<Int64Type>()
        .iter()
        .map(|number| number.map_or(0, i128::from))
        .collect())
}

/// A function that refuses calls with too large results.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: UdfEq<Arc<dyn ScalarUDFImpl>>,
    growth: Growth,
    limit_bytes: u128,
}

impl Bounded {
    fn too_large(&self) -> DataFusionError {
        let (name, limit) = (self.inner.name(), self.limit_bytes);
        DataFusionError::ResourcesExhausted(format!("{name} would return more than {limit} bytes"))
    }

    /// Evaluates the rows in parts that are estimated to fit, and adds up their sizes.
    fn invoke_in_parts(
        &self,
        arguments: &ScalarFunctionArgs,
        row_bytes: &[u128],
    ) -> Result<ColumnarValue> {
        let (mut parts, mut total, mut start) = (Vec::new(), 0, 0);
        while start < row_bytes.len() {
            let (mut end, mut estimate) = (start, 0_u128);
            while end < row_bytes.len() && (end == start || estimate <= self.limit_bytes) {
                estimate = estimate.saturating_add(row_bytes[end]);
                end += 1;
            }
            if end > start + 1 && estimate > self.limit_bytes {
                end -= 1;
            }
            let part = self.inner.invoke_with_args(slice(arguments, start, end - start))?;
            let part = part.into_array(end - start)?;
            total += part.get_array_memory_size() as u128;
            if total > self.limit_bytes {
                return Err(self.too_large());
            }
            parts.push(part);
            start = end;
        }
        let parts: Vec<&dyn Array> = parts.iter().map(|part| &**part).collect();
        Ok(ColumnarValue::Array(concat(&parts)?))
    }
}

fn slice(arguments: &ScalarFunctionArgs, start: usize, rows: usize) -> ScalarFunctionArgs {
    let values = arguments.args.iter().map(|value| match value {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(start, rows)),
        scalar @ ColumnarValue::Scalar(_) => scalar.clone(),
    });
    ScalarFunctionArgs { args: values.collect(), number_rows: rows, ..arguments.clone() }
}

impl ScalarUDFImpl for Bounded {
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments: Vec<_> = args.args.iter().map(Argument::new).collect::<Result<_>>()?;
        // The result is one value then, whatever the number of rows.
        let is_scalar = arguments.iter().all(|argument| argument.is_scalar);
        let rows = if is_scalar { 1 } else { args.number_rows };
        let row_bytes: Vec<_> =
            (0..rows).map(|row| self.growth.row_bytes(&arguments, row)).collect();
        if row_bytes.iter().any(|bytes| *bytes > self.limit_bytes) {
            return Err(self.too_large());
        }
        if row_bytes.iter().sum::<u128>() <= self.limit_bytes {
            return self.inner.invoke_with_args(args);
        }
        self.invoke_in_parts(&args, &row_bytes)
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner.is_strict()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::common::ScalarValue;

    use super::*;

    fn text(bytes: usize) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::from("x".repeat(bytes)))
    }

    fn number(value: i64) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::from(value))
    }

    #[test]
    fn estimates_are_no_less_than_the_results() -> Result<()> {
        let day = |day: i32| ColumnarValue::Scalar(ScalarValue::Date32(Some(day)));
        let days = |days: i32| ColumnarValue::Scalar(ScalarValue::new_interval_mdn(0, days, 0));
        let table: [(Growth, Vec<ColumnarValue>, u128); 13] = [
            (Growth::Repeat, vec![text(3), number(5)], 15),
            (Growth::Repeat, vec![text(3), number(-5)], 0),
            (Growth::Repeat, vec![text(3), number(i64::MAX)], 3 * u128::from(u64::MAX >> 1)),
            (Growth::Pad, vec![text(1), number(10), text(2)], 40),
            (Growth::Replace, vec![text(10), text(2), text(7)], 10 + 5 * 7),
            (Growth::Replace, vec![text(10), text(0), text(7)], 10 + 11 * 7),
            (Growth::RegexpReplace, vec![text(9), text(1), text(4)], 10 * 5 * 2),
            (Growth::Series, vec![number(9)], 80),
            (Growth::Series, vec![number(5), number(9)], 40),
            (Growth::Series, vec![number(9), number(-1), number(-5)], 24),
            (Growth::Series, vec![number(0), number(9), number(0)], 80),
            (Growth::Series, vec![day(0), day(9), days(1)], 80),
            (Growth::Series, vec![ColumnarValue::Scalar(ScalarValue::Int64(None))], 8),
        ];
        for (growth, values, bytes) in table {
            let arguments: Vec<_> = values.iter().map(Argument::new).collect::<Result<_>>()?;
            assert_eq!(growth.row_bytes(&arguments, 0), bytes, "{growth:?} {values:?}");
        }
        Ok(())
    }
}
