//! Asks events again if a run has replaced their files meanwhile.
//!
//! A run merges small files of events into larger ones and removes the small ones. A query that opened the log
//! before that and reads it afterwards finds files gone that the log no longer lists. That is no damage, and
//! the events are in the new files.

use std::cell::Cell;
use std::future::Future;

use core_engine::audit::LOG;
use core_store::{EventFile, TenantStore};

use crate::exit::Failure;

/// How often a query is asked before its failure counts. Each further time needs another run to have replaced
/// files within that query.
const MAX_ATTEMPTS: usize = 4;

/// What was printed of an answer, and what was put on record.
#[derive(Debug, Default)]
pub(in crate::commands) struct Progress {
    /// True if a part of the answer may be printed, so that it cannot be asked for again.
    pub(in crate::commands) is_printed: Cell<bool>,
    /// True if the ledger has its entry.
    pub(in crate::commands) is_recorded: Cell<bool>,
}

/// Asks, and asks again for as long as the files of events were others after a failure than before.
///
/// # Errors
///
/// The failure of the last attempt.
pub(in crate::commands) async fn despite_compaction<T, F>(
    tenant: &TenantStore,
    progress: &Progress,
    mut ask: impl FnMut() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut files = files_of(tenant);
    for _ in 1..MAX_ATTEMPTS {
        let answer = ask().await;
        let now = files_of(tenant);
        if answer.is_ok() || progress.is_printed.get() || now == files {
            return answer;
        }
        files = now;
    }
    ask().await
}

/// The files of events; none if the log cannot be opened, which is then what a query fails for.
fn files_of(tenant: &TenantStore) -> Option<Vec<EventFile>> {
    tenant.events(LOG).ok().map(|log| log.files().to_vec())
}

#[cfg(test)]
mod tests {
    use core_store::{Location, Store};

    use super::*;

    /// How a query ends that fails until its `succeeds_at`th attempt, each of which files are replaced in if
    /// `is_replaced`. Returns whether it succeeded and how many attempts it took.
    async fn ended(succeeds_at: usize, is_replaced: bool, is_printed: bool) -> (bool, usize) {
        let place = tempfile::tempdir().expect("a folder");
        let location = Location::parse(place.path().to_str().expect("a text")).expect("a place");
        let tenant = Store::open(location).and_then(|store| store.tenant("acme")).expect("a name");
        let log = place.path().join("acme/events/audit");
        std::fs::create_dir_all(&log).expect("a folder");
        let progress = Progress::default();
        let attempts = Cell::new(0);
        let answer = despite_compaction(&tenant, &progress, || async {
            attempts.set(attempts.get() + 1);
            if is_replaced {
                let number = attempts.get();
                let state = format!(
                    "{{\"format_version\":1,\"next_part\":9,\"notes\":null,\"files\":[{{\"day\":\"2026-03-01\",\
                     \"path\":\"date=2026-03-01/part-{number}.parquet\",\"rows\":1,\"bytes\":1,\
                     \"blake3\":\"\",\"from_ms\":0,\"to_ms\":0}}]}}"
                );
                std::fs::write(log.join("state.json"), state).expect("it is ours");
            }
            progress.is_printed.set(is_printed);
            if attempts.get() >= succeeds_at { Ok(()) } else { Err(Failure::usage("gone")) }
        });
        let is_ok = answer.await.is_ok();
        (is_ok, attempts.get())
    }

    #[tokio::test]
    async fn n10_a_query_is_asked_again_only_if_files_were_replaced_and_nothing_was_printed() {
        for (succeeds_at, is_replaced, is_printed, expected) in [
            (1, false, false, (true, 1)),
            (2, true, false, (true, 2)),
            (4, true, false, (true, 4)),
            (9, true, false, (false, 4)),
            (2, false, false, (false, 1)),
            (2, true, true, (false, 1)),
        ] {
            let case = format!("{succeeds_at} {is_replaced} {is_printed}");
            assert_eq!(ended(succeeds_at, is_replaced, is_printed).await, expected, "{case}");
        }
    }
}
