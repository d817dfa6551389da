//! Records everything that this program does with a tenant's data in the ledger of its store: runs, deliveries,
//! reads, removals. It never records the data itself.

pub mod report;
pub mod runs;

use std::collections::BTreeMap;

use core_store::{
    LedgerHead, LedgerRecord, Removal, Retention, RetentionPlan, RunLock, StoreError, TenantStore,
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::audit;
use crate::host::Host;

/// The time in which equal reads of a user have one entry, in milliseconds.
const SAME_READ_MS: u64 = 60 * 60 * 1_000;

/// One action. The names of the variants and fields are those of the ledger.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Event<'a> {
    /// A run begins. A run without an end was killed.
    RunStarted {
        /// The requested steps; all if empty.
        steps: &'a [String],
    },
    /// A run has ended.
    RunEnded {
        /// The ID of the run; none if it ended before it had one.
        run: Option<&'a str>,
        /// The generation that it published, if any.
        generation: Option<String>,
        /// The number of exports that it has started.
        exports: u32,
        /// The code with which the process ended.
        exit_code: u8,
    },
    /// A delivery begins. A delivery without an end was killed.
    DeliveryStarted {
        /// The destination.
        destination: &'a str,
        /// The account there.
        account: &'a str,
        /// The generation.
        generation: &'a str,
    },
    /// A delivery has ended.
    DeliveryEnded {
        /// The destination.
        destination: &'a str,
        /// The generation.
        generation: &'a str,
        /// The job; none if nothing had changed or the delivery failed.
        job: Option<String>,
        /// The code with which the process ended.
        exit_code: u8,
    },
    /// A user queries a generation.
    Query {
        /// The generation.
        generation: &'a str,
        /// The HMAC of the query's text, which may name a person; none without a key.
        #[serde(skip_serializing_if = "Option::is_none")]
        query: Option<String>,
    },
    /// A user reads single entities of a generation.
    GraphRead {
        /// The command: `show`, `neighbors`, `path` or `search`.
        verb: &'a str,
        /// The generation.
        generation: &'a str,
        /// The HMAC of the requested text; none without a key.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// An assistant calls a tool that shows data. The read itself has another entry.
    McpCall {
        /// The name of the tool.
        tool: &'a str,
        /// The client's own name.
        client: &'a str,
        /// True if personal columns are shown.
        personal: bool,
    },
    /// A user compares the software of a generation with files.
    SoftwareReport {
        /// `eol` or `advisories`.
        report: &'a str,
        /// The generation.
        generation: &'a str,
    },
    /// A user compares two generations.
    Diff {
        /// The older generation.
        before: &'a str,
        /// The newer one.
        after: &'a str,
    },
    /// A user of the explorer queries a generation in SQL or J1QL.
    ExplorerQuery {
        /// The generation.
        generation: &'a str,
        /// The HMAC of the query's text, which may name a person; none without a key.
        #[serde(skip_serializing_if = "Option::is_none")]
        query: Option<String>,
        /// The name of the user's token, or `browser`.
        user: &'a str,
    },
    /// A client of Postgres queries a generation.
    PostgresQuery {
        /// The generation.
        generation: &'a str,
        /// The HMAC of the query's text, which may name a person; none without a key.
        #[serde(skip_serializing_if = "Option::is_none")]
        query: Option<String>,
        /// The name of the user's token.
        user: &'a str,
    },
    /// A user of the explorer opens a view with personal data.
    ExplorerRead {
        /// The page.
        view: &'a str,
        /// The name of the user's token, or `browser`.
        user: &'a str,
        /// The generation.
        generation: Option<&'a str>,
    },
    /// A user reads the events of the audit trail.
    AuditRead {
        /// `tail`, or the name of the report.
        question: &'a str,
    },
    /// A user reads findings.
    FindingsRead {
        /// `list`, `show` or `history`.
        what: &'a str,
    },
    /// Messages about findings were delivered.
    Notified {
        /// The channel's name.
        channel: &'a str,
        /// The number of messages.
        messages: usize,
    },
    /// A user acknowledges findings, withdraws that, or silences them.
    FindingsChanged {
        /// The action.
        action: &'a str,
        /// The number of findings.
        findings: usize,
        /// The user of the explorer who did it: the name of a token, or `browser`.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<&'a str>,
    },
    /// A user has a part of the audit trail read again.
    Backfill {
        /// The log that is read again.
        source: &'a str,
        /// The start of the period.
        from: &'a str,
        /// Its end.
        to: &'a str,
        /// The number of events that were removed before, with `--start-over`.
        removed: Option<u64>,
        /// The number of events that were added.
        added: u64,
        /// The code with which the process ended.
        exit_code: u8,
    },
    /// A user exports a generation as a folder.
    Export {
        /// The destination that reads the folder.
        destination: &'a str,
        /// The generation.
        generation: &'a str,
    },
    /// A user exports everything that is stored as a folder.
    DataReturn {
        /// The number of generations.
        generations: usize,
    },
    /// A user copies everything that is stored to another place.
    StoreCopied {
        /// The place, without credentials.
        to: &'a str,
        /// The number of days for which that place keeps deleted objects.
        #[serde(skip_serializing_if = "Option::is_none")]
        deleted_objects_kept_days: Option<u32>,
    },
    /// A user removes everything that is stored, including this ledger.
    Destruction {
        /// The ID of the destruction.
        destruction: &'a str,
        /// The number of files.
        files: u64,
    },
    /// A key is created, activated or retired.
    Key {
        /// The action on the key.
        action: &'a str,
        /// Its ID, which reveals nothing about the key.
        key: &'a str,
    },
    /// A person or device was erased.
    Erasure {
        /// The ID of the erasure.
        erasure: &'a str,
        /// `user` or `device`.
        kind: &'a str,
        /// The operator's reason, a word.
        reason: &'a str,
        /// The number of removed rows.
        rows: u64,
        /// The number of removed events.
        events: u64,
        /// The number of places in which something was still found; 0 unless the erasure failed.
        found_afterwards: usize,
    },
    /// A user previews an erasure.
    ErasurePreview {
        /// `user` or `device`.
        kind: &'a str,
        /// The number of rows that it would remove.
        rows: u64,
        /// The number of texts that it would empty.
        texts: u64,
        /// The number of events that it would remove.
        events: u64,
        /// The number of rows that may name the subject.
        possible: u64,
    },
    /// A generation is removed because it cannot be read, so no one can be erased from it.
    DamageRemoved {
        /// The generation.
        generation: &'a str,
    },
    /// A generation is removed that a killed run has made and not published.
    UnpublishedRemoved {
        /// The generation.
        generation: &'a str,
    },
    /// The suppressions of an erasure are lifted, so that the next run reads the subject again.
    SuppressionLifted {
        /// The ID of the erasure.
        erasure: &'a str,
        /// The operator's reason.
        reason: &'a str,
    },
    /// An older store was restored, and the erased people in it were removed again.
    SuppressionsApplied {},
    /// Everything that is stored about a person or device is shown.
    Retrieval {
        /// `user` or `device`.
        kind: &'a str,
        /// The number of rows of the published generation.
        rows: usize,
        /// The number of events of the audit trail.
        events: usize,
    },
    /// Retention is about to remove something.
    Retention {
        /// The number of items of each kind.
        removed: Map<String, Value>,
        /// True if the operator declared the clock right although it had jumped.
        clock_accepted: bool,
    },
}

/// Adds an entry to the ledger, durably.
///
/// # Errors
/// [`StoreError::Io`].
pub fn record(
    host: &Host,
    tenant: &TenantStore,
    event: &Event<'_>,
) -> Result<LedgerHead, StoreError> {
    tenant.ledger().append(&entry(host, event))
}

/// Adds an entry for a read to the ledger, durably, unless the same user has read the same in the hour before. A
/// dashboard asks each of its questions every minute, and the ledger is kept for more than a year.
///
/// # Errors
/// [`StoreError::Io`].
pub fn record_read(
    host: &Host,
    tenant: &TenantStore,
    event: &Event<'_>,
) -> Result<LedgerHead, StoreError> {
    tenant.ledger().append_unless_repeated(&entry(host, event), SAME_READ_MS)
}

/// Removes everything past its retention period, events too. Returns the items and the number of events.
///
/// The ledger gets its entry before anything is removed. After a crash, it may name items that still exist and are
/// removed next time, but nothing is removed without an entry.
///
/// # Errors
/// [`StoreError::Io`]. Nothing is removed if the ledger cannot be written.
pub fn retain(
    host: &Host,
    lock: &RunLock,
    retention: Retention<'_>,
) -> Result<(RetentionPlan, u64), StoreError> {
    let clock_accepted = retention.accept_clock;
    let plan = lock.tenant().plan_retention(retention)?;
    let expired = |from_ms| audit::older_than(lock.tenant(), from_ms);
    let events = plan.events_from_ms.map_or(Ok(0), expired)?;
    if clock_accepted || !plan.removals.is_empty() || events > 0 {
        let mut removed = count(&plan.removals);
        if events > 0 {
            removed.insert("event".to_owned(), events.into());
        }
        record(host, lock.tenant(), &Event::Retention { removed, clock_accepted })?;
    }
    let nothing = Event::Retention { removed: Map::new(), clock_accepted };
    let plan = lock.retain(retention, &entry(host, &nothing))?;
    let events = plan.events_from_ms.map_or(Ok(0), |from_ms| audit::retain(lock, from_ms))?;
    Ok((plan, events))
}

/// Returns the number of removals of each kind.
pub fn count(removals: &[Removal]) -> Map<String, Value> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for removal in removals {
        let kind = serde_json::to_value(removal.kind).expect("a kind is a word");
        *counts.entry(kind.as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    counts.into_iter().map(|(kind, count)| (kind, Value::from(count))).collect()
}

/// Returns the entry for an event that happens now.
pub fn entry(host: &Host, event: &Event<'_>) -> LedgerRecord {
    let now = host.now();
    let facts = serde_json::to_value(event).expect("an event is plain data");
    let Value::Object(mut facts) = facts else { unreachable!("an event is an object") };
    let event = facts.remove("event").and_then(|value| value.as_str().map(str::to_owned));
    facts.insert("program".to_owned(), Value::from(env!("CARGO_PKG_VERSION")));
    LedgerRecord {
        at: now.to_rfc3339(),
        at_ms: now.0,
        who: host.user.clone(),
        event: event.expect("an event has a name"),
        facts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_name_and_facts() {
        let query = Some("hmac-sha256-128:00".to_owned());
        let entry = entry(
            &crate::testing::host(),
            &Event::Query { generation: "01JN7Z1M80000000000000000A", query },
        );
        assert_eq!(entry.event, "query");
        let names: Vec<&str> = entry.facts.keys().map(String::as_str).collect();
        assert_eq!(names, ["generation", "program", "query"]);
    }

    /// Names of facts, without those that every entry has.
    fn facts(event: &Event<'_>) -> (String, Vec<String>) {
        let entry = entry(&crate::testing::host(), event);
        let names = entry.facts.keys().filter(|name| *name != "program").cloned();
        (entry.event, names.collect())
    }

    #[test]
    fn each_entry_has_who_when_and_which_program() {
        let entry = entry(&crate::testing::host(), &Event::DataReturn { generations: 3 });
        assert_eq!((entry.at.as_str(), entry.at_ms), ("2026-03-01T10:00:00Z", 1_772_359_200_000));
        assert_eq!(entry.who, "uid 1000 (tester)");
        assert_eq!(entry.facts["program"], env!("CARGO_PKG_VERSION"));
        assert_eq!(entry.facts["generations"], 3);
    }

    #[test]
    fn the_facts_of_an_event_are_numbers_and_identifiers() {
        let preview =
            Event::ErasurePreview { kind: "user", rows: 1, texts: 2, events: 3, possible: 4 };
        let table = [
            (Event::Key { action: "made", key: "k1" }, "key", vec!["action", "key"]),
            (
                Event::Retrieval { kind: "user", rows: 1, events: 2 },
                "retrieval",
                vec!["events", "kind", "rows"],
            ),
            (preview, "erasure_preview", vec!["events", "kind", "possible", "rows", "texts"]),
            (Event::SuppressionsApplied {}, "suppressions_applied", vec![]),
            (Event::Diff { before: "a", after: "b" }, "diff", vec!["after", "before"]),
        ];
        for (event, name, names) in table {
            assert_eq!(
                facts(&event),
                (name.to_owned(), names.iter().map(|name| (*name).to_owned()).collect())
            );
        }
    }
}
