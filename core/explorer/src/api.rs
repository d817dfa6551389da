//! The API, version 1, for the page and for scripts. Each call is one row of a table, from which its route and its
//! description derive.

mod endpoint;
mod findings;
mod graph;
mod overview;
mod privacy;
mod query;
mod questions;
mod runs;
mod session;
mod tables;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use core_store::{Generation, TenantStore};
use serde::de::DeserializeOwned;

pub(crate) use self::endpoint::{Answer, Endpoint, Location};
pub(crate) use self::overview::{Overview, TypeSummary, read as read_overview};
use crate::Explorer;
use crate::access::User;
use crate::error::ApiError;
use crate::host::Read;

/// The longest body of a request.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// The time that the body of a request may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// All calls.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    [
        session::endpoints(),
        overview::endpoints(),
        runs::endpoints(),
        tables::endpoints(),
        graph::endpoints(),
        findings::endpoints(),
        privacy::endpoints(),
        query::endpoints(),
        questions::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The routes of all calls.
pub(crate) fn router() -> Router<Arc<Explorer>> {
    endpoints()
        .into_iter()
        .fold(Router::new(), |router, endpoint| router.route(endpoint.path, endpoint.route))
}

/// Lets a request pass that is from a user, with the user for its handler.
pub(crate) async fn authenticate(
    State(explorer): State<Arc<Explorer>>,
    mut request: Request,
    next: Next,
) -> Response {
    let now_ms = explorer.host.now_ms();
    match explorer.access.authenticate(request.headers(), now_ms) {
        Ok(user) => {
            request.extensions_mut().insert(user);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// The JSON body of a request.
pub(crate) async fn body_of<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    let content_type = request.headers().get("content-type").and_then(|value| value.to_str().ok());
    // A form of another site can send text, but no JSON.
    if !content_type.is_some_and(|value| value.starts_with("application/json")) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "type",
            "send the body as application/json",
        ));
    }
    let body = to_bytes(request.into_body(), MAX_BODY_BYTES);
    let too_slow =
        || ApiError::new(StatusCode::REQUEST_TIMEOUT, "slow", "the body came too slowly");
    let body = tokio::time::timeout(BODY_TIMEOUT, body).await.map_err(|_| too_slow())?;
    let body = body.map_err(|_| {
        let message = format!("the body is longer than {MAX_BODY_BYTES} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "size", message)
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        ApiError::bad_request(format!("the body is not what this call takes: {error}"))
    })
}

/// Runs work that waits for the disk without blocking other requests. It does not move to another thread, so borrowed
/// values need not be copied.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, ApiError> + Send,
{
    tokio::task::block_in_place(work)
}

/// A generation: that of an ID, else the published one.
pub(crate) fn generation_of(
    tenant: &TenantStore,
    id: Option<&str>,
) -> Result<Generation, ApiError> {
    let Some(id) = id else {
        return tenant.current()?.ok_or_else(|| {
            let name = tenant.name();
            ApiError::not_found(format!(
                "tenant {name} has no generation yet: `nexthink-graph run` publishes one"
            ))
        });
    };
    let id = id
        .parse()
        .map_err(|_| ApiError::bad_request(format!("{id:?} is not the ID of a generation")))?;
    Ok(tenant.generation(&id)?)
}

/// The same, or none before the first run, for calls that have an answer even then.
pub(crate) fn pinned_or_published(
    tenant: &TenantStore,
    id: Option<&str>,
) -> Result<Option<Generation>, ApiError> {
    match id {
        Some(_) => generation_of(tenant, id).map(Some),
        None => Ok(tenant.current()?),
    }
}

impl Explorer {
    /// The tenant of a name.
    pub(crate) fn tenant(&self, name: &str) -> Result<TenantStore, ApiError> {
        let mut tenants = self.host.tenants()?.into_iter();
        tenants
            .find(|tenant| tenant.name() == name)
            .ok_or_else(|| ApiError::not_found(format!("there is no tenant {name:?} in the store")))
    }

    /// Notes a read of personal data.
    pub(crate) fn note_read(
        &self,
        tenant: &TenantStore,
        user: &User,
        view: &'static str,
        generation: Option<&str>,
    ) {
        self.host.record_read(tenant, &Read { view, user: &user.name, generation });
    }
}
