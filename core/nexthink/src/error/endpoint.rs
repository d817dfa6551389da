//! The calls that an error can be about.

use std::fmt;

/// The calls that this crate makes, as they are named in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The token endpoint of the login host.
    Token,
    /// Starting an export.
    StartExport,
    /// Asking for the status of an export.
    ExportStatus,
    /// Running a query at once, for its first rows.
    Execute,
    /// Fetching a results file.
    ResultsFile,
    /// Reading the audit trail.
    AuditTrail,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Token => "the login host (POST /oauth2/default/v1/token)",
            Self::StartExport => "the NQL API (POST /api/v1/nql/export)",
            Self::ExportStatus => "the NQL API (GET /api/v1/nql/status)",
            Self::Execute => "the NQL API (POST /api/v1/nql/execute)",
            Self::ResultsFile => "the file host (GET of the results link)",
            Self::AuditTrail => "the audit trail (GET /audit-trail/api/v1)",
        })
    }
}
