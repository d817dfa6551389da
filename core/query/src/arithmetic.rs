//! Arithmetic of whole numbers that does not wrap around: `a + b`, `a - b`, `a * b` and `-a` fail if their result does
//! not fit into its type.
//!
//! The engine's own operators return the lower bits then. It can be told otherwise only in a physical plan, after it has
//! evaluated constants. So a rule puts a function in the place of each operator, once the types of both sides are known.
//! Division already fails where its result does not fit.

use datafusion::arrow::compute::kernels::numeric::{add, mul, neg, sub};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable as _, LogicalPlan, Operator, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;

/// Puts a function that fails in the place of each operator on whole numbers that would wrap around.
///
/// It follows the rule that makes the types of both sides equal.
#[derive(Debug)]
pub(crate) struct CheckedArithmetic;

impl AnalyzerRule for CheckedArithmetic {
    fn name(&self) -> &'static str {
        "checked_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(check_node)?.data)
    }
}

/// Rewrites the expressions of one node of a plan. Its columns keep their names.
fn check_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    let check_named = |expression: Expr| {
        let name = names.save(&expression);
        let checked = expression.transform_up(|expression| check(expression, &schema))?;
        Ok(checked.update_data(|expression| name.restore(expression)))
    };
    plan.map_expressions(|expression| match expression {
        // Its columns are its members: the engine does not know a set with a name of its own.
        Expr::GroupingSet(_) => expression.map_children(check_named),
        _ => check_named(expression),
    })
}

/// Puts a function in the place of an operator on whole numbers.
///
/// Operations that follow each other are one function, since the engine's work on nested functions grows with the cube of
/// their depth: `1 + 1 + … + 1` of 990 operations took minutes.
fn check(expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (operation, left, right) = match expression {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match Operation::of(op) {
            Some(operation) if is_whole(&left, schema)? && is_whole(&right, schema)? => {
                (operation, *left, Some(*right))
            }
            _ => return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
        },
        Expr::Negative(operand) if is_whole(&operand, schema)? => {
            (Operation::Negate, *operand, None)
        }
        other => return Ok(Transformed::no(other)),
    };
    let before = operations_of(&left).map(<[Operation]>::to_vec);
    let (mut operations, mut operands) = match (before, left) {
        (Some(operations), Expr::ScalarFunction(before)) => (operations, before.args),
        (_, first) => (Vec::new(), vec![first]),
    };
    operations.push(operation);
    operands.extend(right);
    let function = ScalarUDF::new_from_impl(Checked::new(operations));
    Ok(Transformed::yes(function.call(operands)))
}

/// Returns the operations of a function of this module; None for another expression.
fn operations_of(expression: &Expr) -> Option<&[Operation]> {
    let Expr::ScalarFunction(ScalarFunction { func, .. }) = expression else { return None };
    let checked = func.inner().downcast_ref::<Checked>();
    checked.map(|checked| checked.operations.as_slice())
}

fn is_whole(expression: &Expr, schema: &DFSchema) -> Result<bool> {
    // The type of a long chain is known without asking each of its members for its name.
    Ok(operations_of(expression).is_some() || expression.get_type(schema)?.is_integer())
}

/// An operation whose result can exceed the type of its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    /// It has one operand.
    Negate,
}

impl Operation {
    fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Plus => Some(Self::Add),
            Operator::Minus => Some(Self::Subtract),
            Operator::Multiply => Some(Self::Multiply),
            _ => None,
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
            Self::Negate => '±',
        }
    }
}

/// Operations, one after the other, on values of one type: the first two operands, then the result and the next one. The
/// result has the same type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    operations: Vec<Operation>,
    /// It tells functions with the same operands apart.
    name: String,
    signature: Signature,
}

impl Checked {
    fn new(operations: Vec<Operation>) -> Self {
        let signs: String = operations.iter().map(|operation| operation.sign()).collect();
        let signature = Signature::variadic_any(Volatility::Immutable);
        Self { operations, name: format!("checked {signs}"), signature }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, operands: &[DataType]) -> Result<DataType> {
        operands.first().cloned().ok_or_else(missing_operand)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut operands = args.args.into_iter();
        let mut result = operands.next().ok_or_else(missing_operand)?;
        for operation in &self.operations {
            if *operation == Operation::Negate {
                result = apply(&result, &result, |operand, _| neg(operand.get().0))?;
                continue;
            }
            let operand = operands.next().ok_or_else(missing_operand)?;
            result = match operation {
                Operation::Add => apply(&result, &operand, add),
                Operation::Subtract => apply(&result, &operand, sub),
                _ => apply(&result, &operand, mul),
            }?;
        }
        Ok(result)
    }
}

fn missing_operand() -> DataFusionError {
    DataFusionError::Internal("arithmetic lacks an operand".to_owned())
}

#[cfg(test)]
mod tests;
