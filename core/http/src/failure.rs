//! Failures of a call that got no whole answer.

use std::error::Error as StdError;
use std::sync::Arc;

use crate::error::SharedError;
use crate::public_address::NotPublic;
use crate::retry::Transience;
use crate::tls_problem::{CA_FILE_ADVICE, TlsProblem, find_cause};

/// The failure of a call that got no whole answer. It holds no URL, since one may be signed.
#[derive(Debug, Clone)]
pub struct CallFailure {
    /// The point at which the call failed.
    pub cause: UnreachableCause,
    /// The error of the HTTP client.
    pub source: SharedError,
}

/// The point at which a host could not be reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UnreachableCause {
    /// The name has no address.
    Dns,
    /// The name has an address that is not public, and the client connects to public ones only.
    PrivateAddress,
    /// Nothing takes the connection.
    Connect,
    /// TLS with the host failed.
    Tls(TlsProblem),
    /// The call did not get past the proxy.
    Proxy {
        /// The host and the port of the proxy.
        name: Arc<str>,
        /// The point at which it failed there.
        problem: ProxyProblem,
    },
    /// Nothing came in time.
    Timeout,
    /// The connection ended before the answer did.
    Broken,
}

/// The point at which a call did not get past the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyProblem {
    /// The proxy's name has no address.
    Dns,
    /// Nothing takes the connection.
    Connect,
    /// TLS with the proxy failed.
    Tls(TlsProblem),
    /// The proxy wants a user name and a password, or other ones (HTTP 407).
    Credentials,
    /// The proxy does not connect to the host.
    Refused,
    /// The answer is not one of a proxy.
    Answer,
    /// There was no connection through the proxy in time.
    Timeout,
}

/// The advice in the description of a cause, where it depends on the caller.
#[derive(Debug, Clone, Copy)]
pub struct Advice {
    /// The settings to check if the name of the host has no address.
    pub name: &'static str,
    /// The way to trust a further authority.
    pub authority: &'static str,
}

impl Advice {
    /// Advice for a host that trusts what the configuration file says.
    pub const fn new(name: &'static str) -> Self {
        Self { name, authority: CA_FILE_ADVICE }
    }
}

impl UnreachableCause {
    /// Describes the cause and what to do.
    pub fn describe(&self, advice: &Advice) -> String {
        let fixed = match self {
            Self::Dns => return format!("its name could not be resolved ({})", advice.name),
            Self::PrivateAddress => "its host has an address that is not public",
            Self::Connect => "no connection (check the network, a firewall or proxy)",
            Self::Tls(problem) => return problem.describe(advice.authority),
            Self::Proxy { name, problem } => return problem.describe(name, advice),
            Self::Timeout => "no answer in time",
            Self::Broken => "the connection broke before the answer was complete",
        };
        fixed.to_owned()
    }

    /// Returns what the cause means for another attempt: a refused certificate or password stays refused.
    pub fn transience(&self) -> Transience {
        match self {
            Self::Tls(TlsProblem::BrokenOff)
            | Self::Proxy { problem: ProxyProblem::Tls(TlsProblem::BrokenOff), .. } => {
                Transience::OutOfReach
            }
            Self::PrivateAddress
            | Self::Tls(_)
            | Self::Proxy { problem: ProxyProblem::Credentials | ProxyProblem::Tls(_), .. } => {
                Transience::Permanent
            }
            // A proxy that cannot reach the host either refuses too.
            Self::Dns | Self::Connect | Self::Proxy { .. } => Transience::OutOfReach,
            Self::Timeout | Self::Broken => Transience::Transient,
        }
    }

    /// Returns true if the host certainly got no request.
    pub fn is_before_request(&self) -> bool {
        match self {
            Self::Dns
            | Self::PrivateAddress
            | Self::Connect
            | Self::Tls(_)
            | Self::Proxy { .. } => true,
            Self::Timeout | Self::Broken => false,
        }
    }
}

impl ProxyProblem {
    fn describe(self, name: &str, advice: &Advice) -> String {
        const CHECK: &str = "check its address in `nexthink.proxy` or the variable HTTPS_PROXY";
        match self {
            Self::Dns => format!("the name of the proxy {name} could not be resolved ({CHECK})"),
            Self::Connect => format!("no connection to the proxy {name} ({CHECK})"),
            Self::Tls(problem) => {
                format!("no TLS with the proxy {name}: {}", problem.describe(advice.authority))
            }
            Self::Credentials => format!(
                "the proxy {name} refused the call (HTTP 407: check the user name and password in its URL, in the \
                 variable HTTPS_PROXY)"
            ),
            Self::Refused => format!(
                "the proxy {name} does not connect to it (allow this host there, or list it in the variable NO_PROXY \
                 to go around the proxy)"
            ),
            Self::Answer => format!("{name} does not answer as a proxy does ({CHECK})"),
            Self::Timeout => format!(
                "no connection through the proxy {name} in time ({CHECK}, and that the proxy reaches this host)"
            ),
        }
    }

    /// Returns the point at which a tunnel failed. The HTTP client tells it in words only.
    fn of_tunnel(words: &str, error: &reqwest::Error) -> Self {
        match words {
            "proxy authorization required" => Self::Credentials,
            "unsuccessful" => Self::Refused,
            "failed to create underlying connection" if error.is_dns() => Self::Dns,
            "failed to create underlying connection" => {
                TlsProblem::find(error).map_or(Self::Connect, Self::Tls)
            }
            _ => Self::Answer,
        }
    }
}

impl CallFailure {
    /// The failure of a call; `proxy` is the host and the port of the proxy that it went through.
    pub(crate) fn new(error: reqwest::Error, proxy: Option<&Arc<str>>) -> Self {
        let error = error.without_url();
        let cause =
            proxy.and_then(|name| at_proxy(&error, name)).unwrap_or_else(|| at_host(&error));
        Self { cause, source: SharedError::root_of(&error) }
    }
}

/// Returns the cause if the call did not get past the proxy.
fn at_proxy(error: &reqwest::Error, name: &Arc<str>) -> Option<UnreachableCause> {
    let first: &(dyn StdError + 'static) = error;
    let causes = std::iter::successors(Some(first), |&error| error.source());
    let mut words = causes.map(ToString::to_string);
    let tunnel = words.find_map(|words| words.strip_prefix("tunnel error: ").map(str::to_owned));
    let problem = match tunnel {
        Some(words) => ProxyProblem::of_tunnel(&words, error),
        None if error.is_connect() && error.is_timeout() => ProxyProblem::Timeout,
        None => return None,
    };
    Some(UnreachableCause::Proxy { name: Arc::clone(name), problem })
}

/// Returns the cause of a call that failed at its host.
fn at_host(error: &reqwest::Error) -> UnreachableCause {
    if find_cause::<NotPublic>(error).is_some() {
        UnreachableCause::PrivateAddress
    } else if error.is_timeout() && !error.is_connect() {
        UnreachableCause::Timeout
    } else if error.is_dns() {
        UnreachableCause::Dns
    } else {
        match TlsProblem::find(error) {
            Some(problem) if error.is_connect() => UnreachableCause::Tls(problem),
            // TLS 1.3 tells it after the handshake, in place of an answer.
            Some(TlsProblem::ClientCertificate) => {
                UnreachableCause::Tls(TlsProblem::ClientCertificate)
            }
            _ if error.is_connect() => UnreachableCause::Connect,
            _ => UnreachableCause::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_without_an_address_gets_the_advice_about_names() {
        let advice = Advice::new("check the base URL and DNS");
        assert_eq!(
            UnreachableCause::Dns.describe(&advice),
            "its name could not be resolved (check the base URL and DNS)"
        );
        let tls = UnreachableCause::Tls(TlsProblem::UnknownAuthority);
        for cause in [UnreachableCause::Connect, tls, UnreachableCause::Timeout] {
            assert!(!cause.describe(&advice).contains(advice.name), "{cause:?}");
        }
    }

    #[test]
    fn every_failure_at_a_proxy_names_it_and_says_what_to_do() {
        let advice = Advice::new("check the base URL and DNS");
        let untrusted = ProxyProblem::Tls(TlsProblem::UnknownAuthority);
        for (problem, fix) in [
            (ProxyProblem::Dns, "`nexthink.proxy`"),
            (ProxyProblem::Connect, "`nexthink.proxy`"),
            (untrusted, "`ca_file = "),
            (ProxyProblem::Credentials, "HTTPS_PROXY"),
            (ProxyProblem::Refused, "NO_PROXY"),
            (ProxyProblem::Answer, "`nexthink.proxy`"),
            (ProxyProblem::Timeout, "reaches this host"),
        ] {
            let cause = UnreachableCause::Proxy { name: "proxy.example:3128".into(), problem };
            let described = cause.describe(&advice);
            assert!(described.contains("proxy.example:3128"), "{described}");
            assert!(described.contains(fix), "{described}");
            assert!(!described.contains(advice.name), "{described}");
        }
    }
}
