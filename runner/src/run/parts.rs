//! Parts: a query whose whole has more rows than Nexthink exports is exported again, once for each
//! value of a parameter, until no part is truncated or no export is left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use core_ingest::partition::Pattern;
use core_nexthink::{Compression, ExportOrder, FinishedExport, NexthinkError};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::exports::{Delivery, Fetcher, Received, count_start};
use crate::config::Partition;

/// The parts of one step while they are fetched.
struct Parts<'a> {
    fetcher: &'a Fetcher,
    step_id: &'static str,
    partition: &'a Partition,
    exports: &'a Arc<AtomicU32>,
    running: JoinSet<(Pattern, Result<FinishedExport, NexthinkError>)>,
    delivery: Delivery,
    /// How many parts are wanted by now.
    expected: usize,
}

/// Fetches all parts of a truncated whole, and says what they lack if they are not the dataset.
///
/// # Errors
/// The credentials are refused: whatever is asked next would be too.
pub(super) async fn fetch(
    fetcher: &Fetcher,
    step_id: &'static str,
    whole: Received,
    partition: &Partition,
    exports: &Arc<AtomicU32>,
) -> Result<Delivery, NexthinkError> {
    let mut parts = Parts {
        fetcher,
        step_id,
        partition,
        exports,
        running: JoinSet::new(),
        delivery: Delivery { files: Vec::new(), truncated: vec![whole], lacking: None },
        expected: 0,
    };
    parts.start(partition.values.clone());
    while let Some(ended) = parts.running.join_next().await {
        // A task that panicked has lost its part: the dataset lacks it.
        let Ok((pattern, finished)) = ended else {
            parts.lack("a part was lost to a defect of the program".to_owned());
            continue;
        };
        match finished {
            Ok(export) if export.truncated => parts.split(pattern, export),
            Ok(export) => parts.receive(pattern, export),
            Err(error) if error.is_credentials() => return Err(error),
            Err(error) => {
                parts.lack(format!("part `{pattern}` failed: {:#}", anyhow::Error::new(error)));
            }
        }
    }
    // In the order of their values, so that the same parts give the same tables.
    parts.delivery.files.sort_by(|one, other| one.download.cmp(&other.download));
    Ok(parts.delivery)
}

impl Parts<'_> {
    /// Starts parts, if the day's exports are enough for all of them.
    fn start(&mut self, patterns: Vec<Pattern>) -> bool {
        let orders: Vec<_> = patterns.into_iter().map(|it| (self.order(&it), it)).collect();
        let is_paid = |order: &ExportOrder, pattern: &Pattern| {
            self.fetcher.is_paid(&download_name(self.step_id, pattern), order)
        };
        let unpaid = orders.iter().filter(|(order, pattern)| !is_paid(order, pattern)).count();
        let unpaid = u32::try_from(unpaid).unwrap_or(u32::MAX);
        if let Err(left) = self.fetcher.quota.reserve(unpaid) {
            self.lack(format!(
                "{} parts need {unpaid} more exports, and {left} of the day's are left",
                orders.len()
            ));
            return false;
        }
        self.expected += orders.len();
        let message = format!("too many rows for one export: fetching {} parts", orders.len());
        self.fetcher.progress.tell(self.step_id, &message);
        for (order, pattern) in orders {
            let is_promised = !is_paid(&order, &pattern);
            let (fetcher, exports) = (self.fetcher.clone(), Arc::clone(self.exports));
            let download = download_name(self.step_id, &pattern);
            let span = tracing::info_span!("part", value = %pattern);
            let export = async move {
                let observer = |event: &_| count_start(&exports, event);
                let ended = fetcher.export(&download, &order, is_promised, observer).await;
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

    fn received(&self, pattern: Pattern, export: FinishedExport) -> Received {
        let download = download_name(self.step_id, &pattern);
        Received { download, pattern: Some(pattern), export }
    }

    /// Splits a part that is itself truncated; where that cannot be done its rows are of use still.
    fn split(&mut self, pattern: Pattern, export: FinishedExport) {
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

    /// Notes why the parts are not the whole dataset; the first reason is the one that is told.
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
        }
    }
}

/// The name of a part's download. The value may hold what a file name must not.
fn download_name(step_id: &str, pattern: &Pattern) -> String {
    use std::fmt::Write as _;
    let mut name = format!("{step_id}.part-");
    for byte in pattern.to_string().bytes() {
        let _ = write!(name, "{byte:02x}");
    }
    name
}
