//! Delivers the published generation to a destination, and remembers what it got.
//!
//! The record of a delivery is durable before anything can change there, so that the next one resolves a
//! delivery whose end nobody saw. A delivery that fails changes nothing of what is published.

mod record;

use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;

use core_ingest::values::Tag;
use core_jupiterone::{
    ApiKey, Contents, Delivered, DeliveryPlan, DeliveryReport, ErrorKind, Events, Extras, JobEvent,
    JobId, JupiterOneError, OpenJob, Progress as Delivering, SHAPE_VERSION, SyncClient,
    SyncSettings, TypeChanges, USER, USER_IS_PERSON,
};
use core_model::step::Step;
use core_store::{DeliveryLock, Generation, GenerationId, Store, StoreError, TenantStore};
use serde::Serialize;
use step_account::ACCOUNT;
use step_audit::{ACCOUNT_HAS_AUDIT_EVENT, AUDIT_EVENT, STEP};

pub(crate) use self::record::{known_ledger_head, last_account};
use crate::audit;
use crate::config::{Config, JupiterOne};
use crate::exit::{Exit, Failure};
use crate::privacy;
use crate::progress::Progress;
use crate::run::{self, Stop};
use crate::system;

/// The destination in the name of its lock.
pub(crate) const NAME: &str = "jupiterone";

/// What a delivery is asked to do beyond its configuration.
#[derive(Debug, Default, Clone)]
pub(crate) struct DeliveryOptions {
    /// Types to remove at the destination.
    pub(crate) purge: Vec<String>,
    /// Deliver although the destination is another one than last time.
    pub(crate) accept_destination: bool,
    /// Deliver although nothing has changed here.
    pub(crate) full: bool,
    /// What is delivered besides the generation's own tables, as the configuration says.
    pub(crate) extras: Extras,
    /// Whether the audit trail's events are delivered, as the configuration says.
    pub(crate) audit: bool,
    /// Properties that every event gets, as the configuration says.
    pub(crate) tags: Vec<Tag>,
}

/// What a delivery would do, and why.
#[derive(Debug)]
pub(crate) struct DeliveryDecision {
    pub(crate) plan: DeliveryPlan,
    /// Why there is a job; none if nothing changed.
    pub(crate) reason: Option<&'static str>,
    /// The job of an interrupted delivery, whose end is asked for before the next one.
    pub(crate) unresolved_job: Option<JobId>,
    /// The types of which nothing is deleted.
    pub(crate) partial_datasets: BTreeSet<String>,
    contents: Contents,
    /// Types in which somebody who was erased may still be at the destination after this delivery.
    pub(crate) still_held: BTreeSet<String>,
    /// Whether somebody was erased since the last delivery.
    after_erasure: bool,
    /// What this destination got last.
    before: Option<Delivered>,
    /// Whether the generation that it got is here to be compared with.
    has_base: bool,
}

/// What came of a delivery.
#[derive(Debug, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub(crate) enum DeliveryResult {
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
        /// Types in which somebody who was erased may still be there: nothing of them could be deleted.
        #[serde(rename = "stillHeldAfterErasure", skip_serializing_if = "BTreeSet::is_empty")]
        still_held: BTreeSet<String>,
    },
}

/// The client for the configured account; `patience` sets other bounds than the usual ones.
pub(crate) fn client(
    config: &Config,
    jupiterone: &JupiterOne,
    patience: impl FnOnce(&mut SyncSettings),
) -> Result<SyncClient, Failure> {
    let key = jupiterone.api_key.resolve_as("the API key of JupiterOne");
    let key = key.map_err(|error| Failure { exit: Exit::Configuration, error })?;
    let key = ApiKey::new(key.expose().to_owned()).map_err(failed)?;
    let mut settings = SyncSettings::new(system::random()?);
    settings.poll = jupiterone.poll.clone();
    settings.trust.extra_ca_pem.clone_from(&config.extra_ca_pem);
    settings.proxy = run::proxy(&config.proxy);
    patience(&mut settings);
    SyncClient::new(jupiterone.destination.clone(), key, settings).map_err(failed)
}

/// Refuses another destination than the last one, unless it is accepted.
pub(crate) fn check_destination(
    tenant: &TenantStore,
    jupiterone: &JupiterOne,
    accept: bool,
) -> Result<(), Failure> {
    let Some(delivered) = record::read(tenant)?.filter(|_| !accept) else { return Ok(()) };
    delivered.check(&jupiterone.destination).map_err(|error| {
        let program = system::own_command();
        Failure::usage(format!(
            "{error}; correct the configuration, or accept the new destination once with `{program} \
             sync jupiterone --accept-destination`"
        ))
    })
}

/// The right to deliver to JupiterOne.
pub(crate) fn lock(config: &Config) -> Result<DeliveryLock, Failure> {
    let tenant = Store::open(config.store.clone())?.tenant(config.tenant.as_str())?;
    Ok(tenant.lock_delivery(NAME, &run::owner())?)
}

/// The generations that the next delivery may compare with, which must be kept until then: the one that
/// was delivered last, and that of a delivery whose end is not on record.
pub(crate) fn compared_with(tenant: &TenantStore) -> Vec<GenerationId> {
    // A record that cannot be read is an error of the next delivery, which then compares with nothing.
    let Some(delivered) = record::read(tenant).ok().flatten() else { return Vec::new() };
    let unfinished = delivered.unfinished.map(|job| job.generation);
    unfinished.into_iter().chain([delivered.generation]).collect()
}

/// What a delivery would do now, without asking anybody. Blocks.
pub(crate) fn decide(
    tenant: &TenantStore,
    generation: Generation,
    options: &DeliveryOptions,
) -> Result<DeliveryDecision, Failure> {
    let record = record::read(tenant)?;
    let unresolved_job = record.as_ref().and_then(|record| record.pending.clone());
    let before = record.filter(|it| !options.accept_destination && !it.types.is_empty());
    let base = before.as_ref().map(|it| base(tenant, it)).transpose()?.flatten();
    let generation_erasures = generation.manifest().erasures.clone();
    let purge = withheld(&generation, before.as_ref(), options);
    let steps = Step::generation_steps();
    let contents = Contents::new(generation, &steps, before.as_ref(), options.extras);
    let contents = match new_events(tenant, before.as_ref(), options)? {
        Some(events) => contents.with_events(events),
        None => contents,
    };
    let contents = purged(contents, &purge)?;
    let plan = DeliveryPlan::between(base.as_ref(), &contents).map_err(failed)?;
    let after_erasure =
        before.as_ref().is_some_and(|it| !generation_erasures.is_subset(&it.erasures));
    let contents = match &before {
        Some(before) if after_erasure => {
            contents.with_complete(&safely_complete(&plan, before, base.is_some()))
        }
        _ => contents,
    };
    let still_held =
        if after_erasure { held_back(&contents, before.as_ref()) } else { BTreeSet::new() };
    let has_base = base.is_some();
    let reason = match &before {
        Some(before) => reason_after(before, has_base, after_erasure, &plan)
            .or_else(|| options.full.then_some("it was asked for with --full")),
        None => Some("it is the first delivery to this destination, which deletes nothing"),
    };
    let partial_datasets = contents.partial_datasets().clone();
    Ok(DeliveryDecision {
        plan,
        reason,
        unresolved_job,
        partial_datasets,
        contents,
        still_held,
        after_erasure,
        before,
        has_base,
    })
}

/// Why there is a job after an earlier delivery; none if JupiterOne has all of it already.
fn reason_after(
    before: &Delivered,
    has_base: bool,
    after_erasure: bool,
    plan: &DeliveryPlan,
) -> Option<&'static str> {
    let reasons = [
        (!before.whole, "the last delivery is not known to be complete"),
        (!has_base, "the generation of the last delivery is no longer stored"),
        (before.shape != SHAPE_VERSION, "this version of the program writes objects differently"),
        (after_erasure, "people or devices were erased since the last delivery"),
        (!plan.is_empty(), "the graph has changed"),
    ];
    reasons.into_iter().find_map(|(applies, reason)| applies.then_some(reason))
}

/// Delivers a generation, unless the destination has it already.
pub(crate) async fn deliver(
    client: &SyncClient,
    lock: &DeliveryLock,
    generation: Generation,
    options: &DeliveryOptions,
    progress: &Progress,
    stop: &Stop,
) -> Result<DeliveryResult, Failure> {
    record::resolve(client, lock, options).await?;
    let events = events(&generation, client);
    let (tenant, id, asked) = (lock.tenant().clone(), generation.id().clone(), options.clone());
    let decided = tokio::task::spawn_blocking(move || decide(&tenant, generation, &asked));
    let decision = run::joined(decided.await)??;
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
    let run = JobRun { client, lock, before: before.as_ref(), progress, stop };
    let report = run.deliver(contents, &events).await?;
    // What JupiterOne had is known only after a whole delivery, and those who were erased are in neither
    // generation and are deleted nevertheless.
    let is_judged = has_base && !after_erasure && before.as_ref().is_some_and(|it| it.whole);
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
    stop: &'a Stop,
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
            () = self.stop.requested() => {
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
            tracing::warn!(%error, "a job that nobody remembers stays until JupiterOne drops it");
        }
        let error = failure.error.context(
            "the delivery could not be written down, so its job was given up and nothing was changed at \
             JupiterOne",
        );
        Err(Failure { exit: Exit::DestinationFailed, error })
    }
}

/// The failure of a delivery whose job is done and whose record could not be written.
fn not_recorded(failure: Failure) -> Failure {
    let error = failure.error.context(
        "JupiterOne took the delivery over, but this could not be written down: the next delivery asks \
         JupiterOne for the job and uploads everything again",
    );
    Failure { exit: Exit::DestinationFailed, error }
}

/// The events that the destination does not have yet, if it is to have any.
fn new_events(
    tenant: &TenantStore,
    before: Option<&Delivered>,
    options: &DeliveryOptions,
) -> Result<Option<Events>, Failure> {
    let log = tenant.events(audit::LOG)?;
    if !options.audit || log.files().is_empty() {
        return Ok(None);
    }
    let since = before.and_then(|it| it.events.get(AUDIT_EVENT.type_name)).copied();
    let mut account = String::new();
    ACCOUNT.write_key(tenant.name(), &mut account);
    let since = since.unwrap_or_default();
    let tags = options.tags.iter().map(|tag| (tag.name.clone(), tag.value.clone())).collect();
    Ok(Some(Events::new(log, since, &AUDIT_EVENT, &ACCOUNT_HAS_AUDIT_EVENT, account, tags)))
}

/// The partial types that may be named complete after an erasure: those of which JupiterOne had exactly
/// what was delivered last, and all of that, but for who was erased, is delivered again.
fn safely_complete(plan: &DeliveryPlan, before: &Delivered, has_base: bool) -> BTreeSet<String> {
    let Some(partial_then) = before.partial.as_ref().filter(|_| before.whole && has_base) else {
        return BTreeSet::new();
    };
    let types = plan.types.iter().filter(|it| it.kept == 0);
    let names = types.map(|it| it.type_name.clone());
    names.filter(|name| !partial_then.contains(name) && privacy::may_be_erased(name)).collect()
}

/// The types of which nothing is deleted although somebody who was erased may be among what is there.
fn held_back(contents: &Contents, before: Option<&Delivered>) -> BTreeSet<String> {
    let delivered = before.into_iter().flat_map(|it| it.types.keys());
    let held = delivered.filter(|name| privacy::may_be_erased(name));
    held.filter(|name| contents.partial_datasets().contains(*name)).cloned().collect()
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
    let expected: u64 = plan.types.iter().map(|it| it.deletes).sum();
    let counters = &report.counters;
    let deleted = counters.num_entities_deleted + counters.num_relationships_deleted;
    deleted.saturating_sub(expected)
}

/// The contents that were delivered last, if their generation is kept still.
fn base(tenant: &TenantStore, delivered: &Delivered) -> Result<Option<Contents>, Failure> {
    let generation = match tenant.generation(&delivered.generation) {
        Ok(generation) => generation,
        Err(StoreError::GenerationNotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let steps = Step::generation_steps();
    let contents = Contents::new(generation, &steps, Some(delivered), delivered.extras);
    let purged_then: Vec<String> = delivered.purged.iter().cloned().collect();
    purged(contents, &purged_then).map(Some)
}

/// The types that are not delivered: those that are purged now, and those that were and whose step has
/// not seen them since.
fn withheld(
    generation: &Generation,
    before: Option<&Delivered>,
    options: &DeliveryOptions,
) -> Vec<String> {
    let outcomes = run::report::outcomes_of(generation);
    let is_skipped = |name: &str| {
        if options.audit && STEP.type_names().any(|it| it == name) {
            return false;
        }
        // It is made of the users.
        let name = if name == USER_IS_PERSON { USER } else { name };
        let steps = Step::generation_steps();
        let step = steps.iter().find(|step| step.type_names().any(|it| it == name));
        step.is_none_or(|step| {
            outcomes.iter().any(|(id, outcome)| id == step.id && outcome == "skipped")
        })
    };
    let kept = before.into_iter().flat_map(|it| &it.purged).filter(|name| is_skipped(name));
    kept.chain(&options.purge).cloned().collect()
}

fn purged(contents: Contents, types: &[String]) -> Result<Contents, Failure> {
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    contents.purge(&types).map_err(failed)
}

/// How each step went, for the log of an integration job. Nothing that was collected is in them.
fn events(generation: &Generation, client: &SyncClient) -> Vec<JobEvent> {
    if !client.destination().has_log() {
        return Vec::new();
    }
    let outcomes = run::report::outcomes_of(generation);
    let event = |(step, outcome): (String, String)| JobEvent {
        // JupiterOne takes a job for failed when a name has `error` in it.
        name: if outcome == "complete" { "step_end" } else { "warn_incomplete_data" }.to_owned(),
        description: format!("Step {step} ended {outcome}."),
    };
    outcomes.into_iter().map(event).collect()
}

/// The exit code of a failed delivery: the generation is safe whatever it is.
pub(crate) fn failed(error: JupiterOneError) -> Failure {
    let exit = match error.kind() {
        ErrorKind::Configuration => Exit::Configuration,
        ErrorKind::Deferred => Exit::Deferred,
        ErrorKind::Credentials | ErrorKind::Unreachable | ErrorKind::Data | ErrorKind::Local => {
            Exit::DestinationFailed
        }
    };
    Failure::new(exit, error)
}
