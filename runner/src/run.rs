//! One run, from the lock to the published generation.
//!
//! All exports start at once, because waiting is what takes minutes. Each is applied as soon as it
//! is here and all that its step depends on has been applied.

mod ahead;
mod apply;
mod audit_table;
mod connect;
mod cost;
mod events;
mod exports;
mod journal;
pub(crate) mod narrowing;
mod parts;
mod planning;
mod publish;
pub(crate) mod quota;
mod read;
mod remarks;
pub(crate) mod report;
mod retain;
mod sealed;
pub(crate) mod space;
mod store;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use core_model::plan::{Plan, PlannedStep};
use core_model::step::{Source, Step};
use core_nexthink::{Client, ClockOffset, Secret};
use core_privacy::protection::Protection;
use core_store::{Generation, GenerationId, PrivacyMark, RunLock, TenantStore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::ahead::TablesAhead;
use self::apply::Applier;
pub(crate) use self::apply::{is_local, tags};
pub(crate) use self::audit_table::{FetchedTable, fetch_table, for_each_chunk};
use self::connect::clock_offset;
pub(crate) use self::connect::{client, proxy};
pub(crate) use self::cost::{Cost, cost};
use self::events::Events;
use self::exports::{Fetched, Fetcher};
use self::journal::Leftovers;
pub(crate) use self::planning::plan;
use self::publish::About;
pub(crate) use self::publish::{personal_columns, personal_ends};
use self::quota::{Quota, QuotaClock};
use self::read::Reading;
use self::report::{RunReport, StepReport};
pub(crate) use self::sealed::Files;
use self::space::Space;
use self::store::{OpenedStore, open_store};
pub(crate) use self::store::{check_region, lock, lock_tenant, owner};
use crate::config::Config;
use crate::exit::{self, Exit, Failure, exit_for};
use crate::ledger::{self, Event};
use crate::privacy::{self, RunPrivacy};
use crate::progress::Progress;
use crate::suggestion;
use crate::system::{self, Moment};

/// What one run is asked to do beyond its configuration.
#[derive(Debug, Default, Clone)]
pub(crate) struct RunOptions {
    /// The steps to run; all if empty.
    pub(crate) steps: Vec<String>,
    /// Types that may shrink by more than a run may without being told.
    pub(crate) accept_shrink: Vec<String>,
}

/// A request to end soon, seen by tasks and by work on other threads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    token: CancellationToken,
    /// The exit code of the signal that asked for it.
    exit: Arc<OnceLock<Exit>>,
}

/// What a run has done.
pub(crate) struct Finished {
    /// What it has published; nothing if no export gave any rows.
    pub(crate) generation: Option<GenerationId>,
    pub(crate) report: RunReport,
    pub(crate) exit: Exit,
}

impl Finished {
    /// Notes why erasures are not finished, and has the exit code say so: stored data of erased people is
    /// graver than an incomplete read.
    fn note_unfinished(&mut self, erasures: Vec<String>) {
        if !erasures.is_empty() && matches!(self.exit, Exit::Complete | Exit::Partial) {
            self.exit = Exit::DataRefused;
            self.report.exit_code = self.exit as u8;
        }
        self.report.unfinished_erasures = erasures;
    }
}

impl Stop {
    /// Asks to stop, because of a signal with this exit code.
    pub(crate) fn request(&self, exit: Exit) {
        self.exit.get_or_init(|| exit);
        self.token.cancel();
    }

    /// One that is asked to stop with this one, and may be without it.
    fn child(&self) -> Stop {
        Stop { token: self.token.child_token(), exit: Arc::default() }
    }

    /// The exit code for a failure: once a stop was asked for, that of the signal.
    pub(crate) fn exit_after(&self, failure: &Failure) -> Exit {
        self.exit.get().copied().unwrap_or(failure.exit)
    }

    /// Waits until a stop is asked for.
    pub(crate) async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Fails if a stop was asked for.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.token.is_cancelled(), "the run was stopped");
        Ok(())
    }

    /// Does something until it is done or a stop is asked for.
    pub(crate) async fn or_stop<T>(
        &self,
        doing: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let done = self.token.run_until_cancelled(doing).await;
        done.unwrap_or_else(|| Err(anyhow::anyhow!("the run was stopped").into()))
    }
}

/// Refuses names that no type has.
fn check_types(names: &[String]) -> Result<(), Failure> {
    let steps = Step::generation_steps();
    let entities = steps.iter().flat_map(|it| it.entities).map(|it| it.type_name);
    let relationships = steps.iter().flat_map(|it| it.relationships).map(|it| it.type_name);
    let types: Vec<&str> = entities.chain(relationships).collect();
    match names.iter().find(|name| !types.contains(&name.as_str())) {
        Some(name) => Err(Failure::usage(suggestion::unknown("type", name, &types))),
        None => Ok(()),
    }
}

/// Runs all steps of the plan and publishes what they made. The ledger has its beginning and its end.
pub(crate) async fn run(
    config: &Config,
    secret: Secret,
    options: &RunOptions,
    progress: &Progress,
    stop: &Stop,
) -> Result<Finished, Failure> {
    let plan = checked_plan(config, options)?;
    let started = Moment::now();
    if !plan.steps().iter().any(|it| it.runs() && it.step.query().is_some()) {
        return events::run_alone(config, started, options, stop).await;
    }
    let client = client(config, secret, |_| {})?;
    let before = Before::open(config, &plan)?;
    let tenant = before.lock.tenant().clone();
    ledger::record(&tenant, &Event::RunStarted { steps: &options.steps })?;
    let unfinished = before.unfinished_erasures.clone();
    let opened = Opened { plan, client, before, started };
    let mut ended = Box::pin(run_steps(config, opened, options, progress, stop)).await;
    if let Ok(finished) = &mut ended {
        finished.note_unfinished(unfinished);
    }
    let exports = |finished: &Finished| finished.report.steps.iter().map(|step| step.exports).sum();
    let exports = ended.as_ref().map_or(0, exports);
    record_end(&tenant, &mut ended, exports, stop);
    ended
}

/// Records the end of a run in the ledger, with the exports that it has started.
fn record_end(
    tenant: &TenantStore,
    ended: &mut Result<Finished, Failure>,
    exports: u32,
    stop: &Stop,
) {
    let event = match &*ended {
        Ok(finished) => Event::RunEnded {
            run: Some(&finished.report.run_id),
            generation: finished.generation.as_ref().map(ToString::to_string),
            exports,
            exit_code: finished.exit as u8,
        },
        Err(failure) => Event::RunEnded {
            run: None,
            generation: None,
            exports: 0,
            exit_code: stop.exit_after(failure) as u8,
        },
    };
    match (ledger::record(tenant, &event), ended) {
        (Ok(head), Ok(finished)) => finished.report.ledger = Some(head),
        (Ok(_), Err(_)) => {}
        (Err(error), _) => tracing::error!(%error, "the end of the run is not in the ledger"),
    }
}

/// What a run begins with.
struct Opened {
    plan: Plan,
    client: Arc<Client>,
    before: Before,
    started: Moment,
}

/// The plan of a run, if there is anything to fetch and all types that were named exist.
pub(crate) fn checked_plan(config: &Config, options: &RunOptions) -> Result<Plan, Failure> {
    let plan = plan(config, &options.steps)?;
    check_types(&options.accept_shrink)?;
    if !plan.steps().iter().any(PlannedStep::runs) {
        let hint = "no step would fetch anything: set a query ID in `[queries]`, or configure the audit \
                    trail in `[audit]`";
        return Err(Failure::usage(hint));
    }
    Ok(plan)
}

async fn run_steps(
    config: &Config,
    opened: Opened,
    options: &RunOptions,
    progress: &Progress,
    stop: &Stop,
) -> Result<Finished, Failure> {
    let Opened { plan, client, before, started } = opened;
    let Before { lock, previous, protection, mark, replaces_all, .. } = before;
    let quota = Quota::open(&lock, config.daily_exports)?;
    if lock.tenant().download_notes()?.is_empty() {
        // Else the run may need no export at all.
        quota.check_deferral()?;
    }
    let offset = stop.or_stop(clock_offset(&client)).await?;
    let clock = quota.set_clock(offset)?;
    let is_encrypted = protection.is_some();
    let (files, leftovers) = downloads(&lock, previous.as_ref(), is_encrypted, options, clock)?;
    let parts_before = report::parts_of(previous.as_ref());
    let needs = exports::needs(&plan, config, &leftovers, &parts_before);
    quota.check_run(exports::sum(&needs))?;
    Space::after(previous.as_ref(), lock.tenant())?.check()?;
    let run_id = system::new_run_id(clock.now())?;
    let staging = lock.stage(run_id.parse()?)?;
    tracing::info!(run_id, tenant = config.tenant.as_str(), "run started");

    let zone = config.time_zone.clone();
    let applier = Applier::new(
        previous,
        replaces_all,
        parts_before,
        Reading { zone, files: files.clone(), protection },
        options.accept_shrink.clone(),
        TablesAhead::start(staging, &plan, tags(config), stop),
        stop.clone(),
    );
    let fetcher =
        Fetcher::new(config, client, files.clone(), leftovers, quota.clone(), progress.clone());
    let (fetching, promise) = fetcher.start_all(&plan, config, &needs);
    let mut table = audit_table::Fetching::start(&plan, config, &fetcher, promise, offset);
    let events = Events {
        config,
        plan: &plan,
        lock: &lock,
        login_ahead_ms: offset.map(ClockOffset::ahead_ms),
        stop,
    };
    let applying = apply_all(&plan, config, fetching, applier, progress);
    let mut applier = stop.or_stop(applying).await?;
    // They were applied as they came; people read them in run order.
    let place = |report: &StepReport| plan.steps().iter().position(|it| it.step.id == report.id);
    applier.reports.sort_by_key(place);
    let mut report = RunReport::new(config, run_id, started);
    report.clock_offset_ms = offset.filter(|it| it.is_disagreement()).map(ClockOffset::ahead_ms);
    report.not_before = quota.deferred_until().map(Moment::to_rfc3339);
    if let Some(kind) = applier.gravest_failure()
        && !applier.anything_fetched()
    {
        let exit = exit_for(kind);
        report.finish(applier.reports, exit);
        report.audit = events.read(table.ended(stop).await).await;
        retain::retain(config, &lock, files.downloads(), &BTreeSet::new());
        return Ok(Finished { generation: None, report, exit });
    }
    if let Some(step) = applier.keeps_from_replacing() {
        return Err(not_replaced(step));
    }
    let exit = if applier.all_complete() { Exit::Complete } else { Exit::Partial };
    progress.publishing();
    let about = About { region: config.region.as_str().to_owned(), privacy: mark };
    let used = std::mem::take(&mut applier.used);
    let (generation, mut report) = publish(applier, about, report, exit, stop).await?;
    // After the generation, which it cannot hurt.
    report.audit = events.read(table.ended(stop).await).await;
    retain::retain(config, &lock, files.downloads(), &used);
    let lacks_events = report.audit.as_ref().is_some_and(|it| !it.is_complete());
    let exit = if exit == Exit::Complete && lacks_events { Exit::Partial } else { exit };
    report.exit_code = exit as u8;
    Ok(Finished { generation: Some(generation), report, exit })
}

/// Publishes what the steps have made, on a thread that may block.
async fn publish(
    applier: Applier,
    about: About,
    mut report: RunReport,
    exit: Exit,
    stop: &Stop,
) -> Result<(GenerationId, RunReport), Failure> {
    let stop = stop.clone();
    let publishing = tokio::task::spawn_blocking(move || {
        publish::publish(applier, about, &mut report, exit, &stop)
            .map(|generation| (generation.id().clone(), report))
    });
    joined(publishing.await)?
}

/// What is there before a run.
struct Before {
    lock: RunLock,
    previous: Option<Generation>,
    protection: Option<Protection>,
    mark: PrivacyMark,
    /// Whether `previous` shows people otherwise, so that nothing of it may stay.
    replaces_all: bool,
    /// Why erasures are not finished, a sentence each.
    unfinished_erasures: Vec<String>,
}

impl Before {
    fn open(config: &Config, plan: &Plan) -> Result<Before, Failure> {
        let OpenedStore { lock, previous, unfinished_erasures } = open_store(config)?;
        let RunPrivacy { protection, mark } = privacy::of_run(config, lock.tenant())?;
        let replaces_all = previous.as_ref().is_some_and(|it| !privacy::is_like(it, &mark));
        if let Some(previous) = previous.as_ref().filter(|_| replaces_all) {
            privacy::check_replaces_all(previous, plan)?;
        }
        Ok(Before { lock, previous, protection, mark, replaces_all, unfinished_erasures })
    }
}

/// The downloads of a run, and the exports that earlier runs have left in them; the rest is removed.
fn downloads(
    lock: &RunLock,
    previous: Option<&Generation>,
    is_encrypted: bool,
    options: &RunOptions,
    clock: QuotaClock,
) -> Result<(Files, Arc<Leftovers>), Failure> {
    let mut leftovers = if is_encrypted {
        Leftovers::none()
    } else {
        Leftovers::of(lock.tenant().download_notes()?, clock)
    };
    if options.accept_shrink.is_empty() {
        leftovers.drop_held(&report::held_by(previous));
    }
    let downloads = lock.downloads()?;
    downloads.clear_except(|name| leftovers.has(name))?;
    Ok((Files::new(downloads, is_encrypted), Arc::new(leftovers)))
}

/// Why a run whose privacy settings are others than before publishes nothing.
fn not_replaced(step: &StepReport) -> Failure {
    let reason = step.reason.as_deref().unwrap_or("it is not known why");
    let error = anyhow::anyhow!(
        "step {} is not complete ({}): {reason}. The privacy settings or the key have changed, so that nothing can be \
         carried over and everything must be replaced at once: nothing is published until every step \
         is complete",
        step.id,
        step.outcome
    );
    Failure { exit: Exit::DataRefused, error }
}

/// Fetches all exports and applies each as soon as it may be applied.
async fn apply_all(
    plan: &Plan,
    config: &Config,
    mut fetching: JoinSet<Fetched>,
    mut applier: Applier,
    progress: &Progress,
) -> Result<Applier, Failure> {
    let of_generation = plan.steps().iter().filter(|it| !it.step.makes_events());
    let mut waiting: Vec<PlannedStep> = of_generation.cloned().collect();
    let mut arrived: Vec<Fetched> = Vec::new();
    let mut settled: BTreeSet<&'static str> = BTreeSet::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|planned| is_ready(planned, &settled, &arrived));
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
            arrived.push(next);
            continue;
        };
        let planned = waiting.remove(ready);
        let step = planned.step;
        let export = arrived.iter().position(|it| it.step_id == step.id);
        let export = export.map(|it| arrived.swap_remove(it));
        let row = matches!(step.source, Source::Configuration).then(|| apply::account_row(config));
        progress.applying(step.id);
        let applying = tokio::task::spawn_blocking(move || {
            applier.apply(&planned, export, row.as_deref()).map(|()| applier)
        });
        applier = joined(applying.await)?.map_err(Failure::from)?;
        progress.applied(applier.report(step.id));
        settled.insert(step.id);
    }
    Ok(applier)
}

/// Whether a step's rows are here and everything that it depends on has been applied.
fn is_ready(planned: &PlannedStep, settled: &BTreeSet<&str>, fetched: &[Fetched]) -> bool {
    let step = planned.step;
    let is_here = !planned.runs()
        || matches!(step.source, Source::Configuration)
        || fetched.iter().any(|it| it.step_id == step.id);
    is_here && step.depends_on.iter().all(|it| settled.contains(it.id))
}

/// The result of work on another thread. A panic there is a defect; what it says stays unsaid, since
/// it may show a cell.
pub(crate) fn joined<T>(result: Result<T, tokio::task::JoinError>) -> Result<T, Failure> {
    result.map_err(|_| exit::defect())
}
