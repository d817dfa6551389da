//! Chooses the rows whose coded key is, or is not, among the keys that another plan finds.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::{cast, filter_record_batch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinType, NullEquality, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, DynamicFilterPhysicalExpr, Literal, lit,
};
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, ChildPushdownResult, FilterDescription, FilterPushdownPhase,
    FilterPushdownPropagation,
};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan,
    PlanProperties, ReplaceChildrenOptions, apply_expression_roots,
};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::OnceCell;

use super::cache::{CodeCache, coded, coded_column};

/// Takes over a join that chooses rows by a key, if the key is a coded column that the engine would turn into texts.
pub(super) fn in_place_of(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let [(key, row_key)] = join.on() else { return Ok(None) };
    let is_plain = join.partition_mode() == &PartitionMode::CollectLeft
        && matches!(join.join_type(), JoinType::RightSemi | JoinType::RightAnti)
        && join.filter().is_none()
        && join.null_equality() == NullEquality::NullEqualsNothing
        && !join.null_aware
        && !join.contains_projection();
    // The engine projects the texts of the codes below the join. Above it they are those of the chosen rows alone.
    let projection = join.right().downcast_ref::<ProjectionExec>();
    let (Some(projection), Some(row_key)) = (projection, row_key.downcast_ref::<Column>()) else {
        return Ok(None);
    };
    let Some((column, _)) = coded_column(projection, row_key).filter(|_| is_plain) else {
        return Ok(None);
    };
    let chosen = CodeSemiJoinExec::new(
        Arc::clone(join.left()),
        Arc::clone(key),
        Arc::clone(projection.input()),
        column,
        join.join_type() == &JoinType::RightAnti,
    );
    Ok(Some(Arc::new(ProjectionExec::try_new(projection.expr().to_vec(), Arc::new(chosen))?)))
}

/// The keys that were found.
#[derive(Debug)]
struct Keys {
    texts: HashSet<Box<str>>,
    _memory: MemoryReservation,
}

/// A semi join or an anti join.
#[derive(Debug, Clone)]
struct CodeSemiJoinExec {
    keys: Arc<dyn ExecutionPlan>,
    key: Arc<dyn PhysicalExpr>,
    rows: Arc<dyn ExecutionPlan>,
    column: Column,
    is_anti: bool,
    /// Read once for all partitions of the rows.
    found: Arc<OnceCell<Keys>>,
    /// The bounds of the keys, so that row groups of others are not read.
    range: Arc<DynamicFilterPhysicalExpr>,
    metrics: ExecutionPlanMetricsSet,
}

impl CodeSemiJoinExec {
    fn new(
        keys: Arc<dyn ExecutionPlan>,
        key: Arc<dyn PhysicalExpr>,
        rows: Arc<dyn ExecutionPlan>,
        column: Column,
        is_anti: bool,
    ) -> Self {
        let children: Vec<Arc<dyn PhysicalExpr>> = vec![Arc::new(column.clone())];
        Self {
            keys,
            key,
            rows,
            column,
            is_anti,
            found: Arc::default(),
            range: Arc::new(DynamicFilterPhysicalExpr::new(children, lit(true))),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// Reads the keys, and passes their range to the plan of the rows.
    async fn find(&self, context: &Arc<TaskContext>) -> Result<Keys> {
        let memory = MemoryConsumer::new("CodeSemiJoinExec").register(context.memory_pool());
        let mut texts: HashSet<Box<str>> = HashSet::new();
        let mut batches = self.keys.execute(0, Arc::clone(context))?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let keys = self.key.evaluate(&batch)?.into_array(batch.num_rows())?;
            let keys = cast(&keys, &DataType::Utf8)?;
            let known = texts.len();
            for key in keys.as_string::<i32>().iter().flatten() {
                if !texts.contains(key) {
                    memory.try_grow(key.len())?;
                    texts.insert(key.into());
                }
            }
            memory.try_grow((texts.len() - known) * 2 * size_of::<Box<str>>())?;
        }
        if !self.is_anti {
            self.range.update(self.between(&texts))?;
        }
        self.range.mark_complete();
        Ok(Keys { texts, _memory: memory })
    }

    fn between(&self, texts: &HashSet<Box<str>>) -> Arc<dyn PhysicalExpr> {
        let (Some(least), Some(greatest)) = (texts.iter().min(), texts.iter().max()) else {
            return lit(false);
        };
        let compared = |operator, text: &str| -> Arc<dyn PhysicalExpr> {
            let text = ScalarValue::Utf8(Some(text.to_owned()));
            let text = ScalarValue::Dictionary(Box::new(DataType::UInt32), Box::new(text));
            let column = Arc::new(self.column.clone());
            Arc::new(BinaryExpr::new(column, operator, Arc::new(Literal::new(text))))
        };
        let from = compared(Operator::GtEq, least);
        Arc::new(BinaryExpr::new(from, Operator::And, compared(Operator::LtEq, greatest)))
    }
}

impl DisplayAs for CodeSemiJoinExec {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_anti { "not in" } else { "in" };
        write!(formatter, "CodeSemiJoinExec: {} {word} {}", self.column, self.key)
    }
}

impl ExecutionPlan for CodeSemiJoinExec {
    fn name(&self) -> &'static str {
        "CodeSemiJoinExec"
    }

    /// Leaving rows out changes nothing of it.
    fn properties(&self) -> &Arc<PlanProperties> {
        self.rows.properties()
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition, Distribution::UnspecifiedDistribution]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false, true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.keys, &self.rows]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = children.pop().unwrap_or_else(|| Arc::clone(&self.rows));
        let keys = children.pop().unwrap_or_else(|| Arc::clone(&self.keys));
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Arc::new(Self { keys, rows, metrics, found: Arc::default(), ..Self::clone(&self) }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots([&self.key], visit)
    }

    fn dynamic_expressions_produced(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        vec![Arc::clone(&self.range) as _]
    }

    fn gather_filters_for_pushdown(
        &self,
        phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        let keys = ChildFilterDescription::all_unsupported(&parent_filters);
        let mut rows = ChildFilterDescription::from_child(&parent_filters, &self.rows)?;
        if phase == FilterPushdownPhase::Post && !self.is_anti {
            rows = rows.with_self_filter(Arc::clone(&self.range) as _);
        }
        Ok(FilterDescription::new().with_child(keys).with_child(rows))
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        pushed: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::if_any(pushed))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema: SchemaRef = self.schema();
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let this = self.clone();
        let chosen = async move {
            this.found.get_or_try_init(|| this.find(&context)).await?;
            let rows = this.rows.execute(partition, context)?;
            let mut choice = Choice::default();
            Ok::<_, DataFusionError>(rows.try_filter_map(move |batch| {
                let _timer = metrics.elapsed_compute().timer();
                let chosen = choice.choose(&this, &batch);
                if let Ok(Some(chosen)) = &chosen {
                    metrics.record_output(chosen.num_rows());
                }
                futures::future::ready(chosen)
            }))
        };
        let answer = futures::stream::once(chosen).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, answer)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Which codes of the last dictionary are chosen.
#[derive(Default)]
struct Choice {
    codes: CodeCache<bool>,
}

impl Choice {
    /// Returns the chosen rows; nothing if there are none.
    fn choose(
        &mut self,
        join: &CodeSemiJoinExec,
        batch: &RecordBatch,
    ) -> Result<Option<RecordBatch>> {
        let column: &ArrayRef = batch.column(join.column.index());
        let (column, texts) = coded(column)?;
        let keys = &join.found.get().expect("the keys are read before the rows").texts;
        if self.codes.enter(texts, join.is_anti) {
            // A code without a text is a row without a key, which nothing equals.
            for (chosen, text) in self.codes.by_code.iter_mut().zip(texts) {
                *chosen = text.is_some_and(|text| keys.contains(text)) != join.is_anti;
            }
        }
        let (by_code, codes) = (&self.codes.by_code, column.keys());
        let chosen = if codes.null_count() == 0 {
            let codes = codes.values();
            BooleanBuffer::collect_bool(codes.len(), |row| by_code[codes[row] as usize])
        } else {
            let is_chosen =
                |code: Option<u32>| code.map_or(join.is_anti, |code| by_code[code as usize]);
            codes.iter().map(is_chosen).collect()
        };
        let chosen = BooleanArray::new(chosen, None);
        Ok(match chosen.true_count() {
            0 => None,
            all if all == batch.num_rows() => Some(batch.clone()),
            _ => Some(filter_record_batch(batch, &chosen)?),
        })
    }
}
