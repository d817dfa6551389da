//! Delivers the published generation to a destination, and remembers what it got.
//!
//! The record of a delivery is fsynced before the destination can change, so that the next delivery can ask what
//! became of one that was interrupted. A failed delivery does not affect the published generation.

mod decision;
mod record;

use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;

use core_ingest::values::Tag;
use core_jupiterone::{
    ApiKey, Contents, Delivered, DeliveryPlan, DeliveryReport, ErrorKind, Extras, JobEvent, JobId,
    JupiterOneError, OpenJob, Progress as Delivering, SyncClient, SyncSettings, TypeChanges,
};
use core_store::{DeliveryLock, Generation, GenerationId, TenantStore};
use serde::Serialize;

pub use self::decision::{DeliveryDecision, decide};
pub use self::record::{known_ledger_head, last_account};
use crate::cancellation::Cancellation;
use crate::engine::Engine;
use crate::failure::{Ending, Failure, FailureKind, joined};
use crate::host::Host;
use crate::ledger::{self, Event};
use crate::progress::Progress;
use crate::run::report::StepOutcome;
use crate::run::{RunState, StepState};
use crate::settings::JupiterOne;

/// The destination in the name of its lock.
pub const NAME: &str = "jupiterone";

/// What a delivery is asked to do beyond its configuration.
#[derive(Debug, Default, Clone)]
pub struct DeliveryOptions {
    /// Types to remove at the destination.
    pub purge: Vec<String>,
    /// Deliver although the destination is another one than last time.
    pub accept_destination: bool,
    /// Deliver although nothing has changed here.
    pub full: bool,
    /// What is delivered besides the generation's own tables, as the configuration says.
    pub extras: Extras,
    /// True if the audit trail's events are delivered, as the configuration says.
    pub audit: bool,
    /// Properties that every event gets, as the configuration says.
    pub tags: Vec<Tag>,
}

/// What came of a delivery.
#[derive(Debug, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum DeliveryResult {
    /// The destination has it already.
    NothingChanged {
        /// Which generation it has.
        generation: String,
    },
    /// A job brought it there.
    Delivered {
        /// Why there was a job.
        reason: &'static str,
        /// What it was expected to change, by comparing with the delivery before.
        changes: Vec<TypeChanges>,
        /// What the job did.
        #[serde(flatten)]
        report: Box<DeliveryReport>,
        /// How many objects the destination deleted beyond those that were expected: something else
        /// may write there too.
        #[serde(rename = "unexpectedDeletes")]
        unexpected_deletes: u64,
        /// Types in which erased people may remain, because none of their objects could be deleted.
        #[serde(rename = "stillHeldAfterErasure", skip_serializing_if = "BTreeSet::is_empty")]
        still_held: BTreeSet<String>,
    },
}

impl DeliveryResult {
    /// Returns how the delivery ended. Objects that JupiterOne did not take, or deleted unasked, make it a failed one,
    /// though most of it is there.
    pub fn ending(&self) -> Ending {
        match self {
            Self::Delivered { report, unexpected_deletes, .. }
                if !report.is_whole() || *unexpected_deletes > 0 =>
            {
                Ending::Failed(FailureKind::DestinationFailed)
            }
            _ => Ending::Complete,
        }
    }
}

/// The client for the configured account; `adjust` sets other bounds than the usual ones.
pub fn client(
    engine: Engine<'_>,
    jupiterone: &JupiterOne,
    adjust: impl FnOnce(&mut SyncSettings),
) -> Result<SyncClient, Failure> {
    let key = jupiterone.api_key.read("the API key of JupiterOne");
    let key = key.map_err(|error| Failure { kind: FailureKind::Configuration, error })?;
    let key = ApiKey::new(key.expose().to_owned()).map_err(failed)?;
    let mut settings = SyncSettings::new(engine.host.random()?);
    settings.poll = jupiterone.poll.clone();
    settings.trust = engine.settings.trust.clone();
    settings.proxy.clone_from(&engine.settings.proxy);
    adjust(&mut settings);
    SyncClient::new(jupiterone.destination.clone(), key, settings).map_err(failed)
}

/// Refuses another destination than the last one, unless it is accepted.
pub fn check_destination(
    host: &Host,
    tenant: &TenantStore,
    jupiterone: &JupiterOne,
    accept: bool,
) -> Result<(), Failure> {
    let Some(delivered) = record::read(tenant)?.filter(|_| !accept) else { return Ok(()) };
    delivered.check(&jupiterone.destination).map_err(|error| {
        let program = &host.program;
        Failure::configuration(format!(
            "{error}; correct the configuration, or accept the new destination once with `{program} \
             sync jupiterone --accept-destination`"
        ))
    })
}

/// The right to deliver to JupiterOne.
pub fn lock(engine: Engine<'_>) -> Result<DeliveryLock, Failure> {
    Ok(engine.tenant()?.lock_delivery(NAME, &engine.host.lock_owner())?)
}

/// The generations that the next delivery may compare with, which must be kept until then: the one that
/// was delivered last, and that of a delivery whose end is not on record.
pub fn compared_with(tenant: &TenantStore) -> Vec<GenerationId> {
    // A record that cannot be read is an error of the next delivery, which then compares with nothing.
    let Some(delivered) = record::read(tenant).ok().flatten() else { return Vec::new() };
    let unfinished = delivered.unfinished.map(|job| job.generation);
    unfinished.into_iter().chain([delivered.generation]).collect()
}

/// Delivers what is published, with the lock of the destination. The ledger has its beginning and its end.
///
/// # Errors
/// Nothing is published, another delivery is under way, or the destination failed.
pub async fn deliver_published(
    engine: Engine<'_>,
    jupiterone: &JupiterOne,
    options: &DeliveryOptions,
    progress: &Progress,
    cancellation: &Cancellation,
) -> Result<DeliveryResult, Failure> {
    let client = client(engine, jupiterone, |_| {})?;
    let lock = lock(engine)?;
    let tenant = lock.tenant();
    let generation = tenant.current()?.ok_or_else(|| {
        Failure::configuration(format!(
            "tenant {} has no generation yet: `{} run` publishes one",
            tenant.name(),
            engine.host.program
        ))
    })?;
    let id = generation.id().to_string();
    let account = &jupiterone.destination.identity().account;
    let started = Event::DeliveryStarted { destination: NAME, account, generation: &id };
    ledger::record(engine.host, tenant, &started)?;
    let ended =
        Box::pin(deliver(&client, &lock, generation, options, progress, cancellation)).await;
    let (job, ending) = match &ended {
        Ok(delivered @ DeliveryResult::Delivered { report, .. }) => {
            (Some(report.job.to_string()), delivered.ending())
        }
        Ok(DeliveryResult::NothingChanged { .. }) => (None, Ending::Complete),
        Err(failure) => (None, cancellation.ending_after(failure)),
    };
    let exit_code = (engine.host.exit_code)(ending);
    let event = Event::DeliveryEnded { destination: NAME, generation: &id, job, exit_code };
    if let Err(error) = ledger::record(engine.host, tenant, &event) {
        tracing::error!(%error, "the end of the delivery is not in the ledger");
    }
    ended
}

/// Delivers a generation, unless the destination has it already.
pub async fn deliver(
    client: &SyncClient,
    lock: &DeliveryLock,
    generation: Generation,
    options: &DeliveryOptions,
    progress: &Progress,
    cancellation: &Cancellation,
) -> Result<DeliveryResult, Failure> {
    record::resolve(client, lock, options).await?;
    let events = events(&generation, client);
    let (tenant, id, asked) = (lock.tenant().clone(), generation.id().clone(), options.clone());
    let decided = tokio::task::spawn_blocking(move || decide(&tenant, generation, &asked));
    let decision = joined(decided.await)??;
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
    let run = JobRun { client, lock, before: before.as_ref(), progress, cancellation };
    let report = run.deliver(contents, &events).await?;
    // What JupiterOne had is known only after a whole delivery, and those who were erased are in neither
    // generation and are deleted nevertheless.
    let is_judged =
        has_base && !after_erasure && before.as_ref().is_some_and(|delivered| delivered.whole);
    let unexpected_deletes = if is_judged { unexpected_deletes(&plan, &report) } else { 0 };
    let now = report.delivered(before.as_ref());
    let whole = now.whole && unexpected_deletes == 0;
    let erasures = if whole && still_held.is_empty() { erasures } else { now.erasures };
    record::write(lock, &Delivered { purged, whole, erasures, ..now }).map_err(not_recorded)?;
    let (report, changes) = (Box::new(report), plan.types);
    Ok(DeliveryResult::Delivered { reason, changes, report, unexpected_deletes, still_held })
}

/// One job, from its creation to its end.
struct JobRun<'a> {
    client: &'a SyncClient,
    lock: &'a DeliveryLock,
    before: Option<&'a Delivered>,
    progress: &'a Progress,
    cancellation: &'a Cancellation,
}

impl JobRun<'_> {
    async fn deliver(
        &self,
        contents: Contents,
        events: &[JobEvent],
    ) -> Result<DeliveryReport, Failure> {
        let job: OnceCell<JobId> = OnceCell::new();
        let is_final = Cell::new(false);
        let observer = |event: Delivering| match event {
            Delivering::Finalizing => is_final.set(true),
            Delivering::Uploaded { objects, .. } => {
                self.progress.tell("jupiterone", &format!("{objects} objects uploaded"));
            }
            Delivering::Finalized => {
                self.progress.tell("jupiterone", "finalized, waiting for the job");
            }
            Delivering::State(_) => {}
        };
        let delivering = async {
            let open = self.open(&contents).await?;
            job.get_or_init(|| open.id().clone());
            self.client.deliver(open, contents, events, observer).await.map_err(failed)
        };
        let mut delivering = std::pin::pin!(delivering);
        let delivered = tokio::select! {
            delivered = &mut delivering => Some(delivered),
            // Once it is finalized it changes JupiterOne: what comes of it is worth the wait that is
            // left.
            () = self.cancellation.requested() => {
                if is_final.get() { Some(delivering.await) } else { None }
            }
        };
        match delivered {
            Some(delivered) => delivered,
            None => Err(stopped(self.client, job.get()).await),
        }
    }

    /// Creates a job and makes its record durable. A job that cannot be written down is given up: the next
    /// delivery could not ask what it changed, and would take JupiterOne to be as it was before.
    async fn open(&self, contents: &Contents) -> Result<OpenJob, Failure> {
        let open = self.client.open_job().await.map_err(failed)?;
        let begun = Delivered::begin(self.before, self.client.destination(), contents, open.id());
        let Err(failure) = record::write(self.lock, &begun) else { return Ok(open) };
        if let Err(error) = self.client.abort(open.id()).await {
            tracing::warn!(%error, "the unrecorded job could not be aborted; JupiterOne drops it later");
        }
        let error = failure.error.context(
            "the delivery could not be written down, so its job was given up and nothing was changed at \
             JupiterOne",
        );
        Err(Failure { kind: FailureKind::DestinationFailed, error })
    }
}

/// The failure of a delivery whose job is done and whose record could not be written.
fn not_recorded(failure: Failure) -> Failure {
    let error = failure.error.context(
        "JupiterOne took the delivery over, but this could not be written down: the next delivery asks \
         JupiterOne for the job and uploads everything again",
    );
    Failure { kind: FailureKind::DestinationFailed, error }
}

/// Gives up a job that was not finalized, since the delivery was asked to stop.
async fn stopped(client: &SyncClient, job: Option<&JobId>) -> Failure {
    if let Some(job) = job
        && let Err(error) = client.abort(job).await
    {
        tracing::warn!(%error, "the job could not be aborted; the next delivery does that");
    }
    anyhow::anyhow!("the delivery was stopped").into()
}

/// How many objects JupiterOne deleted that it was not expected to. Of types that have only now become
/// complete nothing is known.
fn unexpected_deletes(plan: &DeliveryPlan, report: &DeliveryReport) -> u64 {
    if !plan.completed.is_empty() {
        return 0;
    }
    let expected: u64 = plan.types.iter().map(|change| change.deletes).sum();
    let counters = &report.counters;
    let deleted = counters.num_entities_deleted + counters.num_relationships_deleted;
    deleted.saturating_sub(expected)
}

/// How each step went, for the log of an integration job. Nothing that was collected is in them.
fn events(generation: &Generation, client: &SyncClient) -> Vec<JobEvent> {
    if !client.destination().has_log() {
        return Vec::new();
    }
    let event = |StepState { id, outcome, .. }| JobEvent {
        // JupiterOne takes a job for failed when a name has `error` in it.
        name: if outcome == StepOutcome::Complete { "step_end" } else { "warn_incomplete_data" }
            .to_owned(),
        description: format!("Step {id} ended {outcome}."),
    };
    RunState::read(generation).steps.into_iter().map(event).collect()
}

/// Returns the failure of a delivery. The generation is safe whatever it is.
pub fn failed(error: JupiterOneError) -> Failure {
    let kind = match error.kind() {
        ErrorKind::Configuration => FailureKind::Configuration,
        ErrorKind::Deferred => FailureKind::Deferred,
        ErrorKind::Credentials | ErrorKind::Unreachable | ErrorKind::Data | ErrorKind::Local => {
            FailureKind::DestinationFailed
        }
    };
    Failure::new(kind, error)
}
