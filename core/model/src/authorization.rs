//! The authorization of steps: the scope of the token and the endpoints that a step calls.
//!
//! Source: Nexthink NQL API 1.2.0 and its authentication page.

use crate::step::{Source, Step};

/// The OAuth scope that an export needs.
pub const EXPORT_SCOPE: &str = "service:integration";

/// The OAuth scope that the audit trail needs, unless a local account reads it.
pub const AUDIT_SCOPE: &str = "service:audit-trail";

/// The role permission without which the table `platform.audit_logs` is empty (Nexthink, exporting
/// audit logs).
pub const AUDIT_PERMISSION: &str = "View audit logs in NQL";

/// The endpoint from which every run gets its token.
pub const TOKEN_ENDPOINT: &str =
    "https://{tenantId}-login.{region}.nexthink.cloud/oauth2/default/v1/token";

/// The endpoint that `check` calls to see the columns of a query.
pub const EXECUTE_ENDPOINT: &str =
    "https://{tenantId}.api.{region}.nexthink.cloud/api/v1/nql/execute";

const EXPORT_ENDPOINTS: &[&str] = &[
    "https://{tenantId}.api.{region}.nexthink.cloud/api/v1/nql/export",
    "https://{tenantId}.api.{region}.nexthink.cloud/api/v1/nql/status/{exportId}",
];

const AUDIT_ENDPOINTS: &[&str] = &[
    "https://{tenantId}.{region}.nexthink.cloud/audit-trail/api/v1/portal/type/auditlog",
    "https://{tenantId}.{region}.nexthink.cloud/audit-trail/api/v1/engine/{engine}/type/auditlog",
    "https://{tenantId}.{region}.nexthink.cloud/audit-trail/api/v1/engines/type/auditlog",
];

/// The pages of Nexthink's documentation that explain how to set up these scopes and queries.
pub const DOCUMENTATION_LINKS: &[DocumentationLink] = &[
    DocumentationLink {
        title: "Getting an authentication token",
        address: "https://docs.nexthink.com/api/getting-authentication-token",
    },
    DocumentationLink {
        title: "NQL API: credentials, permissions, and queries",
        address: "https://docs.nexthink.com/api/nql",
    },
    DocumentationLink {
        title: "NQL API: export",
        address: "https://docs.nexthink.com/api/nql/export-an-nql",
    },
];

/// A page of Nexthink's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentationLink {
    /// The subject of the page.
    pub title: &'static str,
    /// The address of the page.
    pub address: &'static str,
}

/// The authorization of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authorization {
    /// The OAuth scopes of its token.
    pub scopes: &'static [&'static str],
    /// The endpoints that the step calls.
    pub endpoints: &'static [&'static str],
}

impl Step {
    /// The authorization of the step; `None` for a step that calls nothing.
    pub const fn authorization(&self) -> Option<Authorization> {
        match self.source {
            Source::Configuration => None,
            Source::AuditTrail => {
                Some(Authorization { scopes: &[AUDIT_SCOPE], endpoints: AUDIT_ENDPOINTS })
            }
            Source::Export(_) => {
                Some(Authorization { scopes: &[EXPORT_SCOPE], endpoints: EXPORT_ENDPOINTS })
            }
        }
    }
}
