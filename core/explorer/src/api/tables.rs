//! The tables that queries can name, for completion.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;

use super::overview::{Pinned, kind};
use super::{Endpoint, blocking, pinned_or_published};
use crate::Explorer;
use crate::error::ApiError;
use crate::parameters::{Path, Query};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/tenants/{tenant}/tables",
            "Lists the tables of a generation with their columns.",
            "[TableInfo]",
            get(tables),
        )
        .with_generation(),
    ]
}

/// A table.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TableInfo {
    name: String,
    /// `entity` or `relationship`.
    kind: &'static str,
    /// The classes, by which J1QL can name it too.
    class: Vec<String>,
    from_type: Option<String>,
    to_type: Option<String>,
    rows: u64,
    columns: Vec<String>,
    /// The columns that hold personal data.
    personal: Vec<String>,
}

async fn tables(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Query(Pinned { generation }): Query<Pinned>,
) -> Result<Json<Vec<TableInfo>>, ApiError> {
    blocking(|| {
        let tenant = explorer.tenant(&tenant)?;
        let generation = pinned_or_published(&tenant, generation.as_deref())?;
        let Some(generation) = generation else { return Ok(Json(Vec::new())) };
        let personal = explorer.host.status(&tenant)?.privacy.personal;
        let tables = generation.manifest().tables.iter().map(|table| {
            let personal = personal.iter().filter(|category| category.type_name == table.name);
            TableInfo {
                name: table.name.clone(),
                kind: kind(table.kind),
                class: table.class.clone(),
                from_type: table.from_type.clone(),
                to_type: table.to_type.clone(),
                rows: table.rows,
                columns: table.columns.iter().map(|column| column.name.clone()).collect(),
                personal: personal
                    .flat_map(|category| category.direct.iter().chain(&category.indirect).cloned())
                    .collect(),
            }
        });
        Ok(Json(tables.collect()))
    })
    .await
}
