//! A run, and what monitoring systems are told of it.

use std::path::Path;

use super::run;
use crate::cli::{Global, RunArguments};
use crate::config::{self, Source};
use crate::exit::{Exit, Failure};
use crate::health::Health;
use crate::metrics::{self, Figures};
use crate::{heartbeat, output};

/// Runs, writes the figures and sends the heartbeat. Neither changes how the run has ended.
pub(in crate::commands) async fn run_monitored(
    global: &Global,
    source: &Source,
    arguments: &RunArguments,
) -> Result<Exit, Failure> {
    let config = config::load(source)?;
    if let Some(path) = &arguments.metrics_file {
        metrics::check_file(path)?;
    }
    let ended = run(global, &config, arguments).await;
    if let Some(path) = &arguments.metrics_file {
        let health = Health::read(&config).ok();
        write_figures(path, &[(source.tenant_name(&config), health)]);
    }
    if ended.as_ref().is_ok_and(|exit| exit.is_fresh()) {
        heartbeat::send(&config).await;
    }
    ended
}

/// Writes the figures of tenants. A run that has ended must not fail for it.
pub(in crate::commands) fn write_figures(path: &Path, tenants: &[(String, Option<Health>)]) {
    let tenants = tenants.iter().map(|(name, health)| (name.as_str(), health.as_ref()));
    let figures = Figures { tenants: tenants.collect(), ..Figures::default() };
    if let Err(failure) = metrics::write(path, &figures) {
        output::note(&format!("the metrics were not written: {:#}", failure.error));
    }
}
