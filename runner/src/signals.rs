//! Signals that ask the program to end: SIGINT, SIGTERM, and SIGHUP, which a closed terminal sends.

#[cfg(unix)]
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use core_engine::interruption::Signals;
use core_engine::{Cancellation, StopReason};
use tokio::task::JoinHandle;

use crate::exit::Exit;
use crate::output;
#[cfg(unix)]
use crate::system;

/// True once a command decides itself what a signal does.
static IS_HANDLED: AtomicBool = AtomicBool::new(false);

/// Waits for a signal that asks to stop. From the call on, also before the first poll, ending the program is up to the
/// caller: a signal that comes before the answer is waited for is not lost.
pub(crate) fn signal() -> impl Future<Output = StopReason> {
    let received = received();
    IS_HANDLED.store(true, Ordering::SeqCst);
    received
}

/// The time that a command has to end by itself after a second signal.
const AFTER_SECOND: Duration = Duration::from_millis(500);

/// Requests a stop at the first signal, until it is dropped.
pub(crate) struct StopOnSignal(JoinHandle<()>);

impl StopOnSignal {
    /// Listens on a task of its own, so that work that blocks the task of its caller sees the request too. Work that
    /// has not ended `grace` after it, or shortly after a second signal, is ended with the program; `cut_off` says
    /// what that means.
    pub(crate) fn start(stop: &Cancellation, grace: Duration, cut_off: &'static str) -> Self {
        let stop = stop.clone();
        Self(tokio::spawn(async move {
            let reason = signal().await;
            stop.request(reason);
            tokio::select! {
                () = tokio::time::sleep(grace) => {}
                _ = signal() => tokio::time::sleep(AFTER_SECOND).await,
            }
            core_process::kill_running();
            output::note(&format!("error: stopped by a signal; {cut_off}"));
            std::process::exit(Exit::from(reason) as i32);
        }))
    }
}

impl Drop for StopOnSignal {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The signals to this process, for work of the engine.
pub(crate) struct ProcessSignals;

impl Signals for ProcessSignals {
    type Guard = StopOnSignal;

    fn next(&self) -> impl Future<Output = StopReason> {
        signal()
    }

    fn guard(&self, stop: &Cancellation, grace: Duration, cut_off: &'static str) -> StopOnSignal {
        StopOnSignal::start(stop, grace, cut_off)
    }
}

/// Stops secret commands at every signal, since they are in process groups of their own and would outlive
/// the program, and ends the program unless a command handles signals itself.
///
/// Signals are caught from the call on, also before the first poll. It must be called within a runtime.
pub(crate) fn watch() -> impl Future<Output = ()> {
    let mut next = received();
    async move {
        loop {
            let reason = next.await;
            next = received();
            core_process::kill_running();
            if !IS_HANDLED.load(Ordering::SeqCst) {
                output::note("error: stopped by a signal");
                std::process::exit(Exit::from(reason) as i32);
            }
        }
    }
}

/// True once SIGHUP is a request to read files again.
static HANGUPS_ARE_REQUESTS: AtomicBool = AtomicBool::new(false);

#[cfg(unix)]
fn received() -> impl Future<Output = StopReason> {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    async fn next(listened: io::Result<Signal>) {
        match listened {
            Ok(mut signals) => {
                signals.recv().await;
            }
            // Without a handler the system's own takes the program down, which is as good.
            Err(_) => std::future::pending().await,
        }
    }
    let interrupted = signal(SignalKind::interrupt());
    let terminated = signal(SignalKind::terminate());
    // A handler would undo `nohup`.
    let hung_up = system::ends_at_hangup().then(|| signal(SignalKind::hangup()));
    async {
        let hung_up = async {
            if let Some(Ok(mut signals)) = hung_up {
                while signals.recv().await.is_some() {
                    if !HANGUPS_ARE_REQUESTS.load(Ordering::SeqCst) {
                        return;
                    }
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = next(interrupted) => StopReason::Interrupted,
            () = next(terminated) => StopReason::Terminated,
            () = hung_up => StopReason::Terminated,
        }
    }
}

#[cfg(not(unix))]
async fn received() -> StopReason {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the system's own takes the program down, which is as good.
        std::future::pending::<()>().await;
    }
    StopReason::Interrupted
}

/// Requests to read files again: SIGHUP, where the system has it. From the first of these on, the signal does not end
/// the program.
pub(crate) struct Hangups {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        HANGUPS_ARE_REQUESTS.store(true, Ordering::SeqCst);
        Self {
            #[cfg(unix)]
            signals: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals
            && signals.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}
