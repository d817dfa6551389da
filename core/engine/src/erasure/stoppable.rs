//! Work on people in the store that a signal can stop.

use std::time::Duration;

use core_store::RunLock;

use super::is_any_unfinished;
use crate::cancellation::Cancellation;
use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::interruption::Signals;

/// The time that the work has to end by itself after a signal.
const GRACE: Duration = Duration::from_secs(1);

/// The message about work that did not end by itself.
const CUT_OFF: &str =
    "an erasure that has begun is finished by the next run before it reads anything";

/// Works on the locked store until it is done, or until a signal asks it to stop. An erasure that had begun then is
/// finished by the next command that takes the lock.
///
/// # Errors
///
/// Those of the work, or another process writes to the store. Once a stop was asked for, the failure says what is left.
pub fn stoppable<T, E: From<Failure>>(
    engine: Engine<'_>,
    signals: &impl Signals,
    work: impl FnOnce(&RunLock) -> Result<T, E>,
) -> Result<T, E> {
    let stop = Cancellation::default();
    let _guard = signals.guard(&stop, GRACE, CUT_OFF);
    let lock = engine.lock_until(&stop)?;
    let done = work(&lock);
    let (Err(_), Some(reason)) = (&done, stop.reason()) else { return done };
    let error = anyhow::anyhow!("stopped by a signal; {}", left(engine, &lock)?);
    Err(Failure::new(FailureKind::Stopped(reason), error).into())
}

/// Says what a signal has left of an erasure.
fn left(engine: Engine<'_>, lock: &RunLock) -> Result<String, Failure> {
    Ok(if is_any_unfinished(engine, lock)? {
        format!(
            "the erasure is not finished: the next run finishes it before it reads anything, and so does \
             `{} privacy suppression apply`",
            engine.host.program
        )
    } else {
        "nothing was erased".to_owned()
    })
}
