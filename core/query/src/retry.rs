//! Asks events again if a run has replaced their files meanwhile.
//!
//! A run merges small files of events into larger ones and removes the small ones. A query that opened the log
//! before that and reads it afterwards finds files gone that the log no longer lists. That is no damage, and
//! the events are in the new files.

use std::cell::Cell;
use std::future::Future;

use core_store::{EventFile, TenantStore};

/// The number of times that a query is asked before its failure counts. Each further time needs another run to have
/// replaced files within that query.
const MAX_ATTEMPTS: usize = 4;

/// Asks, and asks again while a failure leaves other files in the log of events than were there before, unless a
/// part of the answer was printed.
///
/// # Errors
///
/// The failure of the last attempt.
pub async fn after_compaction<T, E, F>(
    tenant: &TenantStore,
    log: &str,
    is_printed: &Cell<bool>,
    mut ask: impl FnMut() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut files = files_of(tenant, log);
    for _ in 1..MAX_ATTEMPTS {
        let answer = ask().await;
        let now = files_of(tenant, log);
        if answer.is_ok() || is_printed.get() || now == files {
            return answer;
        }
        files = now;
    }
    ask().await
}

/// Returns the files of events; none if the log cannot be opened, in which case the query reports that error.
fn files_of(tenant: &TenantStore, log: &str) -> Option<Vec<EventFile>> {
    tenant.events(log).ok().map(|log| log.files().to_vec())
}

#[cfg(test)]
mod tests {
    use core_store::{Location, Store};

    use super::*;

    /// Asks a query that fails until its `succeeds_at`th attempt, each of which files are replaced in if
    /// `is_replaced`. Returns whether it succeeded and how many attempts it took.
    async fn ended(succeeds_at: usize, is_replaced: bool, is_printed: bool) -> (bool, usize) {
        let place = tempfile::tempdir().expect("a folder");
        let location = Location::parse(place.path().to_str().expect("a text")).expect("a place");
        let tenant = Store::open(location).and_then(|store| store.tenant("acme")).expect("a name");
        let log = place.path().join("acme/events/audit");
        std::fs::create_dir_all(&log).expect("a folder");
        let printed = Cell::new(false);
        let attempts = Cell::new(0);
        let answer = after_compaction(&tenant, "audit", &printed, || async {
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
            printed.set(is_printed);
            if attempts.get() >= succeeds_at { Ok(()) } else { Err("gone") }
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
