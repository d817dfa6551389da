//! A session on one generation: registers its tables, takes SQL that only reads, hands out the answer
//! in batches.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use core_j1ql::{Compiled, Graph, PossibleType};
use core_store::{Generation, Table, TableKind};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::datasource::ViewTable;
use datafusion::error::DataFusionError;
use datafusion::execution::context::{SQLOptions, SessionState};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use futures::{FutureExt as _, StreamExt as _};

use crate::arithmetic::CheckedArithmetic;
use crate::error::{self, QueryError};
use crate::intervals::IntervalLengths;
use crate::j1ql;
use crate::parameters::ParameterValue;
use crate::stored::{self, StoredTable};
use crate::tables::{self, ContentKind, TableInfo};
use crate::withheld::Withholding;
use crate::{
    bounded, codes, complexity, dialect, functions, history, literals, not_in, parameters,
    planning, sums,
};

/// The share of the memory limit for the result of one function call, which is held together with its inputs and with
/// the values made from it.
const FUNCTION_SHARE: usize = 4;

/// The settings of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuerySettings {
    /// The memory that one session's queries may hold together. Bytes.
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
    pub(crate) stored: HashMap<String, StoredTable>,
    pub(crate) graph: Graph,
    /// None if all columns are shown.
    pub(crate) withholding: Option<Withholding>,
    /// The tables of history that lack generations.
    pub(crate) histories_with_gaps: BTreeSet<String>,
    /// The properties, by type and name, that change with every run.
    pub(crate) volatile: Vec<(String, String)>,
}

impl QuerySession {
    /// Opens the tables of a generation; reads the end of each file, no rows.
    ///
    /// # Errors
    /// [`QueryError::Store`] when a file is missing or damaged so that it cannot be opened,
    /// [`QueryError::Open`] when the engine cannot open it although it is what was written.
    pub async fn open(
        generation: &Generation,
        settings: QuerySettings,
    ) -> Result<Self, QueryError> {
        let mut session = Self::empty(settings)?;
        session.add_generation(generation).await?;
        Ok(session)
    }

    /// Adds the tables of a generation to a session that has none yet; reads the end of each file, no rows.
    ///
    /// # Errors
    /// As [`QuerySession::open`].
    pub async fn add_generation(&mut self, generation: &Generation) -> Result<(), QueryError> {
        let mut entity_plans = Vec::new();
        let mut relationship_plans = Vec::new();
        for table in &generation.manifest().tables {
            let plan = self.type_plan(generation, table).await?;
            let (rows_are, plans) = match table.kind {
                TableKind::Entity => (ContentKind::Entity, &mut entity_plans),
                TableKind::Relationship => (ContentKind::Relationship, &mut relationship_plans),
            };
            plans.push(plan.clone());
            j1ql::describe(&mut self.graph, table, plan.schema().as_arrow(), true);
            self.register(&table.name, rows_are, table.rows, table.partial, plan)?;
        }
        self.register_union(TableKind::Entity, &entity_plans)?;
        self.register_union(TableKind::Relationship, &relationship_plans)
    }

    /// A session without any table, to add some to.
    ///
    /// # Errors
    /// [`QueryError::Execution`] when the engine cannot be set up.
    pub fn empty(settings: QuerySettings) -> Result<Self, QueryError> {
        let context = new_context(settings)
            .map_err(|error| QueryError::from_engine(&error, settings.memory_limit_bytes))?;
        let graph = Graph::default();
        let (tables, stored) = (Vec::new(), HashMap::new());
        let (withholding, histories_with_gaps, volatile) = (None, BTreeSet::new(), Vec::new());
        Ok(Self {
            context,
            settings,
            tables,
            stored,
            graph,
            withholding,
            histories_with_gaps,
            volatile,
        })
    }

    /// Withholds columns of all tables that are added from now on.
    #[must_use]
    pub fn withholding(mut self, withholding: Withholding) -> Self {
        self.withholding = Some(withholding);
        self
    }

    /// Names the properties, by type and name, that change with every run and so are no change of an entity.
    #[must_use]
    pub fn with_volatile(mut self, properties: Vec<(String, String)>) -> Self {
        self.volatile = properties;
        self
    }

    /// Names the types that can be made. An error about one that the generation lacks says how to get it.
    #[must_use]
    pub fn with_possible(mut self, possible: Vec<PossibleType>) -> Self {
        self.graph.possible = possible;
        self
    }

    /// The tables, those of the generation first, in the order of its manifest.
    pub fn tables(&self) -> &[TableInfo] {
        &self.tables
    }

    /// Plans a query, compares the files that it reads with their checksums, and starts it. Blocks
    /// until the plan is made.
    ///
    /// # Errors
    /// [`QueryError::ReadOnly`], [`QueryError::UnknownTable`], [`QueryError::Invalid`] and the like for
    /// what cannot be asked, [`QueryError::Store`] for damaged files.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn sql(&self, sql: &str) -> Result<QueryResult, QueryError> {
        self.sql_with(sql, &BTreeMap::new())
    }

    /// The same with values for parameters such as `$days`.
    ///
    /// # Errors
    /// As [`QuerySession::sql`], and [`QueryError::MissingParameter`], [`QueryError::UnknownParameter`],
    /// [`QueryError::InvalidParameter`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn sql_with(
        &self,
        sql: &str,
        parameters: &BTreeMap<String, ParameterValue>,
    ) -> Result<QueryResult, QueryError> {
        complexity::check(sql)?;
        planning::on_deep_stack(|| self.start(sql, parameters))
    }

    /// The same for a translated J1QL query.
    ///
    /// # Errors
    /// As [`QuerySession::sql`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn j1ql(&self, query: &Compiled) -> Result<QueryResult, QueryError> {
        self.translated(&query.sql)
    }

    /// Asks the SQL that J1QL was translated into.
    pub(crate) fn translated(&self, sql: &str) -> Result<QueryResult, QueryError> {
        complexity::check_length(sql)?;
        let none = BTreeMap::new();
        planning::on_deep_stack(|| self.start(sql, &none))
    }

    /// Plans a query and does not start it.
    pub(crate) fn check(&self, sql: &str) -> Result<(), QueryError> {
        complexity::check_length(sql)?;
        planning::on_deep_stack(|| async { self.plan(sql).await.map(drop) })
    }

    async fn start(
        &self,
        sql: &str,
        parameters: &BTreeMap<String, ParameterValue>,
    ) -> Result<QueryResult, QueryError> {
        let plan = self.plan(sql).await?;
        self.execute(parameters::bind(plan, parameters)?).await
    }

    pub(crate) async fn plan(&self, sql: &str) -> Result<LogicalPlan, QueryError> {
        let state = self.context.state();
        let dialect = state.config().options().sql_parser.dialect;
        let mut statement =
            state.sql_to_statement(sql, &dialect).map_err(|error| self.error(&error))?;
        dialect::repair(&mut statement)?;
        refuse_changes(&statement)?;

        let plan = match state.statement_to_plan(statement.clone()).await {
            Ok(plan) => plan,
            Err(error) => {
                let unknown = self.unknown_table(&state, &statement);
                return Err(unknown.unwrap_or_else(|| self.error(&error)));
            }
        };
        not_in::check(&plan)?;
        let read_only = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        if read_only.verify_plan(&plan).is_err() {
            return Err(QueryError::ReadOnly { statement: "a query that writes".to_owned() });
        }
        Ok(plan)
    }

    /// Runs a plan that this crate has made, through the same check of files as a query.
    pub(crate) fn run_plan(&self, plan: LogicalPlan) -> Result<QueryResult, QueryError> {
        planning::on_deep_stack(|| self.execute(plan))
    }

    async fn execute(&self, plan: LogicalPlan) -> Result<QueryResult, QueryError> {
        literals::check(&plan)?;
        let (tables, partial_tables) = self.check_files(&plan)?;
        let answer = self.context.execute_logical_plan(plan).await;
        let answer = answer.map_err(|error| self.error(&error))?;
        let stream = planning::stream(answer).await.map_err(|error| self.error(&error))?;
        let (settings, left_out) = (self.settings, Vec::new());
        Ok(QueryResult { stream, settings, tables, partial_tables, left_out })
    }

    /// Compares the files that a plan reads with their checksums. Returns the tables that it reads, and the
    /// partial ones among them.
    fn check_files(&self, plan: &LogicalPlan) -> Result<(Vec<String>, Vec<String>), QueryError> {
        let tables = stored::scanned_tables(plan).map_err(|error| self.error(&error))?;
        for name in &tables {
            if let Some(table) = self.stored.get(name) {
                table.check(name)?;
            }
        }
        let is_partial =
            |name: &&String| self.tables.iter().any(|table| table.name == **name && table.partial);
        let mut partial: Vec<String> = tables.iter().filter(is_partial).cloned().collect();
        self.keep_partial_histories(plan, &mut partial).map_err(|error| self.error(&error))?;
        Ok((tables.into_iter().collect(), partial))
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
        let suggestion = history::similar_name(&name, &tables)
            .or_else(|| error::most_similar(&name, &tables).map(|best| tables[best].clone()));
        let type_name = name.strip_suffix(history::SUFFIX).unwrap_or(&name);
        let condition = self.graph.condition_of(type_name).map(str::to_owned);
        Some(QueryError::UnknownTable { name, suggestion, tables, condition })
    }

    async fn type_plan(
        &mut self,
        generation: &Generation,
        table: &Table,
    ) -> Result<LogicalPlan, QueryError> {
        let files = table.files.iter().map(|file| &*file.file.path);
        let store = generation.id().as_str();
        let opened = stored::open(&self.context, store, generation.folder(), files).await;
        let stored = StoredTable::Generation(generation.clone(), table.kind);
        let opened = self.keep(&table.name, stored, opened)?;
        let plan = tables::type_plan(table, &table.name, opened, self.withholding.as_mut());
        plan.map_err(|error| self.error(&error))
    }

    /// Keeps the generation or log that the files of a table belong to. A table that cannot be opened is damaged if
    /// its files differ from their checksums.
    pub(crate) fn keep<T>(
        &mut self,
        name: &str,
        stored: StoredTable,
        opened: Result<T, DataFusionError>,
    ) -> Result<T, QueryError> {
        if opened.is_err() {
            stored.check(name)?;
        }
        self.stored.insert(name.to_owned(), stored);
        opened
            .map_err(|source| QueryError::Open { name: name.to_owned(), source: Box::new(source) })
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
        let error = QueryError::from_engine(error, self.settings.memory_limit_bytes);
        match &self.withholding {
            Some(withholding) => withholding.explain(error),
            None => error,
        }
    }
}

/// The answer to a query, as it comes.
pub struct QueryResult {
    stream: SendableRecordBatchStream,
    settings: QuerySettings,
    tables: Vec<String>,
    partial_tables: Vec<String>,
    left_out: Vec<String>,
}

impl QueryResult {
    /// Notes the columns that the answer would have if none were withheld.
    pub(crate) fn with_left_out(self, left_out: Vec<String>) -> Self {
        Self { left_out, ..self }
    }

    /// The columns of a saved question that were left out, since this session withholds them.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The columns of the answer.
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// The tables that the answer was made from.
    pub fn tables(&self) -> &[String] {
        &self.tables
    }

    /// The tables that the answer was made from and that may lack rows or hold rows of an earlier
    /// generation.
    pub fn partial_tables(&self) -> &[String] {
        &self.partial_tables
    }

    /// The next rows; none when the answer is whole.
    ///
    /// # Errors
    /// [`QueryError::Execution`], [`QueryError::MemoryLimit`].
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        let next = AssertUnwindSafe(self.stream.next()).catch_unwind().await;
        let batch = next.map_err(|_| QueryError::PANICKED)?.transpose();
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
    // With such filters, DataFusion 55 loses rows: it finds the column of a filter in an input by its name, and takes the
    // first of two columns of one name, such as the keys of two relationship tables that are joined.
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .set_bool("datafusion.optimizer.enable_dynamic_filter_pushdown", false);
    // Our columns are in camelCase; the default would need quotes around each.
    config.options_mut().sql_parser.enable_ident_normalization = false;
    // A temporary file would hold people's data outside the store.
    let no_files = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(settings.memory_limit_bytes, 1.0)
        .with_disk_manager_builder(no_files)
        .build_arc()?;
    // DataFusion 55 counts the rows of a filter by statistics, and takes a condition on a column that holds nulls
    // alone for fulfilled by all rows.
    let mut rules = PhysicalOptimizer::new().rules;
    rules.retain(|rule| rule.name() != "aggregate_statistics");
    codes::add_rule(&mut rules);
    let state = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime);
    let state = state.with_default_features().with_physical_optimizer_rules(rules);
    let state = state.with_analyzer_rule(Arc::new(CheckedArithmetic));
    let state = state.with_analyzer_rule(Arc::new(IntervalLengths)).build();
    let context = SessionContext::new_with_state(state);
    functions::register(&context);
    sums::register(&context);
    bounded::bound_functions(&context, settings.memory_limit_bytes / FUNCTION_SHARE)?;
    Ok(context)
}

/// Refuses statements that change anything. The plan is examined too, for a query that writes inside.
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
