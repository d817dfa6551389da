//! The NQL API: execute a query and answer with its first rows (Nexthink NQL API 1.2.0, execute).

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as Extract;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::clock::{Parts, iso_date};
use super::request::{Granted, RequestedQuery, is_authorized, read_post};
use super::state::State;
use crate::exports::write_rows;
use crate::tenant::Tenant;

/// The most rows that a real tenant returns (help of the public PowerShell client).
const MAX_ROWS: u64 = 1_000;

/// Version 1: dates as an object and rows as arrays.
pub(crate) async fn version_1(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let rows = match execute(&state, &headers, &body).await {
        Ok(rows) => rows,
        Err(refusal) => return refusal,
    };
    let date = Parts::new(rows.executed_at);
    let mut answer = rows.common();
    answer["executionDateTime"] = json!({
        "year": date.year, "month": date.month, "day": date.day,
        "hour": date.hour, "minute": date.minute, "second": date.second,
    });
    answer["headers"] = json!(rows.columns);
    answer["data"] = json!(rows.cells);
    Json(answer).into_response()
}

/// Version 2: dates as text and rows as objects.
pub(crate) async fn version_2(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let rows = match execute(&state, &headers, &body).await {
        Ok(rows) => rows,
        Err(refusal) => return refusal,
    };
    let mut answer = rows.common();
    answer["executionDateTime"] = iso_date(rows.executed_at).into();
    let objects = rows.cells.iter().map(|cells| {
        rows.columns.iter().cloned().zip(cells.iter().cloned()).collect::<Map<_, _>>()
    });
    answer["data"] = objects.map(Value::Object).collect();
    Json(answer).into_response()
}

/// The first rows of a query: every cell is text, an empty one is null.
struct Rows {
    query_id: String,
    text: String,
    /// The time of the execution, in seconds since 1970.
    executed_at: u64,
    columns: Vec<String>,
    cells: Vec<Vec<Value>>,
}

impl Rows {
    /// The members that both versions of the answer share.
    fn common(&self) -> Value {
        json!({ "queryId": self.query_id, "executedQuery": self.text, "rows": self.cells.len() })
    }
}

/// Returns the rows, or the error answer.
async fn execute(state: &State, headers: &HeaderMap, body: &Bytes) -> Result<Rows, Response> {
    if !is_authorized(state, headers) {
        return Err(StatusCode::UNAUTHORIZED.into_response());
    }
    if !state.shared().may_execute(state.now()) {
        return Err(StatusCode::TOO_MANY_REQUESTS.into_response());
    }
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let wants_csv = accept == "text/csv";
    if !wants_csv && !accept.contains("*/*") && !accept.contains("application/json") {
        return Err(StatusCode::NOT_ACCEPTABLE.into_response());
    }
    let asked = read_post(state, headers, body, &["queryId", "parameters"])?;
    let (granted, tenant, executed_at) = {
        let mut shared = state.shared();
        let mut granted = asked.grant(&mut shared)?;
        shared.requests.executions += 1;
        let executed_at = state.clock.calendar(shared.behaviour.clock_offset_seconds);
        RequestedQuery::add_audit_table(&mut granted, &shared.behaviour, executed_at);
        (granted, shared.tenant(), executed_at)
    };
    let query = granted.selection.query;
    let text = granted.behaviour.executed_query.clone().unwrap_or_else(|| {
        let condition =
            granted.behaviour.parameter.as_ref().map_or_else(String::new, |parameter| {
                format!(" | where {} == \"{}\"", parameter.column, granted.value)
            });
        format!("{}{condition} | list {}", query.table(), query.columns().join(", "))
    });
    // Blocking: the matching rows may be far apart.
    let csv = tokio::task::spawn_blocking(move || first_rows(&tenant, granted)).await;
    let csv = csv.ok().and_then(Result::ok).unwrap_or_default();
    if wants_csv {
        return Err(([(CONTENT_TYPE, "text/csv")], csv).into_response());
    }
    // A file that only an export has, such as a compressed or broken one, has no rows here.
    let (columns, cells) = cells(&csv).unwrap_or_default();
    Ok(Rows { query_id: asked.query_id, text, executed_at, columns, cells })
}

/// Returns the first rows as CSV.
fn first_rows(tenant: &Tenant, granted: Granted) -> io::Result<Vec<u8>> {
    if let Some(results) = granted.behaviour.results {
        return Ok(results.content.0.to_vec());
    }
    let mut selection = granted.selection;
    selection.row_cap = Some(selection.row_cap.unwrap_or(MAX_ROWS).min(MAX_ROWS));
    let mut csv = Vec::new();
    write_rows(tenant, &selection, &mut csv)?;
    Ok(csv)
}

fn cells(csv: &[u8]) -> csv::Result<(Vec<String>, Vec<Vec<Value>>)> {
    let mut reader = csv::Reader::from_reader(csv);
    let columns = reader.headers()?.iter().map(ToOwned::to_owned).collect();
    let value = |cell: &str| if cell.is_empty() { Value::Null } else { cell.into() };
    let rows = reader.records().take(usize::try_from(MAX_ROWS).unwrap_or(usize::MAX));
    let cells = rows.map(|row| Ok(row?.iter().map(value).collect()));
    Ok((columns, cells.collect::<csv::Result<_>>()?))
}
