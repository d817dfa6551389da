//! What a step may ask of Nexthink: the scope of its token and the addresses that it calls.
//!
//! Source: Nexthink NQL API 1.2.0 and its authentication page.

use crate::step::{Source, Step};

/// The OAuth scope that an export needs.
pub const EXPORT_SCOPE: &str = "service:integration";

/// Where every run gets its token.
pub const TOKEN_ENDPOINT: &str =
    "https://{tenantId}-login.{region}.nexthink.cloud/oauth2/default/v1/token";

/// What `check` calls to see the columns of a query.
pub const EXECUTE_ENDPOINT: &str =
    "https://{tenantId}.api.{region}.nexthink.cloud/api/v1/nql/execute";

const EXPORT_ENDPOINTS: &[&str] = &[
    "https://{tenantId}.api.{region}.nexthink.cloud/api/v1/nql/export",
    "https://{tenantId}.api.{region}.nexthink.cloud/api/v1/nql/status/{exportId}",
];

/// What one step may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authorization {
    /// The OAuth scopes of its token.
    pub scopes: &'static [&'static str],
    /// The addresses that it calls.
    pub endpoints: &'static [&'static str],
}

impl Step {
    /// What the step may ask of Nexthink; `None` for a step that calls nothing.
    pub const fn authorization(&self) -> Option<Authorization> {
        match self.source {
            Source::Configuration => None,
            Source::Export(_) => {
                Some(Authorization { scopes: &[EXPORT_SCOPE], endpoints: EXPORT_ENDPOINTS })
            }
        }
    }
}
