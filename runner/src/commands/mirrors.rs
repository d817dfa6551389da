//! The deliveries to mirrors after a run.

use core_destination::DeliveryRequest;
use core_engine::destinations::{Delivered, DestinationKind};
use core_engine::{Cancellation, Ending};
use serde_json::{Value, json};

use super::run::{Told, interruptible};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::output;
use crate::progress::Progress;
use crate::system;

/// The sentences about a delivery to a mirror that a signal ended. Neo4j keeps what it got; the others are as before.
pub(super) const DELIVERY: Told = Told {
    ended: "the next delivery goes on with what the destination has",
    cut_off: "the next delivery looks at what the destination has",
};

/// The deliveries after a run.
#[derive(Default)]
pub(super) struct AfterRun {
    delivered: Vec<(DestinationKind, Result<Delivered, Failure>)>,
}

/// Returns true if a run is followed by a delivery to a mirror.
pub(super) fn is_any_after_run(config: &Config) -> bool {
    DestinationKind::MIRRORS.into_iter().any(|mirror| mirror.is_after_run(config))
}

/// Delivers to every mirror that a run delivers to. One that fails keeps no other from its delivery.
pub(super) async fn deliver_after_run(
    config: &Config,
    quiet: bool,
    stop: &Cancellation,
) -> AfterRun {
    let mut after = AfterRun::default();
    let request = DeliveryRequest::default();
    for mirror in DestinationKind::MIRRORS.into_iter().filter(|mirror| mirror.is_after_run(config))
    {
        let progress = Progress::new(quiet);
        let observer = progress.observer();
        let delivering = mirror.deliver(engine(config), &request, quiet, &observer, stop);
        let delivered = interruptible(delivering, stop, DELIVERY).await;
        progress.finish();
        // The generation is published whatever comes of this: schedulers must not take it for deferred or wrongly
        // configured.
        let delivered = delivered.map_err(|failure| match failure.exit {
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
            Ok(delivered) if delivered.ending == Ending::Complete => None,
            Ok(_) => Some(Exit::DestinationFailed),
            Err(failure) => Some(failure.exit),
        })
    }

    /// The results, by the name of the mirror.
    pub(super) fn results(&self) -> Vec<(String, Value)> {
        let result = |delivered: &Result<Delivered, Failure>| match delivered {
            Ok(delivered) => delivered.object.clone(),
            Err(failure) => {
                json!({ "result": "failed", "reason": format!("{:#}", failure.error) })
            }
        };
        let results = self.delivered.iter();
        results.map(|(mirror, delivered)| (mirror.name().to_owned(), result(delivered))).collect()
    }

    /// Tells the result of each.
    pub(super) fn tell(self) {
        for (mirror, delivered) in self.delivered {
            match delivered {
                Ok(delivered) => output::notes(&delivered.remarks),
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
