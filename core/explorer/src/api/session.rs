//! Who is signed in, which tenants there are, and the description of the API.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Json};
use serde::Serialize;

use super::{Endpoint, blocking};
use crate::access::{Role, User};
use crate::error::ApiError;
use crate::{Explorer, openapi};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/session",
            "Tells who is signed in, and which tenants and generations there are.",
            "SessionInfo",
            get(session),
        ),
        Endpoint::get(
            "/api/v1/openapi.json",
            "Describes this API.",
            "any",
            get(async || Json(openapi::openapi())),
        ),
    ]
}

/// The signed-in user, and the tenants of the store.
#[derive(Debug, Serialize)]
struct SessionInfo {
    /// The name of the user's token, or `browser`.
    user: String,
    role: Role,
    /// The version of the program.
    version: &'static str,
    tenants: Vec<TenantInfo>,
}

/// A tenant of the store.
#[derive(Debug, Serialize)]
struct TenantInfo {
    name: String,
    /// The published generation; none before the first run.
    generation: Option<String>,
}

async fn session(
    State(explorer): State<Arc<Explorer>>,
    Extension(user): Extension<User>,
) -> Result<Json<SessionInfo>, ApiError> {
    let tenants = blocking(|| {
        let tenants = explorer.host.tenants()?.into_iter().map(|tenant| {
            let generation = tenant.current()?.map(|generation| generation.id().to_string());
            Ok(TenantInfo { name: tenant.name().to_owned(), generation })
        });
        tenants.collect::<Result<Vec<_>, ApiError>>()
    });
    let tenants = tenants.await?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(Json(SessionInfo { user: user.name, role: user.role, version, tenants }))
}
