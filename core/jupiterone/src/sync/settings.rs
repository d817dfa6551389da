//! The times, counts and sizes that bound a delivery, with defaults for the real JupiterOne.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

/// All bounds of a [`SyncClient`](crate::SyncClient).
#[derive(Debug, Clone)]
pub struct SyncSettings {
    /// How failed calls are repeated.
    pub retry: RetryPolicy,
    /// How a finalized job is asked for its state.
    pub poll: PollSchedule,
    /// How long to wait for the network.
    pub timeouts: Timeouts,
    /// A PEM file with the certificates of further authorities to trust.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// The proxy to go through; none by default, and never one out of the environment.
    pub proxy: Option<ProxySettings>,
    /// The largest upload, in bytes of JSON before it is compressed. JupiterOne refuses more than 6 MB;
    /// its own integrations stop at 5,000,000 (integration SDK 17.4).
    pub batch_bytes: usize,
    /// How many uploads are under way at a time.
    pub uploads_in_flight: usize,
    /// How many uploads may fail for good before the job is given up.
    pub max_lost_uploads: u32,
    /// How many single objects JupiterOne may refuse before the job is given up.
    pub max_refused_objects: u64,
    /// Where the jitter of waits and the correlation ids start; any number, best a random one.
    pub seed: u64,
}

impl SyncSettings {
    /// The defaults, with the caller's source of jitter.
    pub fn new(seed: u64) -> Self {
        Self {
            retry: RetryPolicy::default(),
            poll: PollSchedule::default(),
            timeouts: Timeouts::default(),
            extra_ca_pem: None,
            proxy: None,
            batch_bytes: 5_000_000,
            uploads_in_flight: 6,
            max_lost_uploads: 3,
            max_refused_objects: 100,
            seed,
        }
    }
}

/// How one call is repeated while the trouble looks transient: no answer, HTTP 5xx, HTTP 429.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// How often one call is made at most, the first time included.
    pub max_attempts: u32,
    /// The wait after the first failure; it doubles with each further one, with full jitter.
    pub first_wait: Duration,
    /// The longest such wait.
    pub max_wait: Duration,
    /// The wait after the first HTTP 429 that does not say how long; it doubles too.
    pub first_throttled_wait: Duration,
    /// The longest such wait.
    pub max_throttled_wait: Duration,
    /// How long one call may take with all its repetitions.
    pub budget: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 8,
            first_wait: Duration::from_secs(2),
            max_wait: Duration::from_mins(2),
            first_throttled_wait: Duration::from_secs(30),
            max_throttled_wait: Duration::from_mins(5),
            budget: Duration::from_mins(20),
        }
    }
}

/// How a finalized job is asked for its state.
#[derive(Debug, Clone)]
pub struct PollSchedule {
    /// The wait before the first question; each further one is half as long again.
    pub first: Duration,
    /// The longest wait.
    pub cap: Duration,
    /// How long the job may take once it is finalized.
    pub deadline: Duration,
}

impl Default for PollSchedule {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            cap: Duration::from_secs(30),
            deadline: Duration::from_hours(2),
        }
    }
}

/// How long to wait for the network.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For a whole answer, the upload included.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_mins(3) }
    }
}

/// A proxy for everything but loopback hosts. It never sees what goes through it (HTTP CONNECT).
#[derive(Clone)]
pub struct ProxySettings {
    /// Such as `http://proxy.example:3128`; it may carry a user name and a password, so it is secret.
    pub url: Zeroizing<String>,
    /// Hosts that are reached without it, as in the variable `NO_PROXY`.
    pub no_proxy: Option<String>,
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("ProxySettings");
        shown.field("no_proxy", &self.no_proxy).finish_non_exhaustive()
    }
}
