//! Delivers the published generation to a destination, and remembers what it got.
//!
//! What is remembered is written before anything can change there, so that a delivery whose end nobody
//! saw is looked after by the next one. A delivery that fails changes nothing of what is published.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use core_jupiterone::{
    ApiKey, Contents, Delivered, DeliveryPlan, DeliveryReport, ErrorKind, Events, Extras, JobEvent,
    JobId, JupiterOneError, Progress as Delivering, ProxySettings, SHAPE_VERSION, Settled,
    SyncClient, SyncSettings, USER, USER_IS_PERSON,
};
use core_model::step::Step;
use core_store::{
    DeliveryLock, Generation, GenerationId, LedgerHead, Store, StoreError, TenantStore,
};
use serde::{Deserialize, Serialize};
use step_account::ACCOUNT;
use step_audit::{ACCOUNT_HAS_AUDIT_EVENT, AUDIT_EVENT, STEP};
use zeroize::Zeroizing;

use crate::audit;
use crate::config::{Config, JupiterOne};
use crate::exit::{Exit, Failure};
use crate::privacy;
use crate::progress::Progress;
use crate::run::{self, Stop};
use crate::system;

/// The destination in the name of its lock.
const NAME: &str = "jupiterone";

/// What the destination got last, in the tenant's part of the store.
const DELIVERED: &str = "delivered-jupiterone";

/// The file of what the destination got last.
#[derive(Serialize)]
struct Kept<'a> {
    #[serde(flatten)]
    delivered: &'a Delivered,
    ledger: Option<LedgerHead>,
}

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
}

/// What a delivery would do, and why.
#[derive(Debug)]
pub(crate) struct Intent {
    pub(crate) plan: DeliveryPlan,
    /// Why there is a job; none if nothing changed.
    pub(crate) reason: Option<&'static str>,
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
    settings.extra_ca_pem.clone_from(&config.extra_ca_pem);
    settings.proxy = run::proxy(&config.proxy).map(|proxy| ProxySettings {
        url: Zeroizing::new(proxy.url.expose().to_owned()),
        no_proxy: proxy.no_proxy,
    });
    patience(&mut settings);
    SyncClient::new(jupiterone.destination.clone(), key, settings).map_err(failed)
}

/// Refuses another destination than the last one, unless it is accepted.
pub(crate) fn check_destination(
    tenant: &TenantStore,
    jupiterone: &JupiterOne,
    accept: bool,
) -> Result<(), Failure> {
    let Some(delivered) = read(tenant)?.filter(|_| !accept) else { return Ok(()) };
    delivered.check(&jupiterone.destination).map_err(|error| {
        let program = system::own_command();
        Failure::usage(format!(
            "{error}: mend the configuration, or accept it once with `{program} sync jupiterone \
             --accept-destination`"
        ))
    })
}

/// The right to deliver to JupiterOne.
pub(crate) fn lock(config: &Config) -> Result<DeliveryLock, Failure> {
    let tenant = Store::open(config.store.clone())?.tenant(config.tenant.as_str())?;
    Ok(tenant.lock_delivery(NAME, &run::owner())?)
}

/// The generation that the next delivery compares with, which must be kept until then.
pub(crate) fn compared_with(tenant: &TenantStore) -> Vec<GenerationId> {
    // One that cannot be read is told of by the next delivery, which then compares with nothing.
    let delivered = read(tenant).ok().flatten();
    delivered.into_iter().map(|it| it.generation).collect()
}

/// What a delivery would do now, without asking anybody. Blocks.
pub(crate) fn intend(
    tenant: &TenantStore,
    generation: Generation,
    options: &DeliveryOptions,
) -> Result<Intent, Failure> {
    let before = read(tenant)?.filter(|it| !options.accept_destination && !it.types.is_empty());
    let base = before.as_ref().map(|it| base(tenant, it)).transpose()?.flatten();
    let generation_erasures = generation.manifest().erasures.clone();
    let purge = withheld(&generation, before.as_ref(), options);
    let steps = Step::of_generation();
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
    let reason = match &before {
        None => Some("it is the first delivery there, which deletes nothing"),
        Some(it) if !it.whole => Some("the last delivery did not end well"),
        Some(_) if base.is_none() => Some("the generation that was delivered last is not kept"),
        Some(it) if it.shape != SHAPE_VERSION => {
            Some("this program gives the objects another form")
        }
        Some(_) if after_erasure => Some("somebody was erased since the last delivery"),
        Some(_) if !plan.is_empty() => Some("something has changed"),
        Some(_) if options.full => Some("it was asked for"),
        Some(_) => None,
    };
    let partial_datasets = contents.partial_datasets().clone();
    let has_base = base.is_some();
    Ok(Intent {
        plan,
        reason,
        partial_datasets,
        contents,
        still_held,
        after_erasure,
        before,
        has_base,
    })
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
    settle(client, lock, options).await?;
    let events = events(&generation, client);
    let (tenant, id, asked) = (lock.tenant().clone(), generation.id().clone(), options.clone());
    let intent = tokio::task::spawn_blocking(move || intend(&tenant, generation, &asked));
    let intent = intent.await.map_err(|_| anyhow::anyhow!("the program has a defect"))??;
    let Intent { plan, reason, contents, before, has_base, still_held, after_erasure, .. } = intent;
    let erasures = contents.generation().manifest().erasures.clone();
    if reason.is_none() {
        if let Some(before) = before {
            // The same content; named anew so that the older generation may go.
            keep(lock, &Delivered { generation: id.clone(), ..before })?;
        }
        return Ok(DeliveryResult::NothingChanged { generation: id.to_string() });
    }
    let nothing_yet = || Delivered {
        destination: client.destination().identity(),
        generation: id,
        whole: false,
        types: BTreeMap::new(),
        purged: BTreeSet::new(),
        pending: None,
        shape: SHAPE_VERSION,
        extras: options.extras,
        partial: None,
        erasures: BTreeSet::new(),
        events: BTreeMap::new(),
    };
    let under_way = Delivered { whole: false, ..before.clone().unwrap_or_else(nothing_yet) };
    let job: RefCell<Option<JobId>> = RefCell::default();
    let is_final = Cell::new(false);
    let observer = |event: Delivering| match event {
        Delivering::Created(id) => {
            remember(lock, &under_way, &id);
            *job.borrow_mut() = Some(id);
        }
        Delivering::Finalizing(id) => {
            remember(lock, &under_way, &id);
            is_final.set(true);
        }
        Delivering::Uploaded { objects, .. } => {
            progress.tell("jupiterone", &format!("{objects} objects uploaded"));
        }
        Delivering::Finalized => progress.tell("jupiterone", "finalized, waiting for the job"),
        Delivering::State(_) => {}
    };
    let purged: BTreeSet<String> = contents.purged_types().clone();
    let delivered = {
        let mut delivering = std::pin::pin!(client.deliver(contents, &events, observer));
        tokio::select! {
            delivered = &mut delivering => Some(delivered),
            // Once it is finalized it changes JupiterOne: what comes of it is worth the wait that is
            // left.
            () = stop.requested() => {
                if is_final.get() { Some(delivering.await) } else { None }
            }
        }
    };
    let Some(delivered) = delivered else {
        return Err(stopped(client, job.into_inner()).await);
    };
    let report = delivered.map_err(failed)?;
    // Those who were erased are in neither generation, and are deleted nevertheless.
    let is_expected = !has_base || after_erasure;
    let unexpected_deletes = if is_expected { 0 } else { unexpected_deletes(&plan, &report) };
    let now = report.delivered(before.as_ref());
    let whole = now.whole && unexpected_deletes == 0;
    let erasures = if whole && still_held.is_empty() { erasures } else { now.erasures };
    keep(lock, &Delivered { purged, whole, erasures, ..now })?;
    Ok(DeliveryResult::Delivered { report: Box::new(report), unexpected_deletes, still_held })
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
    Ok(Some(Events::new(log, since, &AUDIT_EVENT, &ACCOUNT_HAS_AUDIT_EVENT, account)))
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

/// Finds out what came of a job that an earlier delivery left behind.
async fn settle(
    client: &SyncClient,
    lock: &DeliveryLock,
    options: &DeliveryOptions,
) -> Result<(), Failure> {
    let Some(delivered) = read(lock.tenant())? else { return Ok(()) };
    if !options.accept_destination {
        delivered.check(client.destination()).map_err(failed)?;
    }
    let Some(job) = &delivered.pending else { return Ok(()) };
    // The job of another destination is none of this one's.
    let is_ours = delivered.check(client.destination()).is_ok();
    if is_ours {
        match client.settle(job).await.map_err(failed)? {
            Settled::Running => {
                let message = "the job of an earlier delivery is not done yet: try again later";
                return Err(Failure {
                    exit: Exit::DestinationFailed,
                    error: anyhow::Error::msg(message),
                });
            }
            // What it brought there is not known well enough to build on: the next is a whole one.
            Settled::Finished(_) | Settled::Failed | Settled::Dropped => {}
        }
    }
    keep(lock, &Delivered { pending: None, ..delivered })
}

/// Gives up a job that was not finalized, since the delivery was asked to stop.
async fn stopped(client: &SyncClient, job: Option<JobId>) -> Failure {
    if let Some(job) = job
        && let Err(error) = client.abort(&job).await
    {
        tracing::warn!(%error, "the next delivery gives the job up");
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
    let steps = Step::of_generation();
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
        let steps = Step::of_generation();
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

/// Writes down a job before anything is made of it.
fn remember(lock: &DeliveryLock, under_way: &Delivered, job: &JobId) {
    let pending = Some(job.clone());
    if let Err(failure) = keep(lock, &Delivered { pending, ..under_way.clone() }) {
        tracing::warn!(error = %failure.error, "the next delivery will not know of this job");
    }
}

fn read(tenant: &TenantStore) -> Result<Option<Delivered>, Failure> {
    let Some(bytes) = tenant.state(DELIVERED)? else { return Ok(None) };
    let read = serde_json::from_slice(&bytes).map_err(|error| {
        anyhow::Error::new(error).context(format!(
            "the file {DELIVERED}.json of tenant {} is damaged; without it the next delivery is taken \
             for the first one there, and deletes nothing",
            tenant.name()
        ))
    });
    Ok(Some(read?))
}

fn keep(lock: &DeliveryLock, delivered: &Delivered) -> Result<(), Failure> {
    let ledger = lock.tenant().ledger().head()?;
    let kept = Kept { delivered, ledger };
    let bytes = serde_json::to_vec(&kept).map_err(anyhow::Error::new)?;
    Ok(lock.set_state(DELIVERED, &bytes)?)
}

/// The ledger's head of when a delivery was written down last, which the ledger must hold still.
pub(crate) fn known_ledger_head(tenant: &TenantStore) -> Result<Option<LedgerHead>, Failure> {
    #[derive(Deserialize)]
    struct Head {
        ledger: Option<LedgerHead>,
    }
    let Some(bytes) = tenant.state(DELIVERED)? else { return Ok(None) };
    // One that is damaged is told of by the next delivery.
    Ok(serde_json::from_slice::<Head>(&bytes).ok().and_then(|it| it.ledger))
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
