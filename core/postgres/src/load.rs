//! One table of a delivery: its rows are streamed by `COPY`, into a new table or beside the rows that are there.

use bytes::Bytes;
use core_destination::DeliveryError;
use core_destination::TypeChanges;
use core_destination::mirror::MirrorScope;
use core_store::{Generation, Table, TableKind};
use futures::SinkExt as _;
use tokio::sync::mpsc;
use tokio_postgres::CopyInSink;

use crate::catalog::Session;
use crate::error::PostgresError;
use crate::rows::RowEncoder;
use crate::sql::{Column, TypeTable, columns, quote, quote_table};

/// The number of encoded batches that wait for the network, of 8,192 rows each.
const WAITING: usize = 2;

/// The temporary table that rows are compared from.
const LOAD: &str = "nexthink_graph_load";

/// One table of a type, on its way.
pub(crate) struct Loading<'a> {
    session: &'a Session<'a>,
    scope: &'a MirrorScope,
    table: &'a Table,
    form: TypeTable<'a>,
    personal_columns: Vec<String>,
}

/// The result of loading a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) changes: TypeChanges,
    /// The number of values that Postgres cannot hold as they were.
    pub(crate) changed_values: u64,
    /// The columns that the program has made in the table.
    pub(crate) columns: Vec<String>,
}

impl<'a> Loading<'a> {
    /// Prepares a table.
    pub(crate) fn new(
        session: &'a Session<'a>,
        scope: &'a MirrorScope,
        table: &'a Table,
        personal_columns: Vec<String>,
    ) -> Result<Self, DeliveryError> {
        let schema = scope.generation.schema(table.kind, &table.name)?;
        let columns = columns(&table.name, &schema)?;
        let form = TypeTable {
            schema: &session.settings.schema,
            name: &table.name,
            kind: table.kind,
            columns,
        };
        Ok(Self { session, scope, table, form, personal_columns })
    }

    /// Makes the table and fills it.
    pub(crate) async fn create(&self) -> Result<Loaded, DeliveryError> {
        let action = format!("creating table {}", self.table.name);
        self.session.run(&action, &self.form.create()).await?;
        if let Some(without) = self.form.without_statistics(&self.personal_columns) {
            self.session.run(&action, &without).await?;
        }
        let changed_values = self.copy(&self.form.quoted()).await?;
        self.session.run(&action, &self.form.create_keys()).await?;
        self.session.run(&action, &format!("ANALYZE {}", self.form.quoted())).await?;
        let (type_name, creates) = (self.table.name.clone(), self.table.rows);
        let changes = TypeChanges { type_name, creates, ..TypeChanges::default() };
        Ok(self.loaded(changes, changed_values))
    }

    /// Makes the rows of the table those of the generation; rows that it does not have go if `removes` says so.
    pub(crate) async fn merge(&self, removes: bool) -> Result<Loaded, DeliveryError> {
        if !self.adapt_columns().await? {
            let drop = format!("DROP TABLE {}", self.form.quoted());
            self.session.run(&format!("replacing table {}", self.table.name), &drop).await?;
            return self.create().await;
        }
        let action = format!("writing table {}", self.table.name);
        self.session.run(&action, &self.form.create_load(LOAD)).await?;
        let changed_values = self.copy(&quote(LOAD)).await?;
        let mut changes =
            TypeChanges { type_name: self.table.name.clone(), ..TypeChanges::default() };
        if removes {
            changes.deletes = self.session.change(&action, &self.form.delete_missing(LOAD)).await?;
        } else {
            changes.kept = self.count(&action, &self.form.count_missing(LOAD)).await?;
        }
        if let Some(update) = self.form.update_changed(LOAD) {
            changes.updates = self.session.change(&action, &update).await?;
        }
        changes.creates = self.session.change(&action, &self.form.insert_new(LOAD)).await?;
        changes.unchanged = self.table.rows.saturating_sub(changes.creates + changes.updates);
        self.session.run(&action, &format!("DROP TABLE {}", quote(LOAD))).await?;
        Ok(self.loaded(changes, changed_values))
    }

    fn loaded(&self, changes: TypeChanges, changed_values: u64) -> Loaded {
        let columns = self.form.columns.iter().map(|column| column.name.clone()).collect();
        Loaded { changes, changed_values, columns }
    }

    async fn count(&self, action: &str, query: &str) -> Result<u64, DeliveryError> {
        let row = self.session.client.query_one(query, &[]).await;
        let count: i64 = row.map_err(|error| self.session.failed(&error, action))?.get(0);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Gives the table the columns of the generation, and leaves those that others have added; returns false if one of the
    /// generation has another type now.
    async fn adapt_columns(&self) -> Result<bool, DeliveryError> {
        let action = format!("changing the columns of {}", self.table.name);
        let query = "SELECT attname::text, pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute \
                     WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped";
        let table = quote_table(self.form.schema, self.form.name);
        let rows = self.session.client.query(query, &[&table]).await;
        let rows = rows.map_err(|error| self.session.failed(&error, &action))?;
        let there: Vec<(String, String)> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let is_there = |column: &Column| there.iter().any(|(name, _)| *name == column.name);
        let has_other_type = |column: &&Column| {
            there.iter().any(|(name, found)| *name == column.name && found != column.sql_type)
        };
        if self.form.columns.iter().any(|column| has_other_type(&column)) {
            return Ok(false);
        }
        let mut is_any_new = false;
        for column in self.form.columns.iter().filter(|column| !is_there(column)) {
            self.session.run(&action, &self.form.add_column(column)).await?;
            is_any_new = true;
        }
        if let Some(without) = self.form.without_statistics(&self.personal_columns)
            && is_any_new
        {
            self.session.run(&action, &without).await?;
        }
        let made = self.session.made_columns(self.form.name).await?;
        for name in self.form.surplus_columns(&there, &made) {
            self.session.run(&action, &self.form.drop_column(name)).await?;
        }
        Ok(true)
    }

    /// Streams the rows of the generation into a table; returns the number of values that were changed.
    async fn copy(&self, quoted: &str) -> Result<u64, DeliveryError> {
        let action = format!("loading {}", self.table.name);
        let failed = |error: tokio_postgres::Error| self.session.failed(&error, &action);
        let copying = self.session.client.copy_in(&self.form.copy_into(quoted)).await;
        let sink: CopyInSink<Bytes> = copying.map_err(failed)?;
        let mut sink = std::pin::pin!(sink);
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let generation = self.scope.generation.clone();
        let (kind, name) = (self.table.kind, self.table.name.clone());
        let reading = tokio::task::spawn_blocking(move || read(&generation, kind, &name, &sender));
        while let Some(bytes) = receiver.recv().await {
            sink.send(bytes).await.map_err(failed)?;
        }
        // What a panic says stays unsaid, since it may show a cell.
        let changed_values = reading.await.map_err(|_| {
            let message = "the program has a defect and stopped; please report this";
            DeliveryError::Local(anyhow::anyhow!(message))
        })??;
        let rows = sink.finish().await.map_err(failed)?;
        if rows != self.table.rows {
            let reason = format!(": {rows} of {} rows arrived", self.table.rows);
            return Err(PostgresError::Rows { action, reason }.into());
        }
        Ok(changed_values)
    }
}

/// Reads the rows of a table and hands them on, encoded. Ends early if the receiver is gone.
fn read(
    generation: &Generation,
    kind: TableKind,
    name: &str,
    sender: &mpsc::Sender<Bytes>,
) -> Result<u64, DeliveryError> {
    let mut encoder = RowEncoder::default();
    for batch in generation.batches(kind, name)? {
        if sender.blocking_send(encoder.encode(&batch?)).is_err() {
            return Ok(0);
        }
    }
    let (end, changed_values) = encoder.finish();
    // A receiver that is gone has failed, and says why.
    let _ = sender.blocking_send(end);
    Ok(changed_values)
}
