//! The causes for which a call to JupiterOne is repeated.

use std::fmt;
use std::time::Duration;

use core_http::{GivenUp, Transience};

use crate::error::{Call, JupiterOneError};

/// A failure that another attempt may get past.
#[derive(Debug)]
pub(super) enum RetryCause {
    /// No whole answer came; the error says why.
    NoAnswer(JupiterOneError),
    /// HTTP 5xx, 408 or 425.
    TemporaryStatus { call: Call, status: u16 },
    /// HTTP 2xx from something that does not name the job that was asked for, so that it proves nothing.
    Foreign { call: Call, status: u16, what: &'static str },
    /// The job does not count yet what it took; the error says what.
    Behind(JupiterOneError),
    /// HTTP 429, with the wait that it asks for, if any; or HTTP 503 with such a wait.
    Throttled { call: Call, status: u16, retry_after: Option<Duration> },
}

impl fmt::Display for RetryCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(error) | Self::Behind(error) => error.fmt(formatter),
            Self::TemporaryStatus { call, status } => {
                write!(formatter, "{call} was answered with HTTP {status}")
            }
            Self::Foreign { call, status, what } => {
                write!(formatter, "{call} was answered with HTTP {status} and {what}")
            }
            Self::Throttled { call, status, .. } => {
                write!(formatter, "{call} was answered with HTTP {status} and a request to wait")
            }
        }
    }
}

impl core_http::RetryCause for RetryCause {
    type Error = JupiterOneError;

    fn transience(&self) -> Transience {
        match self {
            Self::NoAnswer(JupiterOneError::Unreachable { cause, .. }) => cause.transience(),
            Self::Throttled { retry_after, .. } => Transience::Throttled(*retry_after),
            Self::NoAnswer(_)
            | Self::TemporaryStatus { .. }
            | Self::Foreign { .. }
            | Self::Behind(_) => Transience::Transient,
        }
    }

    fn into_error(self, given_up: GivenUp) -> JupiterOneError {
        match self {
            Self::NoAnswer(error) | Self::Behind(error) => error,
            Self::Foreign { call, status, what } => {
                JupiterOneError::UnexpectedAnswer { call, status, what }
            }
            Self::TemporaryStatus { call, status } => {
                JupiterOneError::Unavailable { call, status, attempts: given_up.attempts }
            }
            Self::Throttled { call, status, .. } => {
                JupiterOneError::Deferred { call, status, wait: given_up.wait }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core_http::{Jitter, Retry};
    use tokio::time::Instant;

    use super::super::settings::SyncSettings;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_error_is_repeated_for_minutes_and_as_often_as_allowed() {
        let failing = || RetryCause::TemporaryStatus { call: Call::UploadEntities, status: 503 };
        let policy = SyncSettings::new(1).retry;
        let jitter = Jitter::new(1);
        let mut retry = Retry::new(&policy, &jitter, policy.max_attempts);
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
    async fn a_wait_beyond_the_budget_is_not_begun() {
        let policy = SyncSettings::new(1).retry;
        let jitter = Jitter::new(1);
        let mut retry = Retry::new(&policy, &jitter, policy.max_attempts);
        let retry_after = Some(Duration::from_hours(14));
        let throttled =
            RetryCause::Throttled { call: Call::UploadEntities, status: 429, retry_after };
        let before = Instant::now();
        let error = retry.pause(throttled).await.expect_err("fourteen hours");
        assert!(matches!(error, JupiterOneError::Deferred { .. }));
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}
