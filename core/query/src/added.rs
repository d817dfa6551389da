//! Tables of rows that a caller holds in memory, such as the findings of rules.

use std::sync::Arc;

use core_store::{Table, TableKind};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::datasource::MemTable;

use crate::error::QueryError;
use crate::j1ql;
use crate::session::QuerySession;
use crate::tables::{self, ContentKind};

/// Entities that are not part of a generation.
#[derive(Debug, Clone)]
pub struct AddedTable {
    /// Their `_type`.
    pub name: String,
    /// Their `_class`.
    pub class: String,
    /// The columns, of which the first is `_key`.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// True if it is made from a partial table, so that it may lack rows or hold older ones.
    pub partial: bool,
}

impl QuerySession {
    /// Adds entities as a table. They are not in `entities`, which are those of the generation.
    ///
    /// # Errors
    /// [`QueryError::DuplicateTable`], [`QueryError::Execution`] when rows and columns differ.
    pub fn add_table(&mut self, added: AddedTable) -> Result<(), QueryError> {
        let AddedTable { name, class, schema, batches, partial } = added;
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let memory =
            MemTable::try_new(schema, vec![batches]).map_err(|error| self.error(&error))?;
        let table = Table {
            kind: TableKind::Entity,
            name,
            class: vec![class],
            from_type: None,
            to_type: None,
            rows,
            partial,
            columns: Vec::new(),
            files: Vec::new(),
        };
        let plan =
            tables::type_plan(&table, &table.name, Arc::new(memory), self.withholding.as_mut());
        let plan = plan.map_err(|error| self.error(&error))?;
        j1ql::describe(&mut self.graph, &table, plan.schema().as_arrow(), false);
        self.register(&table.name, ContentKind::Entity, rows, partial, plan)
    }
}
