//! What this program does with a tenant's data, written to the ledger of its store: runs, deliveries,
//! reads, removals. Never what was read.

use std::collections::BTreeMap;

use core_store::{
    Deed, LedgerHead, Removal, Retention, RetentionPlan, RunLock, StoreError, TenantStore,
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::audit;
use crate::output;
use crate::system::{self, Moment};

/// One thing that was done. The names of the variants and fields are those of the ledger.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub(crate) enum Event<'a> {
    /// A run begins; one that has no end was killed.
    RunStarted {
        /// The steps that were asked for; all if empty.
        steps: &'a [String],
    },
    /// A run has ended.
    RunEnded {
        /// Nothing if it ended before it had one.
        run: Option<&'a str>,
        /// What it has published.
        generation: Option<String>,
        /// How many exports it has started.
        exports: u32,
        exit_code: u8,
    },
    /// A delivery begins; one that has no end was killed.
    DeliveryStarted { destination: &'a str, account: &'a str, generation: &'a str },
    /// A delivery has ended.
    DeliveryEnded {
        destination: &'a str,
        generation: &'a str,
        /// The job, unless nothing had changed or it failed.
        job: Option<String>,
        exit_code: u8,
    },
    /// Somebody asks a generation in SQL.
    Query {
        generation: &'a str,
        /// The HMAC of the query's text, which may name a person; nothing where there is no key.
        #[serde(skip_serializing_if = "Option::is_none")]
        query: Option<String>,
    },
    /// Somebody looks at single entities of a generation.
    GraphRead {
        /// The command: `show`, `neighbors`, `path` or `search`.
        verb: &'a str,
        generation: &'a str,
        /// The HMAC of what was asked for; nothing where there is no key.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// Two generations are compared.
    Diff { before: &'a str, after: &'a str },
    /// A user of the explorer asks a generation in SQL or J1QL.
    ExplorerQuery {
        generation: &'a str,
        /// The HMAC of the query's text, which may name a person; nothing where there is no key.
        #[serde(skip_serializing_if = "Option::is_none")]
        query: Option<String>,
        /// The name of the user's token, or `browser`.
        user: &'a str,
    },
    /// A user of the explorer looks at something with personal data.
    ExplorerRead {
        /// The page.
        view: &'a str,
        /// The name of the user's token, or `browser`.
        user: &'a str,
        generation: Option<&'a str>,
    },
    /// Somebody reads the events of the audit trail.
    AuditRead {
        /// `tail`, or the ready question.
        question: &'a str,
    },
    /// Somebody reads findings.
    FindingsRead {
        /// `list`, `show` or `history`.
        what: &'a str,
    },
    /// Somebody takes findings on, gives them back, or silences them.
    FindingsChanged {
        /// What was done.
        action: &'a str,
        /// How many findings it is about.
        findings: usize,
    },
    /// Somebody has a part of the audit trail read again.
    Backfill {
        source: &'a str,
        from: &'a str,
        to: &'a str,
        /// How many events were removed before, with `--start-over`.
        removed: Option<u64>,
        /// How many events were added.
        added: u64,
        exit_code: u8,
    },
    /// Somebody writes a generation as a folder.
    Export { destination: &'a str, generation: &'a str },
    /// Somebody writes all that is stored as a folder.
    DataReturn {
        /// How many generations.
        generations: usize,
    },
    /// Somebody removes all that is stored, this ledger too.
    Destruction {
        destruction: &'a str,
        /// How many files.
        files: u64,
    },
    /// A key is made, rotated in or retired.
    Key {
        action: &'a str,
        /// Its id, which tells nothing of it.
        key: &'a str,
    },
    /// Somebody or something was erased.
    Erasure {
        erasure: &'a str,
        /// `user` or `device`.
        kind: &'a str,
        /// The operator's word.
        reason: &'a str,
        /// How many rows went.
        rows: u64,
        /// How many events went.
        events: u64,
        /// In how many places there was something afterwards; 0 unless it failed.
        found_afterwards: usize,
    },
    /// What an erasure would take out is shown, or the places that it would leave to be decided.
    ErasurePreview {
        /// `user` or `device`.
        kind: &'a str,
        /// How many rows, texts and events it would take out.
        rows: u64,
        texts: u64,
        events: u64,
        /// How many rows may name the subject.
        possible: u64,
    },
    /// A generation that cannot be read is removed, since nobody can be taken out of it.
    DamageRemoved { generation: &'a str },
    /// A generation that a killed run has made and not published is removed.
    UnpublishedRemoved { generation: &'a str },
    /// The suppressions of an erasure are lifted, so that the next run reads the subject again.
    SuppressionLifted { erasure: &'a str, reason: &'a str },
    /// An older store was put back, and what had come back with it was taken out again.
    SuppressionsApplied {},
    /// Everything that is known of a person or device is shown.
    Retrieval {
        /// `user` or `device`.
        kind: &'a str,
        /// How many rows of the published generation.
        rows: usize,
        /// How many events of the audit trail.
        events: usize,
    },
    /// What was kept long enough is about to be removed.
    Retention {
        /// How many of each kind.
        removed: Map<String, Value>,
        /// Whether the clock was declared right although it had jumped.
        clock_accepted: bool,
    },
}

/// Adds an entry to the ledger, durably.
///
/// # Errors
/// [`StoreError::Io`].
pub(crate) fn record(tenant: &TenantStore, event: &Event<'_>) -> Result<LedgerHead, StoreError> {
    tenant.ledger().append(&deed(event))
}

/// The same for reads that must not fail for it: a copy of a store may be read-only.
pub(crate) fn record_read(tenant: &TenantStore, event: &Event<'_>) {
    if let Err(error) = record(tenant, event) {
        let error = anyhow::Error::new(error);
        output::note(&format!("this read is not in the ledger: {error:#}"));
    }
}

/// Removes what was kept long enough, events too. Returns the items and the number of events.
///
/// The ledger has its entry before anything is removed: after a crash it may name what is still there and goes
/// next time, but nothing is gone without an entry.
///
/// # Errors
/// [`StoreError::Io`]: nothing is removed if the ledger cannot be written.
pub(crate) fn retain(
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
        record(lock.tenant(), &Event::Retention { removed, clock_accepted })?;
    }
    let nothing = Event::Retention { removed: Map::new(), clock_accepted };
    let plan = lock.retain(retention, &deed(&nothing))?;
    let events = plan.events_from_ms.map_or(Ok(0), |from_ms| audit::retain(lock, from_ms))?;
    Ok((plan, events))
}

/// How many of each kind are removed.
pub(crate) fn count(removals: &[Removal]) -> Map<String, Value> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for removal in removals {
        let kind = serde_json::to_value(removal.kind).expect("a kind is a word");
        *counts.entry(kind.as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    counts.into_iter().map(|(kind, count)| (kind, Value::from(count))).collect()
}

/// What is written about an event that happens now.
pub(crate) fn deed(event: &Event<'_>) -> Deed {
    let now = Moment::now();
    let facts = serde_json::to_value(event).expect("an event is plain data");
    let Value::Object(mut facts) = facts else { unreachable!("an event is an object") };
    let event = facts.remove("event").and_then(|it| it.as_str().map(str::to_owned));
    facts.insert("program".to_owned(), Value::from(env!("CARGO_PKG_VERSION")));
    Deed {
        at: now.to_rfc3339(),
        at_ms: now.0,
        who: system::user(),
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
        let deed = deed(&Event::Query { generation: "01JN7Z1M80000000000000000A", query });
        assert_eq!(deed.event, "query");
        let names: Vec<&str> = deed.facts.keys().map(String::as_str).collect();
        assert_eq!(names, ["generation", "program", "query"]);
    }
}
