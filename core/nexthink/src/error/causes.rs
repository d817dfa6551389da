//! What an error is about: the call, the point at which it broke off, and the error of a library below.

use std::fmt;
use std::io;
use std::sync::Arc;

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

/// At which point a host could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnreachableCause {
    /// The name has no address.
    Dns,
    /// Nothing takes the connection.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The proxy wants a user name and a password, or other ones (HTTP 407).
    ProxyCredentials,
    /// Nothing came in time.
    Timeout,
    /// The connection ended before the answer did.
    Broken,
}

impl fmt::Display for UnreachableCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Dns => "its name could not be resolved (check the tenant, the region and DNS)",
            Self::Connect => "no connection (check the network, a firewall or proxy)",
            Self::Tls => "TLS failed (check this machine's clock and trusted certificates)",
            Self::ProxyCredentials => {
                "the proxy refused the call (HTTP 407, check the user name and password in its URL)"
            }
            Self::Timeout => "no answer in time",
            Self::Broken => "the connection broke before the answer was complete",
        })
    }
}

/// An error of a library below, shared between clones. Its URL, if it had one, is gone.
#[derive(Debug, Clone)]
pub struct SharedError(Arc<dyn std::error::Error + Send + Sync>);

impl SharedError {
    /// Keeps `error`; one of the HTTP client must have lost its URL before.
    pub(crate) fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// Keeps the words of what is at the bottom of `error`: the layers above say only that a request
    /// failed, each in words of its own.
    pub(crate) fn root_of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut root = error;
        loop {
            // An I/O error does not count what it wraps as its source.
            let wrapped = root.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let wrapped = wrapped.map(|it| it as &(dyn std::error::Error + 'static));
            match wrapped.or_else(|| root.source()) {
                Some(next) => root = next,
                None => return Self::new(Root(root.to_string())),
            }
        }
    }
}

/// What an error of a library says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Root(String);

impl fmt::Display for SharedError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for SharedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
