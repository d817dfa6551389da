//! Sums of whole numbers that do not wrap around: `sum` fails if its result needs more than 64 bits, and `try_sum` is
//! null then.
//!
//! DataFusion adds in 64 bits and ignores overflow. Here a sum has 128 bits, which no number of rows exceeds, until
//! its result is made.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};
use datafusion::prelude::SessionContext;

use crate::error::QueryError;

/// The type in which whole numbers are added.
const WIDE: DataType = DataType::Decimal128(38, 0);

/// Replaces `sum` of a context and adds `try_sum`.
pub(crate) fn register(context: &SessionContext) {
    for too_large in [TooLarge::Fails, TooLarge::IsNull] {
        let function = CheckedSum { inner: Sum::new(), too_large };
        context.register_udaf(AggregateUDF::new_from_impl(function));
    }
}

/// The treatment of a sum that does not fit into its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum TooLarge {
    /// The query fails.
    Fails,
    /// The sum is null.
    IsNull,
}

impl TooLarge {
    /// Returns a sum in its own type.
    fn narrow(self, sum: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        let options = CastOptions { safe: self == Self::IsNull, ..CastOptions::default() };
        cast_with_options(sum, to, &options)
            .map_err(|_| DataFusionError::External(Box::new(QueryError::SUM_TOO_LARGE)))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedSum {
    inner: Sum,
    too_large: TooLarge,
}

impl CheckedSum {
    /// Makes an accumulator of 128 bits, unless the sum is not of whole numbers.
    fn accumulate<A: ?Sized>(
        &self,
        args: AccumulatorArgs<'_>,
        make: impl Fn(&Sum, AccumulatorArgs<'_>) -> Result<Box<A>>,
        narrowed: impl Fn(Narrowed<A>) -> Box<A>,
    ) -> Result<Box<A>> {
        if !is_whole(args.return_type()) {
            return make(&self.inner, args);
        }
        let (result, too_large) = (args.return_type().clone(), self.too_large);
        let fields: Vec<FieldRef> = args.expr_fields.iter().map(wide).collect();
        let args = AccumulatorArgs {
            return_field: wide(&args.return_field),
            expr_fields: &fields,
            ..args
        };
        Ok(narrowed(Narrowed { inner: make(&self.inner, args)?, result, too_large }))
    }
}

fn is_whole(sum: &DataType) -> bool {
    matches!(sum, DataType::Int64 | DataType::UInt64)
}

fn wide(field: &FieldRef) -> FieldRef {
    Arc::new(Field::clone(field).with_data_type(WIDE))
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &'static str {
        match self.too_large {
            TooLarge::Fails => "sum",
            TooLarge::IsNull => "try_sum",
        }
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if !is_whole(args.return_type()) {
            return self.inner.state_fields(args);
        }
        self.inner.state_fields(StateFieldsArgs { return_field: wide(&args.return_field), ..args })
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.accumulate(args, Sum::accumulator, |narrowed| Box::new(narrowed))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.accumulate(args, Sum::create_groups_accumulator, |narrowed| Box::new(narrowed))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            // The engine has this one for 64 bits alone.
            return self.inner.create_sliding_accumulator(args);
        }
        self.accumulate(args, Sum::create_sliding_accumulator, |narrowed| Box::new(narrowed))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// Adds in 128 bits and returns the type of the sum.
#[derive(Debug)]
struct Narrowed<A: ?Sized> {
    inner: Box<A>,
    result: DataType,
    too_large: TooLarge,
}

fn widened(values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    values.iter().map(|values| Ok(cast(values, &WIDE)?)).collect()
}

impl Accumulator for Narrowed<dyn Accumulator> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(&widened(values)?)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.inner.evaluate()?.to_array()?;
        ScalarValue::try_from_array(&self.too_large.narrow(&sum, &self.result)?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(&widened(values)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}

impl GroupsAccumulator for Narrowed<dyn GroupsAccumulator> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.inner.update_batch(&widened(values)?, group_indices, opt_filter, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.too_large.narrow(&self.inner.evaluate(emit_to)?, &self.result)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.inner.merge_batch(values, group_indices, total_num_groups)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(&widened(values)?, opt_filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}
