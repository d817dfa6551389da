//! One run, from the lock to the published generation.
//!
//! All exports start at once, because waiting is what takes minutes. Each is applied as soon as it
//! is here and all that its step depends on has been applied.

mod apply;
mod exports;
mod publish;
pub(crate) mod report;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use core_model::plan::{Decision, Plan, PlannedStep, SkipReason};
use core_model::step::{Source, Step};
use core_nexthink::{Client, Credentials, Secret};
use core_store::{Generation, GenerationId, RetentionPolicy, RunLock, Staging, Store};

use self::apply::Applier;
use self::exports::Fetched;
use self::report::RunReport;
use crate::config::Config;
use crate::exit::{Exit, Failure, exit_for};
use crate::progress::Progress;
use crate::system::{self, Moment};

/// What one run is asked to do beyond its configuration.
#[derive(Debug, Default, Clone)]
pub(crate) struct RunOptions {
    /// The steps to run; all if empty.
    pub(crate) steps: Vec<String>,
    /// Types that may shrink by more than a run may without being told.
    pub(crate) accept_shrink: Vec<String>,
}

/// A flag that asks work on other threads to end soon.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

/// What a run has published.
pub(crate) struct Published {
    pub(crate) generation: Generation,
    pub(crate) report: RunReport,
    pub(crate) exit: Exit,
}

impl Stop {
    /// Asks to stop.
    pub(crate) fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Fails if a stop was asked for.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.0.load(Ordering::Relaxed), "the run was stopped");
        Ok(())
    }
}

/// The plan of a run with this configuration.
pub(crate) fn plan(config: &Config, selected: &[String]) -> Result<Plan, Failure> {
    let steps = Step::all();
    for name in selected {
        if !steps.iter().any(|step| step.id == name) {
            let known: Vec<_> = steps.iter().map(|step| step.id).collect();
            return Err(Failure::usage(format!(
                "there is no step `{name}`; the steps are {}",
                known.join(", ")
            )));
        }
    }
    let decide = |step: &'static Step| match step.query() {
        Some(query) if !config.queries.contains_key(query.config_field) => {
            Decision::Skip(SkipReason::NoQueryId { config_field: query.config_field })
        }
        // The account costs nothing, and every edge to it needs it.
        Some(_) if !selected.is_empty() && !selected.iter().any(|it| it == step.id) => {
            Decision::Skip(SkipReason::NotSelected)
        }
        _ => Decision::Run,
    };
    Plan::new(&steps, decide).map_err(|error| Failure::new(Exit::Internal, error))
}

/// Runs all steps of the plan and publishes what they made.
pub(crate) async fn run(
    config: &Config,
    secret: Secret,
    options: &RunOptions,
    progress: &Progress,
    stop: &Stop,
) -> Result<Published, Failure> {
    let plan = plan(config, &options.steps)?;
    if !plan.steps().iter().any(|it| it.runs() && it.step.query().is_some()) {
        let hint = "no step would fetch anything: set at least one query ID in `[queries]`";
        return Err(Failure::usage(hint));
    }
    let started = Moment::now();
    let client = client(config, secret)?;
    let (lock, previous) = open_store(config)?;
    client.check_credentials().await.map_err(Failure::from)?;
    let run_id = system::new_run_id(started);
    let id: GenerationId = run_id.parse().map_err(Failure::from)?;
    let staging = lock.stage(id)?;
    tracing::info!(run_id, tenant = config.tenant.as_str(), "run started");

    let applier = Applier::new(previous, options.accept_shrink.clone(), stop.clone());
    let (mut applier, staging) =
        apply_all(&plan, config, client, staging, applier, progress).await?;
    // They were applied as they came; people read them in run order.
    applier
        .reports
        .sort_by_key(|report| plan.steps().iter().position(|it| it.step.id == report.id));
    let failure = applier.failure();
    let mut report = RunReport::new(config, run_id, started);
    let exit = match failure {
        Some((kind, error)) if !applier.anything_fetched() => {
            return Err(Failure { exit: exit_for(kind), error });
        }
        _ if applier.all_complete() => Exit::Complete,
        _ => Exit::Partial,
    };
    let region = config.region.as_str().to_owned();
    progress.publishing();
    let tags = apply::tags(config);
    let stop = stop.clone();
    let written = tokio::task::spawn_blocking(move || {
        let generation =
            publish::publish(applier, staging, tags, region, &mut report, exit, &stop)?;
        Ok::<_, Failure>((generation, report))
    });
    let (generation, report) = joined(written.await)??;
    retain(&lock);
    Ok(Published { generation, report, exit })
}

/// Fetches all exports and applies each as soon as it may be applied.
async fn apply_all(
    plan: &Plan,
    config: &Config,
    client: Arc<Client>,
    staging: Staging,
    mut applier: Applier,
    progress: &Progress,
) -> Result<(Applier, Staging), Failure> {
    let mut fetching = exports::start_all(plan, config, &client, &staging, progress)?;
    let mut waiting: Vec<PlannedStep> = plan.steps().to_vec();
    let mut fetched: Vec<Fetched> = Vec::new();
    let mut settled: BTreeSet<&'static str> = BTreeSet::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|planned| is_ready(planned, &settled, &fetched));
        let Some(ready) = ready else {
            let next = fetching.join_next().await;
            let next = next.ok_or_else(|| anyhow::anyhow!("an export was lost"))?;
            let next = joined(next)?;
            if let Err(error) = &next.result
                && error.is_credentials()
            {
                // A credential that is refused for one export is refused for all.
                return Err(Failure::from(error.clone()));
            }
            fetched.push(next);
            continue;
        };
        let planned = waiting.remove(ready);
        let step = planned.step;
        let export = fetched.iter().position(|it| it.step_id == step.id);
        let export = export.map(|it| fetched.swap_remove(it));
        let row = matches!(step.source, Source::Configuration).then(|| apply::account_row(config));
        let file = match &export {
            Some(Fetched { result: Ok(_), .. }) => Some(staging.open_download(step.id)?),
            _ => None,
        };
        progress.applying(step.id);
        let applying = tokio::task::spawn_blocking(move || {
            applier.apply(&planned, export, file, row.as_deref()).map(|()| applier)
        });
        applier = joined(applying.await)?.map_err(Failure::from)?;
        progress.applied(applier.report(step.id));
        settled.insert(step.id);
    }
    Ok((applier, staging))
}

/// Whether a step's rows are here and everything that it depends on has been applied.
fn is_ready(planned: &PlannedStep, settled: &BTreeSet<&str>, fetched: &[Fetched]) -> bool {
    let step = planned.step;
    let is_here = !planned.runs()
        || matches!(step.source, Source::Configuration)
        || fetched.iter().any(|it| it.step_id == step.id);
    is_here && step.depends_on.iter().all(|it| settled.contains(it.id))
}

fn client(config: &Config, secret: Secret) -> Result<Arc<Client>, Failure> {
    let credentials = Credentials::new(&config.client_id, secret)?;
    let mut settings = core_nexthink::Settings::new(system::random());
    settings.poll = config.poll.clone();
    settings.retry = config.retry.clone();
    Ok(Arc::new(Client::new(&config.endpoints, credentials, settings)?))
}

fn open_store(config: &Config) -> Result<(RunLock, Option<Generation>), Failure> {
    let tenant = Store::open(config.store.clone())?.tenant(config.tenant.as_str())?;
    let owner = format!("process {}, since {}", std::process::id(), Moment::now().to_rfc3339());
    let lock = tenant.lock(&owner)?;
    let previous = tenant.current()?;
    Ok((lock, previous))
}

/// Removes old generations. That this fails costs space, not data, so the run stays good.
fn retain(lock: &RunLock) {
    if let Err(error) = lock.retain(RetentionPolicy::default(), Moment::now().0) {
        tracing::warn!(%error, "old generations were not removed");
    }
}

/// The result of work on another thread. A panic there is a defect, told as an internal error.
fn joined<T>(result: Result<T, tokio::task::JoinError>) -> Result<T, Failure> {
    result.map_err(|error| Failure::new(Exit::Internal, error))
}
