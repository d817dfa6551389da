//! History: the rows of a type in all kept generations as one table, `<type>_history`.
//!
//! Opening ninety generations takes longer than most queries, so only the tables that a query names are
//! made. Their files are compared with their checksums when the table is made.

use std::collections::BTreeSet;

use core_store::{Generation, Table};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Column, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};

use crate::error::QueryError;
use crate::session::QuerySession;
use crate::tables::{self, ContentKind};
use crate::{error, planning, stored};

/// The end of the name of a table of history.
const SUFFIX: &str = "_history";

/// The columns that say which generation a row is of.
pub(crate) const GENERATION: &str = "_generation";
pub(crate) const CREATED_AT: &str = "_createdAt";

impl QuerySession {
    /// Returns the types whose history a query names: `nexthink_device` for `nexthink_device_history`, unless that is
    /// the name of a type.
    ///
    /// # Errors
    /// [`QueryError::Invalid`] for text that is no SQL, and what is too long or too deep.
    pub fn types_with_history(&self, sql: &str) -> Result<Vec<String>, QueryError> {
        let names = self.named_tables(sql)?.into_iter();
        let names = names.filter(|name| !self.tables().iter().any(|table| table.name == *name));
        let types = names.filter_map(|name| Some(name.strip_suffix(SUFFIX)?.to_owned()));
        Ok(types.collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// Adds `<type>_history`: the rows of the type in some generations, with `_generation` and
    /// `_createdAt`. Returns false if none of them has the type.
    ///
    /// # Errors
    /// [`QueryError::Store`] for damaged files, [`QueryError::Open`], [`QueryError::DuplicateTable`].
    pub async fn add_history(
        &mut self,
        type_name: &str,
        generations: &[Generation],
    ) -> Result<bool, QueryError> {
        let Some(plan) = self.history_plan(type_name, generations).await? else { return Ok(false) };
        let tables = generations.iter().filter_map(|generation| table(generation, type_name));
        let rows = tables.clone().map(|table| table.rows).sum();
        let partial = tables.clone().any(|table| table.partial);
        let name = format!("{type_name}{SUFFIX}");
        self.register(&name, ContentKind::History, rows, partial, plan)?;
        Ok(true)
    }

    /// The plan of a type's history. None if no generation has the type.
    pub(crate) async fn history_plan(
        &self,
        type_name: &str,
        generations: &[Generation],
    ) -> Result<Option<LogicalPlan>, QueryError> {
        let mut plans = Vec::new();
        for generation in generations {
            let Some(table) = table(generation, type_name) else { continue };
            generation.check_table(table.kind, type_name)?;
            let files = table.files.iter().map(|file| &*file.file.path);
            let id = generation.id().as_str();
            let opened = stored::open(&self.context, id, generation.folder(), files).await;
            let opened = opened.map_err(|source| QueryError::Open {
                name: format!("{type_name} of generation {id}"),
                source: Box::new(source),
            })?;
            let mut withholding = self.withholding.clone();
            let plan = tables::type_plan(table, opened, withholding.as_mut())
                .and_then(|plan| dated(plan, generation));
            let plan = plan.map_err(|error| self.error(&error))?;
            plans.push(plan);
        }
        union(&plans).map_err(|error| self.error(&error))
    }

    fn named_tables(&self, sql: &str) -> Result<Vec<String>, QueryError> {
        crate::complexity::check(sql)?;
        planning::on_deep_stack(|| async {
            let state = self.context.state();
            let dialect = state.config().options().sql_parser.dialect;
            let statement = state.sql_to_statement(sql, &dialect);
            let statement = statement.map_err(|error| self.error(&error))?;
            let references = state.resolve_table_references(&statement);
            let references = references.map_err(|error| self.error(&error))?;
            Ok(references.iter().map(|reference| reference.table().to_owned()).collect())
        })
    }
}

/// The table of history that is meant by a name that no table has, if the name looks like one.
pub(crate) fn similar_name(name: &str, tables: &[String]) -> Option<String> {
    if !name.contains("_hist") {
        return None;
    }
    let histories: Vec<String> = tables.iter().map(|table| format!("{table}{SUFFIX}")).collect();
    error::most_similar(name, &histories).map(|best| histories[best].clone())
}

fn table<'a>(generation: &'a Generation, type_name: &str) -> Option<&'a Table> {
    generation.manifest().tables.iter().find(|table| table.name == type_name)
}

/// A plan with the columns that say which generation its rows are of.
fn dated(plan: LogicalPlan, generation: &Generation) -> Result<LogicalPlan, DataFusionError> {
    let created_at = ScalarValue::Utf8(Some(generation.manifest().created_at.clone()));
    let created_at = created_at.cast_to(&timestamp())?;
    let id = ScalarValue::Utf8View(Some(generation.id().to_string()));
    let mut columns = vec![lit(id).alias(GENERATION), lit(created_at).alias(CREATED_AT)];
    columns.extend(plan.schema().columns().into_iter().map(Expr::Column));
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// All rows with all columns that any generation has, in the types that the newest one gives them; the
/// newest is the first. A column that a generation lacks is null.
fn union(plans: &[LogicalPlan]) -> Result<Option<LogicalPlan>, DataFusionError> {
    let mut columns: Vec<(String, DataType)> = Vec::new();
    for plan in plans {
        for field in plan.schema().fields() {
            if !columns.iter().any(|(name, _)| name == field.name()) {
                columns.push((field.name().clone(), field.data_type().clone()));
            }
        }
    }
    let mut whole: Option<LogicalPlanBuilder> = None;
    for plan in plans {
        let expressions = columns.iter().map(|(name, data_type)| {
            let mut fields = plan.schema().iter();
            let found = fields.find(|(_, field)| field.name() == name);
            let value = match found {
                Some((qualifier, _)) => Expr::Column(Column::new(qualifier.cloned(), name)),
                None => lit(ScalarValue::Null),
            };
            cast(value, data_type.clone()).alias(name)
        });
        let branch = LogicalPlanBuilder::from(plan.clone()).project(expressions)?;
        whole = Some(match whole {
            Some(whole) => whole.union(branch.build()?)?,
            None => branch,
        });
    }
    whole.map(LogicalPlanBuilder::build).transpose()
}
