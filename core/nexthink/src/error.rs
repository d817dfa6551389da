//! The errors between the program and Nexthink, and their kinds.
//!
//! Of an answer's body, an error contains only an export's own error description. All other texts
//! are fixed, so no token, signed link or cell value can be in an error.

mod endpoint;

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use core_http::{Advice, SetupError, SharedError, UnreachableCause};
use jiff::Timestamp;

pub use self::endpoint::Endpoint;
use crate::identity::{ExportId, QueryId};
use crate::results_link::LinkRefusal;
use crate::token::INTEGRATION_SCOPE;

/// The advice if a host cannot be reached.
const ADVICE: Advice = Advice::new("check the tenant, the region and DNS");

/// The failure of a call to Nexthink. Cheap to clone, so that callers waiting for one token share it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NexthinkError {
    /// An identifier from the configuration or from Nexthink breaks its rule.
    #[error("the {name} {value:?} is not valid: {rule}")]
    InvalidIdentity {
        /// Which identifier.
        name: &'static str,
        /// The text that was given, escaped and cut to 80 characters.
        value: String,
        /// The rule and the fix.
        rule: &'static str,
    },
    /// The client secret cannot be sent.
    #[error("the client secret cannot be used: {reason}")]
    InvalidSecret {
        /// The problem and its remedy.
        reason: &'static str,
    },
    /// A base URL that overrides an endpoint breaks a rule.
    #[error("the {name} base URL cannot be used: {reason}")]
    InvalidEndpoint {
        /// Which base URL: `login`, `api` or `files`.
        name: &'static str,
        /// The problem and its remedy.
        reason: &'static str,
    },
    /// No HTTP client can be made with these settings on this machine.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The login host or the API does not accept the credential.
    #[error(
        "{endpoint} refused client id {client_id:?} (HTTP {status}, {reason}): check the client id \
         and the client secret, and that {}",
        permission(.scope)
    )]
    Unauthorized {
        /// Who refused.
        endpoint: Endpoint,
        /// The OAuth scope that was asked for.
        scope: &'static str,
        /// The client id that was refused.
        client_id: String,
        /// The HTTP status.
        status: u16,
        /// The OAuth error code if it is a known one, otherwise a description.
        reason: Cow<'static, str>,
    },
    /// The host of the audit trail, or the login host for its sake, does not accept the account.
    #[error(
        "{endpoint} refused {account:?} (HTTP {status}{}): {advice}",
        after_comma(reason.as_deref())
    )]
    AuditUnauthorized {
        /// Who refused.
        endpoint: Endpoint,
        /// The account or client id that was refused.
        account: String,
        /// The HTTP status.
        status: u16,
        /// The OAuth error code if it is a known one, otherwise a description.
        reason: Option<Cow<'static, str>>,
        /// The remedy, for this kind of account.
        advice: &'static str,
    },
    /// A part of the audit trail cannot be read, as its host says.
    #[error(
        "the audit trail of {trail} cannot be read (HTTP {status}, asked {}{}): {advice}",
        times(*attempts),
        after_comma(said.as_deref())
    )]
    AuditTrailFailed {
        /// Whose trail: `the web interface`, `all Engines`, or the name of an Engine.
        trail: String,
        /// The HTTP status.
        status: u16,
        /// The number of questions.
        attempts: u32,
        /// The words of the error that may be shown.
        said: Option<String>,
        /// The remedy, for this trail.
        advice: &'static str,
    },
    /// The host of the audit trail does not take the request, and never will.
    #[error(
        "the audit trail of {trail} was refused (HTTP {status}{}): {advice}",
        after_comma(said.as_deref())
    )]
    AuditTrailRefused {
        /// Whose trail: `the web interface`, `all Engines`, or the name of an Engine.
        trail: String,
        /// The HTTP status.
        status: u16,
        /// The words of the error that may be shown.
        said: Option<String>,
        /// The remedy, for this status.
        advice: &'static str,
    },
    /// The host of the audit trail sends, but too little to ever get done.
    #[error(
        "the audit trail comes too slowly, after {received} bytes: check the network to its host"
    )]
    AuditTooSlow {
        /// Bytes received so far.
        received: u64,
    },
    /// The credential is fine but may not do this.
    #[error(
        "access to {subject} is forbidden: give the API credential the NQL API permission, or \
         check that the query exists, which Nexthink may answer the same way"
    )]
    Forbidden {
        /// The query or export, such as `query #j1_devices`.
        subject: String,
    },
    /// There is no saved query of this id.
    #[error(
        "query {query} does not exist: create it in Nexthink under Administration > NQL API \
         queries, with exactly this query id"
    )]
    QueryNotFound {
        /// The query that was asked for.
        query: QueryId,
    },
    /// Nexthink does not take the query as it was asked for (HTTP 400).
    #[error(
        "Nexthink does not accept query {query} as it is asked for (HTTP 400): check its text, and \
         that a parameter of it has the configured name"
    )]
    QueryNotAccepted {
        /// The query that was asked for.
        query: QueryId,
    },
    /// Nexthink does not know the export (any more).
    #[error("export {export_id} is not known to Nexthink: it has expired, start a new one")]
    ExportGone {
        /// The export that was asked for.
        export_id: ExportId,
    },
    /// Nexthink could not run the query.
    #[error("export {export_id} failed in Nexthink: {description}")]
    ExportFailed {
        /// The export that failed.
        export_id: ExportId,
        /// Nexthink's description, escaped and cut to 300 characters.
        description: String,
    },
    /// The export did not finish within the time allowed.
    #[error("export {export_id} did not finish within {} s", .waited.as_secs())]
    Deadline {
        /// The export that was waited for.
        export_id: ExportId,
        /// The time allowed.
        waited: Duration,
    },
    /// No answer came at all.
    #[error("cannot reach {host}: {}", .cause.describe(&ADVICE))]
    Unreachable {
        /// The host that was called.
        host: String,
        /// At which point it failed.
        cause: UnreachableCause,
        /// The error of the HTTP client, without the URL.
        #[source]
        source: SharedError,
    },
    /// The host answers, but only with statuses that ask to try again (HTTP 5xx, 408 or 425).
    #[error("{endpoint} answered HTTP {status} {attempts} times: try again later")]
    Unavailable {
        /// Who answered.
        endpoint: Endpoint,
        /// The last HTTP status.
        status: u16,
        /// The number of attempts.
        attempts: u32,
    },
    /// Nexthink asks to wait (HTTP 429, or 503 with `Retry-After`) for longer than the retry policy allows.
    #[error(
        "{endpoint} answered HTTP {status} and asked to wait: try again in {} s",
        .wait.as_secs()
    )]
    Deferred {
        /// Who answered.
        endpoint: Endpoint,
        /// The HTTP status.
        status: u16,
        /// The wait from now.
        wait: Duration,
    },
    /// The day's exports are used up, by the ledger of the caller.
    #[error(
        "the {limit} exports of a day are used up: try again after {}",
        time(*.not_before_ms)
    )]
    QuotaExhausted {
        /// The number of exports that a day may have.
        limit: u32,
        /// When there is room for this one, in milliseconds since 1970-01-01 UTC.
        not_before_ms: u64,
    },
    /// An answer that the interface does not allow for.
    #[error("{endpoint} answered HTTP {status} with {what}")]
    UnexpectedAnswer {
        /// Who answered.
        endpoint: Endpoint,
        /// The HTTP status.
        status: u16,
        /// The problem, in fixed words.
        what: &'static str,
    },
    /// The results link leads somewhere it must not.
    #[error("the results link was refused: {reason}")]
    LinkRefused {
        /// The rule it breaks.
        reason: LinkRefusal,
    },
    /// The results link is not accepted any more; it lives for 15 minutes.
    #[error("the results link is not accepted any more ({})", .code.unwrap_or("no reason given"))]
    LinkExpired {
        /// The file host's error code, if it is a known one.
        code: Option<&'static str>,
    },
    /// The file host refuses the download for another reason.
    #[error("the file host refused the download (HTTP {status}, {})", .code.unwrap_or("no reason given"))]
    DownloadRefused {
        /// The HTTP status.
        status: u16,
        /// The file host's error code, if it is a known one.
        code: Option<&'static str>,
    },
    /// Something on the way refuses the download (HTTP 403), not the file host itself.
    #[error(
        "a proxy or firewall on the way to the file host refused the download (HTTP 403): allow \
         HTTPS to {host}"
    )]
    FilesBlocked {
        /// The file host.
        host: String,
    },
    /// The connection broke during the download.
    #[error("the download broke after {received} bytes")]
    DownloadBroken {
        /// Bytes written so far.
        received: u64,
        /// The error of the HTTP client, without the URL.
        #[source]
        source: SharedError,
    },
    /// The file host sends, but too little to ever get done.
    #[error("the download is too slow, after {received} bytes: check the network to the file host")]
    DownloadTooSlow {
        /// Bytes written so far.
        received: u64,
    },
    /// The file is another one than that whose download began.
    #[error("the results file changed after {received} bytes of it were downloaded")]
    DownloadChanged {
        /// Bytes of the first file.
        received: u64,
    },
    /// The file is not as long as the file host said.
    #[error("the download has {received} bytes, but the file host announced {expected}")]
    LengthMismatch {
        /// Bytes received.
        received: u64,
        /// Bytes announced.
        expected: u64,
    },
    /// The file is larger than the cap.
    #[error("the download is larger than the cap of {cap} bytes: raise it if this is right")]
    TooLarge {
        /// The cap in bytes.
        cap: u64,
    },
    /// The record of an export could not be kept, so it could be paid for twice.
    #[error("cannot keep an export in the store")]
    Journal {
        /// The error of the writer.
        #[source]
        source: Arc<io::Error>,
    },
    /// The downloaded bytes could not be written.
    #[error("cannot write the download")]
    Sink {
        /// The error of the writer.
        #[source]
        source: Arc<io::Error>,
    },
}

/// The kind of an error: a program picks its exit code by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The configuration is wrong.
    Configuration,
    /// The credential was refused.
    Credentials,
    /// This one query cannot be used; others may well be.
    Query,
    /// Nexthink cannot be reached or does not get done; try later.
    Unreachable,
    /// Nexthink asks to come back later.
    Deferred,
    /// The answer cannot be trusted.
    Data,
    /// This machine could not store the answer.
    Local,
}

impl NexthinkError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidIdentity { .. }
            | Self::InvalidSecret { .. }
            | Self::InvalidEndpoint { .. }
            | Self::Setup(_) => ErrorKind::Configuration,
            Self::Unauthorized { .. } | Self::AuditUnauthorized { .. } => ErrorKind::Credentials,
            Self::Forbidden { .. }
            | Self::QueryNotFound { .. }
            | Self::QueryNotAccepted { .. }
            | Self::AuditTrailRefused { .. } => ErrorKind::Query,
            Self::Unreachable { .. }
            | Self::Unavailable { .. }
            | Self::AuditTrailFailed { .. }
            | Self::AuditTooSlow { .. }
            | Self::Deadline { .. }
            | Self::DownloadBroken { .. }
            | Self::DownloadTooSlow { .. }
            | Self::FilesBlocked { .. } => ErrorKind::Unreachable,
            Self::Deferred { .. } | Self::QuotaExhausted { .. } => ErrorKind::Deferred,
            Self::ExportGone { .. }
            | Self::ExportFailed { .. }
            | Self::UnexpectedAnswer { .. }
            | Self::LinkRefused { .. }
            | Self::LinkExpired { .. }
            | Self::DownloadRefused { .. }
            | Self::DownloadChanged { .. }
            | Self::LengthMismatch { .. }
            | Self::TooLarge { .. } => ErrorKind::Data,
            // The store is in another place.
            Self::Journal { source } if source.kind() == io::ErrorKind::HostUnreachable => {
                ErrorKind::Unreachable
            }
            Self::Journal { .. } | Self::Sink { .. } => ErrorKind::Local,
        }
    }

    /// Returns whether the credential was refused.
    pub fn is_credentials(&self) -> bool {
        self.kind() == ErrorKind::Credentials
    }

    /// Returns whether Nexthink could not be reached or did not get done.
    pub fn is_unreachable(&self) -> bool {
        self.kind() == ErrorKind::Unreachable
    }
}

/// Returns a number of times, for people.
fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// A comma and the text, or nothing.
fn after_comma(text: Option<&str>) -> String {
    text.map_or_else(String::new, |text| format!(", {text}"))
}

/// A time as people read it; the number itself where no calendar reaches.
fn time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| format!("{ms} ms"), |time| time.to_string())
}

/// The conditions on which a credential is given a scope.
fn permission(scope: &str) -> String {
    if scope == INTEGRATION_SCOPE {
        return format!("the credential has the NQL API permission (scope {scope})");
    }
    format!("Nexthink's support gave the credential the scope {scope}")
}
