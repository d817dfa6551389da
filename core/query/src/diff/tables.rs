//! The changes between two generations as tables that queries can read.
//!
//! The comparison runs while the table is read, so that no list of changes is ever held in memory.

use std::sync::Arc;

use core_store::TableKind;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;

use super::{DiffDetail, DiffRequest};
use crate::error::QueryError;
use crate::session::QuerySession;
use crate::tables::ContentKind;

/// The batches of changes that wait for the query.
const WAITING: usize = 2;

impl QuerySession {
    /// Adds the tables `diff_entities` and `diff_relationships`, with a row for each object that came or
    /// went and for each value that changed. The session's withheld columns are withheld here too.
    ///
    /// # Errors
    /// [`QueryError::IncomparablePrivacy`], [`QueryError::DuplicateTable`].
    pub fn add_diff(&mut self, request: &DiffRequest) -> Result<(), QueryError> {
        request.check()?;
        let partial = request.tables().iter().any(|(kind, name)| {
            let table = |generation: &core_store::Generation| {
                generation.manifest().table(*kind, name).is_none_or(|table| table.partial)
            };
            table(&request.before) || table(&request.after)
        });
        for (table, content, kind, detail) in [
            ("diff_entities", ContentKind::Changes, TableKind::Entity, DiffDetail::Rows),
            (
                "diff_relationships",
                ContentKind::Changes,
                TableKind::Relationship,
                DiffDetail::Edges,
            ),
        ] {
            let request = DiffRequest {
                withholding: self.withholding.clone(),
                types: request.tables_of(kind),
                ..request.clone()
            };
            let changes = Changes { request, detail, schema: detail.schema() };
            let provider = changes.into_provider().map_err(|error| self.error(&error))?;
            let plan = LogicalPlanBuilder::scan(table, provider_as_source(provider), None)
                .and_then(LogicalPlanBuilder::build)
                .map_err(|error| self.error(&error))?;
            self.register(table, content, 0, partial, plan)?;
        }
        Ok(())
    }
}

impl DiffRequest {
    /// The names of the compared tables of a kind.
    fn tables_of(&self, kind: TableKind) -> Vec<String> {
        let tables = self.tables().into_iter().filter(|(of, _)| *of == kind);
        tables.map(|(_, name)| name).collect()
    }
}

/// The changes of some types, computed when they are read.
struct Changes {
    request: DiffRequest,
    detail: DiffDetail,
    schema: SchemaRef,
}

impl Changes {
    fn into_provider(self) -> Result<Arc<dyn TableProvider>, DataFusionError> {
        let schema = Arc::clone(&self.schema);
        Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(self)])?))
    }
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Changes").field("detail", &self.detail).finish_non_exhaustive()
    }
}

impl PartitionStream for Changes {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), WAITING);
        let (request, detail, sender) = (self.request.clone(), self.detail, builder.tx());
        builder.spawn_blocking(move || {
            // A generation without a type of this kind has nothing to compare; no names mean all.
            if request.types.is_empty() {
                return Ok(());
            }
            let ended = request.run(detail, &mut |batch| {
                let sent = sender.blocking_send(Ok(batch));
                sent.map_err(|_| QueryError::Execution {
                    reason: "the reader of the answer is gone",
                })
            });
            ended.map(drop).map_err(|error| DataFusionError::External(Box::new(error)))
        });
        builder.build()
    }
}
