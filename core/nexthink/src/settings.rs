//! The times, counts and sizes that bound every call, with defaults for a real tenant.
//!
//! A demo or a test sets milliseconds where a tenant needs seconds.

use std::time::Duration;

use core_http::{ProxySettings, RetryPolicy, Trust};

/// All bounds of a [`Client`](crate::Client).
#[derive(Debug, Clone)]
pub struct Settings {
    /// The repetition of failed calls.
    pub retry: RetryPolicy,
    /// The largest number of attempts to start an export, each of which may cost one of the day's exports.
    /// [`RetryPolicy::max_attempts`] bounds it too.
    pub max_start_attempts: u32,
    /// The questions for the status of a running export.
    pub poll: PollSchedule,
    /// The wait before an export is started again that failed for a transient reason, by its error description.
    pub wait_for_new_export: Duration,
    /// The pause between the answer to an executed query and the next execution: Nexthink accepts one a second.
    pub execute_pause: Duration,
    /// The longest waits for the network.
    pub timeouts: Timeouts,
    /// The least speed of a download.
    pub slowest_download: DownloadSpeed,
    /// Which certificates are trusted.
    pub trust: Trust,
    /// The proxy to go through; none by default, and never one out of the environment.
    pub proxy: Option<ProxySettings>,
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
            max_start_attempts: 3,
            poll: PollSchedule::default(),
            wait_for_new_export: Duration::from_mins(1),
            execute_pause: Duration::from_secs(1),
            timeouts: Timeouts::default(),
            slowest_download: DownloadSpeed::default(),
            trust: Trust::default(),
            proxy: None,
            max_download_bytes: 8 << 30,
            jitter_seed,
        }
    }
}

/// The schedule for polling a running export: the longer the wait so far, the longer the next interval, so that the
/// delay at the end is a small share of the total time.
///
/// The defaults poll within 1.5 s of the end of an export of 90 s, and make about 85 calls in those 90 s and 350 in
/// an hour; status calls do not count as exports (Nexthink NQL API 1.2.0).
#[derive(Debug, Clone)]
pub struct PollSchedule {
    /// The wait before the first question, and the shortest one.
    pub first: Duration,
    /// Each wait as a share of the time that the export was waited for so far.
    pub share: f64,
    /// The longest wait.
    pub cap: Duration,
    /// The time for which one export is waited for, from when this process started it or went on with it.
    pub deadline: Duration,
    /// The time for which an export that was started, its results link or its file may be missing without a break before
    /// it counts as gone. Until then a 404 or 403 means that not every server knows of it yet.
    pub gone_after: Duration,
}

/// The share of its usual time after which an export is asked about first.
const USUAL_SHARE: f64 = 0.7;

impl Default for PollSchedule {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            share: 0.015,
            cap: Duration::from_secs(30),
            deadline: Duration::from_hours(1),
            gone_after: Duration::from_mins(1),
        }
    }
}

impl PollSchedule {
    /// The wait before the first question.
    pub(crate) fn first_wait(&self) -> Duration {
        self.first.min(self.cap)
    }

    /// The wait before the first question about an export that took `usual_time` last. It asks well before that, since
    /// exports may become faster, and leaves half of the deadline if they become slower.
    pub(crate) fn until_first_question(&self, usual_time: Option<Duration>) -> Duration {
        let usual = usual_time.map_or(0.0, |usual| usual.as_secs_f64() * USUAL_SHARE);
        let wait = Duration::try_from_secs_f64(usual).unwrap_or(self.deadline);
        wait.min(self.deadline / 2).max(self.first_wait())
    }

    /// The wait when an export was waited for `waited`.
    pub(crate) fn after(&self, waited: Duration) -> Duration {
        let wait = Duration::try_from_secs_f64(waited.as_secs_f64() * self.share.max(0.0));
        wait.map_or(self.cap, |wait| wait.clamp(self.first_wait(), self.cap))
    }

    /// A wait of 90 % to 110 % of `wait`, so that the exports of a run do not ask all at once.
    ///
    /// `jitter` is at least 0 and below 1.
    pub(crate) fn spread(wait: Duration, jitter: f64) -> Duration {
        let spread = wait.as_secs_f64() * (0.9 + 0.2 * jitter);
        Duration::try_from_secs_f64(spread).unwrap_or(wait)
    }
}

/// The longest waits for the network.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the next bytes of an answer.
    pub idle: Duration,
    /// For a whole answer of the login host or the API, and for the refusal of a download; a download has no such bound,
    /// but a [least speed](Settings::slowest_download).
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

/// A number of bytes in a time: 60 KiB in a minute by default, which is 1 KiB/s.
///
/// [`Timeouts::idle`] ends a silent download; this ends one that would take days because a byte arrives now and then.
/// The download is then resumed like a broken one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadSpeed {
    /// The bytes that must come within each such time; none turns the check off.
    pub bytes: u64,
    /// The time over which they are counted.
    pub within: Duration,
}

impl Default for DownloadSpeed {
    fn default() -> Self {
        Self { bytes: 60 << 10, within: Duration::from_mins(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_grow_apart_with_the_time_waited_up_to_the_cap() {
        let schedule = PollSchedule::default();
        for (waited, expected) in
            [(0, 1_000), (60, 1_000), (90, 1_350), (600, 9_000), (2_000, 30_000), (3_600, 30_000)]
        {
            let wait = schedule.after(Duration::from_secs(waited));
            assert_eq!(wait.as_millis(), expected, "{waited} s");
        }
    }

    #[test]
    fn a_wait_is_never_longer_than_the_longest_even_where_the_first_is() {
        let first = Duration::from_mins(1);
        let schedule = PollSchedule { first, ..PollSchedule::default() };
        assert_eq!(schedule.after(Duration::ZERO), schedule.cap);
    }

    #[test]
    fn the_first_question_comes_after_most_of_the_usual_time_and_before_half_the_deadline() {
        let schedule = PollSchedule::default();
        for (usual, expected) in [(0, 1), (1, 1), (300, 210), (3_000, 1_800), (u64::MAX, 1_800)] {
            let wait = schedule.until_first_question(Some(Duration::from_secs(usual)));
            assert_eq!(wait.as_secs(), expected, "{usual} s");
        }
        assert_eq!(schedule.until_first_question(None), schedule.first);
    }

    #[test]
    fn polls_are_spread_by_a_tenth_to_either_side() {
        let wait = Duration::from_secs(10);
        for (jitter, expected) in [(0.0, 9_000), (0.25, 9_500), (0.5, 10_000), (1.0, 11_000)] {
            assert_eq!(PollSchedule::spread(wait, jitter).as_millis(), expected, "{jitter}");
        }
        assert_eq!(PollSchedule::spread(Duration::ZERO, 0.7), Duration::ZERO);
        assert_eq!(PollSchedule::spread(Duration::MAX, 0.9), Duration::MAX);
    }

    #[test]
    fn a_senseless_share_does_not_shorten_or_break_the_schedule() {
        for share in [0.0, -3.0, f64::NAN, f64::INFINITY, 1e300] {
            let schedule = PollSchedule { share, ..PollSchedule::default() };
            for waited in [Duration::ZERO, Duration::from_secs(4), Duration::MAX] {
                let next = schedule.after(waited);
                assert!((schedule.first..=schedule.cap).contains(&next), "{share}: {next:?}");
            }
        }
    }
}
