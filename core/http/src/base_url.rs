//! A host that may get a credential.

use url::{Host, Url};

/// A base URL that may be called with a credential: https, or plain http on a loopback host; without user name,
/// password, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Parses and checks a base URL.
    ///
    /// # Errors
    /// The rule that is broken and how to follow it. It never repeats the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let Ok(url) = Url::parse(text) else {
            return Err("it is not a URL; write it as https://host or http://127.0.0.1:port");
        };
        if url.host().is_none() {
            return Err("it names no host; write it as https://host");
        }
        let base = Self(url);
        match base.0.scheme() {
            "https" => {}
            "http" if base.is_loopback() => {}
            "http" => return Err("plain http is for a loopback host only; use https"),
            _ => return Err("it is neither https nor http; use https"),
        }
        if !base.0.username().is_empty() || base.0.password().is_some() {
            return Err("it carries a user name or a password; leave them out");
        }
        if base.0.query().is_some() || base.0.fragment().is_some() {
            return Err("it has a query or a fragment; leave them out");
        }
        Ok(base)
    }

    /// Returns the URL itself.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Returns the host, for messages.
    pub fn host(&self) -> &str {
        self.0.host_str().expect("a base URL has a host")
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().expect("http and https have a default port")
    }

    /// Returns whether the host is called over TLS.
    pub fn uses_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Returns whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(domain)) => domain == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Returns the URL of a path below the base.
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
        url
    }
}
