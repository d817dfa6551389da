//! `sync` and `purge` for mirrors, and the deliveries to them after a run.

use core_destination::mirror::{MirrorDecision, MirrorReport, MirrorRules, messages};
use core_destination::{DeliveryRequest, DeliveryResult, Destination};
use core_engine::{Cancellation, Ending, deliver, mirrors};
use serde_json::{Value, json};

use super::opened::Opened;
use super::run::{Told, interruptible};
use crate::cli::{Global, PurgeArguments, ReportFormat, SyncArguments};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::output;
use crate::progress::Progress;
use crate::system;

/// The messages about a delivery to a mirror that a signal ended.
const DELIVERY: Told = Told {
    ended: "the destination is as it was before; the next delivery delivers",
    cut_off: "the next delivery looks at what the destination has",
};

/// A mirror, as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mirror {
    /// A Postgres database.
    Postgres,
    /// A folder of Delta tables.
    Delta,
}

/// All mirrors, in the order in which a run delivers to them.
const ALL: [Mirror; 2] = [Mirror::Postgres, Mirror::Delta];

impl Mirror {
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => core_postgres::NAME,
            Self::Delta => core_delta::NAME,
        }
    }

    /// Returns true if a run delivers to it.
    fn is_after_run(self, config: &Config) -> bool {
        match self {
            Self::Postgres => config.postgres.as_ref().is_some_and(|postgres| postgres.after_run),
            Self::Delta => config.delta.as_ref().is_some_and(|delta| delta.after_run),
        }
    }

    fn rules(self, config: &Config) -> Result<MirrorRules, Failure> {
        let place = match self {
            Self::Postgres => postgres(config)?.settings.place(),
            Self::Delta => delta(config)?.settings.place(),
        };
        Ok(mirrors::rules(engine(config), self.name(), place))
    }

    /// Delivers what is published.
    async fn deliver(
        self,
        config: &Config,
        request: &DeliveryRequest,
        quiet: bool,
        stop: &Cancellation,
    ) -> Result<DeliveryResult<MirrorReport>, Failure> {
        let progress = Progress::new(quiet);
        let delivered = match self {
            Self::Postgres => {
                let destination = mirrors::postgres(engine(config), postgres(config)?)?;
                deliver_to(config, &destination, request, &progress, stop).await
            }
            Self::Delta => {
                let destination = mirrors::delta(engine(config), delta(config)?);
                deliver_to(config, &destination, request, &progress, stop).await
            }
        };
        progress.finish();
        delivered
    }
}

async fn deliver_to<D>(
    config: &Config,
    destination: &D,
    request: &DeliveryRequest,
    progress: &Progress,
    stop: &Cancellation,
) -> Result<DeliveryResult<MirrorReport>, Failure>
where
    D: Destination<Report = MirrorReport, Decision = MirrorDecision>,
{
    let observer = progress.observer();
    let delivering =
        deliver::deliver_published(engine(config), destination, request, &observer, stop);
    interruptible(delivering, stop, DELIVERY).await
}

fn postgres(config: &Config) -> Result<&core_engine::settings::Postgres, Failure> {
    config.postgres.as_ref().ok_or_else(|| {
        Failure::usage(
            "there is no such destination: add `[destinations.postgres]` with `host`, `database` and `user` to the \
             configuration",
        )
    })
}

fn delta(config: &Config) -> Result<&core_engine::settings::Delta, Failure> {
    config.delta.as_ref().ok_or_else(|| {
        Failure::usage(
            "there is no such destination: add `[destinations.delta]` with `folder` to the configuration",
        )
    })
}

/// Delivers the published generation, or shows what that would change.
pub(super) async fn sync(
    global: &Global,
    mirror: Mirror,
    arguments: &SyncArguments,
) -> Result<Exit, Failure> {
    let request = DeliveryRequest {
        accept_destination: arguments.accept_destination,
        full: arguments.full,
        ..DeliveryRequest::default()
    };
    Box::pin(deliver_or_preview(global, mirror, request, arguments.dry_run, arguments.output)).await
}

/// Removes types there, with all that touches them.
pub(super) async fn purge(
    global: &Global,
    mirror: Mirror,
    arguments: &PurgeArguments,
) -> Result<Exit, Failure> {
    let purge = arguments.types.clone();
    let request = DeliveryRequest { purge, ..DeliveryRequest::default() };
    Box::pin(deliver_or_preview(global, mirror, request, arguments.dry_run, arguments.output)).await
}

async fn deliver_or_preview(
    global: &Global,
    mirror: Mirror,
    request: DeliveryRequest,
    dry_run: bool,
    format: ReportFormat,
) -> Result<Exit, Failure> {
    let config = super::configured(global)?;
    let done = if dry_run {
        preview(global, &config, mirror, &request, format)
    } else {
        deliver(global, &config, mirror, &request, format).await
    };
    if let (Err(failure), ReportFormat::Json) = (&done, format) {
        print_json(&json!({
            "result": "failed",
            "reason": format!("{:#}", failure.error),
            "exitCode": failure.exit as u8,
        }))?;
    }
    done
}

fn preview(
    global: &Global,
    config: &Config,
    mirror: Mirror,
    request: &DeliveryRequest,
    format: ReportFormat,
) -> Result<Exit, Failure> {
    let rules = mirror.rules(config)?;
    let opened = Opened::new(global)?;
    rules.check(&opened.tenant, request)?;
    let generation = opened.reader().generation(None)?;
    let decision = rules.plan(&opened.tenant, generation, request)?;
    if format == ReportFormat::Json {
        print_json(&messages::decision_json(&decision))?;
        return Ok(Exit::Complete);
    }
    output::result(&messages::decision_table(&decision, output::terminal_columns()));
    for line in messages::decision_remarks(&decision) {
        output::note(&line);
    }
    Ok(Exit::Complete)
}

async fn deliver(
    global: &Global,
    config: &Config,
    mirror: Mirror,
    request: &DeliveryRequest,
    format: ReportFormat,
) -> Result<Exit, Failure> {
    let stop = Cancellation::default();
    let delivered = mirror.deliver(config, request, global.quiet, &stop).await?;
    let exit = Exit::from(deliver::ending(&delivered));
    if format == ReportFormat::Json {
        let mut report = json!(delivered);
        report["exitCode"] = json!(exit as u8);
        print_json(&report)?;
    }
    print(mirror, &delivered, global.quiet);
    Ok(exit)
}

fn print_json(report: &Value) -> Result<(), Failure> {
    output::result(&serde_json::to_string_pretty(report).map_err(anyhow::Error::new)?);
    Ok(())
}

fn print(mirror: Mirror, delivered: &DeliveryResult<MirrorReport>, quiet: bool) {
    for line in messages::delivery(mirror.name(), delivered, quiet) {
        output::note(&line);
    }
}

/// The deliveries after a run.
#[derive(Default)]
pub(super) struct AfterRun {
    delivered: Vec<(Mirror, Result<DeliveryResult<MirrorReport>, Failure>)>,
}

/// Returns true if a run is followed by a delivery to a mirror.
pub(super) fn is_any_after_run(config: &Config) -> bool {
    ALL.into_iter().any(|mirror| mirror.is_after_run(config))
}

/// Delivers to every mirror that a run delivers to. One that fails keeps no other from its delivery.
pub(super) async fn deliver_after_run(
    config: &Config,
    quiet: bool,
    stop: &Cancellation,
) -> AfterRun {
    let mut after = AfterRun::default();
    let request = DeliveryRequest::default();
    for mirror in ALL.into_iter().filter(|mirror| mirror.is_after_run(config)) {
        let delivering = mirror.deliver(config, &request, quiet, stop);
        // The generation is published whatever comes of this: schedulers must not take it for deferred or wrongly
        // configured.
        let delivered = delivering.await.map_err(|failure| match failure.exit {
            Exit::Interrupted | Exit::Terminated => failure,
            _ => Failure { exit: Exit::DestinationFailed, ..failure },
        });
        after.delivered.push((mirror, delivered));
    }
    after
}

impl AfterRun {
    /// The exit code of the first delivery that failed.
    pub(super) fn failed(&self) -> Option<Exit> {
        self.delivered.iter().find_map(|(_, delivered)| match delivered {
            Ok(delivered) if deliver::ending(delivered) == Ending::Complete => None,
            Ok(_) => Some(Exit::DestinationFailed),
            Err(failure) => Some(failure.exit),
        })
    }

    /// The results, by the name of the mirror.
    pub(super) fn results(&self) -> Vec<(String, Value)> {
        let result = |delivered: &Result<DeliveryResult<MirrorReport>, Failure>| match delivered {
            Ok(delivered) => serde_json::to_value(delivered).unwrap_or_default(),
            Err(failure) => {
                json!({ "result": "failed", "reason": format!("{:#}", failure.error) })
            }
        };
        let results = self.delivered.iter();
        results.map(|(mirror, delivered)| (mirror.name().to_owned(), result(delivered))).collect()
    }

    /// Tells what came of each.
    pub(super) fn tell(self, quiet: bool) {
        for (mirror, delivered) in self.delivered {
            match delivered {
                Ok(delivered) => print(mirror, &delivered, quiet),
                Err(failure) => {
                    let program = system::own_command();
                    output::error(&failure.error.context(format!(
                        "the generation is published, but it was not delivered; `{program} sync {}` delivers it",
                        mirror.name()
                    )));
                }
            }
        }
    }
}
