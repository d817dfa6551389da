//! The first stage of every request: it is recorded, and may meet a scripted fault.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Query, Request, State as Extract};
use axum::http::header::{DATE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::clock::imf_date;
use super::record::RecordedRequest;
use super::state::{Shared, State};
use super::wire::Wire;
use crate::behaviour::{Answer, FaultAction, FaultPoint};

/// The most bytes of a request body; the API's own requests have a thousandth of it.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Passes requests of the API and the token endpoint.
pub(crate) async fn pass(
    Extract(state): Extract<Arc<State>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = match record(&state, false, request).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    let point = api_point(&parts);
    let query_id = query_of_api(&state.shared(), point, &parts, &body);
    if point == Some(FaultPoint::Token) {
        state.shared().requests.tokens += 1;
    }
    let request = Request::from_parts(parts, Body::from(body));
    let answer = answer(&state, &wire, point, query_id.as_deref(), request, next).await;
    if answer.status() == StatusCode::UNAUTHORIZED && point != Some(FaultPoint::Token) {
        state.shared().requests.unauthorized += 1;
    }
    answer
}

/// Passes requests of the file host.
pub(crate) async fn pass_to_files(
    Extract(state): Extract<Arc<State>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = match record(&state, true, request).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    let name = parts.uri.path().split('/').nth(2);
    let query_id = name.and_then(|name| Some(state.shared().exports.get(name)?.query_id.clone()));
    let request = Request::from_parts(parts, Body::from(body));
    answer(&state, &wire, Some(FaultPoint::File), query_id.as_deref(), request, next).await
}

async fn record(
    state: &State,
    is_for_files: bool,
    request: Request,
) -> Result<(Parts, Bytes), Response> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response());
    };
    let recorded = RecordedRequest::new(is_for_files, &parts, &body);
    state.shared().recording.add(recorded);
    Ok((parts, body))
}

fn api_point(parts: &Parts) -> Option<FaultPoint> {
    match parts.uri.path() {
        "/oauth2/default/v1/token" if parts.method == Method::POST => Some(FaultPoint::Token),
        "/api/v1/nql/export" => Some(FaultPoint::Start),
        "/api/v1/nql/execute" | "/api/v2/nql/execute" => Some(FaultPoint::Execute),
        path if path.starts_with("/audit-trail/") => Some(FaultPoint::Audit),
        path => path.starts_with("/api/v1/nql/status/").then_some(FaultPoint::Status),
    }
}

/// The ID of the requested query, if it can be determined.
fn query_of_api(
    shared: &Shared,
    point: Option<FaultPoint>,
    parts: &Parts,
    body: &Bytes,
) -> Option<String> {
    match point? {
        FaultPoint::Token | FaultPoint::File | FaultPoint::Audit => None,
        FaultPoint::Status => {
            let export_id = parts.uri.path().strip_prefix("/api/v1/nql/status/")?;
            let name = shared.export_names.get(export_id)?;
            Some(shared.exports.get(name)?.query_id.clone())
        }
        FaultPoint::Start if parts.method == Method::GET => {
            let Query(mut query) =
                Query::<HashMap<String, String>>::try_from_uri(&parts.uri).ok()?;
            query.remove("queryId")
        }
        FaultPoint::Start | FaultPoint::Execute => {
            let body: Value = serde_json::from_slice(body).ok()?;
            body["queryId"].as_str().map(ToOwned::to_owned)
        }
    }
}

async fn answer(
    state: &State,
    wire: &Wire,
    point: Option<FaultPoint>,
    query_id: Option<&str>,
    request: Request,
    next: Next,
) -> Response {
    let fault = point.and_then(|point| state.shared().fault(point, query_id));
    let mut answer = match fault {
        None => next.run(request).await,
        Some((delay, action)) => meet(state, wire, delay, action, request, next).await,
    };
    let now = state.clock.calendar(state.shared().behaviour.clock_offset_seconds);
    let date = HeaderValue::try_from(imf_date(now)).expect("a date is visible ASCII");
    answer.headers_mut().entry(DATE).or_insert(date);
    answer
}

async fn meet(
    state: &State,
    wire: &Wire,
    delay: Duration,
    action: FaultAction,
    request: Request,
    next: Next,
) -> Response {
    let handled = match action {
        FaultAction::Pass | FaultAction::Lose => Some(next.run(request).await),
        _ => None,
    };
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        () = state.until_stopping() => {}
    }
    match action {
        FaultAction::Pass => {}
        FaultAction::Lose | FaultAction::Close => wire.close(),
        FaultAction::Reset => wire.reset(),
        FaultAction::Hang => {
            state.until_stopping().await;
            wire.close();
        }
        FaultAction::Answer(answer) => return scripted_response(answer),
        FaultAction::Redirect(target) => {
            let answer = Answer::from_status(StatusCode::TEMPORARY_REDIRECT.as_u16());
            return scripted_response(answer.with_header(LOCATION.as_str(), &target));
        }
        FaultAction::Raw(content) => {
            // A disconnected client needs no bytes.
            _ = wire.send(&content.0).await;
            wire.close();
        }
        FaultAction::RawThenHang(content) => {
            _ = wire.send(&content.0).await;
            state.until_stopping().await;
            wire.close();
        }
    }
    handled.unwrap_or_else(|| StatusCode::OK.into_response())
}

/// Builds a scripted answer. Invalid headers are left out; a scenario file has been checked for
/// them.
fn scripted_response(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(answer.body.0));
    *response.status_mut() = status;
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
