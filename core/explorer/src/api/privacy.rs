//! The data that is kept of people, and who has read or changed it.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Json};
use core_store::LedgerEntry;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::overview::{GenerationSummary, summary};
use super::{Endpoint, blocking};
use crate::Explorer;
use crate::access::{Role, User};
use crate::error::ApiError;
use crate::host::PrivacyStatus;
use crate::parameters::{Path, Query};

/// The entries of the ledger in an answer, unless the request says otherwise.
const DEFAULT_ENTRIES: usize = 200;

/// The same at most.
const MAX_ENTRIES: usize = 5_000;

/// The fact that names a user of the explorer.
const USER: &str = "user";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/tenants/{tenant}/privacy",
            "Tells what is kept of people and for how long, with the newest entries of the ledger.",
            "Privacy",
            get(privacy),
        )
        .optional_number(
            "limit",
            "How many entries of the ledger; 200 if it is missing, at most 5,000.",
        ),
    ]
}

/// The data that is kept of people.
#[derive(Debug, Serialize)]
struct Privacy {
    generation: Option<GenerationSummary>,
    status: PrivacyStatus,
    /// The newest entries, the newest first.
    ledger: Vec<Entry>,
    /// The number of entries.
    entries: usize,
}

/// An entry of the ledger.
#[derive(Debug, Serialize)]
struct Entry {
    sequence: u64,
    at: String,
    /// The account or program that did it; none for a viewer.
    who: Option<String>,
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
    Extension(user): Extension<User>,
    Query(PrivacyParameters { limit }): Query<PrivacyParameters>,
) -> Result<Json<Privacy>, ApiError> {
    blocking(|| {
        let tenant = explorer.tenant(&tenant)?;
        let status = explorer.host.status(&tenant)?.privacy;
        let generation = tenant.current()?.map(|generation| summary(generation.manifest()));
        let ledger = tenant.ledger().content()?;
        let limit = limit.unwrap_or(DEFAULT_ENTRIES).min(MAX_ENTRIES);
        let is_viewer = user.role == Role::Viewer;
        let newest = ledger.newest(limit).into_iter().map(|entry| {
            let LedgerEntry { sequence, record, .. } = entry;
            let mut facts = record.facts;
            if is_viewer {
                // With the token of a text, a viewer could find out by trying whom others have looked up.
                for name in [USER, "query", "text"] {
                    facts.remove(name);
                }
            }
            Entry {
                sequence,
                at: record.at,
                who: (!is_viewer).then_some(record.who),
                event: record.event,
                facts,
            }
        });
        let (newest, entries) = (newest.collect(), ledger.lines());
        Ok(Json(Privacy { generation, status, ledger: newest, entries }))
    })
    .await
}
