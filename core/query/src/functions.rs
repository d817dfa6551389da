//! Functions of SQL that the engine does not have: versions, networks, ages.
//!
//! A value that cannot be read is unknown, so the answer is null: `version_lt` never calls a version safe that
//! it does not understand. A network or version that is written in the query is checked before it runs (`literals`).

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, Int64Array, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::prelude::SessionContext;
use ipnet::IpNet;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Adds the functions to a context.
pub(crate) fn register(context: &SessionContext) {
    for function in [Function::VersionCompare, Function::VersionLess, Function::IpIn] {
        context.register_udf(ScalarUDF::new_from_impl(Texts::new(function)));
    }
    context.register_udf(ScalarUDF::new_from_impl(DaysSince::new()));
}

/// A function of two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Function {
    /// `version_compare(a, b)`: -1, 0 or 1.
    VersionCompare,
    /// `version_lt(a, b)`
    VersionLess,
    /// `ip_in(address, network)`; the address may be a list of addresses, of which any counts.
    IpIn,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Texts {
    function: Function,
    signature: Signature,
}

impl Texts {
    fn new(function: Function) -> Self {
        Self { function, signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Texts {
    fn name(&self) -> &'static str {
        match self.function {
            Function::VersionCompare => "version_compare",
            Function::VersionLess => "version_lt",
            Function::IpIn => "ip_in",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.function {
            Function::VersionCompare => DataType::Int64,
            Function::VersionLess | Function::IpIn => DataType::Boolean,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [left, right] = arrays.as_slice() else {
            return Err(DataFusionError::Plan(format!("{} takes two values", self.name())));
        };
        let (left, right) = (Items::new(left)?, Items::new(right)?);
        let pairs = (0..rows).map(|row| (left.row(row), right.row(row)));
        let result: ArrayRef = match self.function {
            Function::VersionCompare => {
                let orders = pairs.map(|(left, right)| Some(compare(&left, &right)? as i64));
                Arc::new(orders.collect::<Int64Array>())
            }
            Function::VersionLess => {
                let orders = pairs.map(|(left, right)| Some(compare(&left, &right)?.is_lt()));
                Arc::new(orders.collect::<BooleanArray>())
            }
            Function::IpIn => {
                let inside = pairs.map(|(left, right)| is_any_in(&left, &right));
                Arc::new(inside.collect::<BooleanArray>())
            }
        };
        if is_scalar {
            let value = datafusion::common::ScalarValue::try_from_array(&result, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// A column of texts or of lists of texts.
enum Items {
    Texts(StringArray),
    Lists(Vec<Option<StringArray>>),
}

impl Items {
    fn new(column: &ArrayRef) -> Result<Self> {
        if let DataType::List(_) = column.data_type() {
            let lists = column.as_list::<i32>().iter();
            let texts = lists.map(|list| list.map(|list| texts(&list)).transpose());
            return Ok(Self::Lists(texts.collect::<Result<_>>()?));
        }
        Ok(Self::Texts(texts(column)?))
    }

    /// The texts of a row; none if it has no value.
    fn row(&self, row: usize) -> Vec<&str> {
        match self {
            Self::Texts(texts) if texts.is_valid(row) => vec![texts.value(row)],
            Self::Texts(_) => Vec::new(),
            Self::Lists(lists) => lists[row].iter().flatten().flatten().collect(),
        }
    }
}

fn texts(column: &ArrayRef) -> Result<StringArray> {
    Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// Compares two versions; nothing if either is missing, is a list of several or cannot be read.
fn compare(left: &[&str], right: &[&str]) -> Option<Ordering> {
    let ([left], [right]) = (left, right) else { return None };
    core_software::compare_versions(left, right)
}

/// Returns whether any of some addresses is in a network, `10.0.0.0/8` or one address. Nothing if there is no
/// address, or if none is inside and one cannot be read.
fn is_any_in(addresses: &[&str], network: &[&str]) -> Option<bool> {
    let [network] = network else { return None };
    let network = read_network(network)?;
    let is_in = |address: &&str| Some(network.contains(&address.trim().parse::<IpAddr>().ok()?));
    let inside: Vec<Option<bool>> = addresses.iter().map(is_in).collect();
    if inside.contains(&Some(true)) {
        return Some(true);
    }
    (!inside.is_empty() && !inside.contains(&None)).then_some(false)
}

/// Reads a network such as `10.0.0.0/8`, or one address.
pub(crate) fn read_network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
}

/// `days_since(time)`: whole days from a time, or from milliseconds since 1970-01-01 UTC, to the start
/// of the query.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DaysSince {
    signature: Signature,
}

impl DaysSince {
    fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for DaysSince {
    fn name(&self) -> &'static str {
        "days_since"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    /// Becomes a calculation with the time at which the query starts.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let (Some(now), [time]) = (info.query_execution_start_time(), args.as_slice()) else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        let time = match info.get_data_type(time)? {
            DataType::Timestamp(_, zone) => {
                let to_ms = DataType::Timestamp(TimeUnit::Millisecond, zone);
                datafusion::logical_expr::cast(time.clone(), to_ms)
            }
            DataType::Date32 | DataType::Date64 => {
                let to_ms = DataType::Timestamp(TimeUnit::Millisecond, None);
                datafusion::logical_expr::cast(time.clone(), to_ms)
            }
            _ => time.clone(),
        };
        let ms = datafusion::logical_expr::cast(time, DataType::Int64);
        let days = (lit(now.timestamp_millis()) - ms) / lit(DAY_MS);
        Ok(ExprSimplifyResult::Simplified(days))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::NotImplemented("days_since is known only in a query".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_and_what_is_none_is_unknown() {
        let table = [
            ("1.10", "1.9", Some(Ordering::Greater)),
            ("1.0", "1.0.0", Some(Ordering::Equal)),
            ("v2.3.1 (x64)", "2.3.2", Some(Ordering::Less)),
            ("120.0.6099.71", "120.0.6099.130", Some(Ordering::Less)),
            ("10.0.19045.2995", "10.0.22631", Some(Ordering::Less)),
            ("1.0beta2", "1.0", Some(Ordering::Less)),
            ("1.2.3 (64-bit) (en-US)", "1.2.3", Some(Ordering::Equal)),
            ("latest", "1.0", None),
            ("", "1.0", None),
            ("1.0", "unknown", None),
            ("4.0 Update 1", "4.0", None),
            ("(x64)", "1", None),
        ];
        for (left, right, expected) in table {
            assert_eq!(compare(&[left], &[right]), expected, "{left} and {right}");
        }
        assert_eq!(compare(&[], &["1"]), None);
    }

    #[test]
    fn an_address_is_in_a_network_or_not_or_unknown() {
        let table: [(&[&str], &str, Option<bool>); 9] = [
            (&["10.1.2.3"], "10.0.0.0/8", Some(true)),
            (&["11.1.2.3"], "10.0.0.0/8", Some(false)),
            (&["10.1.2.3"], "10.1.2.3", Some(true)),
            (&["fe80::1"], "fe80::/10", Some(true)),
            (&["fe80::1"], "10.0.0.0/8", Some(false)),
            (&["192.168.1.1", "10.0.0.9"], "10.0.0.0/8", Some(true)),
            (&["nonsense"], "10.0.0.0/8", None),
            (&["nonsense", "11.1.1.1"], "10.0.0.0/8", None),
            (&["10.1.2.3"], "10.0.0.0/99", None),
        ];
        for (addresses, network, expected) in table {
            assert_eq!(is_any_in(addresses, &[network]), expected, "{addresses:?} in {network}");
        }
        assert_eq!(is_any_in(&[], &["10.0.0.0/8"]), None);
    }
}
