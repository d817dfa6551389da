//! History: the rows of a type in all kept generations as one table, `<type>_history`.
//!
//! Opening ninety generations takes longer than most queries, so only the tables that a query names are
//! made. Their files are compared with their checksums when the table is made.

mod scan;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use core_store::{Generation, Table};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};

use self::scan::GenerationScan;
use crate::error::QueryError;
use crate::session::QuerySession;
use crate::tables::{self, ContentKind};
use crate::{error, planning};

/// The end of the name of a table of history.
pub(crate) const SUFFIX: &str = "_history";

/// The columns that name the generation of a row.
pub(crate) const GENERATION: &str = "_generation";
pub(crate) const CREATED_AT: &str = "_createdAt";

/// Returns false for a query in SQL or J1QL that reads no history, whatever the tables are. It may return true for others.
pub fn may_read_history(query: &str) -> bool {
    let query = query.to_lowercase();
    query.contains(SUFFIX) || query.contains(&core_j1ql::CREATED_ON.to_lowercase())
}

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
    /// `_createdAt`. Returns false if none of them has the type. It is partial if the type is partial in one of them, or
    /// if generations are missing among them.
    ///
    /// # Errors
    /// [`QueryError::Store`] for damaged files, [`QueryError::Open`], [`QueryError::DuplicateTable`].
    pub async fn add_history(
        &mut self,
        type_name: &str,
        generations: &[Generation],
        are_some_missing: bool,
    ) -> Result<bool, QueryError> {
        let Some(plan) = self.history_plan(type_name, generations).await? else { return Ok(false) };
        let tables = generations.iter().filter_map(|generation| table(generation, type_name));
        let rows = tables.clone().map(|table| table.rows).sum();
        let partial = are_some_missing || tables.clone().any(|table| table.partial);
        let name = format!("{type_name}{SUFFIX}");
        self.register(&name, ContentKind::History, rows, partial, plan)?;
        if are_some_missing {
            self.histories_with_gaps.insert(name);
        }
        Ok(true)
    }

    /// The plan of a type's history. None if no generation has the type.
    ///
    /// Generations whose tables have the same columns are read as one. There are two such groups after a version of this
    /// program, or a query in Nexthink, has brought a new column.
    pub(crate) async fn history_plan(
        &self,
        type_name: &str,
        generations: &[Generation],
    ) -> Result<Option<LogicalPlan>, QueryError> {
        let mut groups: Vec<(&Table, GenerationScan)> = Vec::new();
        for generation in generations {
            let Some(table) = table(generation, type_name) else { continue };
            generation.check_table(table.kind, type_name)?;
            let opened = GenerationScan::open(&self.context, generation, table).await;
            let id = generation.id();
            let opened = opened.map_err(|source| QueryError::Open {
                name: format!("{type_name} of generation {id}"),
                source: Box::new(source),
            })?;
            let mut alike = groups.iter_mut().filter(|(first, _)| first.class == table.class);
            let rest = alike.try_fold(opened, |scan, (_, group)| match group.take_over(scan) {
                Some(scan) => ControlFlow::Continue(scan),
                None => ControlFlow::Break(()),
            });
            if let ControlFlow::Continue(scan) = rest {
                groups.push((table, scan));
            }
        }
        let name = format!("{type_name}{SUFFIX}");
        let plans = groups.into_iter().map(|(table, scan)| {
            let mut withholding = self.withholding.clone();
            dated(tables::type_plan(table, &name, Arc::new(scan), withholding.as_mut())?)
        });
        let plans: Result<Vec<_>, DataFusionError> = plans.collect();
        plans.and_then(|plans| union(&plans)).map_err(|error| self.error(&error))
    }

    /// Removes the histories of which a plan reads no generation that has the type partial. A filter on the generation
    /// alone decides which are read: one partial run should not make every answer doubtful until it is forgotten.
    pub(crate) fn keep_partial_histories(
        &self,
        plan: &LogicalPlan,
        names: &mut Vec<String>,
    ) -> Result<(), DataFusionError> {
        // A generation that is missing is not among those that a filter is compared with.
        let is_whole_history = |name: &String| {
            let mut tables = self.tables().iter();
            tables.any(|table| table.name == *name && table.content == ContentKind::History)
                && !self.histories_with_gaps.contains(name)
        };
        if !names.iter().any(is_whole_history) {
            return Ok(());
        }
        let state = self.context.state();
        let mut partial = BTreeSet::new();
        state.optimize(plan)?.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                let provider = source_as_provider(&scan.source)?;
                let history = provider.downcast_ref::<GenerationScan>();
                if history
                    .map(|history| history.reads_partial(&state, &scan.filters))
                    .transpose()?
                    == Some(true)
                {
                    partial.insert(scan.table_name.table().to_owned());
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        names.retain(|name| !is_whole_history(name) || partial.contains(name));
        Ok(())
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

/// A plan with the columns that name the generation of a row first.
fn dated(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let is_dated = |column: &Column| [GENERATION, CREATED_AT].contains(&column.name.as_str());
    let (mut columns, rest): (Vec<_>, Vec<_>) =
        plan.schema().columns().into_iter().partition(is_dated);
    columns.extend(rest);
    LogicalPlanBuilder::from(plan).project(columns.into_iter().map(Expr::Column))?.build()
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
            let Some((qualifier, field)) = fields.find(|(_, field)| field.name() == name) else {
                return cast(lit(ScalarValue::Null), data_type.clone()).alias(name);
            };
            let value = Expr::Column(Column::new(qualifier.cloned(), name));
            if field.data_type() == data_type { value } else { cast(value, data_type.clone()) }
                .alias(name)
        });
        let branch = LogicalPlanBuilder::from(plan.clone()).project(expressions)?;
        whole = Some(match whole {
            Some(whole) => whole.union(branch.build()?)?,
            None => branch,
        });
    }
    whole.map(LogicalPlanBuilder::build).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_names_no_history_in_either_language_reads_none() {
        for (query, expected) in [
            ("select count(*) from nexthink_device_history", true),
            ("SELECT count(*) FROM NEXTHINK_DEVICE_HISTORY", true),
            ("FIND nexthink_device WITH _createdOn > date.now - 1 day", true),
            ("FIND nexthink_device AS d RETURN d.name", false),
            ("select name, \"_createdAt\" from nexthink_device", false),
        ] {
            assert_eq!(may_read_history(query), expected, "{query}");
        }
    }
}
