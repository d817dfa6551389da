//! A run with everything that follows it: the deliveries and the rules. What follows a run cannot hurt what it has
//! published, so that a part that fails keeps no other from its work.

mod ended;

use std::time::Duration;

use core_destination::DeliveryRequest;
use core_http::Secret;
use core_store::LedgerHead;
use serde_json::json;

pub use self::ended::{Conclusion, Ended, FailedRun};
use crate::cancellation::Cancellation;
use crate::destinations::{Delivered, DestinationKind};
use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::interruption::{Signals, Told, interruptible};
use crate::progress::Progress;
use crate::run::{self, Finished, RunOptions};
use crate::{jupiterone, processing};

/// The longest wait for an answer of a destination before a run.
const PROBE: Duration = Duration::from_secs(10);

/// A part of a run with what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The run itself.
    Run,
    /// A delivery.
    Delivery(DestinationKind),
    /// The rules.
    Rules,
    /// The rules after a run that has failed.
    RulesAfterFailure,
}

impl Part {
    /// The sentences about the part if a signal ends it.
    pub fn told(self) -> Told {
        match self {
            Self::Run => Told {
                ended: "nothing was published",
                cut_off: "`history` tells what is published",
            },
            Self::Delivery(DestinationKind::JupiterOne) => Told {
                ended: "the job was given up before it changed anything at JupiterOne; the next delivery delivers",
                cut_off: "the job may go on at JupiterOne; the next delivery asks what became of it",
            },
            // Neo4j keeps what it got; the others are as before.
            Self::Delivery(_) => Told {
                ended: "the next delivery goes on with what the destination has",
                cut_off: "the next delivery looks at what the destination has",
            },
            Self::Rules => {
                let told = "the generation is published, and the rules were not evaluated";
                Told { ended: told, cut_off: told }
            }
            Self::RulesAfterFailure => {
                let told = "the run has failed, and the rules were not evaluated";
                Told { ended: told, cut_off: told }
            }
        }
    }
}

/// Watches a run with what follows it.
pub trait Watcher {
    /// Receives a sentence for people.
    fn note(&self, text: &str);

    /// A run or a delivery begins. Returns the receiver of its events.
    fn begin(&self, part: Part) -> Progress;

    /// It has ended, and its receiver hears nothing more.
    fn end(&self, part: Part);
}

/// Evaluates the rules on what is published, and tells people what they have found.
pub trait Rules {
    /// The result of an evaluation.
    type Report;

    /// Evaluates them.
    fn evaluate(&self) -> impl Future<Output = Result<Self::Report, Failure>>;
}

/// A run with what follows it.
pub struct WholeRun<'a, S, W, R> {
    /// The tenant.
    pub engine: Engine<'a>,
    /// The secret of Nexthink's API; none if the run does not read it.
    pub secret: Option<Secret>,
    /// The choices for the run.
    pub options: &'a RunOptions,
    /// The signals that stop it.
    pub signals: &'a S,
    /// The receiver of its events.
    pub watcher: &'a W,
    /// The rules.
    pub rules: &'a R,
    /// True if people want to know of what goes wrong alone.
    pub is_quiet: bool,
}

impl<S: Signals, W: Watcher, R: Rules> WholeRun<'_, S, W, R> {
    /// Finds out whether JupiterOne is the right one, runs, delivers to each destination and evaluates the rules. The
    /// report of the run has the results of the deliveries.
    ///
    /// # Errors
    ///
    /// Nothing was run, or the run failed. The rules about the program were evaluated if there may be something to tell.
    pub async fn run(mut self) -> Result<Ended<R::Report>, FailedRun<R::Report>> {
        let (stop, secret) = (Cancellation::default(), self.secret.take());
        match self.probe_and_run(secret, &stop).await {
            Ok(mut finished) => {
                let deliveries = self.deliver(&mut finished, &stop).await;
                let rules = self.evaluate(Part::Rules, &stop).await;
                Ok(Ended { finished, deliveries, rules })
            }
            Err(failure) => {
                // A run that was stopped, that another one excludes or whose configuration is wrong has nothing to tell.
                let rules = match failure.kind {
                    FailureKind::Configuration | FailureKind::Locked | FailureKind::Stopped(_) => {
                        None
                    }
                    _ => Some(self.evaluate(Part::RulesAfterFailure, &stop).await),
                };
                Err(FailedRun { failure, rules })
            }
        }
    }

    async fn probe_and_run(
        &self,
        secret: Option<Secret>,
        stop: &Cancellation,
    ) -> Result<Finished, Failure> {
        let Self { engine, options, watcher, .. } = self;
        if let (Some(warning), false) =
            (processing::transfer_warning(engine.settings), self.is_quiet)
        {
            watcher.note(&warning);
        }
        self.probe().await?;
        let progress = watcher.begin(Part::Run);
        let running = run::run(*engine, secret, options, &progress, stop);
        let finished = interruptible(self.signals, stop, Part::Run.told(), running).await;
        watcher.end(Part::Run);
        finished
    }

    /// Finds out before a run whether its destination is the right one. That it does not answer now is a note.
    async fn probe(&self) -> Result<(), Failure> {
        let Self { engine, .. } = self;
        let jupiterone = engine.settings.jupiterone.as_ref();
        let Some(jupiterone) = jupiterone.filter(|destination| destination.after_run) else {
            return Ok(());
        };
        if let Some(error) = jupiterone::probe(*engine, jupiterone, PROBE).await? {
            self.watcher.note(&format!(
                "JupiterOne does not answer as it should; the run goes on and tries again when it delivers: {error:#}"
            ));
        }
        Ok(())
    }

    /// Delivers what is published to every destination that a run delivers to, also what an earlier run has published
    /// whose delivery failed. One that fails keeps no other from its delivery.
    async fn deliver(
        &self,
        finished: &mut Finished,
        stop: &Cancellation,
    ) -> Vec<(DestinationKind, Result<Delivered, Failure>)> {
        let Self { engine, watcher, .. } = self;
        let all = [DestinationKind::JupiterOne].into_iter().chain(DestinationKind::MIRRORS);
        let wanted: Vec<_> = all.filter(|kind| kind.is_after_run(engine.settings)).collect();
        if wanted.is_empty() || (finished.generation.is_none() && !is_anything_published(*engine)) {
            return Vec::new();
        }
        let (request, mut deliveries) = (DeliveryRequest::default(), Vec::new());
        for kind in wanted {
            let part = Part::Delivery(kind);
            let progress = watcher.begin(part);
            let delivering = kind.deliver(*engine, &request, self.is_quiet, &progress, stop);
            let delivered = interruptible(self.signals, stop, part.told(), delivering).await;
            watcher.end(part);
            // The generation is published whatever comes of this: schedulers must not take it for deferred or wrongly
            // configured.
            let delivered = delivered.map_err(|failure| match failure.kind {
                FailureKind::Stopped(_) => failure,
                _ => Failure { kind: FailureKind::DestinationFailed, ..failure },
            });
            note_in_report(finished, kind, &delivered);
            deliveries.push((kind, delivered));
        }
        finished.report.exit_code =
            (engine.host.exit_code)(ended::ending(finished.ending, &deliveries));
        // The deliveries have entries of their own.
        if let Ok(Some(head)) = ledger_head(*engine) {
            finished.report.ledger = Some(head);
        }
        deliveries
    }

    async fn evaluate(&self, part: Part, stop: &Cancellation) -> Result<R::Report, Failure> {
        if let Some(reason) = stop.reason() {
            let error = anyhow::anyhow!("the rules were not evaluated, since the run was stopped");
            return Err(Failure::new(FailureKind::Stopped(reason), error));
        }
        interruptible(self.signals, stop, part.told(), self.rules.evaluate()).await
    }
}

/// Puts the result of a delivery into the report of the run.
fn note_in_report(
    finished: &mut Finished,
    kind: DestinationKind,
    delivered: &Result<Delivered, Failure>,
) {
    let result = match delivered {
        Ok(delivered) => delivered.object.clone(),
        Err(failure) => json!({ "result": "failed", "reason": format!("{:#}", failure.error) }),
    };
    match kind {
        DestinationKind::JupiterOne => finished.report.delivery = Some(result),
        _ => _ = finished.report.mirrors.insert(kind.name().to_owned(), result),
    }
}

fn is_anything_published(engine: Engine<'_>) -> bool {
    let tenant = engine.tenant();
    // A store that cannot be read is what the delivery complains about.
    tenant.map_or(true, |tenant| tenant.current().map_or(true, |current| current.is_some()))
}

fn ledger_head(engine: Engine<'_>) -> Result<Option<LedgerHead>, Failure> {
    Ok(engine.tenant()?.ledger().head()?)
}
