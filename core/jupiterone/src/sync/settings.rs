//! The times, counts and sizes that bound a delivery, with defaults for the real JupiterOne.

use std::time::Duration;

use core_http::{ProxySettings, RetryPolicy, Trust};

/// All bounds of a [`SyncClient`](crate::SyncClient).
#[derive(Debug, Clone)]
pub struct SyncSettings {
    /// The repetition of failed calls.
    pub retry: RetryPolicy,
    /// The schedule of the questions for the state of a finalized job.
    pub poll: PollSchedule,
    /// The longest waits for the network.
    pub timeouts: Timeouts,
    /// Which certificates are trusted.
    pub trust: Trust,
    /// The proxy to go through; none by default, and never one out of the environment.
    pub proxy: Option<ProxySettings>,
    /// The largest upload, in bytes of JSON before it is compressed. JupiterOne refuses more than 6 MB;
    /// its own integrations stop at 5,000,000 (integration SDK 17.4).
    pub batch_bytes: usize,
    /// The number of simultaneous uploads.
    pub uploads_in_flight: usize,
    /// The number of uploads that may fail for good before the job is given up.
    pub max_lost_uploads: u32,
    /// The number of single objects that JupiterOne may refuse before the job is given up.
    pub max_refused_objects: u64,
    /// Where the jitter of waits and the correlation ids start; any number, best a random one.
    pub seed: u64,
}

impl SyncSettings {
    /// The defaults, with the caller's source of jitter.
    pub fn new(seed: u64) -> Self {
        Self {
            // Slower than the default, since a delivery may be repeated for as long as JupiterOne restarts.
            retry: RetryPolicy {
                first_wait: Duration::from_secs(2),
                max_wait: Duration::from_mins(2),
                budget: Duration::from_mins(20),
                ..RetryPolicy::default()
            },
            poll: PollSchedule::default(),
            timeouts: Timeouts::default(),
            trust: Trust::default(),
            proxy: None,
            batch_bytes: 5_000_000,
            uploads_in_flight: 6,
            max_lost_uploads: 3,
            max_refused_objects: 100,
            seed,
        }
    }
}

/// The schedule of the questions for the state of a finalized job.
#[derive(Debug, Clone)]
pub struct PollSchedule {
    /// The wait before the first question; each further one is half as long again.
    pub first: Duration,
    /// The longest wait.
    pub cap: Duration,
    /// The longest time of the job once it is finalized.
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

/// The longest waits for the network.
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
