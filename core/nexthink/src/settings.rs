//! The times, counts and sizes that bound every call, with defaults for a real tenant.
//!
//! A demo or a test sets milliseconds where a tenant needs seconds.

use std::time::Duration;

/// All bounds of a [`Client`](crate::Client).
#[derive(Debug, Clone)]
pub struct Settings {
    /// How failed calls are repeated.
    pub retry: RetryPolicy,
    /// How a running export is asked for its status.
    pub poll: PollSchedule,
    /// How long to wait for the network.
    pub timeouts: Timeouts,
    /// The largest results file that is taken, in bytes as transferred.
    pub max_download_bytes: u64,
    /// Where the jitter of waits starts; any number, best a random one, so that two programs
    /// started together do not knock together.
    pub jitter_seed: u64,
}

impl Settings {
    /// The defaults, with the caller's source of jitter.
    pub fn new(jitter_seed: u64) -> Self {
        Self {
            retry: RetryPolicy::default(),
            poll: PollSchedule::default(),
            timeouts: Timeouts::default(),
            max_download_bytes: 8 << 30,
            jitter_seed,
        }
    }
}

/// How one call is repeated while the trouble looks transient: no answer, HTTP 5xx, HTTP 429.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// How often one call is made at most, the first time included.
    pub max_attempts: u32,
    /// The same for starting an export, each of which may cost one of the day's exports.
    pub max_start_attempts: u32,
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
            max_start_attempts: 3,
            first_wait: Duration::from_secs(1),
            max_wait: Duration::from_mins(1),
            first_throttled_wait: Duration::from_secs(30),
            max_throttled_wait: Duration::from_mins(5),
            budget: Duration::from_mins(15),
        }
    }
}

/// How a running export is asked for its status.
#[derive(Debug, Clone)]
pub struct PollSchedule {
    /// The wait before the first question.
    pub first: Duration,
    /// By how much each wait is longer than the one before.
    pub factor: f64,
    /// The longest wait.
    pub cap: Duration,
    /// How long one export may take from its start.
    pub deadline: Duration,
}

impl Default for PollSchedule {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            factor: 1.5,
            cap: Duration::from_secs(30),
            deadline: Duration::from_hours(1),
        }
    }
}

impl PollSchedule {
    /// The wait that follows a wait of `previous`.
    pub(crate) fn after(&self, previous: Duration) -> Duration {
        let longer = previous.as_secs_f64() * self.factor.max(1.0);
        Duration::try_from_secs_f64(longer).map_or(self.cap, |wait| wait.min(self.cap))
    }
}

/// How long to wait for the network.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the next bytes of an answer.
    pub idle: Duration,
    /// For a whole answer of the login host or the API; a download has no such bound.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            answer: Duration::from_mins(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_grow_apart_up_to_the_cap() {
        let schedule = PollSchedule::default();
        let mut waits = Vec::new();
        let mut wait = schedule.first;
        for _ in 0..9 {
            waits.push(wait.as_millis());
            wait = schedule.after(wait);
        }
        assert_eq!(waits, [2_000, 3_000, 4_500, 6_750, 10_125, 15_187, 22_781, 30_000, 30_000]);
    }

    #[test]
    fn a_senseless_factor_does_not_shorten_or_break_the_schedule() {
        for factor in [0.0, -3.0, f64::NAN, f64::INFINITY, 1e300] {
            let schedule = PollSchedule { factor, ..PollSchedule::default() };
            let next = schedule.after(Duration::from_secs(4));
            assert!((schedule.first..=schedule.cap).contains(&next), "{factor}: {next:?}");
        }
    }
}
