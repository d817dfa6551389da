//! A mirror: a destination that has the tables of a generation as they are stored, such as a database. What all
//! mirrors have in common: which tables a delivery brings, the record of the last one, the decision, the report.
//!
//! The rows of a mirror came from this program alone, so that a complete type is proof enough to remove rows from it,
//! also with the first delivery. Rows of partial types stay.

mod actions;
mod comparison;
mod decision;
pub mod messages;
mod older_copy;
mod record;
mod scope;

use std::collections::{BTreeMap, BTreeSet};

use core_store::{DeliveryLock, Generation, Table, TenantStore};
use serde::{Deserialize, Serialize};

pub use self::actions::{Action, Held, Wanted, decide, is_nothing_to_do, kept};
pub use self::decision::MirrorDecision;
pub use self::older_copy::OlderCopy;
pub use self::record::{MirrorRecord, compared_with, former_places, known_ledger_head, last_place};
pub use self::scope::{MirrorScope, TableMark};
use crate::destination::{
    DeliveryError, DeliveryReport, DeliveryRequest, DeliveryResult, Destination,
};
use crate::plan::TypeChanges;

/// A mirror, which is a [`Destination`] by this.
pub trait Mirror {
    /// The facts that the program tells it.
    fn rules(&self) -> &MirrorRules;

    /// Makes the mirror have the scope, unless it has it already. Otherwise as [`Destination::deliver`].
    ///
    /// # Errors
    ///
    /// As [`Destination::deliver`].
    fn deliver_scope(
        &self,
        lock: &DeliveryLock,
        scope: MirrorScope,
        request: &DeliveryRequest,
        tell: &dyn Fn(&str),
        stop: impl Future<Output = ()>,
    ) -> impl Future<Output = Result<DeliveryResult<MirrorReport>, DeliveryError>>;
}

impl<M: Mirror> Destination for M {
    type Decision = MirrorDecision;
    type Report = MirrorReport;

    fn name(&self) -> &'static str {
        self.rules().name
    }

    fn account(&self) -> &str {
        &self.rules().place
    }

    fn check(&self, tenant: &TenantStore, request: &DeliveryRequest) -> Result<(), DeliveryError> {
        self.rules().check(tenant, request)
    }

    fn plan(
        &self,
        tenant: &TenantStore,
        generation: Generation,
        request: &DeliveryRequest,
    ) -> Result<MirrorDecision, DeliveryError> {
        self.rules().plan(tenant, generation, request)
    }

    async fn deliver(
        &self,
        lock: &DeliveryLock,
        generation: Generation,
        request: &DeliveryRequest,
        tell: &dyn Fn(&str),
        stop: impl Future<Output = ()>,
    ) -> Result<DeliveryResult<MirrorReport>, DeliveryError> {
        self.rules().check(lock.tenant(), request)?;
        let scope = self.rules().scope(lock.tenant(), generation, request)?;
        self.deliver_scope(lock, scope, request, tell, stop).await
    }
}

/// The facts that a program tells every mirror, beside its settings.
#[derive(Debug, Clone)]
pub struct MirrorRules {
    /// The name of the mirror in commands, in its lock and in the ledger.
    pub name: &'static str,
    /// The place, in words that tell it from every other one.
    pub place: String,
    /// Returns the types that the generation carries over because their step was not to run.
    pub skipped_types: fn(&Generation) -> BTreeSet<String>,
    /// Returns true if objects of a type go when a person or device is erased.
    pub may_be_erased: fn(&str) -> bool,
    /// Returns the columns of a table that relate to a person, of which a mirror keeps no statistics.
    pub personal_columns: fn(&Table) -> Vec<String>,
    /// The words that start the program, for messages that say what to do.
    pub program: String,
}

impl MirrorRules {
    /// Refuses another place than that of the last delivery, unless the request accepts it.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Configuration`], with what to do; the record of the last delivery cannot be read.
    pub fn check(
        &self,
        tenant: &TenantStore,
        request: &DeliveryRequest,
    ) -> Result<(), DeliveryError> {
        let record = MirrorRecord::read(tenant, self.name)?;
        let Some(record) = record.filter(|record| record.place != self.place) else {
            return Ok(());
        };
        if request.accept_destination {
            return Ok(());
        }
        Err(DeliveryError::Configuration(anyhow::anyhow!(
            "the last delivery went to {}, and the configuration names {}; correct the configuration, or accept the \
             new destination once with `{} sync {} --accept-destination`",
            record.place,
            self.place,
            self.program,
            self.name
        )))
    }

    /// Decides what a delivery would do now, by the rows of two generations. Sends no request, and blocks.
    ///
    /// # Errors
    ///
    /// A generation or the record of the last delivery cannot be read, or a type to purge does not exist.
    pub fn plan(
        &self,
        tenant: &TenantStore,
        generation: Generation,
        request: &DeliveryRequest,
    ) -> Result<MirrorDecision, DeliveryError> {
        decision::decide(self, tenant, generation, request)
    }

    /// Decides the same without the numbers of rows, by what the manifests say.
    ///
    /// # Errors
    ///
    /// As [`MirrorRules::plan`].
    pub fn scope(
        &self,
        tenant: &TenantStore,
        generation: Generation,
        request: &DeliveryRequest,
    ) -> Result<MirrorScope, DeliveryError> {
        decision::scope(self, tenant, generation, request)
    }

    /// Records that a delivery begins, durably, before the mirror can change. Returns the record of the one before.
    ///
    /// # Errors
    ///
    /// The record cannot be read or written.
    pub fn record_begin(
        &self,
        lock: &DeliveryLock,
        scope: &MirrorScope,
    ) -> Result<Option<MirrorRecord>, DeliveryError> {
        let before = MirrorRecord::read(lock.tenant(), self.name)?;
        MirrorRecord::begin(before.as_ref(), &self.place, scope.generation.id())
            .write(lock, self.name)?;
        Ok(before)
    }

    /// Records that the mirror has the scope, and the types in `kept`.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Failed`]: the record cannot be written, and the mirror has the delivery.
    pub fn record_end(
        &self,
        lock: &DeliveryLock,
        scope: &MirrorScope,
        kept: impl IntoIterator<Item = (String, MirroredType)>,
    ) -> Result<(), DeliveryError> {
        let mut types = scope.types();
        types.extend(kept);
        MirrorRecord::end(&self.place, scope, types).write(lock, self.name).map_err(|failure| {
            failure.failed_with(
                "the destination has the delivery, but that could not be recorded here: the next delivery looks at \
                 what it has",
            )
        })
    }
}

/// A type that a mirror has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirroredType {
    /// The types of both ends of a relationship type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<(String, String)>,
    /// The [`TableMark`] of its rows.
    pub mark: String,
    /// True if nothing of it was to be removed.
    pub is_partial: bool,
}

/// Returns the name of a tenant at a mirror: one of another region is another one.
#[must_use]
pub fn tenant_name(tenant: &str, region: &str) -> String {
    format!("{tenant}-{region}")
}

/// The types that a mirror has, by name.
pub type MirroredTypes = BTreeMap<String, MirroredType>;

/// The report of one delivery to a mirror.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MirrorReport {
    /// The generation.
    pub generation: String,
    /// The place.
    pub place: String,
    /// The changes there, for each type that was written.
    pub types: Vec<TypeChanges>,
    /// The types that were removed there.
    pub removed_types: Vec<String>,
    /// The types of which nothing was removed.
    pub partial_datasets: Vec<String>,
    /// The number of values that the mirror cannot hold as they are, and that were changed for it.
    pub changed_values: u64,
}

impl MirrorReport {
    /// Returns the result of a delivery with this report.
    pub fn delivered(self, reason: &'static str) -> DeliveryResult<Self> {
        DeliveryResult::Delivered {
            reason,
            changes: self.types.clone(),
            report: Box::new(self),
            unexpected_deletes: 0,
            still_held: BTreeSet::new(),
        }
    }
}

impl DeliveryReport for MirrorReport {
    fn job(&self) -> String {
        self.generation.clone()
    }

    fn is_whole(&self) -> bool {
        true
    }
}
