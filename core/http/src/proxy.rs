//! The proxy that calls go through, if the caller names one.

use std::fmt;
use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::NoProxy;
use url::{Host, Url};

use crate::error::SetupError;
use crate::settings::ProxySettings;

/// Never reached through a proxy: it would be the loopback of another machine.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// A checked proxy.
pub(crate) struct CheckedProxy {
    /// For the HTTP client.
    pub(crate) proxy: reqwest::Proxy,
    /// Its host, if that is a name: it may well have a private address.
    pub(crate) host_name: Option<String>,
    pub(crate) route: Arc<ProxyRoute>,
}

/// The calls that go through a proxy, and its name for messages.
pub(crate) struct ProxyRoute {
    /// Its host and port, without the user and password that its URL may have.
    name: Arc<str>,
    /// Decides as the HTTP client does, which does not tell.
    matcher: Matcher,
}

impl ProxyRoute {
    /// Returns the name of the proxy if a call of `url` goes through it.
    pub(crate) fn name_for(&self, url: &Url) -> Option<&Arc<str>> {
        let uri = url.as_str().parse().ok()?;
        self.matcher.intercept(&uri).map(|_| &self.name)
    }
}

impl fmt::Debug for ProxyRoute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProxyRoute").field("name", &self.name).finish_non_exhaustive()
    }
}

impl CheckedProxy {
    /// # Errors
    /// [`SetupError::InvalidProxy`] says which rule the URL breaks, and never shows it: it may
    /// carry a password.
    pub(crate) fn new(settings: &ProxySettings) -> Result<Self, SetupError> {
        let refuse = |reason| SetupError::InvalidProxy { reason };
        let url = parse(settings)?;
        let host_name = match url.host() {
            Some(Host::Domain(name)) => Some(name.to_owned()),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => None,
        };
        let exceptions = settings.no_proxy.as_deref().unwrap_or_default();
        let exceptions = format!("{LOOPBACK},{exceptions}");
        let no_proxy = NoProxy::from_string(&exceptions);
        let proxy = reqwest::Proxy::all(settings.url.expose())
            .map_err(|_| refuse("it cannot be used; write it as http://host:port"))?
            .no_proxy(no_proxy);
        tracing::info!(host = url.host_str(), port = url.port_or_known_default(), "using a proxy");
        let route = ProxyRoute {
            name: format!(
                "{}:{}",
                url.host_str().unwrap_or_default(),
                url.port_or_known_default().unwrap_or_default()
            )
            .into(),
            matcher: Matcher::builder().all(settings.url.expose()).no(exceptions).build(),
        };
        Ok(Self { proxy, host_name, route: Arc::new(route) })
    }
}

impl ProxySettings {
    /// Checks the URL without making a client.
    ///
    /// # Errors
    /// [`SetupError::InvalidProxy`].
    pub fn check(&self) -> Result<(), SetupError> {
        parse(self).map(drop)
    }
}

/// Returns the URL of a proxy, if it follows the rules.
fn parse(settings: &ProxySettings) -> Result<Url, SetupError> {
    let refuse = |reason| SetupError::InvalidProxy { reason };
    let url = Url::parse(settings.url.expose())
        .map_err(|_| refuse("it is not a URL; write it as http://host:port"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("it is neither http nor https; write it as http://host:port"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it has a path, a query or a fragment; leave them out"));
    }
    if url.host().is_none() {
        return Err(refuse("it names no host; write it as http://host:port"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_proxy_is_a_plain_http_url_and_is_never_shown() {
        for (url, accepted) in [
            ("http://proxy.example:3128", true),
            ("http://proxy.example", true),
            ("https://proxy.example:8443/", true),
            ("http://10.0.0.1:3128", true),
            ("http://[fd00::1]:3128", true),
            ("http://canary-user:canary@proxy.example:3128", true),
            ("http://proxy.example/canary", false),
            ("http://proxy.example?canary", false),
            ("http://proxy.example#canary", false),
            ("socks5://canary:canary@proxy.example", false),
            ("proxy.example:3128", false),
            ("http://canary@:3128", false),
            ("http://canary:canary@proxy.example:99999", false),
            ("", false),
        ] {
            let settings = ProxySettings { url: Secret::new(url.to_owned()), no_proxy: None };
            assert!(!format!("{settings:?}").contains("canary"), "{url}");
            let made = CheckedProxy::new(&settings);
            assert_eq!(made.is_ok(), accepted, "{url}");
            if let Err(error) = made {
                assert!(!format!("{error} {error:?}").contains("canary"), "{url}");
            }
        }
    }

    #[test]
    fn the_proxy_is_named_for_the_calls_that_go_through_it_and_no_others() {
        let url = Secret::new("http://user:canary@proxy.example:3128".to_owned());
        let no_proxy = Some(".internal, 10.0.0.0/8".to_owned());
        let made = CheckedProxy::new(&ProxySettings { url, no_proxy });
        let route = made.unwrap_or_else(|error| panic!("{error}")).route;
        for (url, goes_through) in [
            ("https://acme-login.example/token", true),
            ("https://internal.example/", true),
            ("https://11.0.0.1/", true),
            ("https://login.internal/", false),
            ("https://10.1.2.3/", false),
            ("http://127.0.0.1:8480/", false),
            ("http://localhost:8480/", false),
            ("http://[::1]:8480/", false),
        ] {
            let name = route.name_for(&Url::parse(url).expect("it is a URL")).map(AsRef::as_ref);
            assert_eq!(name, goes_through.then_some("proxy.example:3128"), "{url}");
        }
    }
}
