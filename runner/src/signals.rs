//! Signals that ask the program to end.

use std::sync::atomic::{AtomicBool, Ordering};

use core_engine::StopReason;

use crate::config::kill_secret_commands;
use crate::exit::Exit;
use crate::output;

/// Whether a command has begun to decide itself what a signal does.
static IS_HANDLED: AtomicBool = AtomicBool::new(false);

/// Waits for a signal that asks to stop. From the first call on, ending the program is up to the caller.
pub(crate) async fn signal() -> StopReason {
    IS_HANDLED.store(true, Ordering::SeqCst);
    received().await
}

/// Stops secret commands at every signal, since they are in process groups of their own and would outlive
/// the program, and ends the program unless a command handles signals itself.
pub(crate) async fn watch() {
    loop {
        let reason = received().await;
        kill_secret_commands();
        if !IS_HANDLED.load(Ordering::SeqCst) {
            output::note("error: stopped by a signal");
            std::process::exit(Exit::from(reason) as i32);
        }
    }
}

#[cfg(unix)]
async fn received() -> StopReason {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        return interrupted().await;
    };
    tokio::select! {
        reason = interrupted() => reason,
        _ = terminated.recv() => StopReason::Terminated,
    }
}

#[cfg(not(unix))]
async fn received() -> StopReason {
    interrupted().await
}

async fn interrupted() -> StopReason {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the system's own takes the program down, which is as good.
        std::future::pending::<()>().await;
    }
    StopReason::Interrupted
}
