//! Fetches the exports of a plan in parallel, within the limit, each into a file that the next run can resume.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use core_ingest::partition::Pattern;
use core_model::plan::{Plan, PlannedStep};
use core_model::step::Step;
use core_nexthink::{
    Client, Compression, Endpoint, ErrorKind, ExportEvent, ExportId, ExportOrder, FinishedExport,
    NexthinkError, QueryId,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::encrypted_downloads::Files;
use super::fetch_files::{self, FetchFileError};
use super::narrowing::Narrowing;
use super::query_text::QueryTexts;
use super::quota::{ExportEstimate, Quota, QuotaReservation};
use super::resumable_exports::ResumableExports;
use super::state::RunState;
use super::{audit_table, parts};
use crate::engine::Engine;
use crate::export_files::FilePattern;
use crate::host::Host;
use crate::progress::Progress;
use crate::settings::SavedQuery;

/// Fetches exports for the steps of one run.
#[derive(Clone)]
pub(super) struct Fetcher {
    /// None if everything is read from files.
    client: Option<Arc<Client>>,
    files: Files,
    resumable: Arc<ResumableExports>,
    pub(super) quota: Quota,
    /// A permit for each parallel export.
    slots: Arc<Semaphore>,
    /// The checks of the texts of queries.
    texts: QueryTexts,
    pub(super) progress: Progress,
    /// The time that Nexthink took last to prepare the export of each query, by its ID.
    usual_times: Arc<BTreeMap<String, Duration>>,
}

/// The result of the export of one step, its parts included.
#[derive(Debug)]
pub(super) struct Fetched {
    pub step_id: &'static str,
    /// The saved query, or the names of the files.
    pub source: FetchedFrom,
    pub result: Result<FetchedFiles, FetchError>,
    /// The number of exports that this run has started for it.
    pub exports: u32,
    pub took: Duration,
}

/// The source of the rows of a step.
#[derive(Debug)]
pub(super) enum FetchedFrom {
    /// The export of a saved query.
    Query(QueryId),
    /// Files that another program has written.
    Files(Vec<FilePattern>),
}

/// The failure to fetch the files of a step.
#[derive(Debug, Clone)]
pub(super) enum FetchError {
    /// An export failed.
    Export(NexthinkError),
    /// A file cannot be used.
    File(FetchFileError),
}

/// The files of one step.
#[derive(Debug, Default)]
pub(super) struct FetchedFiles {
    /// The files that make up the dataset: the whole, or its parts.
    pub files: Vec<FetchedFile>,
    /// The truncated files for which parts were fetched. Each of their rows must belong to a part.
    pub truncated: Vec<FetchedFile>,
    /// The reason why the parts are not the whole dataset.
    pub lacking: Option<String>,
    /// The number of exported parts, including those that were split further.
    pub parts: u32,
    /// The clauses by which the saved queries leave out rows, as far as they are known.
    pub narrowing: Narrowing,
    /// The time that Nexthink took to prepare the whole, if this run saw that.
    pub prepared: Option<Duration>,
    /// The times of the last change of files in place of an export, in milliseconds since 1970-01-01 UTC.
    pub modified_ms: Vec<u64>,
}

/// A results file that has arrived.
#[derive(Debug)]
pub(super) struct FetchedFile {
    /// The name of the download.
    pub download: String,
    /// The pattern of the partition column that the part was requested for.
    pub pattern: Option<Pattern>,
    /// The export; none if another program has written the file.
    pub export_id: Option<ExportId>,
    /// True if the file was cut at the licence's maximum number of rows.
    pub truncated: bool,
    /// Its size.
    pub bytes: u64,
    /// True if its length proves that nothing is missing at its end.
    pub length_proven: bool,
}

impl FetchedFile {
    /// The file of an export.
    pub(super) fn exported(
        download: String,
        pattern: Option<Pattern>,
        export: FinishedExport,
    ) -> Self {
        let FinishedExport { export_id, truncated, bytes, length_proven, prepared: _ } = export;
        Self { download, pattern, export_id: Some(export_id), truncated, bytes, length_proven }
    }
}

impl FetchError {
    /// The kind of failure.
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::Export(error) => error.kind(),
            Self::File(error) => error.kind(),
        }
    }

    /// Returns the message with its causes.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Export(error) => format!("{:#}", anyhow::Error::new(error.clone())),
            Self::File(error) => error.to_string(),
        }
    }
}

impl fmt::Display for FetchedFrom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(id) => write!(formatter, "{id}"),
            Self::Files(patterns) => {
                let patterns: Vec<_> = patterns.iter().map(ToString::to_string).collect();
                formatter.write_str(&patterns.join(", "))
            }
        }
    }
}

impl Fetcher {
    pub(super) fn new(
        engine: Engine<'_>,
        client: Option<Arc<Client>>,
        files: Files,
        resumable: Arc<ResumableExports>,
        quota: Quota,
        progress: Progress,
    ) -> Fetcher {
        let slots = Arc::new(Semaphore::new(engine.settings.parallel_exports));
        let (texts, usual_times) = (QueryTexts::new(BTreeSet::new()), Arc::default());
        Fetcher { client, files, resumable, quota, slots, texts, progress, usual_times }
    }

    /// Uses what the previous run has learned: the times of the exports schedule the first poll of each query.
    pub(super) fn after(mut self, before: &RunState) -> Self {
        self.texts = QueryTexts::new(before.failed_checks.clone());
        let times = before.prepared_ms.iter();
        let times = times.map(|(id, ms)| (id.clone(), Duration::from_millis(*ms)));
        self.usual_times = Arc::new(times.collect());
        self
    }

    /// Starts fetching for all steps that run, each with a reservation of the day's exports. Dropping the returned
    /// set stops it. The returned reservation is for the table of the audit trail.
    pub(super) fn start_all(
        &self,
        plan: &Plan,
        engine: Engine<'_>,
        estimates: &BTreeMap<&'static str, ExportEstimate>,
    ) -> (JoinSet<Fetched>, QuotaReservation) {
        let mut fetching = JoinSet::new();
        let mut reservations = self.reservations(estimates);
        let mut reservation_of =
            |name| reservations.remove(name).unwrap_or_else(|| self.quota.reserve_up_to(0));
        for PlannedStep { step, .. } in plan.steps().iter().filter(|planned| planned.runs()) {
            let Some(query) = step.query() else { continue };
            let (fetcher, step, step_id) = (self.clone(), *step, step.id);
            if let Some(patterns) = engine.settings.files.get(query.config_field) {
                fetching.spawn(fetcher.copy_files(step_id, patterns.clone(), engine.host.clone()));
                continue;
            }
            let query = engine.settings.queries[query.config_field].clone();
            let reservation = reservation_of(step_id);
            let span = tracing::info_span!("export", step_id, query_id = query.id.as_str());
            let fetch = async move {
                let (started, exports) = (Instant::now(), Arc::default());
                // Boxed, since the futures of a run are as large as the largest one.
                let result = Box::pin(fetcher.fetch(step, &query, reservation, &exports)).await;
                Fetched {
                    step_id,
                    source: FetchedFrom::Query(query.id),
                    result: result.map_err(FetchError::Export),
                    exports: exports.load(Ordering::Relaxed),
                    took: started.elapsed(),
                }
            };
            fetching.spawn(fetch.instrument(span));
        }
        (fetching, reservation_of(audit_table::NAME))
    }

    /// Copies the files of a step that needs no export.
    async fn copy_files(
        self,
        step_id: &'static str,
        patterns: Vec<FilePattern>,
        host: Host,
    ) -> Fetched {
        let started = Instant::now();
        let result = fetch_files::fetch(step_id, &patterns, &self.files, host.now()).await;
        Fetched {
            step_id,
            source: FetchedFrom::Files(patterns),
            result: result.map_err(FetchError::File),
            exports: 0,
            took: started.elapsed(),
        }
    }

    /// The client, which exists if any export runs.
    fn client(&self) -> &Client {
        self.client.as_ref().expect("who has a query to export has a client")
    }

    /// The exports that each step may start. Whole queries come first: the number of parts is a guess, and must not
    /// take an export that another step certainly needs.
    fn reservations(
        &self,
        estimates: &BTreeMap<&'static str, ExportEstimate>,
    ) -> BTreeMap<&'static str, QuotaReservation> {
        let wholes =
            estimates.iter().map(|(id, estimate)| (*id, self.quota.reserve_up_to(estimate.wholes)));
        let mut reservations: BTreeMap<_, _> = wholes.collect();
        for (reservation, estimate) in reservations.values_mut().zip(estimates.values()) {
            reservation.add(self.quota.reserve_up_to(estimate.parts));
        }
        reservations
    }

    /// Fetches the whole query, and its parts if it is truncated and may be split.
    async fn fetch(
        &self,
        step: &'static Step,
        query: &SavedQuery,
        mut reservation: QuotaReservation,
        exports: &Arc<AtomicU32>,
    ) -> Result<FetchedFiles, NexthinkError> {
        let step_id = step.id;
        let observer = |event: &ExportEvent| {
            count_start(exports, event);
            self.progress.export(step_id, event);
        };
        let usual_time = self.usual_times.get(query.id.as_str()).copied();
        let order = ExportOrder { usual_time, ..whole_order(query) };
        let own = reservation.take(u32::from(!self.is_paid(step_id, &order)));
        let exporting = self.export(step_id, &order, own, observer);
        let checking = self.texts.check(self.client(), step, &query.id, &order.parameters);
        let (export, mut narrowing) = QueryTexts::check_during(exporting, checking).await?;
        let (is_truncated, prepared) = (export.truncated, export.prepared);
        let whole = FetchedFile::exported(step_id.to_owned(), None, export);
        let mut delivery = match query.partition.as_ref().filter(|_| is_truncated) {
            Some(partition) => {
                let part = partition.values.iter().take(1);
                let part = part
                    .map(|pattern| (partition.parameter.clone(), pattern.to_string()))
                    .collect();
                let exporting = parts::fetch(self, step, whole, partition, reservation, exports);
                let checking = self.texts.check(self.client(), step, &partition.query, &part);
                let (parts, of_parts) = QueryTexts::check_during(exporting, checking).await?;
                narrowing.add(of_parts);
                parts
            }
            None => FetchedFiles::whole(whole),
        };
        (delivery.narrowing, delivery.prepared) = (narrowing, prepared);
        Ok(delivery)
    }

    /// Runs one export into its download, once a slot is free.
    pub(super) async fn export(
        &self,
        download: &str,
        order: &ExportOrder,
        reservation: QuotaReservation,
        observer: impl Fn(&ExportEvent),
    ) -> Result<FinishedExport, NexthinkError> {
        let (record, mut journal) =
            self.resumable.take_up(&self.files, download, order, reservation);
        let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
        let file = self.files.write(download);
        let mut file = file.map_err(|error| NexthinkError::Sink { source: Arc::new(error) })?;
        let finished = self
            .client()
            .run_export(order, record, &mut journal, &mut file, |event| observer(&event))
            .await;
        // The limit of a day is told by any call about exports: NQL API 1.2.0 documents it for the status alone.
        if let Err(NexthinkError::Deferred {
            endpoint: Endpoint::StartExport | Endpoint::ExportStatus,
            wait,
            ..
        }) = &finished
        {
            self.quota.defer(*wait);
        }
        finished
    }

    /// Returns true if an earlier run has already paid for an export.
    pub(super) fn is_paid(&self, download: &str, order: &ExportOrder) -> bool {
        self.resumable.is_paid(download, order)
    }

    /// Returns the time at which an earlier run started an export that it has paid for, in milliseconds since
    /// 1970-01-01 UTC by the clock of the quota.
    pub(super) fn paid_at(&self, download: &str, order: &ExportOrder) -> Option<u64> {
        self.resumable.paid_at(download, order)
    }

    /// The downloads.
    pub(super) fn files(&self) -> &Files {
        &self.files
    }
}

impl FetchedFiles {
    /// The dataset in one file.
    fn whole(whole: FetchedFile) -> FetchedFiles {
        FetchedFiles { files: vec![whole], ..FetchedFiles::default() }
    }

    /// Returns the patterns of the parts.
    pub(super) fn patterns(&self) -> Vec<Pattern> {
        self.files.iter().filter_map(|file| file.pattern.clone()).collect()
    }

    /// The names of all downloads.
    pub(super) fn downloads(&self) -> impl Iterator<Item = &str> {
        self.files.iter().chain(&self.truncated).map(|file| file.download.as_str())
    }
}

/// Estimates the exports that each step will start: the export of its query unless an earlier run has left it, and
/// its parts if the last complete run needed them or an earlier run has started some.
pub(super) fn estimates(
    plan: &Plan,
    engine: Engine<'_>,
    resumable: &ResumableExports,
    parts_before: &BTreeMap<String, u32>,
) -> BTreeMap<&'static str, ExportEstimate> {
    let mut estimates = BTreeMap::new();
    if let Some(estimate) = audit_table::estimate(plan, engine, resumable) {
        estimates.insert(audit_table::NAME, estimate);
    }
    for PlannedStep { step, .. } in plan.steps().iter().filter(|planned| planned.runs()) {
        let Some(query) =
            step.query().and_then(|query| engine.settings.queries.get(query.config_field))
        else {
            continue;
        };
        let wholes = u32::from(!resumable.is_paid(step.id, &whole_order(query)));
        let parts = query.partition.as_ref().map_or(0, |partition| {
            let paid = resumable.count(&parts::download_prefix(step.id), &partition.query);
            let values = u32::try_from(partition.values.len()).unwrap_or(u32::MAX);
            let before = parts_before.get(step.id).copied().unwrap_or(0);
            let expected = if paid > 0 { before.max(values) } else { before };
            expected.saturating_sub(paid)
        });
        estimates.insert(step.id, ExportEstimate { wholes, parts });
    }
    estimates
}

/// Returns the total number of exports that a run will start.
pub(super) fn sum(estimates: &BTreeMap<&'static str, ExportEstimate>) -> ExportEstimate {
    estimates.values().fold(ExportEstimate::default(), |sum, estimate| ExportEstimate {
        wholes: sum.wholes + estimate.wholes,
        parts: sum.parts.saturating_add(estimate.parts),
    })
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
        usual_time: None,
    }
}
