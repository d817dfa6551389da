//! Fetching: the exports of a plan at once, as many as may run together, each into a file that the
//! next run can go on with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use core_ingest::partition::Pattern;
use core_model::plan::{Plan, PlannedStep};
use core_nexthink::{Client, Compression, ExportEvent, ExportOrder, FinishedExport, NexthinkError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::journal::Leftovers;
use super::parts;
use super::quota::Quota;
use crate::config::{Config, SavedQuery};
use crate::progress::Progress;
use crate::system::Moment;

/// Fetches exports for the steps of one run.
#[derive(Clone)]
pub(super) struct Fetcher {
    client: Arc<Client>,
    leftovers: Arc<Leftovers>,
    pub(super) quota: Quota,
    /// One permit for each export that may run now.
    slots: Arc<Semaphore>,
    pub(super) progress: Progress,
}

/// What became of the export of one step, its parts included.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) step_id: &'static str,
    pub(crate) query_id: String,
    pub(crate) result: Result<Delivery, NexthinkError>,
    /// How many exports this run has started for it.
    pub(crate) exports: u32,
    pub(crate) took: Duration,
}

/// The files of one step.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The files that make up the dataset: the whole, or its parts.
    pub(crate) files: Vec<Received>,
    /// The truncated files for which those parts were fetched: all of their rows must belong to one.
    pub(crate) truncated: Vec<Received>,
    /// Why the parts are not all of the dataset.
    pub(crate) lacking: Option<String>,
}

/// A file of results that is here.
#[derive(Debug)]
pub(crate) struct Received {
    /// The name of the download.
    pub(crate) download: String,
    /// Which values of the partition's column it was asked for.
    pub(crate) pattern: Option<Pattern>,
    pub(crate) export: FinishedExport,
}

impl Fetcher {
    pub(super) fn new(
        config: &Config,
        client: Arc<Client>,
        leftovers: Arc<Leftovers>,
        quota: Quota,
        progress: Progress,
    ) -> Fetcher {
        let slots = Arc::new(Semaphore::new(config.parallel_exports));
        Fetcher { client, leftovers, quota, slots, progress }
    }

    /// Starts to fetch for all steps that run. Dropping the set stops it.
    pub(super) fn start_all(&self, plan: &Plan, config: &Config) -> JoinSet<Fetched> {
        let mut fetching = JoinSet::new();
        for PlannedStep { step, .. } in plan.steps().iter().filter(|it| it.runs()) {
            let Some(query) = step.query() else { continue };
            let (fetcher, step_id) = (self.clone(), step.id);
            let query = config.queries[query.config_field].clone();
            let span = tracing::info_span!("export", step_id, query_id = query.id.as_str());
            let fetch = async move {
                let (started, exports) = (Instant::now(), Arc::default());
                let result = fetcher.fetch(step_id, &query, &exports).await;
                Fetched {
                    step_id,
                    query_id: query.id.as_str().to_owned(),
                    result,
                    exports: exports.load(Ordering::Relaxed),
                    took: started.elapsed(),
                }
            };
            fetching.spawn(fetch.instrument(span));
        }
        fetching
    }

    /// Fetches the whole, and its parts if it is truncated and may be split.
    async fn fetch(
        &self,
        step_id: &'static str,
        query: &SavedQuery,
        exports: &Arc<AtomicU32>,
    ) -> Result<Delivery, NexthinkError> {
        let observer = |event: &ExportEvent| {
            count_start(exports, event);
            self.progress.export(step_id, event);
        };
        let export = self.export(step_id, &whole_order(query), true, observer).await?;
        let is_truncated = export.truncated;
        let whole = Received { download: step_id.to_owned(), pattern: None, export };
        match query.partition.as_ref().filter(|_| is_truncated) {
            Some(partition) => parts::fetch(self, step_id, whole, partition, exports).await,
            None => Ok(Delivery { files: vec![whole], truncated: Vec::new(), lacking: None }),
        }
    }

    /// Runs one export into its download, when there is room for one more.
    pub(super) async fn export(
        &self,
        download: &str,
        order: &ExportOrder,
        is_promised: bool,
        observer: impl Fn(&ExportEvent),
    ) -> Result<FinishedExport, NexthinkError> {
        let (record, mut journal) =
            self.leftovers.take_up(download, order, &self.quota, is_promised);
        let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
        let file = self.leftovers.downloads().resume(download);
        let file = file.map_err(|error| NexthinkError::Sink {
            source: Arc::new(std::io::Error::other(error)),
        })?;
        let mut file = tokio::fs::File::from_std(file);
        let finished = self
            .client
            .run_export(order, record, &mut journal, &mut file, |event| observer(&event))
            .await;
        if let Err(NexthinkError::Deferred { wait, .. }) = &finished {
            self.quota.defer(Moment::now().after(*wait));
        }
        finished
    }

    /// Whether an export needs no start, since an earlier run has paid for it.
    pub(super) fn is_paid(&self, download: &str, order: &ExportOrder) -> bool {
        self.leftovers.has(download, order)
    }
}

/// How many exports a run will start, as far as that can be known: one for each query whose export
/// was not left by an earlier run, and its parts if the run before needed them.
pub(crate) fn cost(
    plan: &Plan,
    config: &Config,
    leftovers: Option<&Leftovers>,
    parts_before: &BTreeMap<String, u32>,
) -> u32 {
    let mut cost = 0;
    for PlannedStep { step, .. } in plan.steps().iter().filter(|it| it.runs()) {
        let Some(query) = step.query().and_then(|it| config.queries.get(it.config_field)) else {
            continue;
        };
        cost += u32::from(!leftovers.is_some_and(|it| it.has(step.id, &whole_order(query))));
        if query.partition.is_some() {
            cost += parts_before.get(step.id).copied().unwrap_or(0);
        }
    }
    cost
}

pub(super) fn count_start(exports: &AtomicU32, event: &ExportEvent) {
    if matches!(event, ExportEvent::Started { .. }) {
        exports.fetch_add(1, Ordering::Relaxed);
    }
}

fn whole_order(query: &SavedQuery) -> ExportOrder {
    ExportOrder {
        query: query.id.clone(),
        parameters: query.whole(),
        compression: Compression::Zstd,
    }
}
