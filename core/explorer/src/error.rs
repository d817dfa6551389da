//! A refused or failed request, as the API answers it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use core_store::StoreError;
use serde::Serialize;

use crate::host::HostError;

/// A request that gets no answer.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    problem: Problem,
}

/// The kind of the failure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Problem {
    /// A word for programs, such as `not-found`.
    code: &'static str,
    /// The message for people, which says what happened and what to do. It may have several lines.
    message: String,
}

/// The body of such an answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ProblemBody {
    error: Problem,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, problem: Problem { code, message: message.into() } }
    }

    /// The message for people.
    pub(crate) fn message(&self) -> &str {
        &self.problem.message
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "sign-in",
            "open the address that `serve` has printed, or sign in with a token",
        )
    }

    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", message)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::GenerationNotFound { .. } => Self::not_found(error.to_string()),
            StoreError::NotFetched { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-fetched", error.to_string())
            }
            error => Self::internal(&error),
        }
    }
}

impl From<HostError> for ApiError {
    fn from(error: HostError) -> Self {
        Self::internal(&*error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(ProblemBody { error: self.problem })).into_response()
    }
}
