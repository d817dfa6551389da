//! The reason why a call to Nexthink is repeated.

use std::fmt;
use std::time::Duration;

use core_http::{GivenUp, Transience};

use crate::error::{Endpoint, NexthinkError};
use crate::transfer::can_go_on;

/// A failure that another attempt may get past.
pub(crate) enum RetryCause {
    /// No answer came, or only part of one; the error says why.
    NoAnswer(NexthinkError),
    /// HTTP 5xx, 408 or 425.
    TemporaryStatus { endpoint: Endpoint, status: u16 },
    /// HTTP 429, with the wait that it asks for, if any; or HTTP 503 with such a wait.
    Throttled { endpoint: Endpoint, status: u16, retry_after: Option<Duration> },
}

impl fmt::Display for RetryCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(error) => error.fmt(formatter),
            Self::TemporaryStatus { endpoint, status } => {
                write!(formatter, "{endpoint} answered HTTP {status}")
            }
            Self::Throttled { endpoint, status, .. } => {
                write!(formatter, "{endpoint} answered HTTP {status} and asked to wait")
            }
        }
    }
}

impl core_http::RetryCause for RetryCause {
    type Error = NexthinkError;

    fn transience(&self) -> Transience {
        match self {
            Self::NoAnswer(NexthinkError::Unreachable { cause, .. }) => cause.transience(),
            Self::NoAnswer(error) if can_go_on(error) => Transience::Transient,
            Self::NoAnswer(_) => Transience::Permanent,
            Self::TemporaryStatus { .. } => Transience::Transient,
            Self::Throttled { retry_after, .. } => Transience::Throttled(*retry_after),
        }
    }

    fn into_error(self, given_up: GivenUp) -> NexthinkError {
        match self {
            Self::NoAnswer(error) => error,
            Self::TemporaryStatus { endpoint, status } => {
                NexthinkError::Unavailable { endpoint, status, attempts: given_up.attempts }
            }
            Self::Throttled { endpoint, status, .. } => {
                NexthinkError::Deferred { endpoint, status, wait: given_up.wait }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core_http::{ProxyProblem, RetryCause as _, SharedError, TlsProblem, UnreachableCause};

    use super::*;

    #[test]
    fn a_refused_certificate_or_password_is_not_worth_another_attempt() {
        let unreachable = |cause| {
            let source = SharedError::new(fmt::Error);
            NexthinkError::Unreachable { host: "login.example".to_owned(), cause, source }
        };
        let tls = |problem| unreachable(UnreachableCause::Tls(problem));
        let proxy = |problem| {
            unreachable(UnreachableCause::Proxy { name: "proxy.example:3128".into(), problem })
        };
        for (error, expected) in [
            (unreachable(UnreachableCause::Dns), Transience::OutOfReach),
            (unreachable(UnreachableCause::Connect), Transience::OutOfReach),
            (unreachable(UnreachableCause::Timeout), Transience::Transient),
            (unreachable(UnreachableCause::Broken), Transience::Transient),
            (tls(TlsProblem::UnknownAuthority), Transience::Permanent),
            (tls(TlsProblem::BrokenOff), Transience::OutOfReach),
            (proxy(ProxyProblem::Credentials), Transience::Permanent),
            (proxy(ProxyProblem::Connect), Transience::OutOfReach),
            (NexthinkError::DownloadTooSlow { received: 1 }, Transience::Transient),
            (NexthinkError::TooLarge { cap: 1 }, Transience::Permanent),
        ] {
            assert_eq!(RetryCause::NoAnswer(error.clone()).transience(), expected, "{error}");
        }
    }

    #[test]
    fn an_error_says_how_often_it_was_tried_or_how_long_to_wait() {
        let endpoint = Endpoint::StartExport;
        let given_up = GivenUp { attempts: 3, wait: Duration::from_hours(14) };
        let failing = RetryCause::TemporaryStatus { endpoint, status: 503 };
        let throttled = RetryCause::Throttled { endpoint, status: 429, retry_after: None };
        assert!(matches!(
            failing.into_error(given_up),
            NexthinkError::Unavailable { attempts: 3, status: 503, .. }
        ));
        assert!(matches!(
            throttled.into_error(given_up),
            NexthinkError::Deferred { wait, .. } if wait.as_secs() / 3600 == 14
        ));
    }
}
