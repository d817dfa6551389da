//! The settings that every client shares.

use std::fmt;
use std::time::Duration;

use crate::secret::Secret;

/// The repetition of one call while the failure looks transient: no answer, HTTP 5xx, 408, 425 or
/// 429.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The largest number of attempts, the first included. Answers that ask to wait (HTTP 429, or 503 with
    /// `Retry-After`) do not count: the budget alone bounds them.
    pub max_attempts: u32,
    /// The wait after the first failure. It doubles with each further one, with full jitter.
    pub first_wait: Duration,
    /// The longest such wait.
    pub max_wait: Duration,
    /// The wait after the first HTTP 429 that does not say how long. It doubles too.
    pub first_throttled_wait: Duration,
    /// The longest such wait.
    pub max_throttled_wait: Duration,
    /// The time that one call may take with all its attempts.
    pub budget: Duration,
    /// The time for which a host that has never answered is tried while its name has no address or nothing takes a
    /// connection. The last attempt takes up to the connect timeout more.
    pub first_contact: Duration,
}

/// Which certificates are trusted: always those that the system trusts, and maybe more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// A PEM file with the certificates of further authorities, such as that of a company whose proxy
    /// inspects TLS.
    pub extra_ca_pem: Option<Vec<u8>>,
}

/// A proxy for everything but loopback hosts. HTTPS passes through it encrypted (HTTP CONNECT).
///
/// The proxy resolves the names of hosts, so their addresses cannot be checked here.
#[derive(Clone)]
pub struct ProxySettings {
    /// The URL, for example `http://proxy.example:3128`. It is secret because it may carry a password.
    pub url: Secret,
    /// Hosts that are reached without the proxy, as in the variable `NO_PROXY`: names, which include their
    /// subdomains, addresses and networks, separated by commas.
    pub no_proxy: Option<String>,
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("ProxySettings");
        shown.field("no_proxy", &self.no_proxy).finish_non_exhaustive()
    }
}
