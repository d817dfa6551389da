//! The token endpoint: OAuth 2.0 client credentials with Basic authentication. Its errors have
//! Okta's form, since Nexthink does not document its own.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State as Extract};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::state::State;

/// The scopes of tokens.
const SCOPES: [&str; 2] = ["service:integration", "service:audit-trail"];

pub(crate) async fn issue(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
    form: Result<Form<HashMap<String, String>>, FormRejection>,
) -> Response {
    let now = state.now();
    let mut shared = state.shared();
    if let Some(status) = shared.behaviour.token_status {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return refuse(status, "server_error", "the token endpoint is set to refuse");
    }
    if !is_known_client(&state, &headers) {
        let description = "the client ID or the client secret is wrong";
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client", description);
    }
    let Ok(Form(form)) = form else {
        let description = "the body is not a form";
        return refuse(StatusCode::BAD_REQUEST, "invalid_request", description);
    };
    if form.get("grant_type").map(String::as_str) != Some("client_credentials") {
        let description = "only client_credentials is supported";
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", description);
    }
    let scope = form.get("scope").map_or("", String::as_str);
    if !SCOPES.contains(&scope) {
        let description = "only service:integration and service:audit-trail are configured";
        return refuse(StatusCode::BAD_REQUEST, "invalid_scope", description);
    }
    let token = state.signer.name("token", shared.requests.tokens);
    shared.add_token(token.clone(), now);
    let body = json!({
        "token_type": "Bearer",
        "expires_in": shared.behaviour.token_lifetime.as_secs(),
        "access_token": token,
        "scope": scope,
    });
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Returns true if the request has the client ID and the client secret, as in HTTP Basic
/// authentication.
pub(crate) fn is_known_client(state: &State, headers: &HeaderMap) -> bool {
    let Some(encoded) = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Basic "))
    else {
        return false;
    };
    let expected = format!("{}:{}", state.client_id, state.client_secret);
    STANDARD.decode(encoded).is_ok_and(|given| given == expected.as_bytes())
}

fn refuse(status: StatusCode, error: &str, description: &str) -> Response {
    (status, Json(json!({ "error": error, "error_description": description }))).into_response()
}
