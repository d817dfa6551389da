//! The overview of a tenant: the number of objects, its history, incomplete types and the reasons.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use core_rules::book::Book;
use core_rules::rule::Severity;
use core_store::{
    Generation, GenerationId, HistoryEntry, Manifest, Outcome, StoreError, TableKind, TenantStore,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::runs::{StepSummary, steps_of};
use super::{Endpoint, blocking, generation_of};
use crate::Explorer;
use crate::error::ApiError;
use crate::host::{Host, HostError, TenantStatus};
use crate::parameters::{Path, Query};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/tenants/{tenant}/overview",
            "Counts by type with their history, the last run by step, and what is incomplete.",
            "Overview",
            get(overview),
        )
        .with_generation(),
    ]
}

/// The state of a tenant.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overview {
    pub(crate) tenant: String,
    /// The published generation; none before the first run.
    pub(crate) generation: Option<GenerationSummary>,
    pub(crate) types: Vec<TypeSummary>,
    /// The steps of the run that made the published generation.
    pub(crate) steps: Vec<StepSummary>,
    /// The kept generations, the oldest first, with the number of objects of each type.
    pub(crate) history: Vec<HistoryPoint>,
    /// The number of findings that hold, by severity; none if no rule was ever evaluated.
    pub(crate) findings: Option<BTreeMap<Severity, u64>>,
    status: TenantStatus,
}

/// A generation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GenerationSummary {
    pub(crate) id: String,
    /// RFC 3339.
    pub(crate) created_at: String,
    /// `complete` or `partial`.
    pub(crate) outcome: &'static str,
    pub(super) region: String,
    /// The privacy profile that it was made under.
    pub(super) profile: Option<String>,
    /// Columns that the configuration treats otherwise than the profile does.
    pub(super) columns: BTreeMap<String, String>,
    /// The ID of the key of its pseudonyms.
    pub(super) key: Option<String>,
}

/// A type of the published generation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TypeSummary {
    /// The `_type`.
    #[serde(rename = "type")]
    pub(crate) type_name: String,
    /// `entity` or `relationship`.
    pub(crate) kind: &'static str,
    pub(crate) class: Vec<String>,
    /// For a relationship: the types of its ends.
    pub(crate) from_type: Option<String>,
    pub(crate) to_type: Option<String>,
    pub(crate) objects: u64,
    /// In the generation before.
    pub(crate) objects_before: Option<u64>,
    /// True if objects may be missing or of an earlier generation.
    pub(crate) partial: bool,
    /// The reason why it is partial, if the last run tells.
    pub(crate) reason: Option<String>,
}

/// The number of objects of a generation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HistoryPoint {
    id: String,
    created_at: String,
    outcome: &'static str,
    pub(crate) objects: BTreeMap<String, u64>,
}

/// The generation to read; the published one if it is missing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pinned {
    pub(super) generation: Option<String>,
}

async fn overview(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Query(Pinned { generation }): Query<Pinned>,
) -> Result<Json<Overview>, ApiError> {
    blocking(|| {
        let tenant = explorer.tenant(&tenant)?;
        let pinned = generation.map(|id| generation_of(&tenant, Some(&id))).transpose()?;
        Ok(Json(read(&*explorer.host, &tenant, pinned.as_ref().map(Generation::id))?))
    })
    .await
}

/// Reads the state of a tenant as of a generation; of the published one if none is given.
pub(crate) fn read(
    host: &dyn Host,
    tenant: &TenantStore,
    pinned: Option<&GenerationId>,
) -> Result<Overview, HostError> {
    let status = host.status(tenant)?;
    let mut history = tenant.history()?;
    let is_newest = |entry: &HistoryEntry| match pinned {
        Some(id) => entry.id == *id,
        None => entry.is_current,
    };
    // Newer ones than the published one are being published, or never were.
    let newest = history.iter().position(is_newest).unwrap_or(history.len());
    history.drain(..newest);
    let current = match history.first() {
        Some(entry) => Some(tenant.generation(&entry.id)?),
        None => None,
    };
    let report = match &current {
        Some(generation) => report_of(generation)?,
        None => Value::Null,
    };
    let steps = steps_of(&report, host);
    let manifest = current.as_ref().map(Generation::manifest);
    let before = history.iter().skip(1).find_map(|entry| entry.manifest.as_ref().ok());
    let types = manifest.map(|manifest| types(manifest, before, &steps)).unwrap_or_default();
    Ok(Overview {
        tenant: tenant.name().to_owned(),
        generation: manifest.map(summary),
        types,
        steps,
        history: history.iter().rev().filter_map(point).collect(),
        // The page of findings says why they cannot be read, if so. The overview has more to show than them.
        findings: Book::read(tenant).ok().flatten().map(|book| book.counts()),
        status,
    })
}

/// The report of the run that made a generation; null if it has none.
pub(super) fn report_of(generation: &Generation) -> Result<Value, StoreError> {
    let report = generation.attachment("run.json")?;
    let report = report.map(|bytes| serde_json::from_slice(&bytes)).transpose();
    Ok(report.ok().flatten().unwrap_or_default())
}

pub(super) fn summary(manifest: &Manifest) -> GenerationSummary {
    let privacy = manifest.privacy.as_ref();
    GenerationSummary {
        id: manifest.id.to_string(),
        created_at: manifest.created_at.clone(),
        outcome: outcome(manifest),
        region: manifest.region.clone(),
        profile: privacy.map(|mark| mark.profile.clone()),
        columns: privacy.map(|mark| mark.columns.clone()).unwrap_or_default(),
        key: privacy.and_then(|mark| mark.key.clone()),
    }
}

pub(super) fn outcome(manifest: &Manifest) -> &'static str {
    match manifest.outcome {
        Outcome::Complete => "complete",
        Outcome::Partial => "partial",
    }
}

pub(super) fn kind(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Entity => "entity",
        TableKind::Relationship => "relationship",
    }
}

fn types(
    manifest: &Manifest,
    before: Option<&Manifest>,
    steps: &[StepSummary],
) -> Vec<TypeSummary> {
    let tables = manifest.tables.iter().map(|table| {
        let before = before.and_then(|before| before.table(table.kind, &table.name));
        let maker = steps.iter().find(|step| step.types.contains(&table.name));
        TypeSummary {
            type_name: table.name.clone(),
            kind: kind(table.kind),
            class: table.class.clone(),
            from_type: table.from_type.clone(),
            to_type: table.to_type.clone(),
            objects: table.rows,
            objects_before: before.map(|before| before.rows),
            partial: table.partial,
            reason: maker.filter(|_| table.partial).and_then(|step| step.reason.clone()),
        }
    });
    tables.collect()
}

fn point(entry: &HistoryEntry) -> Option<HistoryPoint> {
    let manifest = entry.manifest.as_ref().ok()?;
    let objects = manifest.tables.iter().map(|table| (table.name.clone(), table.rows));
    Some(HistoryPoint {
        id: entry.id.to_string(),
        created_at: manifest.created_at.clone(),
        outcome: outcome(manifest),
        objects: objects.collect(),
    })
}
