//! The NQL API: start an export and ask for its status (Nexthink NQL API 1.2.0).

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State as Extract};
use axum::http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::state::{Export, Shared, State};
use super::stream::measure;
use crate::encode::Compression;
use crate::exports::SavedQuery;

/// The code that a real tenant was seen to give with an unknown query.
const UNKNOWN_QUERY_CODE: u16 = 100;

/// What a request to start an export asks for, once it is well formed.
struct ExportRequest {
    query_id: String,
    compression: RequestedCompression,
}

#[derive(Clone, Copy)]
enum RequestedCompression {
    None,
    Gzip,
    Zstd,
}

pub(crate) async fn start_by_post(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_authorized(&state, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    if !is_json {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let Ok(Value::Object(members)) = serde_json::from_slice(&body) else {
        return error(StatusCode::BAD_REQUEST, 400, "the body is not a JSON object");
    };
    let unknown = members
        .keys()
        .filter(|name| !matches!(name.as_str(), "queryId" | "parameters" | "compression"))
        .count() as u64;
    state.shared().requests.unknown_members += unknown;

    let parameters_are_text = match members.get("parameters") {
        None | Some(Value::Null) => true,
        Some(Value::Object(parameters)) => parameters.values().all(Value::is_string),
        Some(_) => false,
    };
    if !parameters_are_text {
        return error(StatusCode::BAD_REQUEST, 400, "parameters is not an object of strings");
    }
    let compression = match members.get("compression") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.as_str()),
        Some(_) => Some(""),
    };
    let query_id = members.get("queryId").and_then(Value::as_str);
    match export_request(query_id, compression) {
        Ok(request) => start(&state, &request),
        Err(message) => error(StatusCode::BAD_REQUEST, 400, message),
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
    match export_request(parameter("queryId"), parameter("compression")) {
        Ok(request) => start(&state, &request),
        Err(message) => error(StatusCode::BAD_REQUEST, 400, message),
    }
}

pub(crate) async fn status(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
    Path(export_id): Path<String>,
) -> Response {
    if !is_authorized(&state, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let now = state.now();
    let mut shared = state.shared();
    let Shared { behaviour, requests, exports, .. } = &mut *shared;
    requests.polls += 1;
    let Some(export) = exports.get_mut(&export_id) else {
        return error(StatusCode::NOT_FOUND, 404, "there is no export with this ID");
    };
    export.polls = export.polls.saturating_add(1);
    if export.polls <= behaviour.polls_submitted {
        return progress("SUBMITTED");
    }
    let polls_before_end = behaviour.polls_submitted.saturating_add(behaviour.polls_in_progress);
    if export.polls <= polls_before_end || now < export.started + export.preparation {
        return progress("IN_PROGRESS");
    }
    if let Some(description) = behaviour.failing.get(&export.query) {
        let body = json!({
            "status": "ERROR", "resultsFileUrl": null, "errorDescription": description,
        });
        return Json(body).into_response();
    }
    let Some(file) = &export.file else {
        return progress("IN_PROGRESS");
    };
    let suffix = export.compression.suffix();
    let path = format!("/nexthink-simulator-exports/{export_id}/results.{suffix}");
    let link = state.signer.sign(&path, now, behaviour.link_lifetime);
    let status = if file.truncated { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let body = json!({ "status": "COMPLETED", "resultsFileUrl": link, "errorDescription": null });
    (status, Json(body)).into_response()
}

fn progress(status: &str) -> Response {
    let body = json!({ "status": status, "resultsFileUrl": null, "errorDescription": null });
    Json(body).into_response()
}

/// Whether the bearer token is one of ours. The refusal is documented as a 401 without a body.
fn is_authorized(state: &State, headers: &HeaderMap) -> bool {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let mut shared = state.shared();
    let is_accepted = token.is_some_and(|token| shared.accepts_token(token, state.now()));
    shared.requests.unauthorized += u64::from(!is_accepted);
    is_accepted
}

fn export_request(
    query_id: Option<&str>,
    compression: Option<&str>,
) -> Result<ExportRequest, &'static str> {
    let query_id = query_id.filter(|id| is_query_id(id));
    let query_id = query_id.ok_or("queryId does not match ^#[a-z0-9_]{2,255}$")?;
    let compression = match compression {
        None | Some("NONE") => RequestedCompression::None,
        Some("GZIP") => RequestedCompression::Gzip,
        Some("ZSTD") => RequestedCompression::Zstd,
        Some(_) => return Err("compression is none of NONE, GZIP, ZSTD"),
    };
    Ok(ExportRequest { query_id: query_id.to_owned(), compression })
}

fn is_query_id(id: &str) -> bool {
    let Some(name) = id.strip_prefix('#') else {
        return false;
    };
    (2..=255).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

fn start(state: &Arc<State>, request: &ExportRequest) -> Response {
    let now = state.now();
    let mut shared = state.shared();
    let query = SavedQuery::from_id(&request.query_id)
        .filter(|query| !shared.behaviour.missing.contains(query));
    let Some(query) = query else {
        let message = format!("no NQL API query has the ID {}", request.query_id);
        return error(StatusCode::NOT_FOUND, UNKNOWN_QUERY_CODE, &message);
    };
    if shared.behaviour.forbidden.contains(&query) {
        return error(StatusCode::FORBIDDEN, 403, "the credentials may not run this query");
    }
    let n_exports: u64 = shared.requests.exports.values().sum();
    if shared.behaviour.daily_export_limit.is_some_and(|limit| n_exports >= limit) {
        let seconds = shared.behaviour.retry_after.as_secs().to_string();
        return (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, seconds)]).into_response();
    }
    *shared.requests.exports.entry(query).or_default() += 1;
    let export_id = state.signer.name("export", n_exports)[..32].to_owned();
    let export = Export {
        query,
        tenant: shared.tenant(),
        row_cap: shared.behaviour.row_cap(query),
        compression: match request.compression {
            RequestedCompression::None => Compression::None,
            RequestedCompression::Gzip => Compression::Gzip,
            RequestedCompression::Zstd => {
                Compression::Zstd { checksum: shared.behaviour.zstd_checksum }
            }
        },
        started: now,
        preparation: shared.behaviour.preparation(query),
        polls: 0,
        file: None,
    };
    tracing::debug!(query_id = query.id(), export_id, "export starts");
    shared.exports.insert(export_id.clone(), export.clone());
    drop(shared);
    prepare(Arc::clone(state), export_id.clone(), export);
    Json(json!({ "exportId": export_id })).into_response()
}

/// Measures the results file on a thread of its own; the export is complete only after that.
fn prepare(state: Arc<State>, export_id: String, export: Export) {
    tokio::task::spawn_blocking(move || {
        match measure(&state, &export) {
            Ok(file) => {
                if let Some(export) = state.shared().exports.get_mut(&export_id) {
                    export.file = Some(file);
                }
            }
            // Only a stopping simulator interrupts the measuring; nobody asks for the export again.
            Err(error) => tracing::debug!(export_id, %error, "export was not prepared"),
        }
    });
}

fn error(status: StatusCode, code: u16, message: &str) -> Response {
    (status, Json(json!({ "message": message, "code": code, "source": null }))).into_response()
}
