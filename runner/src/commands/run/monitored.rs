//! A run, and what monitoring systems are told of it.

use core_cli::{Global, RunArguments};
use core_operations::figures;
use core_operations::{DueCheck, Health, heartbeat_after_run};

use super::run;
use crate::config::{self, Source};
use crate::exit::{EXIT_CODE_TABLE, Exit, Failure};
use crate::host::host;
use crate::output;
use crate::signals::signal;

/// Runs, writes the figures and sends the heartbeat. Neither changes how the run has ended.
pub(in crate::commands) async fn run_monitored(
    global: &Global,
    source: &Source,
    arguments: &RunArguments,
) -> Result<Exit, Failure> {
    let config = config::load(source)?;
    if let Some(path) = &arguments.metrics_file {
        figures::check_file(path)?;
    }
    let due = DueCheck::begin(&config, host(), EXIT_CODE_TABLE)?;
    if arguments.if_due && !due.as_ref().map_or(Ok(true), |due| due.is_due(&config))? {
        output::note("another process has run this tenant, so it is not due any more");
        return Ok(Exit::Complete);
    }
    let ended = run(global, &config, arguments).await;
    if let Some(due) = &due {
        due.ran(&config);
    }
    let health = || Health::read(&config, host(), EXIT_CODE_TABLE).ok();
    if let Some(path) = &arguments.metrics_file {
        let health = [(config.name.clone(), health())];
        output::notes(figures::write_after_runs(path, &health).as_slice());
    }
    #[cfg(feature = "opentelemetry")]
    crate::telemetry::collector::record(|| {
        let (name, health) = (config.name.clone(), health());
        let tenants = vec![(name.as_str(), health.as_ref())];
        figures::Figures { tenants, ..Default::default() }.to_text()
    });
    if arguments.steps.is_empty() && ended.as_ref().is_ok_and(|exit| exit.is_fresh()) {
        // The run has ended, so a signal ends the wait alone.
        tokio::select! {
            remark = heartbeat_after_run(&config) => output::notes(remark.as_slice()),
            _ = signal() => {}
        }
    }
    ended
}
