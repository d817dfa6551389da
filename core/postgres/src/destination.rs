//! A delivery to a Postgres database: one transaction from the look at what is there to what is to be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use core_destination::mirror::{
    Action, Mirror, MirrorReport, MirrorRules, MirrorScope, OlderCopy, Wanted, decide,
    is_nothing_to_do, kept, tenant_name,
};
use core_destination::{DeliveryError, DeliveryRequest, DeliveryResult, TypeChanges};
use core_http::Secret;
use core_store::{DeliveryLock, Table, TableKind};

use crate::catalog::{Catalog, Session};
use crate::connection::Connection;
use crate::error::PostgresError;
use crate::load::Loading;
use crate::settings::PostgresSettings;
use crate::sql::{delete_dangling, quote, quote_table};

/// The name of the destination in commands, in its lock and in the ledger.
pub const NAME: &str = "postgres";

/// Opens the transaction of a delivery. A delivery may take long; a lock that a reader holds may not.
const BEGIN: &str = "BEGIN; SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0; \
                     SET LOCAL idle_in_transaction_session_timeout = 0";

/// Prepares the session for rewriting tables, which needs each of them alone: while it waits for a reader, every later
/// reader of the table waits behind it. The settings of [`BEGIN`] end with the transaction.
const BEFORE_VACUUM: &str = "SET lock_timeout = '10s'; SET statement_timeout = 0";

/// The next transaction ID of the server: those that are open have lower ones.
const NEXT_ID: &str = "SELECT txid_snapshot_xmax(txid_current_snapshot())";

/// Finds out whether a transaction from before an ID can still see what was removed since. Those of other databases count
/// too while they have an ID, since the snapshot of `VACUUM FULL` goes back to the oldest of all. A plain `VACUUM` holds
/// nothing back.
const IS_SEEN: &str = "SELECT txid_snapshot_xmin(txid_current_snapshot()) < $1 OR EXISTS (\
    SELECT FROM (SELECT backend_xmin AS held FROM pg_catalog.pg_stat_activity \
    WHERE pid <> pg_backend_pid() AND (datname = current_database() OR datname IS NULL) \
    AND pid NOT IN (SELECT pid FROM pg_catalog.pg_stat_progress_vacuum) \
    UNION ALL SELECT xmin FROM pg_catalog.pg_replication_slots) holders \
    WHERE age(held) > txid_snapshot_xmax(txid_current_snapshot()) - $1)";

/// The longest wait for transactions from before a delivery, and the time between two looks at them.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(200);

/// A Postgres database as a destination.
pub struct Postgres {
    rules: MirrorRules,
    settings: PostgresSettings,
    password: Option<Secret>,
}

impl Postgres {
    /// A destination by its settings.
    pub fn new(rules: MirrorRules, settings: PostgresSettings, password: Option<Secret>) -> Self {
        Self { rules, settings, password }
    }

    /// Connects, and finds out whether the schema can be written to. Changes nothing.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, refuses the login, or the schema cannot be used.
    pub async fn probe(&self, tenant: &str, region: &str) -> Result<(), PostgresError> {
        let connection = Connection::open(&self.settings, self.password.as_ref()).await?;
        let session = Session { client: &connection.client, settings: &self.settings };
        let catalog = session.read_catalog(&tenant_name(tenant, region)).await?;
        session.check_rights(&catalog).await
    }

    async fn deliver_over(
        &self,
        connection: &Connection,
        lock: &DeliveryLock,
        scope: MirrorScope,
        request: &DeliveryRequest,
        tell: &dyn Fn(&str),
    ) -> Result<DeliveryResult<MirrorReport>, DeliveryError> {
        let session = Session { client: &connection.client, settings: &self.settings };
        session.run("the beginning of the delivery", BEGIN).await?;
        session.lock().await?;
        let manifest = scope.generation.manifest();
        let tenant = tenant_name(&manifest.tenant, &manifest.region);
        let catalog = session.read_catalog(&tenant).await?;
        self.check_age(&catalog, &scope, request)?;
        let after_erasure =
            catalog.generation.is_some() && !manifest.erasures.is_subset(&catalog.erasures);
        let types = scope.types();
        let wanted = Wanted {
            types: &types,
            withheld: scope.withheld(),
            is_full: request.full,
            after_erasure,
            may_be_erased: self.rules.may_be_erased,
        };
        let actions = decide(&catalog.types, &wanted);
        let personal_columns = self.rules.personal_columns;
        let delivery = Delivery {
            session: &session,
            scope: &scope,
            actions: &actions,
            personal_columns,
            tell,
        };
        let is_current = is_nothing_to_do(&actions, &catalog.types, &types) && !after_erasure;
        let id = scope.generation.id().to_string();
        if is_current && catalog.generation.as_ref() == Some(&id) && catalog.is_vacuumed {
            session.run("the end of the delivery", "ROLLBACK").await?;
            self.rules.record_end(lock, &scope, kept(&actions, &catalog.types))?;
            return Ok(DeliveryResult::NothingChanged { generation: id });
        }
        self.rules.record_begin(lock, &scope)?;
        let is_vacuumed = catalog.is_vacuumed || catalog.generation.is_none();
        let is_clean = is_vacuumed && !after_erasure;
        let report = self.commit(&delivery, &catalog, &tenant, is_clean).await?;
        self.rules.record_end(lock, &scope, kept(&actions, &catalog.types))?;
        if is_current && is_clean {
            return Ok(DeliveryResult::NothingChanged { generation: id });
        }
        Ok(report.delivered(scope.reason_to_deliver(after_erasure)))
    }

    /// Writes everything in the transaction that is open, and ends it. Unless the schema `is_clean`, the tables are
    /// rewritten then.
    async fn commit(
        &self,
        delivery: &Delivery<'_>,
        catalog: &Catalog,
        tenant: &str,
        is_clean: bool,
    ) -> Result<MirrorReport, DeliveryError> {
        let session = delivery.session;
        session.prepare(catalog).await?;
        let report = delivery.write().await?;
        session.write_delivery(tenant, &delivery.scope.generation, is_clean).await?;
        session.grant().await?;
        session.run("the end of the delivery (its result is unknown)", "COMMIT").await?;
        if !is_clean {
            (delivery.tell)(
                "rewriting the tables, so that nothing of the erased is left in their files",
            );
            delivery.vacuum().await?;
        }
        Ok(MirrorReport { place: self.settings.place(), ..report })
    }

    /// Refuses to replace a newer generation by an older one, or by one that has not been through an erasure that the
    /// schema has been through, as a restored copy of a store would.
    fn check_age(
        &self,
        catalog: &Catalog,
        scope: &MirrorScope,
        request: &DeliveryRequest,
    ) -> Result<(), PostgresError> {
        if request.accept_destination {
            return Ok(());
        }
        let (schema, ours) =
            (self.settings.schema.clone(), scope.generation.id().as_str().to_owned());
        let erasures = &scope.generation.manifest().erasures;
        let found = catalog.generation.as_deref();
        match OlderCopy::find(found, &catalog.erasures, &ours, erasures) {
            Some(OlderCopy::Generation(found)) => {
                Err(PostgresError::NewerGeneration { schema, found, ours })
            }
            Some(OlderCopy::Erasure(erasure)) => {
                Err(PostgresError::BeforeErasure { schema, erasure, ours })
            }
            None => Ok(()),
        }
    }
}

impl Mirror for Postgres {
    fn rules(&self) -> &MirrorRules {
        &self.rules
    }

    async fn deliver_scope(
        &self,
        lock: &DeliveryLock,
        scope: MirrorScope,
        request: &DeliveryRequest,
        tell: &dyn Fn(&str),
        stop: impl Future<Output = ()>,
    ) -> Result<DeliveryResult<MirrorReport>, DeliveryError> {
        let connection = Connection::open(&self.settings, self.password.as_ref()).await?;
        let delivering = self.deliver_over(&connection, lock, scope, request, tell);
        tokio::select! {
            biased;
            delivered = delivering => delivered,
            () = stop => {
                connection.cancel().await;
                Err(DeliveryError::Local(anyhow::anyhow!("the delivery was stopped")))
            }
        }
    }
}

/// The rows that one transaction writes.
struct Delivery<'a> {
    session: &'a Session<'a>,
    scope: &'a MirrorScope,
    actions: &'a BTreeMap<String, Action>,
    personal_columns: fn(&Table) -> Vec<String>,
    tell: &'a dyn Fn(&str),
}

impl Delivery<'_> {
    /// Writes all tables.
    async fn write(&self) -> Result<MirrorReport, DeliveryError> {
        let mut report = MirrorReport {
            generation: self.scope.generation.id().to_string(),
            partial_datasets: self.scope.partial_datasets(),
            ..MirrorReport::default()
        };
        for (name, _) in self.actions.iter().filter(|(_, action)| **action == Action::Drop) {
            let drop = format!("DROP TABLE {}", self.quoted(name));
            self.session.run(&format!("removing table {name}"), &drop).await?;
            self.session.remove_type(name).await?;
            report.removed_types.push(name.clone());
        }
        for table in self.scope.tables() {
            let personal = (self.personal_columns)(table);
            let loading = || Loading::new(self.session, self.scope, table, personal);
            let loaded = match self.actions.get(&table.name) {
                Some(Action::Create) => loading()?.create().await?,
                Some(Action::Merge { removes }) => loading()?.merge(*removes).await?,
                _ => {
                    self.session.write_completeness(self.scope, &table.name).await?;
                    continue;
                }
            };
            let mut changes = loaded.changes;
            report.changed_values += loaded.changed_values;
            if let (TableKind::Relationship, Some(ends), true) =
                (table.kind, table.from_type.as_ref().zip(table.to_type.as_ref()), changes.kept > 0)
            {
                let lost = self.remove_dangling(&table.name, ends).await?;
                changes.deletes += lost;
                changes.kept = changes.kept.saturating_sub(lost);
            }
            self.session.write_type(self.scope, table, changes.kept, &loaded.columns).await?;
            (self.tell)(&format!("{} is written", table.name));
            report.types.push(changes);
        }
        self.remove_dangling_of_absent(&mut report).await?;
        Ok(report)
    }

    /// Removes the relationships of types that the generation does not have and that lost one of their ends.
    async fn remove_dangling_of_absent(
        &self,
        report: &mut MirrorReport,
    ) -> Result<(), DeliveryError> {
        if report.types.iter().all(|changes| changes.deletes == 0)
            && report.removed_types.is_empty()
        {
            return Ok(());
        }
        for (name, ends) in self.session.kept_relationships(self.actions).await? {
            let lost = self.remove_dangling(&name, (&ends.0, &ends.1)).await?;
            if lost > 0 {
                let type_name = name;
                report.types.push(TypeChanges {
                    type_name,
                    deletes: lost,
                    ..TypeChanges::default()
                });
            }
        }
        Ok(())
    }

    async fn remove_dangling(
        &self,
        name: &str,
        (from, to): (&String, &String),
    ) -> Result<u64, DeliveryError> {
        let action = format!("removing relationships of {name} that lost an end");
        let delete = delete_dangling(&self.session.settings.schema, name, from, to);
        Ok(self.session.change(&action, &delete).await?)
    }

    /// Rewrites every table of a type, so that no removed row is left in its file: also one that this delivery did not
    /// change, since an earlier delivery may have. If a lock is not granted, the next delivery does all of it again.
    async fn vacuum(&self) -> Result<(), DeliveryError> {
        self.session.run("preparing to rewrite the tables", BEFORE_VACUUM).await?;
        self.session.wait_until_unseen().await?;
        let tables = self.actions.iter().filter(|(_, action)| **action != Action::Drop);
        for (name, _) in tables {
            let vacuum = format!("VACUUM (FULL, ANALYZE) {}", self.quoted(name));
            self.session.run(&format!("rewriting table {name}"), &vacuum).await?;
        }
        Ok(self.session.write_vacuumed().await?)
    }

    fn quoted(&self, name: &str) -> String {
        quote_table(&self.session.settings.schema, name)
    }
}

impl Session<'_> {
    /// Takes the lock of the schema for this transaction, so that two stores never write it at once.
    async fn lock(&self) -> Result<(), PostgresError> {
        let action = "locking the schema";
        let query =
            "SELECT pg_try_advisory_xact_lock(hashtextextended('nexthink-graph ' || $1::text, 0))";
        let schema = &self.settings.schema;
        let row = self.client.query_one(query, &[schema]).await;
        let is_locked: bool = row.map_err(|error| self.failed(&error, action))?.get(0);
        if is_locked { Ok(()) } else { Err(PostgresError::Busy { schema: schema.clone() }) }
    }

    /// Waits until no transaction can see the rows that were removed: `VACUUM FULL` copies those that one can.
    async fn wait_until_unseen(&self) -> Result<(), PostgresError> {
        let action = "waiting for open transactions";
        let failed = |error| self.failed(&error, action);
        let next: i64 = self.client.query_one(NEXT_ID, &[]).await.map_err(failed)?.get(0);
        let started = Instant::now();
        loop {
            let is_seen = self.client.query_one(IS_SEEN, &[&next]).await.map_err(failed)?;
            if !is_seen.get::<_, bool>(0) {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                return Err(PostgresError::OpenTransaction { place: self.settings.place() });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Finds out whether the role may make the schema, or write to it.
    async fn check_rights(&self, catalog: &Catalog) -> Result<(), PostgresError> {
        let action = "the check of the role's rights";
        let query = if catalog.has_schema {
            "SELECT has_schema_privilege($1::text, 'CREATE')"
        } else {
            "SELECT has_database_privilege(current_database(), 'CREATE') AND $1::text IS NOT NULL"
        };
        let row = self.client.query_one(query, &[&self.settings.schema]).await;
        let may_create: bool = row.map_err(|error| self.failed(&error, action))?.get(0);
        if may_create {
            Ok(())
        } else {
            Err(PostgresError::no_right(action, &self.settings.place()))
        }
    }

    /// Lets the configured role read all tables.
    async fn grant(&self) -> Result<(), PostgresError> {
        let Some(readers) = &self.settings.readers else { return Ok(()) };
        let (schema, readers) = (quote(&self.settings.schema), quote(readers));
        let grant = format!(
            "GRANT USAGE ON SCHEMA {schema} TO {readers}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {readers}"
        );
        self.run("granting the readers their right", &grant).await
    }
}
