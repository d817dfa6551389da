//! The page itself, its files, and signing in.
//!
//! The page shows nothing without a session, so anyone may load it. So a link in a message works although browsers do
//! not send a strict cookie when a link comes from elsewhere.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::Explorer;
use crate::api::{blocking, body_of};
use crate::error::ApiError;
use crate::parameters::{Path, Query};

/// The page that is shown for a moment after the printed address was opened. It navigates by itself and not by a
/// redirect, so that the next request comes from our own page and has the cookie.
const SIGNED_IN: &str = "<!doctype html><html lang=\"en\"><title>Nexthink Graph</title>\
    <meta http-equiv=\"refresh\" content=\"0;url=/\"><p><a href=\"/\">Go on to the explorer</a></html>";

/// The page for an address that was used.
const USED: &str = "<!doctype html><html lang=\"en\"><title>Nexthink Graph</title>\
    <p>This address was used already, is older than an hour, or is of an earlier start of the program. A browser that \
    has used it goes on at <a href=\"/\">the explorer</a>; for another one, start <code>serve</code> again, or make a \
    token with <code>serve token new</code>.</html>";

/// The page, for every address that is no file and no call.
pub(crate) async fn page(State(explorer): State<Arc<Explorer>>, request: Request) -> Response {
    let path = request.uri().path();
    if !matches!(*request.method(), Method::GET | Method::HEAD) || path.starts_with("/api") {
        return ApiError::not_found("there is no such call; /api/v1/openapi.json lists them")
            .into_response();
    }
    if path != "/" && !path.starts_with("/t/") {
        return ApiError::not_found("there is no such page").into_response();
    }
    match explorer.assets.page() {
        Ok(page) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response(),
        Err(error) => error.into_response(),
    }
}

/// The answer to a method that an address does not have.
pub(crate) async fn other_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "this call has another method; /api/v1/openapi.json lists them",
    )
}

/// A file of the page.
pub(crate) async fn asset(
    State(explorer): State<Arc<Explorer>>,
    Path((version, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    explorer.assets.answer(&version, &path, &headers)
}

/// There is no icon at this address; the page names one.
pub(crate) async fn icon() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Starts a session with the token of the printed address.
pub(crate) async fn open_session(
    State(explorer): State<Arc<Explorer>>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let token = query.get("token").cloned().unwrap_or_default();
    let html = (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned());
    match exchange(&explorer, &token, &headers) {
        Ok(Some(cookie)) => ([html, (header::SET_COOKIE, cookie)], SIGNED_IN).into_response(),
        Ok(None) => (StatusCode::UNAUTHORIZED, [html], USED).into_response(),
        Err(error) => error.into_response(),
    }
}

/// A token to sign in with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    token: String,
}

/// Starts a session with a token that was given to a person.
pub(crate) async fn sign_in(
    State(explorer): State<Arc<Explorer>>,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let SignIn { token } = body_of(request).await?;
    let cookie = blocking(move || exchange(&explorer, token.trim(), &headers)).await?;
    let refused = ApiError::new(
        StatusCode::UNAUTHORIZED,
        "token",
        "there is no such token; `serve token new` makes one",
    );
    let cookie = cookie.ok_or(refused)?;
    Ok(([(header::SET_COOKIE, cookie)], Json(serde_json::json!({}))).into_response())
}

fn exchange(
    explorer: &Explorer,
    token: &str,
    headers: &HeaderMap,
) -> Result<Option<String>, ApiError> {
    let name = headers.get(header::HOST).and_then(|name| name.to_str().ok()).unwrap_or_default();
    let exchanged = explorer.access.exchange(token, name, &*explorer.host);
    exchanged.map_err(|error| ApiError::internal(&error))
}
