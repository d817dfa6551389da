//! The switches of a running simulator: what it holds, how long it takes, and what it refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::exports::SavedQuery;
use crate::tenant::TenantSpec;

/// How the simulated tenant behaves. `Default` is a healthy one.
///
/// A change reaches the next request. An export keeps the tenant, the row cap and the preparation
/// time it was started with.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// What the tenant holds.
    pub tenant: TenantSpec,
    /// Most rows of any export; more are cut off and the status call answers 206. `None` is no cap.
    pub row_cap: Option<u64>,
    /// Row caps of single queries, which win over `row_cap`.
    pub row_caps: BTreeMap<SavedQuery, u64>,
    /// Queries that the credentials may not run: 403 at the start of an export.
    pub forbidden: BTreeSet<SavedQuery>,
    /// Queries that nobody has saved: 404 at the start of an export.
    pub missing: BTreeSet<SavedQuery>,
    /// Queries whose exports end in `ERROR`, with the error description to give.
    pub failing: BTreeMap<SavedQuery, String>,
    /// Status calls answered `SUBMITTED` before any other answer.
    pub polls_submitted: u32,
    /// Status calls answered `IN_PROGRESS` after those, before the export may be `COMPLETED`. There
    /// are more of them while the results file is still being measured.
    pub polls_in_progress: u32,
    /// Shortest time from the start of an export to `COMPLETED`.
    pub preparation: Duration,
    /// Shortest times of single queries, which win over `preparation`.
    pub preparations: BTreeMap<SavedQuery, Duration>,
    /// Whether `GET /api/v1/nql/export` starts an export as `POST` does; otherwise it is a 405.
    pub accepts_get_export: bool,
    /// A status with which the token endpoint refuses everybody.
    pub token_status: Option<u16>,
    /// How long a new token is accepted, in whole seconds.
    pub token_lifetime: Duration,
    /// How long a new results link is accepted, in whole seconds.
    pub link_lifetime: Duration,
    /// Most exports that may be started, after which the start is a 429. Counted from the start of
    /// the simulator; its day does not end.
    pub daily_export_limit: Option<u64>,
    /// What `retry-after` says with that 429, in whole seconds.
    pub retry_after: Duration,
    /// Whether a Zstandard results file ends with a checksum of its content.
    pub zstd_checksum: bool,
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
            daily_export_limit: None,
            retry_after: Duration::from_hours(1),
            zstd_checksum: true,
        }
    }
}

impl Behaviour {
    pub(crate) fn row_cap(&self, query: SavedQuery) -> Option<u64> {
        self.row_caps.get(&query).copied().or(self.row_cap)
    }

    pub(crate) fn preparation(&self, query: SavedQuery) -> Duration {
        self.preparations.get(&query).copied().unwrap_or(self.preparation)
    }
}
