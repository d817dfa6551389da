//! The catalog of a schema: which tenant's it is, which generation it has, and of which tables. It is written
//! in the transaction that brings the rows.

use std::collections::{BTreeMap, BTreeSet};

use core_destination::mirror::{Action, Held, MirrorScope, TableMark};
use core_store::{Generation, Table, TableKind};
use tokio_postgres::Client;

use crate::error::PostgresError;
use crate::settings::PostgresSettings;
use crate::sql::{DELIVERY, TYPES, create_state, note_columns, quote, quote_table};

/// The version of the tables of state that this program writes, and the highest that it reads.
const FORMAT: i32 = 1;

/// The state of a schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    /// True if the schema exists.
    pub(crate) has_schema: bool,
    /// The generation, if one was delivered.
    pub(crate) generation: Option<String>,
    /// The erasures that its rows have been through.
    pub(crate) erasures: BTreeSet<String>,
    /// True if no row that an erasure removed is left in the files of the tables.
    pub(crate) is_vacuumed: bool,
    /// The tables of types.
    pub(crate) types: BTreeMap<String, Held>,
}

/// Runs statements and queries with errors that say what they were for.
pub(crate) struct Session<'a> {
    pub(crate) client: &'a Client,
    pub(crate) settings: &'a PostgresSettings,
}

impl Session<'_> {
    /// Runs statements.
    pub(crate) async fn run(&self, action: &str, text: &str) -> Result<(), PostgresError> {
        self.client.batch_execute(text).await.map_err(|error| self.failed(&error, action))
    }

    /// Runs one statement; returns how many rows it changed.
    pub(crate) async fn change(&self, action: &str, text: &str) -> Result<u64, PostgresError> {
        self.client.execute(text, &[]).await.map_err(|error| self.failed(&error, action))
    }

    pub(crate) fn failed(&self, error: &tokio_postgres::Error, action: &str) -> PostgresError {
        PostgresError::statement(error, action, &self.settings.place())
    }

    fn table(&self, name: &str) -> String {
        quote_table(&self.settings.schema, name)
    }

    /// Reads the state of the schema, and refuses one that is not ours.
    pub(crate) async fn read_catalog(&self, tenant: &str) -> Result<Catalog, PostgresError> {
        let action = "reading the catalog";
        let failed = |error| self.failed(&error, action);
        let schema = &self.settings.schema;
        let found = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
        if self.client.query_opt(found, &[schema]).await.map_err(failed)?.is_none() {
            return Ok(Catalog::default());
        }
        let tables = "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
                      ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'f') ORDER BY 1";
        let tables = self.client.query(tables, &[schema]).await.map_err(failed)?;
        let tables: Vec<String> = tables.iter().map(|row| row.get(0)).collect();
        if !tables.iter().any(|name| name == DELIVERY) {
            if let Some(table) = tables.into_iter().next() {
                return Err(PostgresError::ForeignSchema { schema: schema.clone(), table });
            }
            return Ok(Catalog { has_schema: true, ..Catalog::default() });
        }
        let state = format!(
            "SELECT format, tenant, generation, erasures, is_vacuumed FROM {}",
            self.table(DELIVERY)
        );
        let row = self.client.query_opt(&state, &[]).await.map_err(failed)?;
        let mut catalog = Catalog { has_schema: true, ..Catalog::default() };
        let Some(row) = row else { return Ok(catalog) };
        let found: i32 = row.get(0);
        if found > FORMAT {
            return Err(PostgresError::NewerFormat { schema: schema.clone(), found });
        }
        let found: String = row.get(1);
        if found != tenant {
            let tenant = tenant.to_owned();
            return Err(PostgresError::ForeignTenant { schema: schema.clone(), found, tenant });
        }
        catalog.generation = Some(row.get(2));
        catalog.erasures = row.get::<_, Vec<String>>(3).into_iter().collect();
        catalog.is_vacuumed = row.get(4);
        catalog.types = self.read_types(&tables, action).await?;
        Ok(catalog)
    }

    /// The tables of types that are there: one that was dropped by hand is written anew.
    async fn read_types(
        &self,
        tables: &[String],
        action: &str,
    ) -> Result<BTreeMap<String, Held>, PostgresError> {
        let types = format!(
            "SELECT type, mark, is_exact, from_type, to_type, is_partial FROM {}",
            self.table(TYPES)
        );
        let rows =
            self.client.query(&types, &[]).await.map_err(|error| self.failed(&error, action))?;
        let held = rows.iter().map(|row| {
            let ends = row.get::<_, Option<String>>(3).zip(row.get(4));
            let (mark, is_exact, is_partial) = (row.get(1), row.get(2), row.get(5));
            (row.get(0), Held { mark, is_exact, ends, is_partial })
        });
        Ok(held.filter(|(name, _): &(String, _)| tables.contains(name)).collect())
    }

    /// Makes the schema and its tables of state where they are not there yet.
    pub(crate) async fn prepare(&self, catalog: &Catalog) -> Result<(), PostgresError> {
        let schema = &self.settings.schema;
        if !catalog.has_schema {
            let create = format!("CREATE SCHEMA {}", quote(schema));
            self.run("creating the schema", &create).await?;
        }
        if catalog.generation.is_none() {
            let drop = format!("DROP TABLE IF EXISTS {}", self.table(DELIVERY));
            self.run("creating the tables of state", &drop).await?;
            self.run("creating the tables of state", &create_state(schema)).await?;
        }
        self.note_columns().await
    }

    /// Notes the columns of the tables of an earlier version, which wrote down none.
    async fn note_columns(&self) -> Result<(), PostgresError> {
        let action = "writing the state";
        let failed = |error| self.failed(&error, action);
        let types = self.table(TYPES);
        // Adding the column locks out readers even if it is there.
        let found = "SELECT 1 FROM pg_catalog.pg_attribute WHERE attrelid = $1::text::regclass AND attname = 'columns'";
        if self.client.query_opt(found, &[&types]).await.map_err(failed)?.is_none() {
            self.run(action, &format!("ALTER TABLE {types} ADD COLUMN columns text[]")).await?;
        }
        let schema = &self.settings.schema;
        let noted = self.client.execute(&note_columns(schema), &[schema]).await;
        noted.map_err(failed).map(drop)
    }

    /// Returns the columns that the program has made in a table.
    pub(crate) async fn made_columns(&self, name: &str) -> Result<Vec<String>, PostgresError> {
        let action = "reading the catalog";
        let query = format!("SELECT columns FROM {} WHERE type = $1", self.table(TYPES));
        let row = self.client.query_opt(&query, &[&name]).await;
        let row = row.map_err(|error| self.failed(&error, action))?;
        Ok(row.and_then(|row| row.get(0)).unwrap_or_default())
    }

    /// Writes which generation the schema has.
    pub(crate) async fn write_delivery(
        &self,
        tenant: &str,
        generation: &Generation,
        is_vacuumed: bool,
    ) -> Result<(), PostgresError> {
        let action = "writing the state";
        self.run(action, &format!("DELETE FROM {}", self.table(DELIVERY))).await?;
        let insert = format!(
            "INSERT INTO {} (format, tenant, generation, generation_at, erasures, is_vacuumed) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            self.table(DELIVERY)
        );
        let manifest = generation.manifest();
        let erasures: Vec<&String> = manifest.erasures.iter().collect();
        let id = generation.id().as_str();
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&FORMAT, &tenant, &id, &manifest.created_at, &erasures, &is_vacuumed];
        let inserted = self.client.execute(&insert, &values).await;
        inserted.map_err(|error| self.failed(&error, action)).map(drop)
    }

    /// Notes that no erased row is left in the files of the tables.
    pub(crate) async fn write_vacuumed(&self) -> Result<(), PostgresError> {
        let update = format!("UPDATE {} SET is_vacuumed = true", self.table(DELIVERY));
        self.run("writing the state", &update).await
    }

    /// Writes what a table has: the rows of the generation, `kept` others, and the `columns` that the program has made.
    pub(crate) async fn write_type(
        &self,
        scope: &MirrorScope,
        table: &Table,
        kept: u64,
        columns: &[String],
    ) -> Result<(), PostgresError> {
        let action = "writing the state";
        self.remove_type(&table.name).await?;
        let insert = format!(
            "INSERT INTO {} (type, kind, class, from_type, to_type, rows, is_partial, is_exact, mark, columns) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            self.table(TYPES)
        );
        let kind = match table.kind {
            TableKind::Entity => "entity",
            TableKind::Relationship => "relationship",
        };
        let rows = i64::try_from(table.rows + kept).unwrap_or(i64::MAX);
        let (is_partial, mark) = (scope.is_partial(&table.name), TableMark::new(table).to_string());
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 10] = [
            &table.name,
            &kind,
            &table.class,
            &table.from_type,
            &table.to_type,
            &rows,
            &is_partial,
            &(kept == 0),
            &mark,
            &columns,
        ];
        let inserted = self.client.execute(&insert, &values).await;
        inserted.map_err(|error| self.failed(&error, action)).map(drop)
    }

    /// Writes whether rows of a table that stays as it is may be missing.
    pub(crate) async fn write_completeness(
        &self,
        scope: &MirrorScope,
        name: &str,
    ) -> Result<(), PostgresError> {
        let action = "writing the state";
        let update = format!("UPDATE {} SET is_partial = $2 WHERE type = $1", self.table(TYPES));
        let updated = self.client.execute(&update, &[&name, &scope.is_partial(name)]).await;
        updated.map_err(|error| self.failed(&error, action)).map(drop)
    }

    /// The relationship types that the generation does not have, with their ends, where both of these are there.
    pub(crate) async fn kept_relationships(
        &self,
        actions: &BTreeMap<String, Action>,
    ) -> Result<Vec<(String, (String, String))>, PostgresError> {
        let action = "reading the catalog";
        let query = format!(
            "SELECT type, from_type, to_type FROM {types} t WHERE from_type IN (SELECT type FROM {types}) \
             AND to_type IN (SELECT type FROM {types})",
            types = self.table(TYPES)
        );
        let rows =
            self.client.query(&query, &[]).await.map_err(|error| self.failed(&error, action))?;
        let all = rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2))));
        let is_kept = |name: &String| actions.get(name) == Some(&Action::Keep);
        Ok(all.filter(|(name, _)| is_kept(name)).collect())
    }

    /// Forgets a table.
    pub(crate) async fn remove_type(&self, name: &str) -> Result<(), PostgresError> {
        let action = "writing the state";
        let delete = format!("DELETE FROM {} WHERE type = $1", self.table(TYPES));
        let deleted = self.client.execute(&delete, &[&name]).await;
        deleted.map_err(|error| self.failed(&error, action)).map(drop)
    }
}
