//! What is kept of people, and who has read or changed what.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::overview::{GenerationSummary, summary};
use super::{Endpoint, blocking};
use crate::Explorer;
use crate::error::ApiError;
use crate::host::PrivacyStatus;

/// The entries of the ledger in an answer, unless the request says otherwise.
const DEFAULT_ENTRIES: usize = 200;

/// The same at most.
const MAX_ENTRIES: usize = 5_000;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/tenants/{tenant}/privacy",
            "Tells what is kept of people and for how long, with the newest entries of the ledger.",
            "Privacy",
            get(privacy),
        )
        .optional("limit", "How many entries of the ledger; 200 if it is missing, at most 5,000."),
    ]
}

/// What is kept of people.
#[derive(Debug, Serialize)]
struct Privacy {
    generation: Option<GenerationSummary>,
    status: PrivacyStatus,
    /// The newest entries, the newest first.
    ledger: Vec<Entry>,
    /// How many entries there are.
    entries: usize,
}

/// An entry of the ledger.
#[derive(Debug, Serialize)]
struct Entry {
    sequence: u64,
    at: String,
    who: String,
    event: String,
    facts: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivacyParameters {
    limit: Option<usize>,
}

async fn privacy(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Query(PrivacyParameters { limit }): Query<PrivacyParameters>,
) -> Result<Json<Privacy>, ApiError> {
    blocking(|| {
        let tenant = explorer.tenant(&tenant)?;
        let status = explorer.host.status(&tenant)?.privacy;
        let generation = tenant.current()?.map(|generation| summary(generation.manifest()));
        let entries = tenant.ledger().entries()?;
        let limit = limit.unwrap_or(DEFAULT_ENTRIES).min(MAX_ENTRIES);
        let newest = entries.iter().rev().take(limit).map(|entry| Entry {
            sequence: entry.sequence,
            at: entry.record.at.clone(),
            who: entry.record.who.clone(),
            event: entry.record.event.clone(),
            facts: entry.record.facts.clone(),
        });
        let ledger = newest.collect();
        Ok(Json(Privacy { generation, status, ledger, entries: entries.len() }))
    })
    .await
}
