//! The NQL API: start an export (Nexthink NQL API 1.2.0, export).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State as Extract};
use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::clock::retry_after;
use super::request::{
    Granted, RequestedCompression, RequestedQuery, error, is_authorized, read_post,
};
use super::state::{Export, Progress, Shared, State};
use super::stream::measure;
use crate::behaviour::ResultsCompression;
use crate::encode::Compression;

pub(crate) async fn start_by_post(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_authorized(&state, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match read_post(&state, &headers, &body, &["queryId", "parameters", "compression"]) {
        Ok(asked) => start(&state, &asked),
        Err(refusal) => refusal,
    }
}

pub(crate) async fn start_by_get(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
    Query(parameters): Query<HashMap<String, String>>,
) -> Response {
    if !state.shared().behaviour.accepts_get_export {
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")]).into_response();
    }
    if !is_authorized(&state, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let parameter = |name| parameters.get(name).map(String::as_str);
    match RequestedQuery::new(parameter("queryId"), parameter("compression"), BTreeMap::new()) {
        Ok(asked) => start(&state, &asked),
        Err(message) => error(StatusCode::BAD_REQUEST, 400, message),
    }
}

fn start(state: &Arc<State>, asked: &RequestedQuery) -> Response {
    let now = state.now();
    let mut shared = state.shared();
    let mut granted = match asked.grant(&mut shared) {
        Ok(granted) => granted,
        Err(refusal) => return refusal,
    };
    let today = state.clock.calendar(shared.behaviour.clock_offset_seconds);
    RequestedQuery::add_audit_table(&mut granted, &shared.behaviour, today);
    let n_exports: u64 = shared.requests.exports.values().sum();
    if shared.behaviour.daily_export_limit.is_some_and(|limit| n_exports >= limit) {
        return too_many(state, &shared, shared.behaviour.retry_after);
    }
    let n_running = shared.n_running(now) + 1;
    if shared.behaviour.concurrent_exports.is_some_and(|limit| n_running > limit) {
        return too_many(state, &shared, shared.behaviour.concurrent_retry_after);
    }
    let requests = &mut shared.requests;
    *requests.exports.entry(asked.counted_query(&granted)).or_default() += 1;
    requests.max_running_exports = requests.max_running_exports.max(n_running);
    let starts = requests.export_starts.entry(asked.query_id.clone()).or_default();
    let n_before = starts.values().sum();
    *starts.entry(granted.value.clone()).or_default() += 1;

    let name = state.signer.name("export", n_exports)[..32].to_owned();
    let export_id = granted.behaviour.export_id.clone().unwrap_or_else(|| name.clone());
    let export = new_export(&mut shared, asked, granted, n_before, now);
    tracing::debug!(query_id = asked.query_id, export_id, "export starts");
    shared.exports.insert(name.clone(), export.clone());
    shared.export_names.insert(export_id.clone(), name.clone());
    drop(shared);
    prepare(Arc::clone(state), name, export);
    Json(json!({ "exportId": export_id })).into_response()
}

fn new_export(
    shared: &mut Shared,
    asked: &RequestedQuery,
    granted: Granted,
    n_before: u64,
    now: Duration,
) -> Export {
    let zstd = Compression::Zstd { checksum: shared.behaviour.zstd_checksum };
    let requested = match asked.compression {
        RequestedCompression::None => Compression::None,
        RequestedCompression::Gzip => Compression::Gzip,
        RequestedCompression::Zstd => zstd,
    };
    let results = granted.behaviour.results;
    let compression = match results.as_ref().map(|results| results.compression) {
        None | Some(ResultsCompression::Requested) => requested,
        Some(ResultsCompression::AsIs) => Compression::None,
        Some(ResultsCompression::Gzip) => Compression::Gzip,
        Some(ResultsCompression::Zstd) => zstd,
    };
    Export {
        query_id: asked.query_id.clone(),
        tenant: shared.tenant(),
        preparation: shared.behaviour.preparation(granted.selection.query),
        selection: granted.selection,
        content: results.map(|results| results.content.0),
        is_cut: granted.is_cut,
        compression,
        suffix: requested.suffix(),
        started: now,
        n_before,
        progress: Progress::default(),
        file: None,
    }
}

fn too_many(state: &State, shared: &Shared, wait: Duration) -> Response {
    let now = state.clock.calendar(shared.behaviour.clock_offset_seconds);
    let mut answer = StatusCode::TOO_MANY_REQUESTS.into_response();
    let when = retry_after(&shared.behaviour.retry_after_form, now, wait);
    // A text that is no valid header value is left out.
    if let Some(when) = when.and_then(|when| HeaderValue::try_from(when).ok()) {
        answer.headers_mut().insert(RETRY_AFTER, when);
    }
    answer
}

/// Measures the results file on its own thread; the export is complete only after that.
fn prepare(state: Arc<State>, name: String, export: Export) {
    tokio::task::spawn_blocking(move || {
        match measure(&state, &export) {
            Ok(file) => {
                if let Some(export) = state.shared().exports.get_mut(&name) {
                    export.file = Some(file);
                }
            }
            // Only a stopping simulator interrupts the measurement, and then no client waits for
            // it.
            Err(error) => tracing::debug!(name, %error, "export was not prepared"),
        }
    });
}
