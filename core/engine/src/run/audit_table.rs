//! The export of the audit trail's table. It is fetched with the exports of the steps, and read after the generation
//! is published.

use std::io::{BufReader, Read as _};
use std::sync::Arc;

use anyhow::Context as _;
use core_ingest::decompress::{self, Caps};
use core_model::plan::Plan;
use core_nexthink::{Client, ClockOffset, Compression, ExportOrder, FinishedExport, NexthinkError};
use core_store::RunLock;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::client;
use super::connect::clock_offset;
use super::encrypted_downloads::Files;
use super::events::reads_events;
use super::exports::Fetcher;
use super::quota::{ExportEstimate, Quota, QuotaReservation, StartedExports};
use super::resumable_exports::ResumableExports;
use crate::cancellation::Cancellation;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::host::Host;
use crate::privacy;
use crate::progress::Progress;
use crate::settings::AuditTable;

/// The name of its download, which is also the ID of the step that makes the events.
pub(super) const NAME: &str = "fetch-audit";

/// The size of one read of a file, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// The result of the export.
pub struct FetchedTable {
    /// The export, or the failure.
    pub result: Result<FinishedExport, NexthinkError>,
    /// The downloads.
    pub files: Files,
    /// The name of the download.
    pub name: &'static str,
    /// The time of its start, maybe by an earlier run. Milliseconds since 1970-01-01 UTC by this machine's clock, as
    /// below.
    pub started_ms: i64,
    /// The time of its arrival.
    pub ended_ms: i64,
    /// The offset of Nexthink's clock from ours.
    pub clock_offset: Option<ClockOffset>,
}

impl FetchedTable {
    /// The offset of the login host's clock from this machine's. Milliseconds.
    pub fn login_ahead_ms(&self) -> Option<i64> {
        self.clock_offset.map(ClockOffset::ahead_ms)
    }
}

/// The export while it is fetched. Dropped, it stops.
pub(super) struct Fetching(JoinSet<FetchedTable>);

/// The number of exports that fetching the table will start.
pub(super) fn estimate(
    plan: &Plan,
    engine: Engine<'_>,
    resumable: &ResumableExports,
) -> Option<ExportEstimate> {
    let order = order(table(plan, engine)?);
    Some(ExportEstimate { wholes: u32::from(!resumable.is_paid(NAME, &order)), parts: 0 })
}

/// The table's settings, if a run of this plan reads it.
fn table<'a>(plan: &Plan, engine: Engine<'a>) -> Option<&'a AuditTable> {
    engine.settings.audit.as_ref().filter(|_| reads_events(plan))?.table()
}

impl Fetching {
    /// Starts fetching, if the audit trail is read from the table.
    pub(super) fn start(
        plan: &Plan,
        engine: Engine<'_>,
        fetcher: &Fetcher,
        reservation: QuotaReservation,
        clock_offset: Option<ClockOffset>,
    ) -> Fetching {
        let mut fetching = JoinSet::new();
        if let Some(table) = table(plan, engine) {
            let (fetcher, order) = (fetcher.clone(), order(table));
            let span =
                tracing::info_span!("export", step_id = NAME, query_id = table.query.as_str());
            let host = engine.host.clone();
            let fetch =
                async move { fetch(&fetcher, &order, reservation, clock_offset, &host).await };
            fetching.spawn(fetch.instrument(span));
        }
        Fetching(fetching)
    }

    /// Passes a result on. After a failure, it stops the export and waits until it has ended.
    pub(super) async fn stop_if_failed<T>(
        &mut self,
        result: Result<T, Failure>,
    ) -> Result<T, Failure> {
        if result.is_err() {
            self.0.shutdown().await;
        }
        result
    }

    /// Waits for the export; returns nothing if there is none, or if a stop is requested.
    pub(super) async fn ended(&mut self, cancellation: &Cancellation) -> Option<FetchedTable> {
        cancellation.run_until(self.0.join_next()).await??.ok()
    }
}

/// Fetches the table without the exports of steps. Counts the export in `started`, if it starts one.
pub async fn fetch_table(
    engine: Engine<'_>,
    table: &AuditTable,
    lock: &RunLock,
    started: &StartedExports,
) -> Result<FetchedTable, Failure> {
    let client: Arc<Client> = client(engine, engine.settings.read_client_secret()?, |_| {})?;
    let quota = Quota::open(lock, engine.settings.daily_exports, engine.host)?.counting(started);
    let clock_offset = clock_offset(Some(&client), engine.host).await?;
    let clock = quota.set_clock(clock_offset)?;
    let is_encrypted = privacy::encrypts_downloads(engine, lock.tenant())?;
    let deadline = engine.settings.poll.deadline;
    let resumable = ResumableExports::of_tenant(lock.tenant(), is_encrypted, deadline, clock)?;
    let order = order(table);
    let estimate = u32::from(!resumable.is_paid(NAME, &order));
    quota.check_run(ExportEstimate { wholes: estimate, parts: 0 })?;
    let files = Files::new(lock.downloads()?, is_encrypted, engine.host);
    let reservation = quota.reserve_up_to(estimate);
    let fetcher =
        Fetcher::new(engine, Some(client), files, Arc::new(resumable), quota, Progress::none());
    Ok(fetch(&fetcher, &order, reservation, clock_offset, engine.host).await)
}

async fn fetch(
    fetcher: &Fetcher,
    order: &ExportOrder,
    reservation: QuotaReservation,
    clock_offset: Option<ClockOffset>,
    host: &Host,
) -> FetchedTable {
    let local = |paid_ms| clock_offset.map_or(paid_ms, |offset| offset.local_ms(paid_ms));
    let started = fetcher.paid_at(NAME, order).map_or_else(|| host.now().0, local);
    let progress = fetcher.progress.clone();
    let result =
        fetcher.export(NAME, order, reservation, |event| progress.export(NAME, event)).await;
    let ms = |time| i64::try_from(time).unwrap_or(i64::MAX);
    FetchedTable {
        result,
        files: fetcher.files().clone(),
        name: NAME,
        started_ms: ms(started),
        ended_ms: ms(host.now().0),
        clock_offset,
    }
}

fn order(table: &AuditTable) -> ExportOrder {
    ExportOrder::new(table.query.clone(), Compression::Zstd)
}

/// Passes all decompressed bytes of a download to `push`.
pub fn for_each_chunk(
    files: &Files,
    name: &str,
    length: u64,
    cancellation: &Cancellation,
    mut push: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (_, mut bytes) =
        decompress::reader(BufReader::new(files.read(name)?), length, Caps::default())?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        cancellation.check()?;
        match bytes.read(&mut chunk).context("the file cannot be read to its end")? {
            0 => return Ok(()),
            n_read => push(&chunk[..n_read])?,
        }
    }
}
