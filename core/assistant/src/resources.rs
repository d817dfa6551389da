//! Resources, which a client can read without a call: the data model, a card of J1QL, and how the last run ended.

use core_model::documentation;
use core_model::plan::{Decision, Plan};
use core_model::step::Step;
use core_store::{Outcome, TenantStore};
use serde_json::{Value, json};

use crate::protocol::ProtocolError;

const DATA_MODEL: &str = "nexthink-graph://data-model";
const J1QL: &str = "nexthink-graph://j1ql";
const LAST_RUN: &str = "nexthink-graph://last-run";

/// The language in a page.
const CARD: &str = include_str!("j1ql-card.md");

/// The resources, as `resources/list` has them.
pub(crate) fn list() -> Value {
    let resource = |uri: &str, name: &str, description: &str, mime: &str| json!({ "uri": uri, "name": name, "description": description, "mimeType": mime });
    json!([
        resource(DATA_MODEL, "data model", "Types, properties and relationships", "text/markdown"),
        resource(J1QL, "J1QL card", "The query language in a page", "text/markdown"),
        resource(
            LAST_RUN,
            "last run",
            "The published generation and its tables",
            "application/json"
        ),
    ])
}

/// The text of a resource.
///
/// # Errors
///
/// There is no such resource, or it cannot be read.
pub(crate) fn read(tenant: &TenantStore, params: &Value) -> Result<Value, ProtocolError> {
    let uri = params["uri"].as_str().unwrap_or_default();
    let (mime, text) = match uri {
        DATA_MODEL => ("text/markdown", data_model()?),
        J1QL => ("text/markdown", CARD.to_owned()),
        LAST_RUN => ("application/json", last_run(tenant)?),
        _ => return Err(ProtocolError::unknown_resource(uri)),
    };
    Ok(json!({ "contents": [{ "uri": uri, "mimeType": mime, "text": text }] }))
}

fn data_model() -> Result<String, ProtocolError> {
    let plan = Plan::new(&Step::all(), |_| Decision::Run);
    let plan = plan.map_err(|error| ProtocolError::internal(error.to_string()))?;
    Ok(documentation::data_model(&plan))
}

/// The published generation: when it was made, and how complete each table is.
fn last_run(tenant: &TenantStore) -> Result<String, ProtocolError> {
    let current = tenant.current().map_err(|error| ProtocolError::internal(error.to_string()))?;
    let Some(generation) = current else {
        return Ok(json!({ "generation": null }).to_string());
    };
    let manifest = generation.manifest();
    let tables = manifest
        .tables
        .iter()
        .map(|table| json!({ "name": table.name, "rows": table.rows, "partial": table.partial }));
    let text = json!({
        "generation": manifest.id.to_string(),
        "createdAt": manifest.created_at,
        "complete": manifest.outcome == Outcome::Complete,
        "tables": tables.collect::<Vec<_>>(),
    });
    Ok(text.to_string())
}
