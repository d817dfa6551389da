//! Events as tables. They are stored beside the generations; their common parts, such as the edge
//! from the account, are added when they are queried.

use std::sync::Arc;

use core_store::{EventLog, Table, TableKind};
use datafusion::common::ScalarValue;
use datafusion::datasource::{TableProvider, ViewTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};

use crate::error::QueryError;
use crate::j1ql;
use crate::session::QuerySession;
use crate::stored::{self, StoredTable};
use crate::tables::{self, ContentKind};

/// Events to ask.
#[derive(Debug, Clone)]
pub struct EventTables {
    /// The `_type` of the events.
    pub name: String,
    /// Their `_class`.
    pub class: String,
    /// The events; at least one file.
    pub log: EventLog,
    /// True if events are known to be missing.
    pub partial: bool,
    /// Properties that every event has alike, such as `tag.AccountName`: the names and the values.
    pub tags: Vec<(String, String)>,
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
    /// [`QueryError::Store`], [`QueryError::Open`], [`QueryError::DuplicateTable`].
    pub async fn add_events(&mut self, events: &EventTables) -> Result<(), QueryError> {
        let (log, rows) = (&events.log, events.log.rows());
        let files = log.files().iter().map(|file| &*file.path);
        let opened = stored::open(&self.context, "events", log.folder(), files).await;
        let stored = StoredTable::Events(log.clone());
        let opened = self.keep(&events.name, stored, opened)?;
        let table = declaration(TableKind::Entity, &events.name, &events.class, events, None);
        let plan =
            tables::type_plan(&table, &table.name, Arc::clone(&opened), self.withholding.as_mut())
                .and_then(|plan| tables::tagged(plan, &events.tags))
                .map_err(|error| self.error(&error))?;
        j1ql::describe(&mut self.graph, &table, plan.schema().as_arrow(), false);
        self.register(&events.name, ContentKind::Entity, rows, events.partial, plan)?;
        let Some(owner) = &events.from else { return Ok(()) };
        let ends = Some((owner.from_type.clone(), events.name.clone()));
        let table = declaration(TableKind::Relationship, &owner.name, &owner.class, events, ends);
        let plan = edges(&events.name, opened, &owner.from_key)
            .and_then(|edges| tables::type_plan(&table, &table.name, edges, None))
            .map_err(|error| self.error(&error))?;
        j1ql::describe(&mut self.graph, &table, plan.schema().as_arrow(), false);
        self.register(&owner.name, ContentKind::Relationship, rows, events.partial, plan)
    }
}

fn declaration(
    kind: TableKind,
    name: &str,
    class: &str,
    events: &EventTables,
    ends: Option<(String, String)>,
) -> Table {
    let (from_type, to_type) = ends.unzip();
    Table {
        kind,
        name: name.to_owned(),
        class: vec![class.to_owned()],
        from_type,
        to_type,
        rows: events.log.rows(),
        partial: events.partial,
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
