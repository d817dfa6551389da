//! Fetching: all exports of a plan at once, each into a file of the staging folder.

use std::sync::Arc;
use std::time::{Duration, Instant};

use core_model::plan::{Plan, PlannedStep};
use core_nexthink::{Client, Compression, FinishedExport, NexthinkError};
use core_store::Staging;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::config::Config;
use crate::exit::Failure;
use crate::progress::Progress;

/// What became of one export.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) step_id: &'static str,
    pub(crate) query_id: String,
    pub(crate) result: Result<FinishedExport, NexthinkError>,
    pub(crate) took: Duration,
}

/// Starts the exports of all steps that run. Dropping the set stops them.
pub(crate) fn start_all(
    plan: &Plan,
    config: &Config,
    client: &Arc<Client>,
    staging: &Staging,
    progress: &Progress,
) -> Result<JoinSet<Fetched>, Failure> {
    let mut fetching = JoinSet::new();
    for PlannedStep { step, .. } in plan.steps().iter().filter(|it| it.runs()) {
        let Some(query) = step.query() else { continue };
        let query_id = config.queries[query.config_field].clone();
        let file = tokio::fs::File::from_std(staging.create_download(step.id)?);
        let (client, progress, step_id) = (Arc::clone(client), progress.clone(), step.id);
        let span = tracing::info_span!("export", step_id, query_id = query_id.as_str());
        let fetch = async move {
            let started = Instant::now();
            let mut file = file;
            let observer = |event| progress.export(step_id, &event);
            let result = client.run_export(&query_id, Compression::Zstd, &mut file, observer).await;
            Fetched {
                step_id,
                query_id: query_id.as_str().to_owned(),
                result,
                took: started.elapsed(),
            }
        };
        fetching.spawn(fetch.instrument(span));
    }
    Ok(fetching)
}
