//! One run, from the lock to the published generation.
//!
//! All exports start at once, because waiting for Nexthink takes minutes. Each export is applied as
//! soon as it has arrived and all steps that its step depends on have been applied.

mod apply;
mod audit_table;
mod background_tables;
mod connect;
mod cost;
mod encrypted_downloads;
mod events;
mod exports;
mod fetch_files;
mod finished;
pub mod narrowing;
mod parts;
mod planning;
mod publish;
mod query_text;
pub mod quota;
mod read;
mod remarks;
pub mod report;
mod resumable_exports;
mod retain;
pub mod space;
mod state;
mod store;
mod table;

use std::collections::BTreeSet;
use std::sync::Arc;

use core_model::plan::{Plan, PlannedStep};
use core_model::step::{Source, Step};
use core_nexthink::{Client, ClockOffset, Secret};
use core_privacy::protection::Protection;
use core_store::{Generation, GenerationId, PrivacyMark, RunLock, TenantStore};
use tokio::task::JoinSet;
use tracing::Instrument as _;

pub use self::apply::is_local;
use self::apply::{Applier, Base};
pub use self::audit_table::{FetchedTable, fetch_table, for_each_chunk};
use self::background_tables::BackgroundTableWriter;
pub use self::connect::client;
use self::connect::clock_offset;
pub use self::cost::{Cost, cost};
pub use self::encrypted_downloads::Files;
use self::events::Events;
use self::exports::{FetchError, Fetched, Fetcher};
pub use self::finished::Finished;
pub use self::planning::plan;
use self::publish::PublishContext;
pub use self::publish::{personal_columns, personal_ends};
use self::quota::{Quota, QuotaClock, StartedExports};
use self::read::Reading;
use self::report::{RunReport, StepReport};
use self::resumable_exports::ResumableExports;
use self::space::Space;
pub use self::state::{RunState, StepState};
use self::store::{OpenedStore, open_store};
pub use self::store::{check_region, lock_tenant};
use crate::cancellation::Cancellation;
use crate::engine::Engine;
use crate::failure::{Ending, Failure, FailureKind, joined};
use crate::host::Host;
use crate::ledger::{self, Event};
use crate::moment::Moment;
use crate::privacy::{self, RunPrivacy};
use crate::progress::Progress;
use crate::suggestion;

/// The options of one run.
#[derive(Debug, Default, Clone)]
pub struct RunOptions {
    /// The steps to run; all if empty.
    pub steps: Vec<String>,
    /// The types whose shrinking is accepted in this run.
    pub accept_shrink: Vec<String>,
}

/// Refuses names of unknown types.
fn check_types(names: &[String]) -> Result<(), Failure> {
    let steps = Step::generation_steps();
    let entities = steps.iter().flat_map(|step| step.entities).map(|entity| entity.type_name);
    let relationships = steps.iter().flat_map(|step| step.relationships);
    let relationships = relationships.map(|relationship| relationship.type_name);
    let types: Vec<&str> = entities.chain(relationships).collect();
    match names.iter().find(|name| !types.contains(&name.as_str())) {
        Some(name) => Err(Failure::configuration(suggestion::unknown("type", name, &types))),
        None => Ok(()),
    }
}

/// Runs all steps of the plan and publishes the result. The ledger records the beginning and the
/// end.
///
/// `secret` is that of [`Settings::credential`](crate::settings::Settings::credential), or none if
/// [`Settings::reads_api`](crate::settings::Settings::reads_api) is false.
pub async fn run(
    engine: Engine<'_>,
    secret: Option<Secret>,
    options: &RunOptions,
    progress: &Progress,
    cancellation: &Cancellation,
) -> Result<Finished, Failure> {
    let plan = checked_plan(engine, options)?;
    let started = engine.host.now();
    if !plan.steps().iter().any(|planned| planned.runs() && planned.step.query().is_some()) {
        return events::run_alone(engine, started, options, cancellation).await;
    }
    let client = secret.map(|secret| client(engine, secret, |_| {})).transpose()?;
    let before = Before::open(engine, &plan, cancellation)?;
    let tenant = before.lock.tenant().clone();
    ledger::record(engine.host, &tenant, &Event::RunStarted { steps: &options.steps })?;
    let unfinished = before.unfinished_erasures.clone();
    let exports = StartedExports::default();
    let opened = Opened { plan, client, before, started, exports: exports.clone() };
    let span = tracing::info_span!("run", tenant = engine.settings.tenant.as_str());
    let running = run_steps(engine, opened, options, progress, cancellation).instrument(span);
    let mut ended = Box::pin(running).await;
    if let Ok(finished) = &mut ended {
        finished.note_unfinished(unfinished, engine.host);
    }
    record_end(engine.host, &tenant, &mut ended, &exports, cancellation);
    ended
}

/// Records the end of a run in the ledger, with the number of exports that it has started.
fn record_end(
    host: &Host,
    tenant: &TenantStore,
    ended: &mut Result<Finished, Failure>,
    exports: &StartedExports,
    cancellation: &Cancellation,
) {
    let exports = exports.count();
    let event = match &*ended {
        Ok(finished) => Event::RunEnded {
            run: Some(&finished.report.run_id),
            generation: finished.generation.as_ref().map(ToString::to_string),
            exports,
            exit_code: (host.exit_code)(finished.ending),
        },
        Err(failure) => Event::RunEnded {
            run: None,
            generation: None,
            exports,
            exit_code: (host.exit_code)(cancellation.ending_after(failure)),
        },
    };
    match (ledger::record(host, tenant, &event), ended) {
        (Ok(head), Ok(finished)) => finished.report.ledger = Some(head),
        (Ok(_), Err(_)) => {}
        (Err(error), _) => tracing::error!(%error, "the end of the run is not in the ledger"),
    }
}

/// The input of a run.
struct Opened {
    plan: Plan,
    /// None if everything is read from files.
    client: Option<Arc<Client>>,
    before: Before,
    started: Moment,
    exports: StartedExports,
}

/// Returns the plan of a run, if it fetches anything and all named types exist.
pub fn checked_plan(engine: Engine<'_>, options: &RunOptions) -> Result<Plan, Failure> {
    let plan = plan(engine, &options.steps)?;
    check_types(&options.accept_shrink)?;
    if !plan.steps().iter().any(PlannedStep::runs) {
        let hint = "no step would fetch anything: set a query ID in `[queries]`, or configure the audit \
                    trail in `[audit]`";
        return Err(Failure::configuration(hint));
    }
    Ok(plan)
}

async fn run_steps(
    engine: Engine<'_>,
    opened: Opened,
    options: &RunOptions,
    progress: &Progress,
    cancellation: &Cancellation,
) -> Result<Finished, Failure> {
    let Opened { plan, client, before, started, exports } = opened;
    let Before { lock, previous, protection, mark, replaces_all, .. } = before;
    let quota = Quota::open(&lock, engine.settings.daily_exports, engine.host)?.counting(&exports);
    if client.is_some() && lock.tenant().download_notes()?.is_empty() {
        // Otherwise the run may need no export at all.
        quota.check_deferral()?;
    }
    let offset = cancellation.or_stop(clock_offset(client.as_deref(), engine.host)).await?;
    let clock = quota.set_clock(offset)?;
    let (files, resumable) =
        downloads(engine, &lock, previous.as_ref(), protection.is_some(), options, clock)?;
    let state = RunState::before(previous.as_ref());
    let estimates = exports::estimates(&plan, engine, &resumable, &state.parts);
    quota.check_run(exports::sum(&estimates))?;
    Space::after(previous.as_ref(), lock.tenant())?.check()?;
    let made_ms = lock.next_generation_ms(clock.latest(engine.host).0)?;
    let run_id = engine.host.new_id(Moment(made_ms))?;
    let staging = lock.stage(run_id.parse()?)?;
    tracing::info!(run_id, tenant = engine.settings.tenant.as_str(), "run started");

    let fetcher =
        Fetcher::new(engine, client, files.clone(), resumable, quota.clone(), progress.clone());
    let fetcher = fetcher.after(&state);
    let applier = Applier::new(
        Base { previous, replaces_all, state },
        Reading { zone: engine.settings.time_zone.clone(), files: files.clone(), protection },
        options.accept_shrink.clone(),
        BackgroundTableWriter::start(staging, &plan, engine.settings.tags(), cancellation),
        cancellation.clone(),
        engine.host.clone(),
    );
    let (fetching, reservation) = fetcher.start_all(&plan, engine, &estimates);
    let mut table = audit_table::Fetching::start(&plan, engine, &fetcher, reservation, offset);
    let login_ahead_ms = offset.map(ClockOffset::ahead_ms);
    let events = Events { engine, plan: &plan, lock: &lock, login_ahead_ms, cancellation };
    let ended = apply_all(&plan, engine, fetching, applier, progress, cancellation).await;
    let mut applier = table.stop_if_failed(ended).await?;
    // Steps were applied in order of arrival; the report has them in the order of the plan.
    let place = |id: &str| plan.steps().iter().position(|planned| planned.step.id == id);
    applier.reports.sort_by_key(|report| place(report.id));
    let mut report = RunReport::new(engine, run_id, started);
    let disagreement = offset.filter(|offset| offset.is_disagreement());
    report.clock_offset_ms = disagreement.map(ClockOffset::ahead_ms);
    report.not_before = quota.deferred_until().map(Moment::to_rfc3339);
    if let Some(kind) = applier.worst_failure()
        && !applier.anything_fetched()
    {
        let ending = Ending::Failed(kind.into());
        report.finish(applier.reports, ending, engine.host);
        report.audit = events.read(table.ended(cancellation).await).await;
        retain::retain(engine, &lock, offset);
        return Ok(Finished { generation: None, report, ending });
    }
    if let Some(step) = applier.keeps_from_replacing() {
        // The audit trail does not depend on the steps.
        events.read(table.ended(cancellation).await).await;
        return Err(not_replaced(step));
    }
    let ending = if applier.all_complete() { Ending::Complete } else { Ending::Partial };
    progress.publishing();
    let context = PublishContext::new(engine, &plan, mark, clock);
    let used = std::mem::take(&mut applier.used);
    let published = publish(applier, context, report, ending, cancellation).await;
    let (generation, mut report) = table.stop_if_failed(published).await?;
    // At once: a run after one that is killed in what follows would publish them again, as complete as if they were new.
    retain::remove_used(files.downloads(), &used);
    // After the publication, so that a failure does not affect the generation.
    report.audit = events.read(table.ended(cancellation).await).await;
    retain::retain(engine, &lock, offset);
    let lacks_events = report.audit.as_ref().is_some_and(|audit| !audit.is_complete());
    let ending = if ending == Ending::Complete && lacks_events { Ending::Partial } else { ending };
    report.exit_code = (engine.host.exit_code)(ending);
    Ok(Finished { generation: Some(generation), report, ending })
}

/// Publishes the graph, on a thread that may block.
async fn publish(
    applier: Applier,
    context: PublishContext,
    mut report: RunReport,
    ending: Ending,
    cancellation: &Cancellation,
) -> Result<(GenerationId, RunReport), Failure> {
    let cancellation = cancellation.clone();
    let span = tracing::info_span!("publish");
    let publishing = tokio::task::spawn_blocking(move || {
        let _entered = span.entered();
        publish::publish(applier, &context, &mut report, ending, &cancellation)
            .map(|generation| (generation.id().clone(), report))
    });
    joined(publishing.await)?
}

/// The state before a run.
struct Before {
    lock: RunLock,
    previous: Option<Generation>,
    protection: Option<Protection>,
    mark: PrivacyMark,
    /// True if `previous` has other privacy settings, so that nothing may be carried over.
    replaces_all: bool,
    /// The reasons why erasures are not finished, a sentence each.
    unfinished_erasures: Vec<String>,
}

impl Before {
    fn open(engine: Engine<'_>, plan: &Plan, cancellation: &Cancellation) -> Result<Self, Failure> {
        let OpenedStore { lock, previous, unfinished_erasures } = open_store(engine, cancellation)?;
        let RunPrivacy { protection, mark } = privacy::of_run(engine, lock.tenant())?;
        let replaces_all =
            previous.as_ref().is_some_and(|generation| !privacy::is_like(generation, &mark));
        if let Some(previous) = previous.as_ref().filter(|_| replaces_all) {
            privacy::check_replaces_all(previous, plan)?;
        }
        Ok(Self { lock, previous, protection, mark, replaces_all, unfinished_erasures })
    }
}

/// Returns the downloads of a run and the exports that it can resume. Removes all other downloads.
fn downloads(
    engine: Engine<'_>,
    lock: &RunLock,
    previous: Option<&Generation>,
    is_encrypted: bool,
    options: &RunOptions,
    clock: QuotaClock,
) -> Result<(Files, Arc<ResumableExports>), Failure> {
    let deadline = engine.settings.poll.deadline;
    let mut resumable = ResumableExports::of_tenant(lock.tenant(), is_encrypted, deadline, clock)?;
    if options.accept_shrink.is_empty() {
        resumable.drop_held(&RunState::before(previous).held);
    }
    let downloads = lock.downloads()?;
    downloads.clear_except(|name| resumable.has(name))?;
    Ok((Files::new(downloads, is_encrypted, engine.host), Arc::new(resumable)))
}

/// The failure of a run that has new privacy settings and cannot replace everything.
fn not_replaced(step: &StepReport) -> Failure {
    let reason = step.reason.as_deref().unwrap_or("it is not known why");
    let error = anyhow::anyhow!(
        "step {} is not complete ({}): {reason}. The privacy settings or the key have changed, so that nothing can be \
         carried over and everything must be replaced at once: nothing is published until every step \
         is complete",
        step.id,
        step.outcome
    );
    Failure { kind: FailureKind::DataRefused, error }
}

/// Applies each export as soon as it may be applied.
async fn apply_all(
    plan: &Plan,
    engine: Engine<'_>,
    mut fetching: JoinSet<Fetched>,
    applier: Applier,
    progress: &Progress,
    cancellation: &Cancellation,
) -> Result<Applier, Failure> {
    let ended = apply_each(plan, engine, &mut fetching, applier, progress, cancellation).await;
    if ended.is_err() {
        // Tasks that are aborted without being awaited would hold the lock of the store for a
        // moment longer.
        fetching.shutdown().await;
    }
    ended
}

async fn apply_each(
    plan: &Plan,
    engine: Engine<'_>,
    fetching: &mut JoinSet<Fetched>,
    mut applier: Applier,
    progress: &Progress,
    cancellation: &Cancellation,
) -> Result<Applier, Failure> {
    let of_generation = plan.steps().iter().filter(|planned| !planned.step.makes_events());
    let mut waiting: Vec<PlannedStep> = of_generation.cloned().collect();
    let mut arrived: Vec<Fetched> = Vec::new();
    let mut settled: BTreeSet<&'static str> = BTreeSet::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|planned| is_ready(planned, &settled, &arrived));
        let Some(ready) = ready else {
            let next = cancellation.or_stop(async { Ok(fetching.join_next().await) }).await?;
            let next = next.ok_or_else(|| anyhow::anyhow!("an export was lost"))?;
            let next = joined(next)?;
            if let Err(FetchError::Export(error)) = &next.result
                && error.is_credentials()
            {
                // Credentials that are refused for one export are refused for all.
                return Err(Failure::from(error.clone()));
            }
            arrived.push(next);
            continue;
        };
        let planned = waiting.remove(ready);
        let step = planned.step;
        let export = arrived.iter().position(|export| export.step_id == step.id);
        let export = export.map(|position| arrived.swap_remove(position));
        let row = matches!(step.source, Source::Configuration)
            .then(|| apply::account_row(engine.settings));
        progress.applying(step.id);
        let span = tracing::info_span!("step", step_id = step.id);
        let applying = tokio::task::spawn_blocking(move || {
            let _entered = span.entered();
            applier.apply(&planned, export, row.as_deref()).map(|()| applier)
        });
        // Awaited even after a stop, which the thread sees by itself, because it holds the lock of
        // the store.
        applier = joined(applying.await)?.map_err(Failure::from)?;
        progress.applied(applier.report(step.id));
        settled.insert(step.id);
    }
    Ok(applier)
}

/// Returns true if the rows of a step have arrived and everything that it depends on has been
/// applied.
fn is_ready(planned: &PlannedStep, settled: &BTreeSet<&str>, fetched: &[Fetched]) -> bool {
    let step = planned.step;
    let is_here = !planned.runs()
        || matches!(step.source, Source::Configuration)
        || fetched.iter().any(|export| export.step_id == step.id);
    is_here && step.depends_on.iter().all(|dependency| settled.contains(dependency.id))
}
