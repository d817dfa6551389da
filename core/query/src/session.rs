//! A session on one generation: registers its tables, takes SQL that only reads, hands out the answer
//! in batches.

use std::sync::Arc;

use core_store::{Generation, Table, TableKind};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::datasource::{TableProvider, ViewTable};
use datafusion::error::DataFusionError;
use datafusion::execution::context::{SQLOptions, SessionState};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use futures::StreamExt;

use crate::error::{self, QueryError};
use crate::tables::{self, ContentKind, TableInfo};

/// How a session works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuerySettings {
    /// What one session's queries may hold in memory together. Bytes.
    pub memory_limit_bytes: usize,
}

impl Default for QuerySettings {
    /// 1 GiB.
    fn default() -> Self {
        Self { memory_limit_bytes: 1024 * 1024 * 1024 }
    }
}

/// A generation that can be asked.
pub struct QuerySession {
    pub(crate) context: SessionContext,
    settings: QuerySettings,
    tables: Vec<TableInfo>,
}

impl QuerySession {
    /// Opens the tables of a generation; reads the end of each file, no rows.
    ///
    /// # Errors
    /// [`QueryError::Open`] when a file is missing or no Parquet file.
    pub async fn open(
        generation: &Generation,
        settings: QuerySettings,
    ) -> Result<Self, QueryError> {
        let mut session = Self::empty(settings)?;
        let mut entity_plans = Vec::new();
        let mut relationship_plans = Vec::new();
        for table in &generation.manifest().tables {
            let plan = session.type_plan(generation, table).await?;
            let (rows_are, plans) = match table.kind {
                TableKind::Entity => (ContentKind::Entity, &mut entity_plans),
                TableKind::Relationship => (ContentKind::Relationship, &mut relationship_plans),
            };
            plans.push(plan.clone());
            session.register(&table.name, rows_are, table.rows, table.partial, plan)?;
        }
        session.register_union(TableKind::Entity, &entity_plans)?;
        session.register_union(TableKind::Relationship, &relationship_plans)?;
        Ok(session)
    }

    /// A session without any table, to add some to.
    ///
    /// # Errors
    /// [`QueryError::Execution`] when the engine cannot be set up.
    pub fn empty(settings: QuerySettings) -> Result<Self, QueryError> {
        let context = new_context(settings)
            .map_err(|error| QueryError::from_engine(&error, settings.memory_limit_bytes))?;
        Ok(Self { context, settings, tables: Vec::new() })
    }

    /// The tables, those of the generation first, in the order of its manifest.
    pub fn tables(&self) -> &[TableInfo] {
        &self.tables
    }

    /// Plans a query and starts it.
    ///
    /// # Errors
    /// [`QueryError::ReadOnly`], [`QueryError::UnknownTable`], [`QueryError::Invalid`].
    pub async fn sql(&self, sql: &str) -> Result<QueryResult, QueryError> {
        let state = self.context.state();
        let dialect = state.config().options().sql_parser.dialect;
        let statement =
            state.sql_to_statement(sql, &dialect).map_err(|error| self.error(&error))?;
        refuse_changes(&statement)?;

        let plan = match state.statement_to_plan(statement.clone()).await {
            Ok(plan) => plan,
            Err(error) => {
                let unknown = self.unknown_table(&state, &statement);
                return Err(unknown.unwrap_or_else(|| self.error(&error)));
            }
        };
        let read_only = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        if read_only.verify_plan(&plan).is_err() {
            return Err(QueryError::ReadOnly { statement: "a query that writes".to_owned() });
        }
        let answer = self.context.execute_logical_plan(plan).await;
        let answer = answer.map_err(|error| self.error(&error))?;
        let stream = answer.execute_stream().await.map_err(|error| self.error(&error))?;
        Ok(QueryResult { stream, settings: self.settings })
    }

    /// The tables a statement names and the session does not have: the first of them.
    fn unknown_table(&self, state: &SessionState, statement: &Statement) -> Option<QueryError> {
        let references = state.resolve_table_references(statement).ok()?;
        let is_unknown = |reference: &TableReference| {
            !self.context.table_exist(reference.clone()).unwrap_or(false)
        };
        let unknown = references.into_iter().find(is_unknown)?;
        let name = unknown.to_string();
        let tables: Vec<_> = self.tables.iter().map(|table| table.name.clone()).collect();
        let suggestion = error::most_similar(&name, &tables).map(|best| tables[best].clone());
        Some(QueryError::UnknownTable { name, suggestion, tables })
    }

    async fn type_plan(
        &self,
        generation: &Generation,
        table: &Table,
    ) -> Result<LogicalPlan, QueryError> {
        let addresses = generation.table_files(table.kind, &table.name)?;
        let failed = |source: DataFusionError| QueryError::Open {
            name: table.name.clone(),
            source: Box::new(source),
        };
        let stored = async {
            let addresses: Result<Vec<_>, _> =
                addresses.iter().map(ListingTableUrl::parse).collect();
            stored_table(&self.context.state(), addresses?).await
        };
        let stored = stored.await.map_err(failed)?;
        tables::type_plan(table, stored).map_err(failed)
    }

    fn register_union(&mut self, kind: TableKind, plans: &[LogicalPlan]) -> Result<(), QueryError> {
        let (name, content, part) = match kind {
            TableKind::Entity => ("entities", ContentKind::AllEntities, ContentKind::Entity),
            TableKind::Relationship => {
                ("relationships", ContentKind::AllRelationships, ContentKind::Relationship)
            }
        };
        let parts: Vec<_> = self.tables.iter().filter(|table| table.content == part).collect();
        let rows = parts.iter().map(|table| table.rows).sum();
        let partial = parts.iter().any(|table| table.partial);
        let plan = tables::union_plan(kind, plans).map_err(|error| self.error(&error))?;
        self.register(name, content, rows, partial, plan)
    }

    pub(crate) fn register(
        &mut self,
        name: &str,
        content: ContentKind,
        rows: u64,
        partial: bool,
        plan: LogicalPlan,
    ) -> Result<(), QueryError> {
        if self.tables.iter().any(|table| table.name == name) {
            return Err(QueryError::DuplicateTable { name: name.to_owned() });
        }
        let columns = tables::column_infos(plan.schema().as_arrow());
        let view = Arc::new(ViewTable::new(plan, None));
        self.context
            .register_table(TableReference::bare(name), view)
            .map_err(|error| self.error(&error))?;
        self.tables.push(TableInfo { name: name.to_owned(), content, rows, partial, columns });
        Ok(())
    }

    pub(crate) fn error(&self, error: &DataFusionError) -> QueryError {
        QueryError::from_engine(error, self.settings.memory_limit_bytes)
    }
}

/// The answer to a query, as it comes.
pub struct QueryResult {
    stream: SendableRecordBatchStream,
    settings: QuerySettings,
}

impl QueryResult {
    /// The columns of the answer.
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// The next rows; none when the answer is whole.
    ///
    /// # Errors
    /// [`QueryError::Execution`], [`QueryError::MemoryLimit`].
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        let batch = self.stream.next().await.transpose();
        batch.map_err(|error| QueryError::from_engine(&error, self.settings.memory_limit_bytes))
    }

    /// All remaining rows, held in memory.
    ///
    /// # Errors
    /// As [`QueryResult::next`].
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>, QueryError> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            batches.push(batch);
        }
        Ok(batches)
    }
}

fn new_context(settings: QuerySettings) -> Result<SessionContext, DataFusionError> {
    let mut config = SessionConfig::new().with_information_schema(true);
    // Our columns are in camelCase; the default would need quotes around each.
    config.options_mut().sql_parser.enable_ident_normalization = false;
    // A temporary file would hold people's data outside the store.
    let no_files = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(settings.memory_limit_bytes, 1.0)
        .with_disk_manager_builder(no_files)
        .build_arc()?;
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

pub(crate) async fn stored_table(
    state: &SessionState,
    addresses: Vec<ListingTableUrl>,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let options = ListingOptions::new(Arc::new(ParquetFormat::new()));
    let first = addresses.first().ok_or_else(|| DataFusionError::Plan("no files".to_owned()))?;
    let schema = options.infer_schema(state, first).await?;
    let config = ListingTableConfig::new_with_multi_paths(addresses)
        .with_listing_options(options)
        .with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}

/// Lets pass what reads. The plan is examined once more, for a query that writes inside.
fn refuse_changes(statement: &Statement) -> Result<(), QueryError> {
    let reads = match statement {
        Statement::Explain(explain) => return refuse_changes(&explain.statement),
        Statement::Statement(inner) => matches!(
            **inner,
            SqlStatement::Query(_)
                | SqlStatement::ExplainTable { .. }
                | SqlStatement::ShowTables { .. }
                | SqlStatement::ShowColumns { .. }
        ),
        _ => false,
    };
    if reads {
        return Ok(());
    }
    let text = statement.to_string();
    let word = text.split_whitespace().next().unwrap_or_default();
    Err(QueryError::ReadOnly { statement: word.to_uppercase() })
}
