//! Comparisons of intervals by their lengths: a month is 30 days, and a day 24 hours, as in Postgres.
//!
//! The engine compares the months of two intervals first, then the days, then the nanoseconds. A difference of two times
//! has nanoseconds alone, so that `now() - lastSeenOn > interval '30 days'` would be true for no row. So a rule puts the
//! length in the place of each interval that is compared or sorted, once the types of both sides are known.

use std::sync::Arc;

use datafusion::arrow::array::Decimal128Array;
use datafusion::arrow::array::cast::AsArray as _;
use datafusion::arrow::array::types::{IntervalMonthDayNano, IntervalMonthDayNanoType};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable as _, LogicalPlan, Operator, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

/// Compares intervals by their lengths. It follows the rule that makes the types of both sides equal.
#[derive(Debug)]
pub(crate) struct IntervalLengths;

impl AnalyzerRule for IntervalLengths {
    fn name(&self) -> &'static str {
        "interval_lengths"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(measure_node)?.data)
    }
}

/// Rewrites the expressions of one node of a plan. Its columns keep their names.
fn measure_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    let is_sorted = matches!(plan, LogicalPlan::Sort(_));
    let measure_named = |expression: Expr| {
        let name = names.save(&expression);
        let measured = expression.transform_up(|expression| measure(expression, &schema))?;
        Ok(measured.update_data(|expression| name.restore(expression)))
    };
    plan.map_expressions(|expression| match expression {
        // Its columns are its members: the engine does not know a set with a name of its own.
        Expr::GroupingSet(_) => expression.map_children(measure_named),
        _ if is_sorted && is_interval(&expression, &schema)? => {
            Ok(Transformed::yes(length(expression)))
        }
        _ => measure_named(expression),
    })
}

/// Puts lengths in the place of the intervals that an expression compares.
fn measure(expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let measured = match expression {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if compares(op) && is_interval(&left, schema)? && is_interval(&right, schema)? =>
        {
            let (left, right) = (Box::new(length(*left)), Box::new(length(*right)));
            Expr::BinaryExpr(BinaryExpr { left, op, right })
        }
        Expr::Between(Between { expr, negated, low, high }) if is_interval(&expr, schema)? => {
            let [expr, low, high] = [expr, low, high].map(|side| Box::new(length(*side)));
            Expr::Between(Between { expr, negated, low, high })
        }
        Expr::InList(InList { expr, list, negated }) if is_interval(&expr, schema)? => {
            let list = list.into_iter().map(length).collect();
            Expr::InList(InList { expr: Box::new(length(*expr)), list, negated })
        }
        other => return Ok(Transformed::no(other)),
    };
    Ok(Transformed::yes(measured))
}

fn compares(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn is_interval(expression: &Expr, schema: &DFSchema) -> Result<bool> {
    Ok(matches!(expression.get_type(schema)?, DataType::Interval(_)))
}

fn length(interval: Expr) -> Expr {
    ScalarUDF::new_from_impl(Length::new()).call(vec![interval])
}

/// The length of an interval in nanoseconds. Months of 30 days exceed 64 bits.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Length {
    signature: Signature,
}

impl Length {
    const TYPE: DataType = DataType::Decimal128(38, 0);
    const DAY_NS: i128 = 24 * 3600 * 1_000_000_000;

    fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }

    fn of(interval: IntervalMonthDayNano) -> i128 {
        let IntervalMonthDayNano { months, days, nanoseconds } = interval;
        (i128::from(months) * 30 + i128::from(days)) * Self::DAY_NS + i128::from(nanoseconds)
    }
}

impl ScalarUDFImpl for Length {
    fn name(&self) -> &'static str {
        "interval length"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(Self::TYPE)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let intervals = ColumnarValue::values_to_arrays(&args.args)?;
        let [intervals] = &intervals[..] else {
            return Err(DataFusionError::Internal("a length is of one interval".to_owned()));
        };
        let intervals = cast(intervals, &DataType::Interval(IntervalUnit::MonthDayNano))?;
        let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
        let lengths: Decimal128Array = intervals.unary(Self::of);
        let lengths = lengths.with_data_type(Self::TYPE);
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&lengths, 0)?));
        }
        Ok(ColumnarValue::Array(Arc::new(lengths)))
    }
}

#[cfg(test)]
mod tests;
