//! Checks every request before anything else: its host, method, path and origin. Adds headers to every answer that
//! keep the page from loading anything from elsewhere.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::Explorer;
use crate::error::ApiError;

/// The only sources of a page: its own host, and no script but its files.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// The longest path with its query. Bytes.
const MAX_TARGET_BYTES: usize = 32 * 1024;

/// Characters that a path never needs, and a trick does.
const TRICKS: [&str; 7] = ["..", "//", "\\", "%2e", "%2f", "%5c", "%00"];

/// Refuses requests that no page or script of ours sends.
pub(crate) async fn guard(
    State(explorer): State<Arc<Explorer>>,
    request: Request,
    next: Next,
) -> Response {
    let refused = check(&explorer, request.uri(), request.method(), request.headers());
    let mut response = match refused {
        Err(error) => error.into_response(),
        Ok(()) => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Answers with data must not stay in a cache that outlives the session.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn check(
    explorer: &Explorer,
    uri: &Uri,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    check_host(explorer, uri, headers)?;
    if !matches!(*method, Method::GET | Method::HEAD | Method::POST) {
        return Err(ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "only GET, HEAD and POST are answered",
        ));
    }
    if uri.path_and_query().is_some_and(|target| target.as_str().len() > MAX_TARGET_BYTES) {
        return Err(ApiError::new(
            StatusCode::URI_TOO_LONG,
            "address",
            "the address is too long: send a long query with POST",
        ));
    }
    let path = uri.path().to_ascii_lowercase();
    if TRICKS.iter().any(|trick| path.contains(trick)) {
        return Err(ApiError::bad_request("the path is not one of this program"));
    }
    check_origin(uri, method, headers)
}

/// A page of another host that resolves to this address (DNS rebinding) names its own host.
fn check_host(explorer: &Explorer, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).map(str::to_ascii_lowercase);
    let is_alone = hosts.next().is_none();
    let is_allowed = |host: &str| explorer.settings.hosts.iter().any(|allowed| allowed == host);
    let authority = uri.authority().map(|authority| authority.as_str().to_ascii_lowercase());
    let is_named = authority.is_none_or(|authority| is_allowed(&authority));
    if is_alone && is_named && host.is_some_and(|host| is_allowed(&host)) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        "host",
        "this address is not served under that host name; --allow-host adds one",
    ))
}

/// Browsers tell which site a request comes from. The page itself may be opened from anywhere: it shows
/// nothing without a session. Data goes to our own page only.
fn check_origin(uri: &Uri, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_ours = matches!(text("sec-fetch-site"), None | Some("same-origin" | "none"));
    let host = text("host").unwrap_or_default();
    let has_own_origin = text("origin").is_none_or(|origin| {
        let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
        authority.eq_ignore_ascii_case(host)
    });
    let is_data = uri.path().starts_with("/api/") || *method == Method::POST;
    if is_data && !(is_ours && has_own_origin) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "cross-site",
            "only this program's own page and scripts may ask; a reverse proxy must pass on the header Host",
        ));
    }
    Ok(())
}
