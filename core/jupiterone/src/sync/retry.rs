//! Decides whether a failed call is repeated and when: back-off with full jitter, within bounds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::fmt::rfc2822;
use tokio::time::Instant;

use super::settings::RetryPolicy;
use crate::error::{Call, JupiterOneError, UnreachableCause};

/// A longer wait than this is taken for garbage.
const LONGEST_ASKED_FOR: Duration = Duration::from_hours(24);

/// A failure that may pass.
#[derive(Debug)]
pub(super) enum Setback {
    /// No whole answer came; the error says why.
    NoAnswer(JupiterOneError),
    /// HTTP 5xx.
    ServerError { call: Call, status: u16 },
    /// HTTP 2xx from something that does not name the job that was asked for, so that it proves nothing.
    Foreign { call: Call, status: u16, what: &'static str },
    /// The job does not count yet what it took; the error says what.
    Behind(JupiterOneError),
    /// HTTP 429, with the wait that it asks for.
    Throttled { call: Call, retry_after: Option<Duration> },
}

impl Setback {
    /// What to tell the caller if it does not pass.
    fn into_error(self, attempts: u32, wait: Duration) -> JupiterOneError {
        match self {
            Self::NoAnswer(error) | Self::Behind(error) => error,
            Self::Foreign { call, status, what } => {
                JupiterOneError::UnexpectedAnswer { call, status, what }
            }
            Self::ServerError { call, status } => {
                JupiterOneError::Unavailable { call, status, attempts }
            }
            Self::Throttled { call, .. } => JupiterOneError::Deferred { call, wait },
        }
    }

    /// Whether it is worth trying again: a refused certificate stays refused.
    fn may_pass(&self) -> bool {
        let Self::NoAnswer(error) = self else { return true };
        !matches!(error, JupiterOneError::Unreachable { cause: UnreachableCause::Tls, .. })
    }
}

/// The repetitions of one call.
pub(super) struct Retry<'a> {
    policy: &'a RetryPolicy,
    random: &'a Random,
    started: Instant,
    attempts: u32,
}

impl<'a> Retry<'a> {
    pub(super) fn new(policy: &'a RetryPolicy, random: &'a Random) -> Self {
        Self { policy, random, started: Instant::now(), attempts: 0 }
    }

    /// Waits until the call may be repeated.
    ///
    /// # Errors
    /// What to tell the caller when it may not be.
    pub(super) async fn pause(&mut self, setback: Setback) -> Result<(), JupiterOneError> {
        self.attempts += 1;
        let wait = self.wait_after(&setback);
        let is_over = self.attempts >= self.policy.max_attempts
            || self.started.elapsed().saturating_add(wait) > self.policy.budget;
        if is_over || !setback.may_pass() {
            return Err(setback.into_error(self.attempts, wait));
        }
        let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let reason = match &setback {
            Setback::NoAnswer(_) => "no answer",
            Setback::ServerError { .. } => "server error",
            Setback::Foreign { .. } => "not about this job",
            Setback::Behind(_) => "the job counts less than it took",
            Setback::Throttled { .. } => "throttled",
        };
        tracing::info!(reason, attempt = self.attempts, retry_after_ms, "call will be repeated");
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn wait_after(&self, setback: &Setback) -> Duration {
        let policy = self.policy;
        let Setback::Throttled { retry_after, .. } = setback else {
            let longest = doubled(policy.first_wait, self.attempts).min(policy.max_wait);
            return longest.mul_f64(self.random.fraction());
        };
        // Coming back too early would be refused again, so here the jitter only adds.
        let asked = retry_after.unwrap_or_else(|| {
            doubled(policy.first_throttled_wait, self.attempts).min(policy.max_throttled_wait)
        });
        asked.saturating_add(policy.first_wait.mul_f64(self.random.fraction()))
    }
}

/// `first` for the first attempt, twice that for the second, and so on.
fn doubled(first: Duration, attempts: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)))
}

/// How long a `Retry-After` header asks to wait: seconds, or a date, which counts from the server's own
/// `Date`. None for anything past, absurd or unreadable.
pub(super) fn wait_asked_for(retry_after: &str, date: Option<&str>) -> Option<Duration> {
    let retry_after = retry_after.trim();
    let wait = if let Ok(seconds) = retry_after.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let until = rfc2822::parse(retry_after).ok()?.timestamp();
        let now = rfc2822::parse(date?.trim()).ok()?.timestamp();
        Duration::try_from(until.duration_since(now)).ok()?
    };
    (!wait.is_zero() && wait <= LONGEST_ASKED_FOR).then_some(wait)
}

/// A stream of numbers, reproducible from its seed (`SplitMix64`).
pub(super) struct Random(AtomicU64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number of at least 0 and below 1.
    fn fraction(&self) -> f64 {
        let top = u32::try_from(self.next() >> 32).expect("32 bits are left");
        f64::from(top) / (f64::from(u32::MAX) + 1.0)
    }

    /// A UUID of version 4 (RFC 9562).
    pub(super) fn uuid(&self) -> String {
        let random = (u128::from(self.next()) << 64) | u128::from(self.next());
        // The version in four bits, the variant in two.
        let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let digits = format!("{bits:032x}");
        let part = |from: usize, to: usize| &digits[from..to];
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing() -> Setback {
        Setback::ServerError { call: Call::UploadEntities, status: 503 }
    }

    fn throttled(seconds: Option<u64>) -> Setback {
        let retry_after = seconds.map(Duration::from_secs);
        Setback::Throttled { call: Call::UploadEntities, retry_after }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_error_is_repeated_for_minutes_and_as_often_as_allowed() {
        let policy = RetryPolicy::default();
        let random = Random::new(1);
        let mut retry = Retry::new(&policy, &random);
        let before = Instant::now();
        for _ in 1..policy.max_attempts {
            retry.pause(failing()).await.expect("more attempts are allowed");
        }
        let waited = before.elapsed();
        assert!(waited > Duration::from_mins(1), "{waited:?}");
        let error = retry.pause(failing()).await.expect_err("the attempts are over");
        assert!(matches!(error, JupiterOneError::Unavailable { attempts: 8, status: 503, .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_asked_for_is_kept_and_one_beyond_the_budget_is_not_begun() {
        let policy = RetryPolicy::default();
        let random = Random::new(1);
        let mut retry = Retry::new(&policy, &random);
        let before = Instant::now();
        retry.pause(throttled(Some(7))).await.expect("within the budget");
        assert!((7..=10).contains(&before.elapsed().as_secs()));
        let before = Instant::now();
        let error = retry.pause(throttled(Some(14 * 3600))).await.expect_err("fourteen hours");
        assert!(matches!(error, JupiterOneError::Deferred { .. }));
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_without_a_wait_starts_at_half_a_minute() {
        let policy = RetryPolicy::default();
        let random = Random::new(1);
        let mut retry = Retry::new(&policy, &random);
        for seconds in [30, 60, 120, 240, 300] {
            let before = Instant::now();
            retry.pause(throttled(None)).await.expect("within the budget");
            assert_eq!(before.elapsed().as_secs() / 10, seconds / 10);
        }
    }

    #[test]
    fn the_wait_is_read_as_seconds_or_as_a_date_by_the_servers_clock() {
        let date = Some("Sun, 01 Mar 2026 10:00:00 GMT");
        for (header, date, expected) in [
            ("7", None, Some(7)),
            ("Sun, 01 Mar 2026 10:00:07 GMT", date, Some(7)),
            ("Sun, 01 Mar 2026 10:00:07 GMT", None, None),
            ("Sun, 01 Mar 2026 09:59:00 GMT", date, None),
            ("Sun, 01 Mar 2036 10:00:00 GMT", date, None),
            ("0", date, None),
            ("-5", date, None),
            ("1000000000000", date, None),
            ("soon", date, None),
        ] {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(wait_asked_for(header, date), expected, "{header:?} at {date:?}");
        }
    }

    #[test]
    fn correlation_ids_are_uuids_and_differ() {
        let random = Random::new(7);
        let first = random.uuid();
        assert_ne!(first, random.uuid());
        let lengths: Vec<_> = first.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{first}");
        assert!(first.split('-').nth(2).is_some_and(|part| part.starts_with('4')), "{first}");
        let variant = first.split('-').nth(3).and_then(|part| part.chars().next());
        assert!(variant.is_some_and(|digit| "89ab".contains(digit)), "{first}");
    }
}
