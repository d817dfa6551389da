//! Events as tables: they are kept beside the generations, and what belongs to all of them, such as
//! the tenant, is drawn to each when it is asked for.

use std::sync::Arc;

use core_store::{Table, TableKind};
use datafusion::common::ScalarValue;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::datasource::{TableProvider, ViewTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};

use crate::error::QueryError;
use crate::session::{QuerySession, stored_table};
use crate::tables::{self, ContentKind};

/// Events to ask.
#[derive(Debug, Clone)]
pub struct EventTables {
    /// The `_type` of the events.
    pub name: String,
    /// Their `_class`.
    pub class: String,
    /// Addresses of their files; at least one.
    pub addresses: Vec<String>,
    /// How many events there are.
    pub rows: u64,
    /// The relationship from one entity to all of them.
    pub from: Option<EventOwner>,
}

/// The one entity that all events belong to.
#[derive(Debug, Clone)]
pub struct EventOwner {
    /// The `_type` of the relationships.
    pub name: String,
    /// Their `_class`, in upper case.
    pub class: String,
    /// The `_type` of the entity.
    pub from_type: String,
    /// The `_key` of the entity.
    pub from_key: String,
}

impl QuerySession {
    /// Adds events as a table, and the relationships to them as another. They are in neither
    /// `entities` nor `relationships`, which are those of the generation.
    ///
    /// # Errors
    /// [`QueryError::Open`] when a file is missing or no Parquet file,
    /// [`QueryError::DuplicateTable`].
    pub async fn add_events(&mut self, events: &EventTables) -> Result<(), QueryError> {
        let failed = |source: DataFusionError| QueryError::Open {
            name: events.name.clone(),
            source: Box::new(source),
        };
        let addresses: Result<Vec<_>, _> =
            events.addresses.iter().map(ListingTableUrl::parse).collect();
        let addresses = addresses.map_err(failed)?;
        let stored = stored_table(&self.context.state(), addresses).await.map_err(failed)?;
        let table = table(TableKind::Entity, &events.name, &events.class, events.rows, None);
        let plan = tables::type_plan(&table, Arc::clone(&stored)).map_err(failed)?;
        self.register(&events.name, ContentKind::Entity, events.rows, true, plan)?;
        let Some(owner) = &events.from else { return Ok(()) };
        let ends = Some((owner.from_type.clone(), events.name.clone()));
        let table = table_of_edges(owner, events.rows, ends);
        let edges = edges(&events.name, stored, &owner.from_key).map_err(failed)?;
        let plan = tables::type_plan(&table, edges).map_err(failed)?;
        self.register(&owner.name, ContentKind::Relationship, events.rows, true, plan)
    }
}

fn table_of_edges(owner: &EventOwner, rows: u64, ends: Option<(String, String)>) -> Table {
    table(TableKind::Relationship, &owner.name, &owner.class, rows, ends)
}

fn table(
    kind: TableKind,
    name: &str,
    class: &str,
    rows: u64,
    ends: Option<(String, String)>,
) -> Table {
    let (from_type, to_type) = ends.unzip();
    Table {
        kind,
        name: name.to_owned(),
        class: vec![class.to_owned()],
        from_type,
        to_type,
        rows,
        partial: true,
        columns: Vec::new(),
        files: Vec::new(),
    }
}

/// An edge from one entity to each event.
fn edges(
    name: &str,
    stored: Arc<dyn TableProvider>,
    from_key: &str,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let from = lit(ScalarValue::Utf8View(Some(from_key.to_owned())));
    let ends = [from.alias("_fromEntityKey"), col("_key").alias("_toEntityKey")];
    let scan = LogicalPlanBuilder::scan(name, provider_as_source(stored), None)?;
    Ok(Arc::new(ViewTable::new(scan.project(ends)?.build()?, None)))
}
