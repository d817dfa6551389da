//! A Neo4j database as a destination: what is refused, when a delivery is needed, and what is written down about it.

use core_destination::mirror::{
    Mirror, MirrorReport, MirrorRules, MirrorScope, Wanted, decide, is_nothing_to_do, kept,
    tenant_name,
};
use core_destination::{DeliveryError, DeliveryRequest, DeliveryResult};
use core_http::Secret;
use core_store::DeliveryLock;

use crate::catalog::{Catalog, FORMAT};
use crate::connection::Connection;
use crate::delivery::Delivery;
use crate::error::Neo4jError;
use crate::session::Session;
use crate::settings::Neo4jSettings;
use crate::statement::{DELIVERY, Shape, Statement, TYPE};

/// The name of the destination in commands, in its lock and in the ledger.
pub const NAME: &str = "neo4j";

/// A Neo4j database as a destination.
pub struct Neo4j {
    rules: MirrorRules,
    settings: Neo4jSettings,
    password: Option<Secret>,
}

impl Neo4j {
    /// A destination by its settings.
    pub fn new(rules: MirrorRules, settings: Neo4jSettings, password: Option<Secret>) -> Self {
        Self { rules, settings, password }
    }

    /// Connects, and finds out whether the database is this tenant's or has no tenant yet. Changes nothing.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, refuses the login, or the database cannot be used.
    pub async fn probe(&self, tenant: &str, region: &str) -> Result<(), Neo4jError> {
        let mut connection = Connection::open(&self.settings, self.password.as_ref()).await?;
        let tenant = tenant_name(tenant, region);
        Catalog::read(&mut connection, &self.settings.database, &tenant).await?;
        connection.close().await;
        Ok(())
    }

    /// Delivers over a session.
    pub(crate) async fn deliver_over(
        &self,
        session: &mut impl Session,
        lock: &DeliveryLock,
        scope: &MirrorScope,
        request: &DeliveryRequest,
        tell: &dyn Fn(&str),
    ) -> Result<DeliveryResult<MirrorReport>, DeliveryError> {
        let database = self.settings.database.as_str();
        let manifest = scope.generation.manifest();
        let (id, tenant) =
            (scope.generation.id().as_str(), tenant_name(&manifest.tenant, &manifest.region));
        let catalog = Catalog::read(session, database, &tenant).await?;
        catalog.refuse_foreign(session, database, scope.tables().map(Shape::new)).await?;
        if !request.accept_destination {
            catalog.refuse_older(database, id, &manifest.erasures)?;
        }
        let after_erasure = catalog.is_ours && !manifest.erasures.is_subset(&catalog.erasures);
        let types = scope.types();
        let wanted = Wanted {
            types: &types,
            withheld: scope.withheld(),
            is_full: request.full,
            after_erasure,
            may_be_erased: self.rules.may_be_erased,
        };
        let held = catalog.held();
        let actions = decide(&held, &wanted);
        let is_current = catalog.delivering.is_none()
            && !after_erasure
            && is_nothing_to_do(&actions, &held, &types);
        if is_current && catalog.generation.as_deref() == Some(id) {
            self.rules.record_end(lock, scope, kept(&actions, &held))?;
            return Ok(DeliveryResult::NothingChanged { generation: id.to_owned() });
        }
        self.rules.record_begin(lock, scope)?;
        let writer = begin(session, &tenant, scope).await?;
        let (is_full, scope_of) = (request.full, scope);
        let mut delivery = Delivery {
            session,
            scope: scope_of,
            actions: &actions,
            catalog: &catalog,
            database,
            is_full,
            writer,
            tell,
        };
        let report = delivery.write().await?;
        self.rules.record_end(lock, scope, kept(&actions, &held))?;
        if is_current {
            return Ok(DeliveryResult::NothingChanged { generation: id.to_owned() });
        }
        let report = MirrorReport { place: self.settings.place(), ..report };
        Ok(report.delivered(scope.reason_to_deliver(after_erasure)))
    }
}

/// Begins a delivery; returns the number that lets it write.
async fn begin(
    session: &mut impl Session,
    tenant: &str,
    scope: &MirrorScope,
) -> Result<i64, Neo4jError> {
    for label in [DELIVERY, TYPE] {
        session.run(Statement::PrepareState(label)).await?;
    }
    let begin = Statement::Begin {
        format: FORMAT,
        tenant,
        generation: scope.generation.id().as_str(),
        erasures: scope.generation.manifest().erasures.iter().map(String::as_str).collect(),
    };
    let rows = session.run(begin).await?;
    Ok(rows.first().and_then(|row| row.first()?.as_integer()).unwrap_or_default())
}

impl Mirror for Neo4j {
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
        let mut connection = Connection::open(&self.settings, self.password.as_ref()).await?;
        let delivered = {
            let delivering = self.deliver_over(&mut connection, lock, &scope, request, tell);
            tokio::select! {
                biased;
                delivered = delivering => delivered,
                () = stop => {
                    Err(DeliveryError::Local(anyhow::anyhow!("the delivery was stopped")))
                }
            }
        };
        if delivered.is_ok() {
            connection.close().await;
        }
        delivered
    }
}
