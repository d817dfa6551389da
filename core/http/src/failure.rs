//! Failures of a call that got no whole answer.

use std::error::Error as StdError;
use std::io;

use crate::error::SharedError;
use crate::public_address::NotPublic;
use crate::retry::Transience;

/// The failure of a call that got no whole answer. It holds no URL, since one may be signed.
#[derive(Debug, Clone)]
pub struct CallFailure {
    /// The point at which the call failed.
    pub cause: UnreachableCause,
    /// The error of the HTTP client.
    pub source: SharedError,
}

/// The point at which a host could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnreachableCause {
    /// The name has no address.
    Dns,
    /// The name has an address that is not public, and the client connects to public ones only.
    PrivateAddress,
    /// Nothing takes the connection.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The proxy wants a user name and a password, or other ones (HTTP 407).
    ProxyCredentials,
    /// Nothing came in time.
    Timeout,
    /// The connection ended before the answer did.
    Broken,
}

impl UnreachableCause {
    /// Describes the cause and what to check. `name_advice` says what to check if the name has no address.
    pub fn describe(self, name_advice: &str) -> String {
        let fixed = match self {
            Self::Dns => return format!("its name could not be resolved ({name_advice})"),
            Self::PrivateAddress => "its host has an address that is not public",
            Self::Connect => "no connection (check the network, a firewall or proxy)",
            Self::Tls => "TLS failed (check this machine's clock and trusted certificates)",
            Self::ProxyCredentials => {
                "the proxy refused the call (HTTP 407, check the user name and password in its URL)"
            }
            Self::Timeout => "no answer in time",
            Self::Broken => "the connection broke before the answer was complete",
        };
        fixed.to_owned()
    }

    /// Returns what the cause means for another attempt: a refused certificate or password stays refused.
    pub fn transience(self) -> Transience {
        match self {
            Self::Dns | Self::Connect => Transience::OutOfReach,
            Self::PrivateAddress | Self::Tls | Self::ProxyCredentials => Transience::Permanent,
            Self::Timeout | Self::Broken => Transience::Transient,
        }
    }
}

impl From<reqwest::Error> for CallFailure {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let cause = if has_cause::<NotPublic>(&error) {
            UnreachableCause::PrivateAddress
        } else if is_proxy_refusal(&error) {
            UnreachableCause::ProxyCredentials
        } else if error.is_timeout() && !error.is_connect() {
            UnreachableCause::Timeout
        } else if error.is_dns() {
            UnreachableCause::Dns
        } else if error.is_connect() && has_cause::<rustls::Error>(&error) {
            UnreachableCause::Tls
        } else if error.is_connect() {
            UnreachableCause::Connect
        } else {
            UnreachableCause::Broken
        };
        Self { cause, source: SharedError::root_of(&error) }
    }
}

/// Returns whether a proxy answered HTTP 407. The HTTP client tells it in words only.
fn is_proxy_refusal(error: &(dyn StdError + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).any(|words| words.ends_with("proxy authorization required"))
}

/// Returns whether an `E` is among the causes of `error`.
fn has_cause<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<E>() {
            return true;
        }
        // An I/O error does not count what it wraps as its source.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if wrapped.is_some_and(|wrapped| has_cause::<E>(wrapped)) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_inside_an_io_error_is_found() {
        let inner = rustls::Error::General("invented".to_owned());
        let error = io::Error::other(io::Error::other(inner));
        assert!(has_cause::<rustls::Error>(&error));
        assert!(!has_cause::<NotPublic>(&error));
    }

    #[test]
    fn only_a_name_without_an_address_gets_the_advice_about_names() {
        let advice = "check the base URL and DNS";
        assert_eq!(
            UnreachableCause::Dns.describe(advice),
            "its name could not be resolved (check the base URL and DNS)"
        );
        for cause in [UnreachableCause::Connect, UnreachableCause::Tls, UnreachableCause::Timeout] {
            assert!(!cause.describe(advice).contains(advice), "{cause:?}");
        }
    }
}
