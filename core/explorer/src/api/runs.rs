//! The runs that made the kept generations, with their reports.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::overview::{GenerationSummary, report_of, summary};
use super::{Endpoint, blocking};
use crate::Explorer;
use crate::error::ApiError;
use crate::host::Host;
use crate::parameters::Path;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/tenants/{tenant}/runs",
            "Lists the runs of the kept generations, the newest first.",
            "[Run]",
            get(runs),
        ),
        Endpoint::get(
            "/api/v1/tenants/{tenant}/runs/{generation}",
            "Returns the whole report of the run that made a generation; null if it has none.",
            "any",
            get(report),
        )
        .in_path("generation", "The ID of the generation."),
    ]
}

/// A run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    /// The ID of the generation, which is the run's too.
    id: String,
    /// True if it is the published one.
    published: bool,
    /// The generation; none if it cannot be read.
    generation: Option<GenerationSummary>,
    /// The reason why it cannot be read.
    problem: Option<String>,
    started_at: Option<String>,
    finished_at: Option<String>,
    steps: Vec<StepSummary>,
    /// The number of its entities and relationships.
    entities: u64,
    relationships: u64,
}

/// The outcome of one step of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepSummary {
    pub(crate) id: String,
    pub(super) name: String,
    /// `complete`, `partial`, `failed`, `skipped` or `deferred`.
    pub(crate) outcome: String,
    /// The reason why it is not complete.
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(crate) rows: RowCounts,
    #[serde(default)]
    entities: u64,
    #[serde(default)]
    relationships: u64,
    #[serde(default)]
    carried_over: u64,
    #[serde(default)]
    bytes: u64,
    #[serde(default)]
    fetch_ms: u64,
    #[serde(default)]
    apply_ms: u64,
    /// The types that it makes; not part of the report.
    #[serde(default)]
    pub(super) types: Vec<String>,
}

/// The account of the rows of a step.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RowCounts {
    pub(crate) read: u64,
    used: u64,
    merged: u64,
    pub(crate) quarantined: u64,
    suppressed: u64,
}

/// The steps of a report. Those that this version cannot read are left out.
pub(super) fn steps_of(report: &Value, host: &dyn Host) -> Vec<StepSummary> {
    let steps = report["steps"].as_array().cloned().unwrap_or_default();
    let steps = steps.into_iter().filter_map(|step| {
        let mut step: StepSummary = serde_json::from_value(step).ok()?;
        step.types = host.types_of_step(&step.id);
        Some(step)
    });
    steps.collect()
}

async fn runs(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
) -> Result<Json<Vec<Run>>, ApiError> {
    blocking(|| {
        let tenant = explorer.tenant(&tenant)?;
        let mut runs = Vec::new();
        for entry in tenant.history()? {
            let mut run = Run {
                id: entry.id.to_string(),
                published: entry.is_current,
                generation: None,
                problem: None,
                started_at: None,
                finished_at: None,
                steps: Vec::new(),
                entities: 0,
                relationships: 0,
            };
            match (&entry.manifest, tenant.generation(&entry.id)) {
                (Ok(manifest), Ok(generation)) => {
                    let report = report_of(&generation)?;
                    let text = |name: &str| report[name].as_str().map(str::to_owned);
                    run.started_at = text("startedAt");
                    run.finished_at = text("finishedAt");
                    run.steps = steps_of(&report, &*explorer.host);
                    for table in &manifest.tables {
                        match table.kind {
                            core_store::TableKind::Entity => run.entities += table.rows,
                            core_store::TableKind::Relationship => run.relationships += table.rows,
                        }
                    }
                    run.generation = Some(summary(manifest));
                }
                (Err(error), _) => run.problem = Some(error.to_string()),
                (_, Err(error)) => run.problem = Some(error.to_string()),
            }
            runs.push(run);
        }
        Ok(Json(runs))
    })
    .await
}

async fn report(
    State(explorer): State<Arc<Explorer>>,
    Path((tenant, generation)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    blocking(|| {
        let tenant = explorer.tenant(&tenant)?;
        let id = generation
            .parse()
            .map_err(|_| ApiError::not_found(format!("there is no generation {generation:?}")))?;
        Ok(Json(report_of(&tenant.generation(&id)?)?))
    })
    .await
}
