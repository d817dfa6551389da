//! A Neo4j database as a destination: what is refused, when a delivery is needed, and what is written down about it.

use std::collections::{BTreeMap, BTreeSet};

use core_destination::mirror::{
    Action, MirrorDecision, MirrorRecord, MirrorReport, MirrorRules, MirrorScope, Wanted, decide,
    tenant_name,
};
use core_destination::{DeliveryError, DeliveryRequest, DeliveryResult, Destination};
use core_http::Secret;
use core_store::{DeliveryLock, Generation, TenantStore};

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

    /// Connects, and finds out whether the database is this tenant's or nobody's. Changes nothing.
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
        let actions = decide(&catalog.held(), &wanted);
        let is_current = catalog.delivering.is_none()
            && !after_erasure
            && is_nothing_to_do(&catalog, scope, &actions);
        if is_current && catalog.generation.as_deref() == Some(id) {
            self.record(lock, scope, &catalog, &actions)?;
            return Ok(DeliveryResult::NothingChanged { generation: id.to_owned() });
        }
        let before = MirrorRecord::read(lock.tenant(), self.rules.name)?;
        MirrorRecord::begin(before.as_ref(), &self.rules.place, scope.generation.id())
            .write(lock, self.rules.name)?;
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
        self.record(lock, scope, &catalog, &actions)?;
        if is_current {
            return Ok(DeliveryResult::NothingChanged { generation: id.to_owned() });
        }
        let reason = match scope.reason {
            _ if after_erasure => "people or devices were erased since the last delivery",
            Some(reason) => reason,
            None => "the database did not have what was delivered last",
        };
        Ok(DeliveryResult::Delivered {
            reason,
            changes: report.types.clone(),
            report: Box::new(MirrorReport { place: self.settings.place(), ..report }),
            unexpected_deletes: 0,
            still_held: BTreeSet::new(),
        })
    }

    /// Writes down in the store what the database has now.
    fn record(
        &self,
        lock: &DeliveryLock,
        scope: &MirrorScope,
        catalog: &Catalog,
        actions: &BTreeMap<String, Action>,
    ) -> Result<(), DeliveryError> {
        let mut types = scope.types();
        let kept = actions.iter().filter(|(_, action)| **action == Action::Keep);
        types.extend(kept.map(|(name, _)| (name.clone(), catalog.mirrored(name))));
        let record = MirrorRecord::end(&self.rules.place, scope, types);
        record.write(lock, self.rules.name).map_err(|failure| {
            failure.failed_with(
                "the database has the delivery, but this could not be written down: the next delivery looks at what is \
                 there",
            )
        })
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

/// Returns true if the database has every type as it is to be.
fn is_nothing_to_do(
    catalog: &Catalog,
    scope: &MirrorScope,
    actions: &BTreeMap<String, Action>,
) -> bool {
    let is_same = |name: &String, action: &Action| match action {
        Action::Keep => true,
        Action::Unchanged => {
            let entry = catalog.types.get(name);
            entry.is_some_and(|entry| entry.is_partial == scope.is_partial(name))
        }
        Action::Create | Action::Merge { .. } | Action::Drop => false,
    };
    actions.iter().all(|(name, action)| is_same(name, action))
}

impl Destination for Neo4j {
    type Decision = MirrorDecision;
    type Report = MirrorReport;

    fn name(&self) -> &'static str {
        self.rules.name
    }

    fn account(&self) -> &str {
        &self.rules.place
    }

    fn check(&self, tenant: &TenantStore, request: &DeliveryRequest) -> Result<(), DeliveryError> {
        self.rules.check(tenant, request)
    }

    fn plan(
        &self,
        tenant: &TenantStore,
        generation: Generation,
        request: &DeliveryRequest,
    ) -> Result<MirrorDecision, DeliveryError> {
        self.rules.plan(tenant, generation, request)
    }

    async fn deliver(
        &self,
        lock: &DeliveryLock,
        generation: Generation,
        request: &DeliveryRequest,
        tell: &dyn Fn(&str),
        stop: impl Future<Output = ()>,
    ) -> Result<DeliveryResult<MirrorReport>, DeliveryError> {
        self.rules.check(lock.tenant(), request)?;
        let scope = self.rules.scope(lock.tenant(), generation, request)?;
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
