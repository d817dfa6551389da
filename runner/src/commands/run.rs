//! `run`: fetches everything and publishes a new generation.

mod monitored;

use std::time::Duration;

use core_destination::{DeliveryRequest, DeliveryResult};
use core_engine::deliver;
use core_engine::processing;
use core_engine::run::report::RunReport;
use core_engine::run::{self, Finished, RunOptions};
use core_engine::settings::JupiterOne;
use core_engine::{Cancellation, Ending, StopReason};
use core_evaluation::RulesReport;
use core_jupiterone::DeliveryReport;
use core_reading::Reader;
use core_store::LedgerHead;
use serde_json::json;

pub(super) use self::monitored::{run_monitored, write_figures};
use super::{jupiterone, mirrors, notify, opened, rules};
use crate::cli::{Global, ReportFormat, RunArguments, SeverityName};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::host::{engine, host};
use crate::progress::Progress;
pub(super) use crate::signals::{StopOnSignal, signal};
use crate::{output, system};

/// The longest wait for an answer of a destination before a run.
const PROBE: Duration = Duration::from_secs(10);

/// The time that a run may take to stop.
const GRACE: Duration = Duration::from_secs(4);

/// Runs, and prints the report.
pub(super) async fn run(
    global: &Global,
    config: &Config,
    arguments: &RunArguments,
) -> Result<Exit, Failure> {
    let secret = config.reads_api().then(|| config.read_client_secret()).transpose();
    let secret = secret.map_err(|error| Failure { exit: Exit::Configuration, error })?;
    let options = RunOptions {
        steps: arguments.steps.clone(),
        accept_shrink: arguments.accept_shrink.clone(),
    };
    if let (Some(warning), false) = (processing::transfer_warning(config), global.quiet) {
        output::note(&warning);
    }
    let progress = Progress::new(global.quiet);
    let stop = Cancellation::default();
    if let Some(jupiterone) = destination(config)
        && let Err(failure) = probe(config, jupiterone).await
    {
        tell_of_failed_run(global, config, &failure, &stop).await;
        return Err(failure);
    }
    let observer = progress.observer();
    let running = run::run(engine(config), secret, &options, &observer, &stop);
    let finished = interruptible(running, &stop, RUN).await;
    progress.finish();
    let mut finished = match finished {
        Ok(finished) => finished,
        Err(failure) => {
            tell_of_failed_run(global, config, &failure, &stop).await;
            return Err(failure);
        }
    };
    let delivered = deliver(config, &mut finished, global.quiet, &stop).await;
    let mirrored = mirror(config, &mut finished, global.quiet, &stop).await;
    let evaluated = interruptible(evaluate(global, config), &stop, RULES).await;
    let rules = evaluated.as_ref().ok();
    match arguments.output {
        ReportFormat::Table => print(global, &finished, rules),
        ReportFormat::Json => print_json(&finished, rules)?,
    }
    let exit = end(global, &finished, delivered);
    let exit = mirrored.failed().filter(|_| exit != Exit::DestinationFailed).unwrap_or(exit);
    mirrored.tell();
    after_rules(exit, evaluated, arguments.fail_on)
}

/// Evaluates the rules after a run that has failed: those about this program may have something to tell. What is wrong
/// with that is a note, since the failure of the run is what matters. A run that was stopped, that another one excludes or
/// whose configuration is wrong has no rules to evaluate.
async fn tell_of_failed_run(
    global: &Global,
    config: &Config,
    failure: &Failure,
    stop: &Cancellation,
) {
    let is_told = matches!(
        failure.exit,
        Exit::Credentials
            | Exit::Unreachable
            | Exit::DataRefused
            | Exit::DestinationFailed
            | Exit::Deferred
            | Exit::Internal
    );
    if !is_told {
        return;
    }
    match interruptible(evaluate(global, config), stop, RULES_AFTER_FAILURE).await {
        Ok(report) if !global.quiet => rules::note(&report),
        Ok(_) => {}
        Err(failure) => output::note(&format!("{:#}", failure.error)),
    }
}

/// Evaluates the rules on what is published, and tells what they have found. This comes last: it cannot
/// hurt the generation or its delivery.
pub(super) async fn evaluate(global: &Global, config: &Config) -> Result<RulesReport, Failure> {
    let (tenant, folder) = (engine(config).tenant()?, opened::folder(global));
    let reader = Reader {
        tenant: &tenant,
        settings: Some(config),
        host: host(),
        folder: folder.as_deref(),
        tell: output::note,
        is_quiet: global.quiet,
    };
    let report = rules::evaluate(global, &reader, &[]).await.map_err(rules::failure_of)?;
    notify::send(&reader, notify::AFTER_RUN).await.map_err(notify::failure_of)?;
    Ok(report)
}

/// The exit code of a run whose rules were evaluated. What the run itself has to say comes first, but for a
/// partial generation, which `--fail-on` was asked to look beyond.
pub(super) fn after_rules(
    exit: Exit,
    evaluated: Result<RulesReport, Failure>,
    fail_on: Option<SeverityName>,
) -> Result<Exit, Failure> {
    match evaluated {
        Err(failure) if exit == Exit::Complete => Err(failure),
        Err(failure) => {
            output::error(&failure.error);
            Ok(exit)
        }
        Ok(report) => match rules::fired(&report, fail_on) {
            Some((fired, message)) => {
                output::error_text(&message);
                Ok(if matches!(exit, Exit::Complete | Exit::Partial) { fired } else { exit })
            }
            None => Ok(exit),
        },
    }
}

fn print_json(finished: &Finished, rules: Option<&RulesReport>) -> Result<(), Failure> {
    let mut report = serde_json::to_value(&finished.report).map_err(anyhow::Error::new)?;
    if let Some(rules) = rules.filter(|rules| !rules.is_empty()) {
        report["rules"] = serde_json::to_value(rules).map_err(anyhow::Error::new)?;
    }
    let text = serde_json::to_string_pretty(&report).map_err(anyhow::Error::new)?;
    output::result(&text);
    Ok(())
}

/// Tells how a run and its delivery have ended.
fn end(
    global: &Global,
    finished: &Finished,
    delivered: Option<Result<DeliveryResult<DeliveryReport>, Failure>>,
) -> Exit {
    match delivered {
        Some(Ok(delivered)) => {
            tell_shortfall(finished);
            jupiterone::print(global, &delivered);
            match Exit::from(deliver::ending(&delivered)) {
                Exit::Complete => finished.ending.into(),
                failed => failed,
            }
        }
        Some(Err(failure)) => {
            tell_shortfall(finished);
            let program = system::own_command();
            output::error(&failure.error.context(format!(
                "the generation is published, but it was not delivered; `{program} sync jupiterone` \
                 delivers it"
            )));
            failure.exit
        }
        None => {
            tell_shortfall(finished);
            finished.ending.into()
        }
    }
}

/// Tells why a run is not complete, whatever else is printed: a scheduler's log may be all that is read.
pub(super) fn tell_shortfall(finished: &Finished) {
    if let Some(shortfall) = finished.shortfall() {
        output::error_text(&shortfall);
    }
}

/// Finds out before a run whether its destination is the right one. That it does not answer now is a note.
async fn probe(config: &Config, jupiterone: &JupiterOne) -> Result<(), Failure> {
    if let Some(error) = core_engine::jupiterone::probe(engine(config), jupiterone, PROBE).await? {
        output::note(&format!(
            "JupiterOne does not answer as it should; the run goes on and tries again when it delivers: {error:#}"
        ));
    }
    Ok(())
}

/// Where a run delivers to.
fn destination(config: &Config) -> Option<&JupiterOne> {
    config.jupiterone.as_ref().filter(|destination| destination.after_run)
}

/// Delivers what is published, also by an earlier run whose delivery failed; nothing if nothing ever was,
/// or there is nowhere to deliver to.
async fn deliver(
    config: &Config,
    finished: &mut Finished,
    quiet: bool,
    stop: &Cancellation,
) -> Option<Result<DeliveryResult<DeliveryReport>, Failure>> {
    let jupiterone = destination(config)?;
    if finished.generation.is_none() && !is_anything_published(config) {
        return None;
    }
    let progress = Progress::new(quiet);
    let observer = progress.observer();
    let delivering = async {
        let destination = core_engine::jupiterone::destination(engine(config), jupiterone)?;
        let request = DeliveryRequest::default();
        deliver::deliver_published(engine(config), &destination, &request, &observer, stop).await
    };
    let delivered = interruptible(delivering, stop, DELIVERY).await;
    progress.finish();
    // The generation is published whatever comes of this: schedulers must not take it for deferred or
    // wrongly configured.
    let delivered = delivered.map_err(|failure| match failure.exit {
        Exit::Interrupted | Exit::Terminated => failure,
        _ => Failure { exit: Exit::DestinationFailed, ..failure },
    });
    finished.report.exit_code = match &delivered {
        Ok(delivered) if deliver::ending(delivered) == Ending::Complete => finished.ending.into(),
        Ok(_) => Exit::DestinationFailed,
        Err(failure) => failure.exit,
    } as u8;
    // The delivery has entries of its own.
    if let Ok(Some(head)) = ledger_head(config) {
        finished.report.ledger = Some(head);
    }
    finished.report.delivery = Some(match &delivered {
        Ok(delivered) => serde_json::to_value(delivered).unwrap_or_default(),
        Err(failure) => json!({ "result": "failed", "reason": format!("{:#}", failure.error) }),
    });
    Some(delivered)
}

/// Delivers what is published to every mirror that runs deliver to.
async fn mirror(
    config: &Config,
    finished: &mut Finished,
    quiet: bool,
    stop: &Cancellation,
) -> mirrors::AfterRun {
    let is_wanted = mirrors::is_any_after_run(config);
    if !is_wanted || (finished.generation.is_none() && !is_anything_published(config)) {
        return mirrors::AfterRun::default();
    }
    let mirrored = mirrors::deliver_after_run(config, quiet, stop).await;
    finished.report.mirrors = mirrored.results().into_iter().collect();
    if let Some(failed) = mirrored.failed() {
        finished.report.exit_code = failed as u8;
    }
    if let Ok(Some(head)) = ledger_head(config) {
        finished.report.ledger = Some(head);
    }
    mirrored
}

fn is_anything_published(config: &Config) -> bool {
    let tenant = engine(config).tenant();
    // A store that cannot be read is what the delivery complains about.
    tenant.map_or(true, |tenant| tenant.current().map_or(true, |current| current.is_some()))
}

fn ledger_head(config: &Config) -> Result<Option<LedgerHead>, Failure> {
    Ok(engine(config).tenant()?.ledger().head()?)
}

/// Prints the summary to standard output and the remarks to standard error.
pub(super) fn print(global: &Global, finished: &Finished, rules: Option<&RulesReport>) {
    if !finished.report.steps.is_empty() {
        let rows = finished.report.rows();
        output::result(&output::table(RunReport::HEADER, rows, 2));
    }
    if global.quiet {
        return;
    }
    for remark in finished.report.remarks() {
        output::note(&remark);
    }
    if let Some(generation) = &finished.generation {
        output::note(&format!("published generation {generation} ({})", finished.report.outcome));
    }
    if let (Some(head), Some(_)) = (&finished.report.ledger, &finished.generation) {
        output::note(&format!("ledger head {head}"));
    }
    if let Some(rules) = rules {
        rules::note(rules);
    }
}

/// The messages about something that a signal ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// It ended by itself when it was asked to.
    pub(super) ended: &'static str,
    /// It did not end in time.
    pub(super) cut_off: &'static str,
}

/// Of a run.
pub(super) const RUN: Told =
    Told { ended: "nothing was published", cut_off: "`history` tells what is published" };

/// Of a delivery.
pub(super) const DELIVERY: Told = Told {
    ended: "the job was given up before it changed anything at JupiterOne; the next delivery delivers",
    cut_off: "the job may go on at JupiterOne; the next delivery asks what became of it",
};

/// Of the rules.
pub(super) const RULES: Told = Told {
    ended: "the generation is published, and the rules were not evaluated",
    cut_off: "the generation is published, and the rules were not evaluated",
};

/// Of the rules after a run that has failed.
const RULES_AFTER_FAILURE: Told = Told {
    ended: "the run has failed, and the rules were not evaluated",
    cut_off: "the run has failed, and the rules were not evaluated",
};

/// Does something until it is done. A signal asks it to stop: it is then given some seconds, since
/// what is being published may be done yet. A second signal ends it at once.
pub(super) async fn interruptible<T, E: Into<Failure>>(
    doing: impl Future<Output = Result<T, E>>,
    stop: &Cancellation,
    told: Told,
) -> Result<T, Failure> {
    let mut doing = std::pin::pin!(doing);
    // What blocks this task, such as cleansing old generations, sees the stop through this one. It comes second,
    // so that what can end by itself within the time is told as before.
    let _listener = StopOnSignal::start(stop, GRACE + Duration::from_secs(1), told.cut_off);
    let reason = tokio::select! {
        // Signals first, so that they are listened for before anything is done.
        biased;
        reason = signal() => reason,
        done = &mut doing => {
            return done.map_err(|failure| match stop.reason() {
                Some(reason) => stopped_by(reason, told.ended),
                None => failure.into(),
            });
        }
    };
    stop.request(reason);
    let stopped = tokio::select! {
        done = tokio::time::timeout(GRACE, doing) => done.map(Result::ok),
        _ = signal() => Ok(None),
    };
    match stopped {
        Ok(Some(done)) => Ok(done),
        Ok(None) => Err(stopped_by(reason, told.ended)),
        Err(_) => Err(stopped_by(reason, told.cut_off)),
    }
}

fn stopped_by(reason: StopReason, told: &str) -> Failure {
    let error = anyhow::anyhow!("stopped by a signal; {told}");
    Failure { exit: Exit::from(reason), error }
}
