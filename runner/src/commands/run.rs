//! `run`: fetches everything and publishes a new generation.

use crate::cli::{Global, ReportFormat, RunArguments};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::progress::Progress;
use crate::run::{self, Published, RunOptions, Stop};

/// Runs, and prints the report.
pub(super) async fn run(
    global: &Global,
    config: &Config,
    arguments: &RunArguments,
) -> Result<Exit, Failure> {
    let secret = config.client_secret.resolve();
    let secret = secret.map_err(|error| Failure { exit: Exit::Configuration, error })?;
    let options = RunOptions {
        steps: arguments.steps.clone(),
        accept_shrink: arguments.accept_shrink.clone(),
    };
    let progress = Progress::new(global.quiet);
    let stop = Stop::default();
    let running = run::run(config, secret, &options, &progress, &stop);
    let published = interruptible(running, &stop).await;
    progress.finish();
    let published = published?;
    match arguments.output {
        ReportFormat::Table => print(global, &published),
        ReportFormat::Json => {
            let report = serde_json::to_string_pretty(&published.report);
            output::result(&report.map_err(anyhow::Error::new)?);
        }
    }
    Ok(published.exit)
}

/// Prints the summary to standard output and the remarks to standard error.
pub(super) fn print(global: &Global, published: &Published) {
    output::result(&published.report.table());
    if global.quiet {
        return;
    }
    for remark in published.report.remarks() {
        output::note(&remark);
    }
    let generation = published.generation.id();
    output::note(&format!("published generation {generation} ({})", published.report.outcome));
}

/// Does something until it is done or a signal asks to stop.
pub(super) async fn interruptible<T>(
    doing: impl Future<Output = Result<T, Failure>>,
    stop: &Stop,
) -> Result<T, Failure> {
    tokio::select! {
        done = doing => done,
        exit = signal() => {
            stop.request();
            Err(Failure { exit, error: anyhow::anyhow!("stopped by a signal; nothing was published") })
        }
    }
}

/// Waits for a signal that asks to stop.
#[cfg(unix)]
pub(super) async fn signal() -> Exit {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        return interrupt().await;
    };
    tokio::select! {
        exit = interrupt() => exit,
        _ = terminated.recv() => Exit::Terminated,
    }
}

/// Waits for a signal that asks to stop.
#[cfg(not(unix))]
pub(super) async fn signal() -> Exit {
    interrupt().await
}

async fn interrupt() -> Exit {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the system's own takes the program down, which is as good.
        std::future::pending::<()>().await;
    }
    Exit::Interrupted
}
