//! Exports in parts: a query with more rows than Nexthink exports at once is exported again, once for each value of a
//! parameter, until no part is truncated or no export is left.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use core_ingest::coverage::Coverage;
use core_ingest::decompress::{self, Caps};
use core_ingest::partition::Pattern;
use core_model::step::Step;
use core_nexthink::{Compression, ExportOrder, FinishedExport, NexthinkError};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::encrypted_downloads::Files;
use super::exports::{FetchedFile, FetchedFiles, Fetcher, count_start};
use super::quota::QuotaReservation;
use crate::settings::Partition;

/// The number of chunks of 64 KiB to read from a truncated part before it is split.
const LOOKED_AT_CHUNKS: usize = 16;

/// The parts of one step while they are fetched.
struct Parts<'a> {
    fetcher: &'a Fetcher,
    step: &'static Step,
    step_id: &'static str,
    partition: &'a Partition,
    exports: &'a Arc<AtomicU32>,
    running: JoinSet<(Pattern, Result<FinishedExport, NexthinkError>)>,
    delivery: FetchedFiles,
    /// The exports that this step may still start today.
    reservation: QuotaReservation,
    /// The number of parts of the dataset so far.
    expected: usize,
}

/// Fetches all parts of a truncated whole, and notes why they are not the whole dataset, if so.
///
/// # Errors
/// The credentials are refused, which would affect every further call.
pub(super) async fn fetch(
    fetcher: &Fetcher,
    step: &'static Step,
    whole: FetchedFile,
    partition: &Partition,
    reservation: QuotaReservation,
    exports: &Arc<AtomicU32>,
) -> Result<FetchedFiles, NexthinkError> {
    let mut parts = Parts {
        fetcher,
        step,
        step_id: step.id,
        partition,
        exports,
        running: JoinSet::new(),
        delivery: FetchedFiles { truncated: vec![whole], ..FetchedFiles::default() },
        reservation,
        expected: 0,
    };
    parts.start(partition.values.clone());
    while let Some(ended) = parts.running.join_next().await {
        // A task that panicked has lost its part.
        let Ok((pattern, finished)) = ended else {
            parts.lack("a part was lost to a defect of the program".to_owned());
            continue;
        };
        match finished {
            Ok(export) if export.truncated => parts.split(pattern, export).await,
            Ok(export) => parts.receive(pattern, export),
            Err(error) if error.is_credentials() => return Err(error),
            Err(error) => {
                parts.lack(format!("part `{pattern}` failed: {:#}", anyhow::Error::new(error)));
            }
        }
    }
    // Sorted by their values, so that the same parts give the same tables.
    parts.delivery.files.sort_by(|one, other| one.download.cmp(&other.download));
    Ok(parts.delivery)
}

impl Parts<'_> {
    /// Starts parts, if the day's exports are enough for all of them.
    fn start(&mut self, patterns: Vec<Pattern>) -> bool {
        let (fetcher, step_id) = (self.fetcher, self.step_id);
        let is_unpaid = |order: &ExportOrder, pattern: &Pattern| {
            !fetcher.is_paid(&download_name(step_id, pattern), order)
        };
        let orders: Vec<_> =
            patterns.into_iter().map(|pattern| (self.order(&pattern), pattern)).collect();
        let unpaid = orders.iter().filter(|(order, pattern)| is_unpaid(order, pattern)).count();
        let unpaid = u32::try_from(unpaid).unwrap_or(u32::MAX);
        let lacking = unpaid.saturating_sub(self.reservation.exports());
        match fetcher.quota.reserve(lacking) {
            Ok(more) => self.reservation.add(more),
            Err(left) => {
                let left = left + self.reservation.exports();
                self.lack(format!(
                    "{} parts need {unpaid} more exports, and {left} of the day's are left",
                    orders.len()
                ));
                return false;
            }
        }
        self.expected += orders.len();
        self.delivery.parts += u32::try_from(orders.len()).unwrap_or(u32::MAX);
        let message = format!("too many rows for one export: fetching {} parts", orders.len());
        fetcher.progress.tell(step_id, &message);
        for (order, pattern) in orders {
            let reservation = self.reservation.take(u32::from(is_unpaid(&order, &pattern)));
            let (fetcher, exports) = (fetcher.clone(), Arc::clone(self.exports));
            let download = download_name(step_id, &pattern);
            let span = tracing::info_span!("part", value = %pattern);
            let export = async move {
                let observer = |event: &_| count_start(&exports, event);
                let ended = fetcher.export(&download, &order, reservation, observer).await;
                (pattern, ended)
            };
            self.running.spawn(export.instrument(span).in_current_span());
        }
        true
    }

    fn receive(&mut self, pattern: Pattern, export: FinishedExport) {
        self.delivery.files.push(self.received(pattern, export));
        let message = format!("{} of {} parts are here", self.delivery.files.len(), self.expected);
        self.fetcher.progress.tell(self.step_id, &message);
    }

    fn received(&self, pattern: Pattern, export: FinishedExport) -> FetchedFile {
        let download = download_name(self.step_id, &pattern);
        FetchedFile::exported(download, Some(pattern), export)
    }

    /// Splits a part that is itself truncated. If it cannot be split, its rows are still used.
    async fn split(&mut self, pattern: Pattern, export: FinishedExport) {
        if self.is_ignored(&pattern, export.bytes).await {
            self.lack(format!(
                "part `{pattern}` has rows that lie outside it, so the saved query ignores its \
                 parameter: save the text that `nql --partitioned` prints"
            ));
            return self.receive(pattern, export);
        }
        let Some(smaller) = pattern.split() else {
            self.lack(format!("part `{pattern}` is truncated too, and cannot be split further"));
            return self.receive(pattern, export);
        };
        if self.start(smaller) {
            self.expected -= 1;
            self.delivery.truncated.push(self.received(pattern, export));
        } else {
            self.receive(pattern, export);
        }
    }

    /// Returns true if a part begins with rows outside it. Then the query ignores its parameter, each part is the
    /// whole again, and splitting it would only cost exports.
    async fn is_ignored(&self, pattern: &Pattern, bytes: u64) -> bool {
        let files = self.fetcher.files().clone();
        let (name, pattern) = (download_name(self.step_id, pattern), pattern.clone());
        let (step, column) = (self.step, self.partition_column());
        let look = move || begins_outside(step, column, &files, &name, &pattern, bytes);
        tokio::task::spawn_blocking(look).await.unwrap_or(false)
    }

    fn partition_column(&self) -> &'static str {
        self.step.query().map_or("", |query| query.partition_column)
    }

    /// Notes a reason why the parts are not the whole dataset. The first reason is reported.
    fn lack(&mut self, reason: String) {
        tracing::warn!(step_id = self.step_id, reason, "parts are not complete");
        self.delivery.lacking.get_or_insert(reason);
    }

    fn order(&self, pattern: &Pattern) -> ExportOrder {
        let value = (self.partition.parameter.clone(), pattern.to_string());
        ExportOrder {
            query: self.partition.query.clone(),
            parameters: BTreeMap::from([value]),
            compression: Compression::Zstd,
            usual_time: None,
        }
    }
}

/// Returns true if the first rows of a part are outside it. Unreadable parts are detected later.
fn begins_outside(
    step: &'static Step,
    column: &str,
    files: &Files,
    name: &str,
    pattern: &Pattern,
    bytes: u64,
) -> bool {
    let Ok(file) = files.read(name) else { return false };
    let reader = decompress::reader(BufReader::new(file), bytes, Caps::default());
    let Ok((_, mut reader)) = reader else { return false };
    let patterns = [pattern.clone()];
    let mut coverage = Coverage::new(step, column, &patterns);
    let mut chunk = vec![0; 64 * 1024];
    for _ in 0..LOOKED_AT_CHUNKS {
        match reader.read(&mut chunk) {
            Ok(0) => return coverage.finish().is_ok_and(|uncovered| uncovered > 0),
            Ok(read) if coverage.push(&chunk[..read]).is_ok() => {}
            _ => return false,
        }
    }
    coverage.uncovered() > 0
}

/// Returns the prefix of the names of the downloads of a step's parts.
pub(super) fn download_prefix(step_id: &str) -> String {
    format!("{step_id}.part-")
}

/// The name of a part's download. The value may contain characters that a file name must not.
fn download_name(step_id: &str, pattern: &Pattern) -> String {
    use std::fmt::Write as _;
    let mut name = download_prefix(step_id);
    for byte in pattern.to_string().bytes() {
        let _ = write!(name, "{byte:02x}");
    }
    name
}
