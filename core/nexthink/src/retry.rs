//! Decides whether a failed call is repeated and when: back-off with full jitter, within bounds.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Endpoint, NexthinkError, UnreachableCause};
use crate::settings::RetryPolicy;
use crate::transfer::can_go_on;

/// Shorter waits are no news for somebody who watches.
const WORTH_TELLING: Duration = Duration::from_secs(10);

/// A failure that may pass.
pub(crate) enum Setback {
    /// No answer came, or only part of one; the error says why.
    NoAnswer(NexthinkError),
    /// HTTP 5xx.
    ServerError { endpoint: Endpoint, status: u16 },
    /// HTTP 429, with the wait that it asks for.
    Throttled { endpoint: Endpoint, retry_after: Option<Duration> },
}

impl fmt::Display for Setback {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(error) => error.fmt(formatter),
            Self::ServerError { endpoint, status } => {
                write!(formatter, "{endpoint} answered HTTP {status}")
            }
            Self::Throttled { endpoint, .. } => {
                write!(formatter, "{endpoint} is throttled by Nexthink")
            }
        }
    }
}

/// The repetitions of one call.
pub(crate) struct Retry<'a> {
    policy: &'a RetryPolicy,
    jitter: &'a Jitter,
    max_attempts: u32,
    started: Instant,
    /// How long a host may be out of reach: its name has no address, or nothing takes a connection.
    out_of_reach: Duration,
    attempts: u32,
    /// How often the answer was HTTP 429. That costs nothing but time, so the budget alone bounds it.
    throttled: u32,
}

impl<'a> Retry<'a> {
    pub(crate) fn new(policy: &'a RetryPolicy, jitter: &'a Jitter, max_attempts: u32) -> Self {
        Self {
            policy,
            jitter,
            max_attempts,
            started: Instant::now(),
            out_of_reach: policy.budget,
            attempts: 0,
            throttled: 0,
        }
    }

    /// The same for a host that has never answered: it is given up sooner while it is out of reach, since
    /// a wrong name or a machine without a network stays as it is.
    pub(crate) fn at_first_contact(self) -> Self {
        Self { out_of_reach: self.policy.first_contact, ..self }
    }

    /// Waits until the call may be repeated.
    ///
    /// # Errors
    /// What to tell the caller when it may not be.
    pub(crate) async fn pause(&mut self, setback: Setback) -> Result<(), NexthinkError> {
        match &setback {
            Setback::Throttled { .. } => self.throttled += 1,
            Setback::NoAnswer(_) | Setback::ServerError { .. } => self.attempts += 1,
        }
        let wait = self.wait_after(&setback);
        let budget = match &setback {
            Setback::NoAnswer(error) if is_out_of_reach(error) => self.out_of_reach,
            _ => self.policy.budget,
        };
        let exhausted = self.attempts >= self.max_attempts
            || self.started.elapsed().saturating_add(wait) > budget;
        match &setback {
            Setback::NoAnswer(error) if exhausted || !may_pass(error) => {
                return Err(error.clone());
            }
            Setback::ServerError { endpoint, status } if exhausted => {
                let attempts = self.attempts;
                let (endpoint, status) = (*endpoint, *status);
                return Err(NexthinkError::Unavailable { endpoint, status, attempts });
            }
            Setback::Throttled { endpoint, .. } if exhausted => {
                return Err(NexthinkError::Deferred { endpoint: *endpoint, wait });
            }
            _ => {}
        }
        let attempt = self.attempts + self.throttled;
        if wait >= WORTH_TELLING {
            tracing::warn!("{setback}: waiting for {} s before the next attempt", wait.as_secs());
        } else {
            let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(error = %setback, attempt, retry_after_ms, "call will be repeated");
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn wait_after(&self, setback: &Setback) -> Duration {
        let policy = self.policy;
        let Setback::Throttled { retry_after, .. } = setback else {
            let longest = doubled(policy.first_wait, self.attempts).min(policy.max_wait);
            return longest.mul_f64(self.jitter.next());
        };
        // Coming back too early would be refused again, so here the jitter only adds.
        let asked = retry_after.unwrap_or_else(|| {
            doubled(policy.first_throttled_wait, self.throttled).min(policy.max_throttled_wait)
        });
        asked.saturating_add(policy.first_wait.mul_f64(self.jitter.next()))
    }
}

/// Returns whether not even a connection was made.
fn is_out_of_reach(error: &NexthinkError) -> bool {
    let NexthinkError::Unreachable { cause, .. } = error else { return false };
    matches!(cause, UnreachableCause::Dns | UnreachableCause::Connect)
}

/// Whether a call without a whole answer is worth repeating: a refused certificate or
/// password stays refused.
fn may_pass(error: &NexthinkError) -> bool {
    match error {
        NexthinkError::Unreachable { cause, .. } => {
            !matches!(cause, UnreachableCause::Tls | UnreachableCause::ProxyCredentials)
        }
        error => can_go_on(error),
    }
}

/// `first` for the first attempt, twice that for the second, and so on.
fn doubled(first: Duration, attempts: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)))
}

/// A stream of numbers that spreads waits; reproducible from its seed (`SplitMix64`).
pub(crate) struct Jitter(AtomicU64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number, at least 0 and below 1.
    pub(crate) fn next(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let top = u32::try_from(bits >> 32).expect("32 bits are left");
        f64::from(top) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SharedError;

    fn failing() -> Setback {
        Setback::ServerError { endpoint: Endpoint::ExportStatus, status: 503 }
    }

    fn throttled(seconds: Option<u64>) -> Setback {
        let retry_after = seconds.map(Duration::from_secs);
        Setback::Throttled { endpoint: Endpoint::StartExport, retry_after }
    }

    #[test]
    fn jitter_spreads_evenly_and_is_reproducible() {
        let (first, second) = (Jitter::new(7), Jitter::new(7));
        let numbers: Vec<f64> = (0..1_000).map(|_| first.next()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        let mean = numbers.iter().sum::<f64>() / 1_000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!(numbers.iter().all(|number| number.to_bits() == second.next().to_bits()));
    }

    #[test]
    fn waits_double_up_to_their_cap() {
        let first = Duration::from_secs(1);
        let waits: Vec<u64> = [1, 2, 3, 7].map(|n| doubled(first, n).as_secs()).to_vec();
        assert_eq!(waits, [1, 2, 4, 64]);
        assert!(doubled(first, 4_000) >= Duration::from_secs(u64::from(u32::MAX)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_error_is_repeated_as_often_as_allowed() {
        let policy = RetryPolicy { max_attempts: 3, ..RetryPolicy::default() };
        let jitter = Jitter::new(1);
        let mut retry = Retry::new(&policy, &jitter, policy.max_attempts);
        assert!(retry.pause(failing()).await.is_ok());
        assert!(retry.pause(failing()).await.is_ok());
        let error = retry.pause(failing()).await.expect_err("three attempts are over");
        assert!(matches!(error, NexthinkError::Unavailable { attempts: 3, status: 503, .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn c1_a_host_that_never_answered_is_given_up_within_half_a_minute_while_out_of_reach() {
        let policy = RetryPolicy::default();
        for (cause, at_first, most) in [
            (UnreachableCause::Dns, true, 30),
            (UnreachableCause::Connect, true, 30),
            (UnreachableCause::Dns, false, 900),
            (UnreachableCause::Timeout, true, 900),
        ] {
            let source = SharedError::new(std::fmt::Error);
            let host = "login.example".to_owned();
            let error = NexthinkError::Unreachable { host, cause, source };
            let (jitter, began) = (Jitter::new(1), Instant::now());
            let mut retry = Retry::new(&policy, &jitter, 99);
            retry = if at_first { retry.at_first_contact() } else { retry };
            let mut attempts = 1;
            // Each attempt takes as long as a connection may.
            while retry.pause(Setback::NoAnswer(error.clone())).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(10)).await;
                attempts += 1;
            }
            let took = began.elapsed().as_secs();
            assert!(took <= most && (most < 900 || took > 60), "{cause}: {took} s");
            assert!(attempts >= 2, "{cause}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn b1_a_wait_that_is_asked_for_is_kept() {
        let policy = RetryPolicy::default();
        let jitter = Jitter::new(1);
        let mut retry = Retry::new(&policy, &jitter, policy.max_attempts);
        let before = Instant::now();
        retry.pause(throttled(Some(7))).await.expect("within the budget");
        let waited = before.elapsed();
        let upper = Duration::from_secs(7) + policy.first_wait + Duration::from_millis(2);
        assert!((Duration::from_secs(7)..upper).contains(&waited), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn b4_a_wait_beyond_the_budget_is_deferred_at_once() {
        let policy = RetryPolicy::default();
        let jitter = Jitter::new(1);
        let mut retry = Retry::new(&policy, &jitter, policy.max_attempts);
        let before = Instant::now();
        let error = retry.pause(throttled(Some(14 * 3600))).await.expect_err("fourteen hours");
        assert!(matches!(
            error,
            NexthinkError::Deferred { wait, .. } if wait.as_secs() / 3600 == 14
        ));
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn b3_throttling_without_a_wait_starts_at_half_a_minute() {
        let policy = RetryPolicy::default();
        let jitter = Jitter::new(1);
        let mut retry = Retry::new(&policy, &jitter, policy.max_attempts);
        for seconds in [30, 60, 120, 240, 300] {
            let before = Instant::now();
            retry.pause(throttled(None)).await.expect("within the budget");
            assert_eq!(before.elapsed().as_secs() / 10, seconds / 10);
        }
        let error = retry.pause(throttled(None)).await.expect_err("15 minutes are spent");
        assert!(matches!(error, NexthinkError::Deferred { .. }));
    }
}
