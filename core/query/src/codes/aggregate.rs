//! The first phase of an aggregation by one dictionary-coded column: a row for each group of a partition.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt as _, TryStreamExt as _};

use super::cache::is_coded;
use super::groups::Groups;

/// Stands for the engine's own first phase, with the same rows in another order.
#[derive(Debug)]
pub(super) struct CodeAggregateExec {
    aggregate: AggregateExec,
    metrics: ExecutionPlanMetricsSet,
}

impl CodeAggregateExec {
    /// Takes over an aggregation, if it is a first phase whose only key is a coded column.
    pub(super) fn in_place_of(aggregate: &AggregateExec) -> Option<Self> {
        let is_first = matches!(aggregate.mode(), AggregateMode::Partial);
        let is_ours = is_first
            && aggregate.group_expr().is_single()
            && aggregate.group_expr().expr().len() == 1
            && aggregate.limit_options().is_none()
            && aggregate.dynamic_expressions_produced().is_empty()
            && is_coded(aggregate.schema().field(0).data_type())
            && aggregate.aggr_expr().iter().all(|function| {
                function.order_bys().is_empty() && function.groups_accumulator_supported()
            });
        is_ours
            .then(|| Self { aggregate: aggregate.clone(), metrics: ExecutionPlanMetricsSet::new() })
    }
}

impl DisplayAs for CodeAggregateExec {
    fn fmt_as(&self, format: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "by codes: ")?;
        self.aggregate.fmt_as(format, formatter)
    }
}

impl ExecutionPlan for CodeAggregateExec {
    fn name(&self) -> &'static str {
        "CodeAggregateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.aggregate.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.aggregate.children()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let aggregate = Arc::new(self.aggregate.clone()).replace_children(children, options)?;
        let ours = aggregate.downcast_ref::<AggregateExec>().and_then(Self::in_place_of);
        Ok(ours.map_or(aggregate, |ours| Arc::new(ours)))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        use datafusion::physical_plan::ChildrenPropertiesMode::Recompute;
        self.replace_children(children, ReplaceChildrenOptions::new(Recompute))
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.aggregate.apply_expressions(visit)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.aggregate.input().execute(partition, Arc::clone(&context))?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let consumer = MemoryConsumer::new(format!("CodeAggregateExec[{partition}]"));
        let memory = consumer.register(context.memory_pool());
        let table = Table::new(&self.aggregate, memory)?;
        let batch_rows = context.session_config().batch_size();
        let schema = self.aggregate.schema();
        let answer = futures::stream::once(table.read(rows, metrics.clone()))
            .map_ok(move |table| futures::stream::iter(table.into_batches(batch_rows)))
            .try_flatten()
            .inspect_ok(move |batch| metrics.record_output(batch.num_rows()));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, answer)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// One function of the aggregation.
struct Function {
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    accumulator: Box<dyn GroupsAccumulator>,
}

impl Function {
    fn new(
        function: &AggregateFunctionExpr,
        filter: Option<&Arc<dyn PhysicalExpr>>,
    ) -> Result<Self> {
        Ok(Self {
            arguments: function.expressions(),
            filter: filter.cloned(),
            accumulator: function.create_groups_accumulator()?,
        })
    }

    fn update(&mut self, rows: &RecordBatch, numbers: &[usize], groups: usize) -> Result<()> {
        let evaluate = |expression: &Arc<dyn PhysicalExpr>| {
            expression.evaluate(rows)?.into_array(rows.num_rows())
        };
        let arguments: Vec<_> = self.arguments.iter().map(evaluate).collect::<Result<_>>()?;
        let filter = self.filter.as_ref().map(evaluate).transpose()?;
        let filter = filter.as_ref().map(AsArray::as_boolean);
        self.accumulator.update_batch(&arguments, numbers, filter, groups)
    }
}

/// The groups of a partition, with their states.
struct Table {
    key: Arc<dyn PhysicalExpr>,
    functions: Vec<Function>,
    groups: Groups,
    schema: SchemaRef,
    memory: MemoryReservation,
}

impl Table {
    fn new(aggregate: &AggregateExec, memory: MemoryReservation) -> Result<Self> {
        let filters = aggregate.filter_expr().iter().map(Option::as_ref);
        let functions = aggregate.aggr_expr().iter().zip(filters);
        let functions = functions.map(|(function, filter)| Function::new(function, filter));
        Ok(Self {
            key: Arc::clone(&aggregate.group_expr().expr()[0].0),
            functions: functions.collect::<Result<_>>()?,
            groups: Groups::default(),
            schema: aggregate.schema(),
            memory,
        })
    }

    /// Reads all rows of a partition.
    async fn read(
        mut self,
        mut rows: SendableRecordBatchStream,
        metrics: BaselineMetrics,
    ) -> Result<Self> {
        let mut numbers = Vec::new();
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let _timer = metrics.elapsed_compute().timer();
            let keys = self.key.evaluate(&batch)?.into_array(batch.num_rows())?;
            self.groups.number_rows(&keys, &mut numbers)?;
            for function in &mut self.functions {
                function.update(&batch, &numbers, self.groups.len())?;
            }
            let accumulators = self.functions.iter().map(|function| function.accumulator.size());
            self.memory.try_resize(self.groups.size() + accumulators.sum::<usize>())?;
        }
        Ok(self)
    }

    /// Returns a row for each group: its key and the states of all functions. Each batch has its own dictionary,
    /// since a reader of a batch reads its whole dictionary.
    fn into_batches(mut self, batch_rows: usize) -> Vec<Result<RecordBatch>> {
        let mut states = Vec::new();
        for function in &mut self.functions {
            match function.accumulator.state(EmitTo::All) {
                Ok(columns) => states.extend(columns),
                Err(error) => return vec![Err(error)],
            }
        }
        let count = self.groups.len();
        let starts = (0..count).step_by(batch_rows.max(1));
        let batch = |start: usize| {
            let rows = batch_rows.min(count - start);
            let mut columns = vec![self.groups.texts(start, rows)?];
            columns.extend(states.iter().map(|column| column.slice(start, rows)));
            RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(DataFusionError::from)
        };
        starts.map(batch).collect()
    }
}
