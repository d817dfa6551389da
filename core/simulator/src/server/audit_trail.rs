//! The classic Audit Trail API (Nexthink, audit trail API): the logs as text, errors as a JSON array.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State as Extract};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::request::is_authorized;
use super::state::State;
use super::token::is_known_client;
use crate::audit::{AuditSpec, SimulatedTrail};

type Parameters = Query<HashMap<String, String>>;

pub(crate) async fn portal(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Response {
    answer(&state, &headers, &parameters, |_| Some(vec![SimulatedTrail::Portal]))
}

pub(crate) async fn engine(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Response {
    answer(&state, &headers, &parameters, |spec| {
        let is_reachable = spec.engines.contains(&name) && !spec.unreachable.contains(&name);
        is_reachable.then(|| vec![SimulatedTrail::Engine(name)])
    })
}

pub(crate) async fn engines(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Response {
    answer(&state, &headers, &parameters, |spec| {
        let trails = spec.engines.iter().cloned().map(SimulatedTrail::Engine).collect();
        spec.unreachable.is_empty().then_some(trails)
    })
}

/// The logs one after the other, or the documented error if one is unreachable.
fn answer(
    state: &State,
    headers: &HeaderMap,
    parameters: &Parameters,
    trails: impl FnOnce(&AuditSpec) -> Option<Vec<SimulatedTrail>>,
) -> Response {
    if !is_known_client(state, headers) && !is_authorized(state, headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let behaviour = state.behaviour();
    let spec = behaviour.audit;
    let Some(trails) = trails(&spec) else {
        let error = json!([{ "error": "unknown or unreachable Engine" }]);
        return (StatusCode::INTERNAL_SERVER_ERROR, Json(error)).into_response();
    };
    let now = state.clock.calendar(behaviour.clock_offset_seconds);
    let to = match parameters.get("before_date") {
        None => Some(now + 1),
        Some(text) => spec.second_of(text).map(|second| second.min(now + 1)),
    };
    let hours = match parameters.get("elapsed_hours") {
        None => Some(u64::MAX / 3_600),
        Some(text) => text.parse::<u64>().ok(),
    };
    let (Some(to), Some(hours)) = (to, hours) else {
        let error = json!([{ "error": "before_date or elapsed_hours cannot be read" }]);
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    };
    let from = to.saturating_sub(hours.saturating_mul(3_600));
    let (from, to) = if spec.ignores_period { (0, now + 1) } else { (from, to) };
    let content_at = now.saturating_sub(60) / 3_600 * 3_600 - 1;
    let has_lines = spec.content.is_none() || (from..to).contains(&content_at);
    let trails = trails.iter().filter(|_| has_lines);
    let lines: Vec<_> = trails.flat_map(|trail| spec.lines(trail, from, to)).collect();
    let mut text = lines.join("\n");
    if !text.is_empty() && !spec.joins_lines {
        text.push('\n');
    }
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
