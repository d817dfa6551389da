//! Takes each key once into a join that only asks whether a key is there.
//!
//! `not exists (select 1 from … where r._fromEntityKey = d._key)` needs of the relationships only which keys they have. The
//! engine puts the key of each of their rows into its table as a text; here each key is there once.

use std::sync::Arc;

use datafusion::common::{JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{HashJoinExec, HashJoinExecBuilder, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;

use super::aggregate::CodeAggregateExec;
use super::cache::coded_column;

/// Takes over a join that chooses rows by the keys of another plan, if those are a coded column.
pub(super) fn in_place_of(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let is_plain = join.partition_mode() == &PartitionMode::CollectLeft
        && matches!(join.join_type(), JoinType::RightSemi | JoinType::RightAnti)
        && join.filter().is_none()
        && join.null_equality() == NullEquality::NullEqualsNothing
        && !join.null_aware;
    let [(key, row_key)] = join.on() else { return Ok(None) };
    let keys = join.left().downcast_ref::<CoalescePartitionsExec>();
    let keys = keys.and_then(|keys| keys.input().downcast_ref::<ProjectionExec>());
    let (Some(keys), Some(key)) = (keys.filter(|_| is_plain), key.downcast_ref::<Column>()) else {
        return Ok(None);
    };
    let Some((column, text)) = coded_column(keys, key) else { return Ok(None) };
    let by_key: Arc<dyn PhysicalExpr> = Arc::new(column.clone());
    let distinct = AggregateExec::try_new(
        AggregateMode::Partial,
        PhysicalGroupBy::new_single(vec![(by_key, column.name().to_owned())]),
        Vec::new(),
        Vec::new(),
        Arc::clone(keys.input()),
        keys.input().schema(),
    )?;
    let Some(distinct) = CodeAggregateExec::in_place_of(&distinct) else { return Ok(None) };
    let code = Arc::new(Column::new(column.name(), 0));
    let columns: Vec<(Arc<dyn PhysicalExpr>, String)> =
        vec![(Arc::new(CastExpr::new(code, text, None)), column.name().to_owned())];
    let texts = ProjectionExec::try_new(columns, Arc::new(distinct))?;
    let joined = HashJoinExecBuilder::new(
        Arc::new(CoalescePartitionsExec::new(Arc::new(texts))),
        Arc::clone(join.right()),
        vec![(Arc::new(Column::new(column.name(), 0)), Arc::clone(row_key))],
        *join.join_type(),
    )
    .with_partition_mode(PartitionMode::CollectLeft)
    .with_projection_ref(join.projection.clone())
    .build_exec()?;
    Ok(Some(joined))
}
