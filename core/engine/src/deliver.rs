//! Delivers the published generation to a destination, under the destination's lock, with an entry in the ledger
//! before and after. Everything about one destination is behind [`Destination`]. A failed delivery does not affect
//! the published generation.

use core_destination::{DeliveryReport, DeliveryRequest, DeliveryResult, Destination};
use core_store::DeliveryLock;
use tracing::Instrument as _;

use crate::cancellation::Cancellation;
use crate::engine::Engine;
use crate::failure::{Ending, Failure, FailureKind};
use crate::ledger::{self, Event};
use crate::progress::Progress;

/// Returns the ending of a delivery. It is a failed one if the destination rejected objects or deleted unexpected
/// ones, even if most of it has arrived.
pub fn ending<R: DeliveryReport>(delivered: &DeliveryResult<R>) -> Ending {
    if delivered.is_whole() {
        Ending::Complete
    } else {
        Ending::Failed(FailureKind::DestinationFailed)
    }
}

/// Takes the lock for deliveries to a destination.
///
/// # Errors
///
/// Another delivery to it is running, or the store cannot be used.
pub fn lock(engine: Engine<'_>, name: &str) -> Result<DeliveryLock, Failure> {
    Ok(engine.tenant()?.lock_delivery(name, &engine.host.lock_owner())?)
}

/// Delivers the published generation. The ledger records the beginning and the end of the delivery.
///
/// # Errors
///
/// Nothing is published, another delivery is running, or the destination failed.
pub async fn deliver_published<D: Destination>(
    engine: Engine<'_>,
    destination: &D,
    request: &DeliveryRequest,
    progress: &Progress,
    cancellation: &Cancellation,
) -> Result<DeliveryResult<D::Report>, Failure> {
    let name = destination.name();
    let lock = lock(engine, name)?;
    let tenant = lock.tenant();
    let generation = tenant.current()?.ok_or_else(|| {
        Failure::configuration(format!(
            "tenant {} has no generation yet: `{} run` publishes one",
            tenant.name(),
            engine.host.program
        ))
    })?;
    let id = generation.id().to_string();
    let account = destination.account();
    let started = Event::DeliveryStarted { destination: name, account, generation: &id };
    ledger::record(engine.host, tenant, &started)?;
    let tell = |text: &str| progress.tell(name, text);
    let stop = cancellation.requested();
    let span = tracing::info_span!("deliver", destination = name);
    let delivering = destination.deliver(&lock, generation, request, &tell, stop).instrument(span);
    let ended = Box::pin(delivering).await;
    let ended = ended.map_err(Failure::from);
    let (job, ending) = match &ended {
        Ok(delivered) => (delivered.job(), ending(delivered)),
        Err(failure) => (None, cancellation.ending_after(failure)),
    };
    let exit_code = (engine.host.exit_code)(ending);
    let event = Event::DeliveryEnded { destination: name, generation: &id, job, exit_code };
    if let Err(error) = ledger::record(engine.host, tenant, &event) {
        tracing::error!(%error, "the end of the delivery is not in the ledger");
    }
    ended
}
