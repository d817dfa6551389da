//! The switches of a running simulator: its content, its delays and its refusals.

mod content;
mod download;
mod fault;
mod query;
mod scenario;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use crate::audit::AuditSpec;
use crate::exports::SavedQuery;
use crate::tenant::TenantSpec;
pub use content::Content;
pub use download::{AnnouncedLength, Cut, Download, Etag, Pace, RangeAnswer};
pub use fault::{Answer, Fault, FaultAction, FaultPoint};
pub use query::{FailingExports, Parameter, QueryBehaviour, Results, ResultsCompression};
pub use scenario::{Scenario, ScenarioError};
use scenario::{seconds, seconds_by_query};

/// The behaviour of the simulated tenant. `Default` is a healthy one.
///
/// A change applies from the next request on. A running export keeps its tenant, row cap,
/// preparation time and results file.
///
/// As TOML (see [`Scenario`]) each field is a key of the same name, a time is a number of seconds
/// under a key that ends in `_seconds`, and a query is named by its ID.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// The content of the tenant.
    pub tenant: TenantSpec,
    /// The most rows of any export; more are truncated and the status call answers 206. `None` is
    /// no cap.
    pub row_cap: Option<u64>,
    /// Row caps of single queries, which override `row_cap`. Queries with the same rows share their
    /// cap.
    pub row_caps: BTreeMap<SavedQuery, u64>,
    /// Queries that the credentials may not run: 403 at the start of an export.
    pub forbidden: BTreeSet<SavedQuery>,
    /// Queries that are not saved: 404 at the start of an export.
    pub missing: BTreeSet<SavedQuery>,
    /// Queries whose exports end in `ERROR`, with the error description.
    pub failing: BTreeMap<SavedQuery, String>,
    /// The number of status calls that are answered `SUBMITTED` first.
    pub polls_submitted: u32,
    /// The number of status calls that are then answered `IN_PROGRESS`, before the export may be
    /// `COMPLETED`. There are more of them while the results file is still being measured.
    pub polls_in_progress: u32,
    /// The shortest time from the start of an export to `COMPLETED`.
    #[serde(rename = "preparation_seconds", deserialize_with = "seconds")]
    pub preparation: Duration,
    /// The shortest times of single queries, which override `preparation`.
    #[serde(rename = "preparations_seconds", deserialize_with = "seconds_by_query")]
    pub preparations: BTreeMap<SavedQuery, Duration>,
    /// True if `GET /api/v1/nql/export` starts an export as `POST` does; otherwise it is a 405.
    pub accepts_get_export: bool,
    /// The status with which the token endpoint refuses every request.
    pub token_status: Option<u16>,
    /// The lifetime of a new token, in whole seconds.
    #[serde(rename = "token_lifetime_seconds", deserialize_with = "seconds")]
    pub token_lifetime: Duration,
    /// The lifetime of a new results link, in whole seconds.
    #[serde(rename = "link_lifetime_seconds", deserialize_with = "seconds")]
    pub link_lifetime: Duration,
    /// The base URL of results links, if it is not the file host's own, for example that of a
    /// [`FaultProxy`](crate::FaultProxy) in front of it.
    pub files_url: Option<String>,
    /// The most exports that may be started; further ones get a 429. Counted from the start of the
    /// simulator; its day does not end.
    pub daily_export_limit: Option<u64>,
    /// The wait in `retry-after` of that 429, in whole seconds.
    #[serde(rename = "retry_after_seconds", deserialize_with = "seconds")]
    pub retry_after: Duration,
    /// The most exports that may run at the same time; further ones get a 429. An export runs until
    /// a status call has reported its end, or for the lifetime of a link if no status call comes.
    pub concurrent_exports: Option<u64>,
    /// The wait in `retry-after` of that 429, in whole seconds.
    #[serde(rename = "concurrent_retry_after_seconds", deserialize_with = "seconds")]
    pub concurrent_retry_after: Duration,
    /// The most queries that are executed in a second, evenly spaced; an earlier one gets a 429 without `retry-after`.
    /// 0 is no limit.
    pub executions_per_second: u32,
    /// The form of `retry-after`.
    pub retry_after_form: RetryAfterForm,
    /// The number of seconds by which the tenant's clock is ahead of this machine's, in the `Date`
    /// header and in the dates of `retry-after`.
    pub clock_offset_seconds: i64,
    /// True if a Zstandard results file ends with a checksum of its content.
    pub zstd_checksum: bool,
    /// The behaviour of single queries, by ID; also adds queries with further IDs.
    pub queries: BTreeMap<String, QueryBehaviour>,
    /// The audit trail.
    pub audit: AuditSpec,
    /// Requests that the tenant does not answer normally. The first fault that matches wins.
    pub faults: Vec<Fault>,
}

/// The form of a `retry-after` header. Nexthink calls it a date and time; HTTP has seconds and
/// three forms of date (RFC 9110, sections 5.6.7 and 10.2.3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfterForm {
    /// `3600`
    #[default]
    Seconds,
    /// `Sun, 06 Nov 1994 08:49:37 GMT`
    Imf,
    /// `Sunday, 06-Nov-94 08:49:37 GMT`
    Rfc850,
    /// `Sun Nov  6 08:49:37 1994`
    Asctime,
    /// `1994-11-06T08:49:37Z`
    Iso8601,
    /// No header.
    None,
    /// This text, with any meaning.
    Literal(String),
}

impl Default for Behaviour {
    fn default() -> Self {
        let documented_lifetime = Duration::from_mins(15);
        Self {
            tenant: TenantSpec::default(),
            row_cap: None,
            row_caps: BTreeMap::new(),
            forbidden: BTreeSet::new(),
            missing: BTreeSet::new(),
            failing: BTreeMap::new(),
            polls_submitted: 1,
            polls_in_progress: 1,
            preparation: Duration::ZERO,
            preparations: BTreeMap::new(),
            accepts_get_export: false,
            token_status: None,
            token_lifetime: documented_lifetime,
            link_lifetime: documented_lifetime,
            files_url: None,
            daily_export_limit: None,
            retry_after: Duration::from_hours(1),
            concurrent_exports: None,
            concurrent_retry_after: Duration::from_secs(1),
            executions_per_second: 0,
            retry_after_form: RetryAfterForm::default(),
            clock_offset_seconds: 0,
            zstd_checksum: true,
            queries: BTreeMap::new(),
            audit: AuditSpec::default(),
            faults: Vec::new(),
        }
    }
}

impl Behaviour {
    /// Returns the query saved under an ID; `None` if there is none.
    pub(crate) fn saved_query(&self, query_id: &str) -> Option<SavedQuery> {
        let own = SavedQuery::from_id(query_id);
        if own.is_some_and(|own| self.missing.contains(&own)) {
            return None;
        }
        self.queries.get(query_id).and_then(|query| query.same_as).or(own)
    }

    pub(crate) fn is_forbidden(&self, query_id: &str) -> bool {
        SavedQuery::from_id(query_id).is_some_and(|query| self.forbidden.contains(&query))
    }

    pub(crate) fn row_cap(&self, query: SavedQuery) -> Option<u64> {
        self.row_caps.get(&query).copied().or(self.row_cap)
    }

    pub(crate) fn preparation(&self, query: SavedQuery) -> Duration {
        self.preparations.get(&query).copied().unwrap_or(self.preparation)
    }

    pub(crate) fn query(&self, query_id: &str) -> QueryBehaviour {
        self.queries.get(query_id).cloned().unwrap_or_default()
    }
}
