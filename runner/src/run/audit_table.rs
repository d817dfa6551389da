//! The export of the table of the audit trail: fetched beside those of the steps, read after the
//! generation is published.

use std::io::{BufReader, Read as _};
use std::sync::Arc;

use anyhow::Context as _;
use core_ingest::decompress::{self, Caps};
use core_model::plan::Plan;
use core_nexthink::{Client, ClockOffset, Compression, ExportOrder, FinishedExport, NexthinkError};
use core_store::RunLock;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::connect::clock_offset;
use super::events::reads_events;
use super::exports::Fetcher;
use super::journal::Leftovers;
use super::quota::{Need, Promise, Quota};
use super::sealed::Files;
use super::{Stop, client};
use crate::config::{AuditTable, Config};
use crate::exit::Failure;
use crate::progress::Progress;
use crate::system::Moment;

/// The name of its download, and of the step that makes the events.
pub(super) const NAME: &str = "fetch-audit";

/// How much of a file is read at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// What became of the export.
pub(crate) struct FetchedTable {
    pub(crate) result: Result<FinishedExport, NexthinkError>,
    pub(crate) files: Files,
    /// The name of the download.
    pub(crate) name: &'static str,
    /// When it was started, maybe by an earlier run. Milliseconds since 1970-01-01 UTC by this machine's
    /// clock, as below.
    pub(crate) started_ms: i64,
    /// When it was here.
    pub(crate) ended_ms: i64,
    /// How far Nexthink's clock is ahead of ours.
    pub(crate) clock_offset: Option<ClockOffset>,
}

impl FetchedTable {
    /// By how much the login host is ahead of this machine. Milliseconds.
    pub(crate) fn login_ahead_ms(&self) -> Option<i64> {
        self.clock_offset.map(ClockOffset::ahead_ms)
    }
}

/// The export while it is fetched. Dropped, it stops.
pub(super) struct Fetching(JoinSet<FetchedTable>);

/// What fetching the table will start.
pub(super) fn need(plan: &Plan, config: &Config, leftovers: &Leftovers) -> Option<Need> {
    let order = order(table(plan, config)?);
    Some(Need { wholes: u32::from(!leftovers.is_paid(NAME, &order)), parts: 0 })
}

/// The table, if a run of this plan reads it.
fn table<'a>(plan: &Plan, config: &'a Config) -> Option<&'a AuditTable> {
    config.audit.as_ref().filter(|_| reads_events(plan))?.table()
}

impl Fetching {
    /// Starts to fetch, if the audit trail is read from the table.
    pub(super) fn start(
        plan: &Plan,
        config: &Config,
        fetcher: &Fetcher,
        promise: Promise,
        clock_offset: Option<ClockOffset>,
    ) -> Fetching {
        let mut fetching = JoinSet::new();
        if let Some(table) = table(plan, config) {
            let (fetcher, order) = (fetcher.clone(), order(table));
            let span =
                tracing::info_span!("export", step_id = NAME, query_id = table.query.as_str());
            let fetch = async move { fetch(&fetcher, &order, promise, clock_offset).await };
            fetching.spawn(fetch.instrument(span));
        }
        Fetching(fetching)
    }

    /// Waits for the export; nothing if there is none, or a stop is asked for.
    pub(super) async fn ended(&mut self, stop: &Stop) -> Option<FetchedTable> {
        stop.token.run_until_cancelled(self.0.join_next()).await??.ok()
    }
}

/// Fetches the table outside of a run.
pub(crate) async fn fetch_table(
    config: &Config,
    table: &AuditTable,
    lock: &RunLock,
) -> Result<FetchedTable, Failure> {
    let client: Arc<Client> = client(config, config.client_secret.resolve()?, |_| {})?;
    let quota = Quota::open(lock, config.daily_exports)?;
    let clock_offset = clock_offset(&client).await?;
    let clock = quota.set_clock(clock_offset)?;
    let leftovers = Leftovers::of(lock.tenant().download_notes()?, clock);
    let order = order(table);
    let need = u32::from(!leftovers.is_paid(NAME, &order));
    quota.check_run(Need { wholes: need, parts: 0 })?;
    let files = Files::new(lock.downloads()?, config.privacy.policy.changes_anything());
    let promise = quota.promise_up_to(need);
    let fetcher = Fetcher::new(config, client, files, Arc::new(leftovers), quota, Progress::Quiet);
    Ok(fetch(&fetcher, &order, promise, clock_offset).await)
}

async fn fetch(
    fetcher: &Fetcher,
    order: &ExportOrder,
    promise: Promise,
    clock_offset: Option<ClockOffset>,
) -> FetchedTable {
    let local = |paid_ms| clock_offset.map_or(paid_ms, |offset| offset.local_ms(paid_ms));
    let started = fetcher.paid_at(NAME, order).map_or_else(|| Moment::now().0, local);
    let progress = fetcher.progress.clone();
    let result = fetcher.export(NAME, order, promise, |event| progress.export(NAME, event)).await;
    let ms = |time| i64::try_from(time).unwrap_or(i64::MAX);
    FetchedTable {
        result,
        files: fetcher.files().clone(),
        name: NAME,
        started_ms: ms(started),
        ended_ms: ms(Moment::now().0),
        clock_offset,
    }
}

fn order(table: &AuditTable) -> ExportOrder {
    ExportOrder::new(table.query.clone(), Compression::Zstd)
}

/// Gives all bytes of a download to `push`, decompressed.
pub(crate) fn for_each_chunk(
    files: &Files,
    name: &str,
    length: u64,
    stop: &Stop,
    mut push: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (_, mut bytes) =
        decompress::reader(BufReader::new(files.read(name)?), length, Caps::default())?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        stop.check()?;
        match bytes.read(&mut chunk).context("the file cannot be read to its end")? {
            0 => return Ok(()),
            n_read => push(&chunk[..n_read])?,
        }
    }
}
