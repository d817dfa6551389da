//! `run`: fetches everything and publishes a new generation.

mod monitored;

use core_cli::{Global, ReportFormat, RunArguments, SeverityName};
use core_engine::run::report::RunReport;
use core_engine::run::{Finished, RunOptions};
use core_engine::whole_run::{Conclusion, Ended, FailedRun, Rules, WholeRun};
use core_evaluation::RulesReport;
use core_nexthink::Secret;
use core_reading::Reader;

pub(super) use self::monitored::run_monitored;
use super::{opened, rules};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::host::{engine, host};
use crate::progress::Watching;
use crate::signals::ProcessSignals;
use crate::{output, system};

/// Runs, and prints the report.
pub(super) async fn run(
    global: &Global,
    config: &Config,
    arguments: &RunArguments,
) -> Result<Exit, Failure> {
    config.warnings.exposures.iter().for_each(|exposure| tracing::warn!("{exposure}"));
    let secret = config.reads_api().then(|| config.read_client_secret()).transpose();
    let secret = secret.map_err(|error| Failure { exit: Exit::Configuration, error })?;
    let options = RunOptions {
        steps: arguments.steps.clone(),
        accept_shrink: arguments.accept_shrink.clone(),
    };
    let ended = whole_run(global, config, secret, &options).await?;
    match arguments.output {
        ReportFormat::Table => print(global, &ended.finished, ended.rules.as_ref().ok()),
        ReportFormat::Json => print_json(&ended)?,
    }
    tell(&ended);
    conclude(ended, arguments.fail_on)
}

/// Runs, with all that follows.
pub(super) async fn whole_run(
    global: &Global,
    config: &Config,
    secret: Option<Secret>,
    options: &RunOptions,
) -> Result<Ended<RulesReport>, Failure> {
    let run = WholeRun {
        engine: engine(config),
        secret,
        options,
        signals: &ProcessSignals,
        watcher: &Watching::new(global.quiet),
        rules: &RulesOf { global, config },
        is_quiet: global.quiet,
    };
    Box::pin(run.run()).await.map_err(|FailedRun { failure, rules }| {
        match rules {
            Some(Ok(report)) if !global.quiet => rules::note(&report),
            // The failure of the run is what matters.
            Some(Err(failure)) => output::note(&format!("{:#}", failure.error)),
            _ => {}
        }
        failure.into()
    })
}

/// The rules of a configured tenant.
struct RulesOf<'a> {
    global: &'a Global,
    config: &'a Config,
}

impl Rules for RulesOf<'_> {
    type Report = RulesReport;

    async fn evaluate(&self) -> Result<RulesReport, core_engine::Failure> {
        let Self { global, config } = self;
        let (tenant, folder) = (engine(config).tenant()?, opened::folder(global));
        let reader = Reader {
            tenant: &tenant,
            settings: Some(config),
            host: host(),
            folder: Some(&folder),
            tell: output::note,
            is_quiet: global.quiet,
        };
        rules::after_run(global, &reader).await
    }
}

/// Prints the report of the run, with that of its rules, as one object.
fn print_json(ended: &Ended<RulesReport>) -> Result<(), Failure> {
    let mut report = serde_json::to_value(&ended.finished.report).map_err(anyhow::Error::new)?;
    if let Ok(rules) = ended.rules.as_ref()
        && !rules.is_empty()
    {
        report["rules"] = serde_json::to_value(rules).map_err(anyhow::Error::new)?;
    }
    Ok(output::json(&report)?)
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
    output::notes(&finished.report.remarks());
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

/// Tells why a run is not complete, whatever else is printed, since a scheduler's log may be all that is read; then how
/// each delivery has ended.
pub(super) fn tell<Report>(ended: &Ended<Report>) {
    if let Some(shortfall) = ended.finished.shortfall() {
        output::error_text(&shortfall);
    }
    for (kind, delivered) in &ended.deliveries {
        match delivered {
            Ok(delivered) => output::notes(&delivered.remarks),
            Err(failure) => output::error_text(&format!(
                "the generation is published, but it was not delivered; `{} sync {}` delivers it: {:#}",
                system::own_command(),
                kind.name(),
                failure.error
            )),
        }
    }
}

/// Returns the exit code of a run with all that followed it, and tells of the rules.
pub(super) fn conclude(
    ended: Ended<RulesReport>,
    fail_on: Option<SeverityName>,
) -> Result<Exit, Failure> {
    let has_fired = ended.rules.as_ref().is_ok_and(|report| rules::tell_fired(report, fail_on));
    let (conclusion, ending) = (ended.conclusion(has_fired), ended.ending());
    match (conclusion, ended.rules) {
        (Conclusion::RulesFailed, Err(failure)) => Err(failure.into()),
        (Conclusion::RuleFired, _) => Ok(Exit::RuleFired),
        (_, rules) => {
            if let Err(failure) = rules {
                output::error(&failure.error);
            }
            Ok(ending.into())
        }
    }
}
