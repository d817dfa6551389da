//! Makes clients that share trust, proxy and connect timeout.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{IntoUrl, Method, RequestBuilder};

use crate::error::{SetupError, SharedError};
use crate::failure::CallFailure;
use crate::proxy::{CheckedProxy, ProxyRoute};
use crate::public_address::PublicAddresses;
use crate::settings::{ProxySettings, Trust};
use crate::trust::tls_config;

/// Makes HTTP clients that share trust, proxy and connect timeout.
pub struct ClientFactory {
    tls: rustls::ClientConfig,
    proxy: Option<CheckedProxy>,
    connect_timeout: Duration,
}

/// An HTTP client, and what it takes to explain why a call got no answer.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    proxy: Option<Arc<ProxyRoute>>,
}

impl HttpClient {
    /// Begins a GET request.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.client.get(url)
    }

    /// Begins a POST request.
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder {
        self.client.post(url)
    }

    /// Begins a request.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Explains why a call of this client got no whole answer.
    pub fn failure(&self, error: reqwest::Error) -> CallFailure {
        let route = self.proxy.as_ref().zip(error.url());
        let proxy = route.and_then(|(proxy, url)| proxy.name_for(url)).cloned();
        CallFailure::new(error, proxy.as_ref())
    }
}

impl ClientFactory {
    /// Checks the settings and loads the trusted certificates, unless every host is called over plain http.
    ///
    /// # Errors
    /// [`SetupError`] says which setting is wrong, or that TLS cannot be set up.
    pub fn new(
        uses_tls: bool,
        trust: &Trust,
        proxy: Option<&ProxySettings>,
        connect_timeout: Duration,
    ) -> Result<Self, SetupError> {
        let tls = tls_config(uses_tls, trust)?;
        let proxy = proxy.map(CheckedProxy::new).transpose()?;
        Ok(Self { tls, proxy, connect_timeout })
    }

    /// Makes a client that waits `idle` for the next bytes, and `answer` for a whole answer.
    ///
    /// # Errors
    /// [`SetupError::Tls`] if the HTTP library refuses the setup.
    pub fn client(
        &self,
        idle: Option<Duration>,
        answer: Option<Duration>,
    ) -> Result<HttpClient, SetupError> {
        self.build(self.builder(idle, answer))
    }

    /// The same for hosts that an answer names: it connects to public addresses only, and to the proxy.
    ///
    /// # Errors
    /// As [`Self::client`].
    pub fn client_for_public_hosts(
        &self,
        idle: Option<Duration>,
        answer: Option<Duration>,
    ) -> Result<HttpClient, SetupError> {
        let proxy = self.proxy.as_ref().and_then(|proxy| proxy.host_name.clone());
        let builder = self.builder(idle, answer);
        self.build(builder.dns_resolver(Arc::new(PublicAddresses { proxy })))
    }

    fn builder(&self, idle: Option<Duration>, answer: Option<Duration>) -> reqwest::ClientBuilder {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // The environment is not read here; a proxy comes in through the settings.
            .no_proxy()
            .connect_timeout(self.connect_timeout)
            .user_agent(concat!("nexthink-graph/", env!("CARGO_PKG_VERSION")));
        if let Some(idle) = idle {
            builder = builder.read_timeout(idle);
        }
        if let Some(answer) = answer {
            builder = builder.timeout(answer);
        }
        match &self.proxy {
            Some(proxy) => builder.proxy(proxy.proxy.clone()),
            None => builder,
        }
    }

    fn build(&self, builder: reqwest::ClientBuilder) -> Result<HttpClient, SetupError> {
        let client = builder
            .build()
            .map_err(|error| SetupError::Tls { source: SharedError::new(error.without_url()) })?;
        let proxy = self.proxy.as_ref().map(|proxy| Arc::clone(&proxy.route));
        Ok(HttpClient { client, proxy })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddr};

    use reqwest::StatusCode;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn c4_an_address_that_does_not_work_is_passed_over_for_the_other_kind() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let works = listener.local_addr().expect("an address");
        let answering = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut request = [0_u8; 1024];
            let n_bytes = socket.read(&mut request).await.expect("a request");
            assert!(n_bytes > 0, "a connection is only made for a request");
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            socket.write_all(answer).await.expect("an open connection");
        });
        // Nothing listens there, or there is no IPv6 at all.
        let broken = SocketAddr::from((Ipv6Addr::LOCALHOST, works.port()));
        let factory = ClientFactory::new(false, &Trust::default(), None, Duration::from_secs(10))
            .expect("nothing is trusted");
        let builder = factory.builder(Some(Duration::from_secs(30)), None);
        let client = factory.build(builder.resolve_to_addrs("both.example", &[broken, works]));
        let client = client.expect("a client");
        let url = format!("http://both.example:{}/", works.port());
        let response = client.get(url).send().await.expect("the other address works");
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        answering.await.expect("it was asked");
    }
}
