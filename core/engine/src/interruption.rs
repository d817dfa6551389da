//! Work that signals stop: the first asks it to end, and it has some seconds for that; the second ends it at once.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::cancellation::Cancellation;
use crate::failure::{Failure, FailureKind, StopReason};

/// The time that work may take to stop.
pub const GRACE: Duration = Duration::from_secs(4);

/// Signals that ask a process to stop.
pub trait Signals {
    /// Ends the process if work blocks its task and does not see the request; does nothing once it is dropped.
    type Guard;

    /// Waits for the next signal. From the call on, also before the first poll, a signal does nothing else.
    fn next(&self) -> impl Future<Output = StopReason>;

    /// Listens on a task of its own. At the first signal it requests a stop, and `grace` later, or soon after the second
    /// signal, it ends the process, and says what that means.
    fn guard(&self, stop: &Cancellation, grace: Duration, cut_off: &'static str) -> Self::Guard;
}

/// The sentences about work that a signal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// It ended by itself when it was asked to.
    pub ended: &'static str,
    /// It did not end in time.
    pub cut_off: &'static str,
}

/// Does something until it is done. A signal asks it to stop: it is then given some seconds, since what is being
/// published may be done yet. A second signal ends it at once.
///
/// # Errors
///
/// Those of the work, or it was stopped: then that is why, whatever failed because of it.
pub async fn interruptible<T>(
    signals: &impl Signals,
    stop: &Cancellation,
    told: Told,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut work = std::pin::pin!(work);
    // What blocks this task, such as cleansing old generations, sees the stop through this one. It comes second,
    // so that what can end by itself within the time is told as before.
    let _guard = signals.guard(stop, GRACE + Duration::from_secs(1), told.cut_off);
    let reason = tokio::select! {
        // Signals first, so that they are listened for before anything is done.
        biased;
        reason = signals.next() => reason,
        done = &mut work => {
            return done.map_err(|failure| match stop.reason() {
                Some(reason) => stopped_by(reason, told.ended),
                None => failure,
            });
        }
    };
    stop.request(reason);
    let stopped = tokio::select! {
        done = tokio::time::timeout(GRACE, work) => done.map(Result::ok),
        _ = signals.next() => Ok(None),
    };
    match stopped {
        Ok(Some(done)) => Ok(done),
        Ok(None) => Err(stopped_by(reason, told.ended)),
        Err(_) => Err(stopped_by(reason, told.cut_off)),
    }
}

fn stopped_by(reason: StopReason, told: &str) -> Failure {
    Failure::new(FailureKind::Stopped(reason), anyhow::anyhow!("stopped by a signal; {told}"))
}
