//! JupiterOne as a destination of generations: what a delivery would do, the delivery itself, and what is remembered
//! of the last one.

mod decision;
mod job_run;
mod record;

use core_destination::{
    DeliveryError, DeliveryPlan, DeliveryRequest, DeliveryResult, StepEnd, StepEnding,
};
use core_store::{DeliveryLock, Generation, TenantStore};

pub use self::decision::DeliveryDecision;
use self::job_run::JobRun;
pub use self::record::{
    compared_with, delivered_events, former_places, known_ledger_head, last_destination,
    was_delivered,
};
use crate::error::{ErrorKind, JupiterOneError};
use crate::extras::Extras;
use crate::sync::{Delivered, DeliveryReport, Destination, JobEvent, SyncClient};

/// The name of the destination in its lock and in the ledger.
pub const NAME: &str = "jupiterone";

/// The rules of deliveries, beside what is stored.
#[derive(Clone)]
pub struct DeliveryRules {
    /// Where deliveries go.
    pub destination: Destination,
    /// The objects besides the generation's own tables.
    pub extras: Extras,
    /// The events, if they are delivered.
    pub events: Option<EventRules>,
    /// The outcomes of the steps that made a generation.
    pub step_ends: fn(&Generation) -> Vec<StepEnd>,
    /// Returns true if objects of a type go when a person or device is erased.
    pub may_be_erased: fn(&str) -> bool,
    /// The words that start the program, for messages that say what to do.
    pub program: String,
}

/// The events that are delivered.
#[derive(Debug, Clone)]
pub struct EventRules {
    /// Their log in the store.
    pub log: String,
    /// Properties that every event gets: names and values.
    pub tags: Vec<(String, String)>,
}

impl DeliveryRules {
    /// Refuses another destination than the last one, unless the request accepts it.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Configuration`], with what to do; the record of the last delivery cannot be read.
    pub fn check(
        &self,
        tenant: &TenantStore,
        request: &DeliveryRequest,
    ) -> Result<(), DeliveryError> {
        let delivered = record::read(tenant)?.filter(|_| !request.accept_destination);
        let Some(delivered) = delivered else { return Ok(()) };
        delivered.check(&self.destination).map_err(|error| {
            let program = &self.program;
            DeliveryError::Configuration(anyhow::anyhow!(
                "{error}; correct the configuration, or accept the new destination once with `{program} \
                 sync jupiterone --accept-destination`"
            ))
        })
    }

    /// Decides what a delivery would do now, without a request. Reads two generations and blocks.
    ///
    /// # Errors
    ///
    /// A generation or the record of the last delivery cannot be read, or a type to purge does not exist.
    pub fn plan(
        &self,
        tenant: &TenantStore,
        generation: Generation,
        request: &DeliveryRequest,
    ) -> Result<DeliveryDecision, DeliveryError> {
        decision::decide(self, tenant, generation, request)
    }

    /// Returns the status of each step, for the log of an integration job. Nothing that was collected is in them.
    fn job_events(&self, generation: &Generation) -> Vec<JobEvent> {
        if !self.destination.has_log() {
            return Vec::new();
        }
        let event = |end: StepEnd| JobEvent {
            // JupiterOne takes a job for failed when a name has `error` in it.
            name: match end.ending {
                StepEnding::Complete => "step_end",
                StepEnding::Skipped | StepEnding::Incomplete => "warn_incomplete_data",
            }
            .to_owned(),
            description: format!("Step {} ended {}.", end.id, end.word),
        };
        (self.step_ends)(generation).into_iter().map(event).collect()
    }
}

/// JupiterOne as a destination.
pub struct JupiterOne {
    rules: DeliveryRules,
    account: String,
    client: SyncClient,
}

impl JupiterOne {
    /// A destination that `client` reaches.
    pub fn new(rules: DeliveryRules, client: SyncClient) -> Self {
        let account = rules.destination.identity().account;
        Self { rules, account, client }
    }
}

impl core_destination::Destination for JupiterOne {
    type Decision = DeliveryDecision;
    type Report = DeliveryReport;

    fn name(&self) -> &'static str {
        NAME
    }

    fn account(&self) -> &str {
        &self.account
    }

    fn check(&self, tenant: &TenantStore, request: &DeliveryRequest) -> Result<(), DeliveryError> {
        self.rules.check(tenant, request)
    }

    fn plan(
        &self,
        tenant: &TenantStore,
        generation: Generation,
        request: &DeliveryRequest,
    ) -> Result<DeliveryDecision, DeliveryError> {
        self.rules.plan(tenant, generation, request)
    }

    async fn deliver(
        &self,
        lock: &DeliveryLock,
        generation: Generation,
        request: &DeliveryRequest,
        tell: &dyn Fn(&str),
        stop: impl Future<Output = ()>,
    ) -> Result<DeliveryResult<DeliveryReport>, DeliveryError> {
        record::resolve(&self.client, lock, request).await?;
        let events = self.rules.job_events(&generation);
        let (tenant, id) = (lock.tenant().clone(), generation.id().clone());
        let (rules, asked) = (self.rules.clone(), request.clone());
        let decided = tokio::task::spawn_blocking(move || rules.plan(&tenant, generation, &asked));
        // What a panic says stays unsaid, since it may show a cell.
        let defect = |_| {
            let message = "the program has a defect and stopped; please report this";
            DeliveryError::Local(anyhow::anyhow!(message))
        };
        let decision = decided.await.map_err(defect)??;
        let leaves_erased_people = decision.leaves_erased_people();
        let DeliveryDecision {
            plan,
            reason,
            contents,
            before,
            has_base,
            still_held,
            after_erasure,
            ..
        } = decision;
        let Some(reason) = reason else {
            if let Some(before) = before {
                // The same content; named anew so that the older generation may go.
                record::write(lock, &Delivered { generation: id.clone(), ..before })?;
            }
            return Ok(DeliveryResult::NothingChanged { generation: id.to_string() });
        };
        let erasures = contents.generation().manifest().erasures.clone();
        let purged = contents.purged_types().clone();
        let run = JobRun { client: &self.client, lock, before: before.as_ref(), tell };
        let report = run.deliver(contents, &events, stop).await?;
        // What JupiterOne had is known only after a whole delivery, and those who were erased are in neither
        // generation and are deleted nevertheless.
        let is_judged =
            has_base && !after_erasure && before.as_ref().is_some_and(|delivered| delivered.whole);
        let unexpected_deletes = if is_judged { unexpected_deletes(&plan, &report) } else { 0 };
        let now = report.delivered(before.as_ref());
        let whole = now.whole && unexpected_deletes == 0;
        // A first delivery deletes nothing, so it carries out no erasure: the next one does.
        let is_erased = whole && before.is_some() && !leaves_erased_people;
        let erasures = if is_erased { erasures } else { now.erasures };
        let now = Delivered { whole, purged, erasures, ..now };
        record::write(lock, &now).map_err(job_run::not_recorded)?;
        let (report, changes) = (Box::new(report), plan.types);
        Ok(DeliveryResult::Delivered { reason, changes, report, unexpected_deletes, still_held })
    }
}

/// The number of objects that JupiterOne deleted and was not expected to. Of types that have only now become
/// complete nothing is known.
fn unexpected_deletes(plan: &DeliveryPlan, report: &DeliveryReport) -> u64 {
    if !plan.completed.is_empty() {
        return 0;
    }
    let counters = &report.counters;
    let deleted = counters.num_entities_deleted + counters.num_relationships_deleted;
    deleted.saturating_sub(plan.deletes())
}

impl From<JupiterOneError> for DeliveryError {
    fn from(error: JupiterOneError) -> Self {
        match error.kind() {
            ErrorKind::Configuration => Self::Configuration(error.into()),
            ErrorKind::Deferred => Self::Deferred(error.into()),
            ErrorKind::Credentials
            | ErrorKind::Unreachable
            | ErrorKind::Data
            | ErrorKind::Local => Self::Failed(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use core_destination::TypeChanges;
    use serde_json::json;

    use super::*;

    /// A report by which JupiterOne deleted so many entities and relationships.
    fn report(entities: u64, relationships: u64) -> DeliveryReport {
        let destination = json!({
            "host": "api.eu.jupiterone.io", "account": "acme", "source": "api", "scope": "one",
        });
        let job = json!({
            "id": "a-1",
            "status": "FINISHED",
            "numEntitiesDeleted": entities,
            "numRelationshipsDeleted": relationships,
        });
        let job: crate::Job = serde_json::from_value(job).expect("it is a job");
        DeliveryReport {
            destination: serde_json::from_value(destination).expect("it is a destination"),
            generation: "01ARYZ6S41TSV4RRFFQ69G5FAV".parse().expect("it is an ID"),
            job: job.id,
            status: job.status,
            counters: job.counters,
            partial_datasets: Vec::new(),
            uploads: crate::Uploads::default(),
            findings: Vec::new(),
            types: std::collections::BTreeMap::new(),
            purged: std::collections::BTreeSet::new(),
            extras: Extras::default(),
            events_through: None,
        }
    }

    #[test]
    fn deletions_beyond_the_plan_are_unexpected_unless_a_type_has_only_now_become_complete() {
        let changes = |name: &str, deletes| TypeChanges {
            type_name: name.to_owned(),
            deletes,
            ..TypeChanges::default()
        };
        let types = vec![changes("nexthink_device", 3), changes("nexthink_device_has_alert", 2)];
        let plan = DeliveryPlan { types, ..DeliveryPlan::default() };
        for (deleted, expected) in [((3, 2), 0), ((0, 0), 0), ((5, 0), 0), ((3, 3), 1), ((9, 2), 6)]
        {
            let report = report(deleted.0, deleted.1);
            assert_eq!(unexpected_deletes(&plan, &report), expected, "{deleted:?}");
        }
        let completed = DeliveryPlan { completed: vec!["nexthink_alert".to_owned()], ..plan };
        assert_eq!(unexpected_deletes(&completed, &report(9, 9)), 0, "nothing is known of them");
    }
}
