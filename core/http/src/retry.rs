//! Decides whether a failed call is repeated and when: exponential back-off with full jitter, within bounds.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::jitter::Jitter;
use crate::settings::RetryPolicy;

/// Whoever watches the program is told about waits of this length and more.
const NOTEWORTHY_WAIT: Duration = Duration::from_secs(10);

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 8,
            first_wait: Duration::from_secs(1),
            max_wait: Duration::from_mins(1),
            first_throttled_wait: Duration::from_secs(30),
            max_throttled_wait: Duration::from_mins(5),
            budget: Duration::from_mins(15),
            first_contact: Duration::from_secs(15),
        }
    }
}

/// A failed call in the terms of one service. Its `Display` is for the log.
pub trait RetryCause: fmt::Display {
    /// The error for the caller if the call is given up.
    type Error;

    /// Returns what the failure means for another attempt.
    fn transience(&self) -> Transience;

    /// Returns the error for the caller.
    fn into_error(self, given_up: GivenUp) -> Self::Error;
}

/// The consequence of a failure for another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transience {
    /// The next attempt would fail too.
    Permanent,
    /// The next attempt may succeed.
    Transient,
    /// No connection was made: the name has no address, or nothing takes the connection.
    OutOfReach,
    /// The host asks to wait (HTTP 429, or 503 with `Retry-After`), for this long if it says so.
    Throttled(Option<Duration>),
}

/// The effort that was spent on a call that is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenUp {
    /// The number of attempts, without those that were throttled.
    pub attempts: u32,
    /// The wait before the next attempt would make sense.
    pub wait: Duration,
}

/// The attempts of one call.
pub struct Retry<'a> {
    policy: &'a RetryPolicy,
    jitter: &'a Jitter,
    max_attempts: u32,
    started: Instant,
    /// The total time for all attempts and waits.
    budget: Duration,
    /// The time for which a host may be out of reach.
    out_of_reach: Duration,
    attempts: u32,
    /// The number of answers that asked to wait. They cost nothing but time, so the budget alone bounds them.
    throttled: u32,
}

impl<'a> Retry<'a> {
    /// The attempts of a call, `max_attempts` at most.
    pub fn new(policy: &'a RetryPolicy, jitter: &'a Jitter, max_attempts: u32) -> Self {
        Self {
            policy,
            jitter,
            max_attempts,
            started: Instant::now(),
            budget: policy.budget,
            out_of_reach: policy.budget,
            attempts: 0,
            throttled: 0,
        }
    }

    /// The same for a host that has never answered: it is given up sooner while it is out of reach, since
    /// a wrong name or a machine without a network stays as it is.
    #[must_use]
    pub fn at_first_contact(self) -> Self {
        Self { out_of_reach: self.policy.first_contact, ..self }
    }

    /// The same for a call that must not take long: it is given up after `budget` at the latest.
    #[must_use]
    pub fn within(self, budget: Duration) -> Self {
        let out_of_reach = self.out_of_reach.min(budget);
        Self { budget: self.budget.min(budget), out_of_reach, ..self }
    }

    /// Waits until the call may be repeated.
    ///
    /// # Errors
    /// The error for the caller if it may not be repeated.
    pub async fn pause<C: RetryCause>(&mut self, cause: C) -> Result<(), C::Error> {
        let transience = cause.transience();
        match transience {
            Transience::Throttled(_) => self.throttled += 1,
            _ => self.attempts += 1,
        }
        let wait = self.wait_after(transience);
        let budget = match transience {
            Transience::OutOfReach => self.out_of_reach,
            _ => self.budget,
        };
        let is_over = transience == Transience::Permanent
            || self.attempts >= self.max_attempts
            || self.started.elapsed().saturating_add(wait) > budget;
        if is_over {
            return Err(cause.into_error(GivenUp { attempts: self.attempts, wait }));
        }
        let attempt = self.attempts + self.throttled;
        if wait >= NOTEWORTHY_WAIT {
            tracing::warn!("{cause}: waiting for {} s before the next attempt", wait.as_secs());
        } else {
            let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(error = %cause, attempt, retry_after_ms, "call will be repeated");
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn wait_after(&self, transience: Transience) -> Duration {
        let policy = self.policy;
        let Transience::Throttled(requested) = transience else {
            let longest = doubled(policy.first_wait, self.attempts).min(policy.max_wait);
            return longest.mul_f64(self.jitter.fraction());
        };
        // Coming back too early would be refused again, so here the jitter only adds.
        let requested = requested.unwrap_or_else(|| {
            doubled(policy.first_throttled_wait, self.throttled).min(policy.max_throttled_wait)
        });
        requested.saturating_add(policy.first_wait.mul_f64(self.jitter.fraction()))
    }
}

/// Returns `first` for the first attempt, twice that for the second, and so on.
fn doubled(first: Duration, attempts: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failure(Transience);

    impl fmt::Display for Failure {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a failure")
        }
    }

    impl RetryCause for Failure {
        type Error = GivenUp;

        fn transience(&self) -> Transience {
            self.0
        }

        fn into_error(self, given_up: GivenUp) -> GivenUp {
            given_up
        }
    }

    fn failing() -> Failure {
        Failure(Transience::Transient)
    }

    fn throttled(seconds: Option<u64>) -> Failure {
        Failure(Transience::Throttled(seconds.map(Duration::from_secs)))
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
        let given_up = retry.pause(failing()).await.expect_err("three attempts are over");
        assert_eq!(given_up.attempts, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_does_not_use_up_the_attempts() {
        let policy = RetryPolicy { max_attempts: 2, ..RetryPolicy::default() };
        let jitter = Jitter::new(1);
        let mut retry = Retry::new(&policy, &jitter, policy.max_attempts);
        for _ in 0..4 {
            retry.pause(throttled(Some(1))).await.expect("within the budget");
        }
        retry.pause(failing()).await.expect("the first attempt that counts");
        assert!(retry.pause(failing()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_failure_is_not_repeated() {
        let policy = RetryPolicy::default();
        let jitter = Jitter::new(1);
        let before = Instant::now();
        let mut retry = Retry::new(&policy, &jitter, policy.max_attempts);
        let refused = retry.pause(Failure(Transience::Permanent)).await;
        assert_eq!(refused.expect_err("it stays refused").attempts, 1);
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn c1_a_host_that_never_answered_is_given_up_within_half_a_minute_while_out_of_reach() {
        let policy = RetryPolicy::default();
        for (transience, at_first, most) in [
            (Transience::OutOfReach, true, 30),
            (Transience::OutOfReach, false, 900),
            (Transience::Transient, true, 900),
        ] {
            let (jitter, began) = (Jitter::new(1), Instant::now());
            let mut retry = Retry::new(&policy, &jitter, 99);
            retry = if at_first { retry.at_first_contact() } else { retry };
            let mut attempts = 1;
            // Each attempt takes as long as a connection may.
            while retry.pause(Failure(transience)).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(10)).await;
                attempts += 1;
            }
            let took = began.elapsed().as_secs();
            assert!(took <= most && (most < 900 || took > 60), "{transience:?}: {took} s");
            assert!(attempts >= 2, "{transience:?}");
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
        let given_up = retry.pause(throttled(Some(14 * 3600))).await.expect_err("fourteen hours");
        assert_eq!(given_up.wait.as_secs() / 3600, 14);
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_must_not_take_long_is_given_up_within_its_own_budget() {
        let policy = RetryPolicy::default();
        let jitter = Jitter::new(1);
        let within =
            |seconds| Retry::new(&policy, &jitter, 99).within(Duration::from_secs(seconds));
        let mut retry = within(45);
        retry.pause(throttled(None)).await.expect("half a minute is within the budget");
        assert!(retry.pause(throttled(None)).await.is_err(), "a minute more is not");
        for failure in [failing(), Failure(Transience::OutOfReach)] {
            let (mut retry, before) = (within(45), Instant::now());
            while retry.pause(Failure(failure.0)).await.is_ok() {}
            assert!(before.elapsed().as_secs() <= 45, "{:?}", failure.0);
        }
        let mut retry = within(100_000);
        assert!(
            retry.pause(throttled(Some(14 * 3600))).await.is_err(),
            "that of the policy is shorter"
        );
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
        assert!(retry.pause(throttled(None)).await.is_err(), "15 minutes are spent");
    }
}
