//! Delivers the published generation to a destination, and remembers what it got.
//!
//! A delivery that fails changes nothing of what is published: the next one makes up for it.

use core_jupiterone::{
    ApiKey, Contents, Delivered, DeliveryPlan, DeliveryReport, ErrorKind, JobEvent, JobId,
    JupiterOneError, Progress as Delivering, ProxySettings, SyncClient, SyncSettings,
};
use core_model::step::Step;
use core_store::{Generation, RunLock, TenantStore};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::config::{Config, JupiterOne};
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::{run, system};

/// What the destination got last, in the tenant's part of the store.
const DELIVERED: &str = "delivered-jupiterone";

/// The job that is under way.
const JOB: &str = "job-jupiterone";

/// What a delivery is asked to do beyond its configuration.
#[derive(Debug, Default, Clone)]
pub(crate) struct DeliveryOptions {
    /// Types to remove at the destination.
    pub(crate) purge: Vec<String>,
    /// Deliver although the destination is another one than last time.
    pub(crate) accept_destination: bool,
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
    Delivered(Box<DeliveryReport>),
}

/// The client for the configured account.
pub(crate) fn client(config: &Config, jupiterone: &JupiterOne) -> Result<SyncClient, Failure> {
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
    SyncClient::new(jupiterone.destination.clone(), key, settings).map_err(failed)
}

/// What a delivery would change, without asking anybody.
pub(crate) fn plan(
    tenant: &TenantStore,
    generation: Generation,
    options: &DeliveryOptions,
) -> Result<DeliveryPlan, Failure> {
    let before = before(tenant)?;
    let contents = contents(generation, before.as_ref(), options)?;
    let before = before.map(|(_, before)| Contents::new(before, &Step::all(), None));
    DeliveryPlan::between(before.as_ref(), &contents).map_err(failed)
}

/// Delivers a generation, unless the destination has it already.
pub(crate) async fn deliver(
    client: &SyncClient,
    lock: &RunLock,
    generation: Generation,
    options: &DeliveryOptions,
    progress: &Progress,
) -> Result<DeliveryResult, Failure> {
    let tenant = lock.tenant();
    client.probe().await.map_err(failed)?;
    give_up_leftover_job(client, lock).await?;
    let delivered = read::<Delivered>(tenant, DELIVERED)?;
    if let Some(delivered) = delivered.as_ref().filter(|_| !options.accept_destination) {
        delivered.check(client.destination()).map_err(failed)?;
    }
    let plan = plan(tenant, generation.clone(), options)?;
    let has_all = delivered.as_ref().is_some_and(|it| it.whole);
    if has_all && plan.is_empty() && !options.accept_destination {
        if let Some(delivered) = delivered {
            // The same content; named anew so that the older generation may go.
            let generation = generation.id().clone();
            keep(lock, DELIVERED, &Delivered { generation, ..delivered })?;
        }
        return Ok(DeliveryResult::NothingChanged { generation: generation.id().to_string() });
    }
    let before = before(tenant)?;
    let events = events(&generation, client);
    let contents = contents(generation, before.as_ref(), options)?;
    let remember = |job: &JobId| {
        if let Err(failure) = keep(lock, JOB, job) {
            tracing::warn!(error = %failure.error, "the job will not be given up if this run is killed");
        }
    };
    let observer = |event: Delivering| match event {
        Delivering::Created(job) => remember(&job),
        Delivering::Uploaded { objects, .. } => {
            progress.tell("jupiterone", &format!("{objects} objects uploaded"));
        }
        Delivering::Finalized => progress.tell("jupiterone", "finalized, waiting for the job"),
        Delivering::State(_) => {}
    };
    let report = client.deliver(contents, &events, observer).await.map_err(failed)?;
    keep(lock, DELIVERED, &report.delivered())?;
    keep(lock, JOB, &Value::Null)?;
    Ok(DeliveryResult::Delivered(Box::new(report)))
}

/// Gives up the job of a run that was killed; what it had uploaded is forgotten then.
async fn give_up_leftover_job(client: &SyncClient, lock: &RunLock) -> Result<(), Failure> {
    if let Some(job) = read::<Option<JobId>>(lock.tenant(), JOB)?.flatten() {
        client.abort(&job).await.map_err(failed)?;
        keep(lock, JOB, &Value::Null)?;
    }
    Ok(())
}

/// What was delivered last, and its generation if that is kept still.
fn before(tenant: &TenantStore) -> Result<Option<(Delivered, Generation)>, Failure> {
    let Some(delivered) = read::<Delivered>(tenant, DELIVERED)? else { return Ok(None) };
    Ok(tenant.generation(&delivered.generation).ok().map(|it| (delivered, it)))
}

fn contents(
    generation: Generation,
    before: Option<&(Delivered, Generation)>,
    options: &DeliveryOptions,
) -> Result<Contents, Failure> {
    let previous = before.map(|(_, generation)| generation.manifest());
    let contents = Contents::new(generation, &Step::all(), previous);
    let purge: Vec<&str> = options.purge.iter().map(String::as_str).collect();
    contents.purge(&purge).map_err(failed)
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

fn read<T: serde::de::DeserializeOwned>(
    tenant: &TenantStore,
    name: &str,
) -> Result<Option<T>, Failure> {
    let Some(bytes) = tenant.state(name)? else { return Ok(None) };
    let read = serde_json::from_slice(&bytes).map_err(|error| {
        anyhow::Error::new(error).context(format!(
            "the file {name}.json of tenant {} is damaged; without it the next delivery is a whole one",
            tenant.name()
        ))
    });
    Ok(Some(read?))
}

fn keep(lock: &RunLock, name: &str, value: &impl Serialize) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(value).map_err(anyhow::Error::new)?;
    Ok(lock.set_state(name, &bytes)?)
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
