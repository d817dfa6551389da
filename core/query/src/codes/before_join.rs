//! Counts the rows of each coded key before a join, where only the other side's columns are grouped by.
//!
//! `select p.name, count(*) … join … group by p.name` over millions of relationships needs of them only how many each
//! key has. So their rows are counted by codes, the few counts are joined, and added up by name. That is the same if
//! a key is there several times on the other side, or not at all.

use std::sync::Arc;

use datafusion::common::{JoinType, NullEquality};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{HashJoinExec, HashJoinExecBuilder, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;

use super::aggregate::CodeAggregateExec;
use super::cache::coded_column;

/// Takes over a first phase that counts the rows of a join by columns of its other side.
pub(super) fn in_place_of(aggregate: &AggregateExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if !counts_rows(aggregate) {
        return Ok(None);
    }
    let Some((join, groups)) = counted_join(aggregate) else { return Ok(None) };
    let [(key, row_key)] = join.on() else { return Ok(None) };
    let Some(rows) = join.right().downcast_ref::<ProjectionExec>() else { return Ok(None) };
    let row_key = row_key.downcast_ref::<Column>();
    let Some((column, text)) = row_key.and_then(|key| coded_column(rows, key)) else {
        return Ok(None);
    };
    let functions = aggregate.aggr_expr().to_vec();
    let by_key: Arc<dyn PhysicalExpr> = Arc::new(column.clone());
    let counted = AggregateExec::try_new(
        AggregateMode::Partial,
        PhysicalGroupBy::new_single(vec![(by_key, column.name().to_owned())]),
        functions.clone(),
        vec![None; functions.len()],
        Arc::clone(rows.input()),
        rows.input().schema(),
    )?;
    let Some(counted) = CodeAggregateExec::in_place_of(&counted) else { return Ok(None) };

    let states: Vec<String> =
        counted.schema().fields().iter().skip(1).map(|field| field.name().clone()).collect();
    let state = |name: &String, place: usize| -> (Arc<dyn PhysicalExpr>, String) {
        (Arc::new(Column::new(name, place)), name.clone())
    };
    let code = Arc::new(Column::new(column.name(), 0));
    let mut columns: Vec<(Arc<dyn PhysicalExpr>, String)> =
        vec![(Arc::new(CastExpr::new(code, text, None)), KEY.to_owned())];
    columns.extend(states.iter().enumerate().map(|(place, name)| state(name, place + 1)));
    let counted = ProjectionExec::try_new(columns, Arc::new(counted))?;
    let on: (Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>) =
        (Arc::clone(key), Arc::new(Column::new(KEY, 0)));
    let others = join.left().schema();
    let joined = HashJoinExecBuilder::new(
        Arc::clone(join.left()),
        Arc::new(counted),
        vec![on],
        JoinType::Inner,
    )
    .with_partition_mode(PartitionMode::CollectLeft)
    .build_exec()?;

    let names = aggregate.group_expr().expr().iter().map(|(_, name)| name);
    let mut columns: Vec<(Arc<dyn PhysicalExpr>, String)> = groups
        .iter()
        .zip(names.clone())
        .map(|(place, name)| {
            let column = Column::new(others.field(*place).name(), *place);
            (Arc::new(column) as Arc<dyn PhysicalExpr>, name.clone())
        })
        .collect();
    let first_state = others.fields().len() + 1;
    columns.extend(states.iter().enumerate().map(|(place, name)| state(name, first_state + place)));
    let joined = ProjectionExec::try_new(columns, joined)?;
    let groups = names.enumerate().map(|(place, name)| state(name, place)).collect();
    let added_up = AggregateExec::try_new(
        AggregateMode::PartialReduce,
        PhysicalGroupBy::new_single(groups),
        functions.clone(),
        vec![None; functions.len()],
        Arc::new(joined),
        aggregate.input_schema(),
    )?;
    Ok((added_up.schema() == aggregate.schema()).then(|| Arc::new(added_up) as _))
}

/// The name of the joined key.
const KEY: &str = "key";

/// Returns whether an aggregation is a first phase whose functions read no column.
fn counts_rows(aggregate: &AggregateExec) -> bool {
    let reads_nothing = |expression: &Arc<dyn PhysicalExpr>| collect_columns(expression).is_empty();
    matches!(aggregate.mode(), AggregateMode::Partial)
        && aggregate.group_expr().is_single()
        && !aggregate.group_expr().is_true_no_grouping()
        && aggregate.limit_options().is_none()
        && !aggregate.aggr_expr().is_empty()
        && aggregate.filter_expr().iter().all(Option::is_none)
        && aggregate.aggr_expr().iter().all(|function| {
            !function.is_distinct()
                && function.order_bys().is_empty()
                && function.expressions().iter().all(reads_nothing)
        })
}

/// Returns the join whose rows are counted, and the places of the grouped columns on its other side, all of whose
/// rows are read: of a few chosen ones, the join itself reads less.
fn counted_join(aggregate: &AggregateExec) -> Option<(&HashJoinExec, Vec<usize>)> {
    let place =
        |expression: &Arc<dyn PhysicalExpr>| expression.downcast_ref::<Column>().map(Column::index);
    let groups = aggregate.group_expr().expr().iter();
    let mut groups: Vec<usize> = groups.map(|(group, _)| place(group)).collect::<Option<_>>()?;
    let mut plan = aggregate.input();
    while let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let expressions = projection.expr();
        groups =
            groups.iter().map(|group| place(&expressions[*group].expr)).collect::<Option<_>>()?;
        plan = projection.input();
    }
    let join = plan.downcast_ref::<HashJoinExec>()?;
    let others = join.left().schema().fields().len();
    let is_plain = join.partition_mode() == &PartitionMode::CollectLeft
        && join.join_type() == &JoinType::Inner
        && join.filter().is_none()
        && join.null_equality() == NullEquality::NullEqualsNothing
        && !join.contains_projection()
        && is_whole(join.left())
        && groups.iter().all(|group| *group < others);
    is_plain.then_some((join, groups))
}

/// Returns whether a plan reads all rows of a table.
fn is_whole(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let passes_all = plan.downcast_ref::<ProjectionExec>().is_some()
        || plan.downcast_ref::<CoalescePartitionsExec>().is_some()
        || plan.downcast_ref::<RepartitionExec>().is_some();
    plan.downcast_ref::<DataSourceExec>().is_some()
        || (passes_all && plan.children().iter().all(|child| is_whole(child)))
}
