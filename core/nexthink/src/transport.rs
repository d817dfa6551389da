//! The three HTTP clients, one per kind of host, and what they share: TLS, bounds, failures.
//!
//! A credential is bound to its host by type: [`LoginClient`] sends the client secret to the login
//! host only, [`ApiClient`] the token to the API only, and [`FileClient`] has nothing to send.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, DATE, HeaderMap, IF_MATCH, RANGE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use zeroize::Zeroizing;

use crate::endpoints::{BaseUrl, Endpoints};
use crate::error::{Endpoint, NexthinkError, SharedError, UnreachableCause};
use crate::identity::{ExportId, QueryId};
use crate::order::Compression;
use crate::proxy::CheckedProxy;
use crate::public_address::{NotPublic, PublicAddresses};
use crate::results_link::{FileHosts, LinkRefusal, ResultsLink};
use crate::retry::Setback;
use crate::retry_after::{read_time, wait_asked_for};
use crate::secret::{Credentials, Secret};
use crate::settings::{Settings, Timeouts};
use crate::transfer::Rest;
use crate::trust::tls_config;

/// The largest answer of the login host that is read, in bytes.
const TOKEN_ANSWER_CAP: usize = 64 << 10;
/// The largest answer about an export that is read, in bytes: it has a link and a description at most, and
/// it may be asked for hundreds of times.
const API_ANSWER_CAP: usize = 64 << 10;
/// The same for one that holds rows: 1,000 of them at most, so 16 KiB for each.
const ROWS_ANSWER_CAP: usize = 16 << 20;

/// The clients for one tenant.
pub(crate) struct Clients {
    pub(crate) login: LoginClient,
    pub(crate) api: ApiClient,
    pub(crate) files: FileClient,
}

/// Talks to the login host.
pub(crate) struct LoginClient {
    http: reqwest::Client,
    base: BaseUrl,
}

/// Talks to the API; every URL it can make starts with the API's base URL.
pub(crate) struct ApiClient {
    http: reqwest::Client,
    base: BaseUrl,
}

/// Talks to the host of the audit trail; every URL it can make starts with that host's base URL.
pub(crate) struct AuditHttp {
    http: reqwest::Client,
    base: BaseUrl,
}

/// Fetches results files, without any credential.
pub(crate) struct FileClient {
    http: reqwest::Client,
}

/// One call to the API.
#[derive(Clone, Copy)]
pub(crate) enum ApiCall<'a> {
    StartExport(&'a StartExport<'a>),
    Execute(&'a Execute<'a>),
    ExportStatus(&'a ExportId),
}

/// The body of the call that starts an export.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartExport<'a> {
    pub(crate) query_id: &'a QueryId,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) parameters: &'a BTreeMap<String, String>,
    pub(crate) compression: Compression,
}

/// The body of the call that runs a query at once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Execute<'a> {
    pub(crate) query_id: &'a QueryId,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) parameters: &'a BTreeMap<String, String>,
}

impl Clients {
    pub(crate) fn new(endpoints: &Endpoints, settings: &Settings) -> Result<Self, NexthinkError> {
        let timeouts = &settings.timeouts;
        let tls = tls_config(endpoints.use_tls(), &settings.trust)?;
        let proxy = settings.proxy.as_ref().map(CheckedProxy::new).transpose()?;
        let with_credentials = client(timeouts, tls.clone(), proxy.as_ref());
        let with_credentials = build(with_credentials.timeout(timeouts.answer))?;
        let mut files = client(timeouts, tls, proxy.as_ref());
        if matches!(endpoints.files(), FileHosts::Nexthink) {
            let proxy = proxy.and_then(|proxy| proxy.host_name);
            files = files.dns_resolver(Arc::new(PublicAddresses { proxy }));
        }
        Ok(Self {
            login: LoginClient { http: with_credentials.clone(), base: endpoints.login().clone() },
            api: ApiClient { http: with_credentials, base: endpoints.api().clone() },
            files: FileClient { http: build(files)? },
        })
    }
}

impl AuditHttp {
    /// The client for the host of the audit trail, and that of the login host for its tokens.
    pub(crate) fn new(
        base: &BaseUrl,
        endpoints: &Endpoints,
        settings: &Settings,
    ) -> Result<(Self, LoginClient), NexthinkError> {
        let timeouts = &settings.timeouts;
        let tls = tls_config(base.is_tls() || endpoints.use_tls(), &settings.trust)?;
        let proxy = settings.proxy.as_ref().map(CheckedProxy::new).transpose()?;
        // A trail takes as long as it takes; that something comes is checked.
        let http = build(client(timeouts, tls.clone(), proxy.as_ref()))?;
        let login = build(client(timeouts, tls, proxy.as_ref()).timeout(timeouts.answer))?;
        let login = LoginClient { http: login, base: endpoints.login().clone() };
        Ok((Self { http, base: base.clone() }, login))
    }

    /// Asks for a part of a trail.
    pub(crate) async fn get(
        &self,
        path: &str,
        query: &[(&str, String)],
        authorize: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Result<Response, NexthinkError> {
        let url = self.base.audit_trail(path, query);
        let request = self.http.get(url).header(ACCEPT, "text/plain, */*");
        authorize(request).send().await.map_err(|error| no_answer(self.base.host(), error))
    }
}

/// The clock of whoever sent these headers, in milliseconds since 1970-01-01 UTC.
pub(crate) fn server_ms(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    date.and_then(read_time).map(Timestamp::as_millisecond)
}

impl LoginClient {
    /// Asks for a token (OAuth 2.0 client credentials, RFC 6749 section 4.4).
    pub(crate) async fn request_token(
        &self,
        credentials: &Credentials,
        scope: &str,
    ) -> Result<Answer, NexthinkError> {
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        let request = self
            .http
            .post(self.base.token())
            .basic_auth(credentials.client_id(), Some(credentials.client_secret().expose()))
            .header(ACCEPT, "application/json")
            .form(&form);
        answer(request, self.base.host(), TOKEN_ANSWER_CAP).await
    }
}

impl ApiClient {
    pub(crate) async fn send(
        &self,
        call: ApiCall<'_>,
        token: &Secret,
    ) -> Result<Answer, NexthinkError> {
        let request = match call {
            ApiCall::StartExport(body) => self.http.post(self.base.export()).json(body),
            // Else times come in the zone of the tenant's region.
            ApiCall::Execute(body) => {
                self.http.post(self.base.execute()).json(body).header("x-utc-times", "true")
            }
            ApiCall::ExportStatus(export_id) => self.http.get(self.base.export_status(export_id)),
        };
        let cap = match call {
            ApiCall::Execute(_) => ROWS_ANSWER_CAP,
            ApiCall::StartExport(_) | ApiCall::ExportStatus(_) => API_ANSWER_CAP,
        };
        let request = request.bearer_auth(token.expose()).header(ACCEPT, "application/json");
        answer(request, self.base.host(), cap).await
    }
}

impl FileClient {
    /// Asks for a file, or for the rest of one.
    pub(crate) async fn get(
        &self,
        link: &ResultsLink,
        rest: Option<&Rest>,
    ) -> Result<Response, NexthinkError> {
        // A file must arrive as it was stored, so that its length can be checked.
        let mut request = self.http.get(link.expose()).header(ACCEPT_ENCODING, "identity");
        if let Some(rest) = rest {
            request = request.header(RANGE, rest.range()).header(IF_MATCH, &rest.validator);
        }
        request.send().await.map_err(|error| no_answer(link.host(), error))
    }
}

/// An answer of the login host or the API, read up to a cap.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The server's clock, in milliseconds since 1970-01-01 UTC.
    pub(crate) server_ms: Option<i64>,
    retry_after: Option<Duration>,
    /// Wiped on drop: it may hold a token or a results link.
    body: Zeroizing<Vec<u8>>,
    over_cap: bool,
}

impl Answer {
    /// The body as `T`. No error tells what was in it.
    pub(crate) fn json<T: DeserializeOwned>(&self, endpoint: Endpoint) -> Result<T, NexthinkError> {
        if self.over_cap {
            return Err(self.unexpected(endpoint, "more bytes than any valid answer has"));
        }
        if self.body.is_empty() {
            return Err(self.unexpected(endpoint, "an empty body"));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let what = match error.classify() {
                Category::Data => "JSON that lacks a member or has one of the wrong type",
                Category::Eof => "JSON that is cut short",
                Category::Syntax | Category::Io => "a body that is not JSON",
            };
            self.unexpected(endpoint, what)
        })
    }

    /// Whether this answer may well be a different one next time.
    pub(crate) fn setback(&self, endpoint: Endpoint) -> Option<Setback> {
        setback(self.status, self.retry_after, endpoint)
    }

    pub(crate) fn unexpected(&self, endpoint: Endpoint, what: &'static str) -> NexthinkError {
        NexthinkError::UnexpectedAnswer { endpoint, status: self.status.as_u16(), what }
    }

    /// The error for a status that has no meaning of its own at `endpoint`.
    pub(crate) fn unexpected_status(&self, endpoint: Endpoint) -> NexthinkError {
        let what = if self.status.is_redirection() {
            "a redirect, which is never followed"
        } else if self.status.is_success() {
            "a success that carries no result"
        } else {
            "a refusal, which will not change by trying again"
        };
        self.unexpected(endpoint, what)
    }
}

/// What a status says about trying again.
pub(crate) fn setback(
    status: StatusCode,
    retry_after: Option<Duration>,
    endpoint: Endpoint,
) -> Option<Setback> {
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Some(Setback::Throttled { endpoint, retry_after });
    }
    status.is_server_error().then(|| Setback::ServerError { endpoint, status: status.as_u16() })
}

/// How long the headers of an answer ask to wait.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    wait_asked_for(text(RETRY_AFTER)?, text(DATE))
}

/// The first bytes of a body, `cap` at most, and whether there are more than that.
pub(crate) async fn read_up_to(
    response: &mut Response,
    cap: usize,
) -> Result<(Zeroizing<Vec<u8>>, bool), reqwest::Error> {
    let announced =
        response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(cap));
    let mut body = Zeroizing::new(Vec::with_capacity(announced.min(cap)));
    while let Some(chunk) = response.chunk().await? {
        let room = cap - body.len();
        if chunk.len() > room {
            return Ok((body, true));
        }
        let needed = body.len() + chunk.len();
        if needed > body.capacity() {
            // By hand, since a vector that grows leaves a copy behind that is not wiped.
            let mut larger = Zeroizing::new(Vec::with_capacity((2 * needed).min(cap)));
            larger.extend_from_slice(&body);
            body = larger;
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, false))
}

async fn answer(
    request: reqwest::RequestBuilder,
    host: &str,
    cap: usize,
) -> Result<Answer, NexthinkError> {
    let mut response = request.send().await.map_err(|error| no_answer(host, error))?;
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let server_ms = server_ms(response.headers());
    let (body, over_cap) =
        read_up_to(&mut response, cap).await.map_err(|error| no_answer(host, error))?;
    Ok(Answer { status, server_ms, retry_after, body, over_cap })
}

/// The error for a call that got no whole answer. It loses the URL, which may be a signed one.
fn no_answer(host: &str, error: reqwest::Error) -> NexthinkError {
    let error = error.without_url();
    if in_chain::<NotPublic>(&error) {
        return NexthinkError::LinkRefused { reason: LinkRefusal::PrivateAddress };
    }
    let cause = if proxy_wants_credentials(&error) {
        UnreachableCause::ProxyCredentials
    } else if error.is_timeout() && !error.is_connect() {
        UnreachableCause::Timeout
    } else if error.is_dns() {
        UnreachableCause::Dns
    } else if error.is_connect() && in_chain::<rustls::Error>(&error) {
        UnreachableCause::Tls
    } else if error.is_connect() {
        UnreachableCause::Connect
    } else {
        UnreachableCause::Broken
    };
    NexthinkError::Unreachable {
        host: host.to_owned(),
        cause,
        source: SharedError::root_of(&error),
    }
}

/// Whether a proxy answered HTTP 407. The HTTP client tells it in words only.
fn proxy_wants_credentials(error: &(dyn StdError + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).any(|words| words.ends_with("proxy authorization required"))
}

/// Whether `E` is among the causes of `error`.
fn in_chain<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<E>() {
            return true;
        }
        // An I/O error does not count what it wraps as its source.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if wrapped.is_some_and(|wrapped| in_chain::<E>(wrapped)) {
            return true;
        }
        next = error.source();
    }
    false
}

/// What every client has: no redirects, no cookies, no proxy that was not asked for, no header
/// that names anybody.
fn client(
    timeouts: &Timeouts,
    tls: rustls::ClientConfig,
    proxy: Option<&CheckedProxy>,
) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // The environment is not read here; a proxy comes in through the settings.
        .no_proxy()
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.idle)
        .user_agent(concat!("nexthink-graph/", env!("CARGO_PKG_VERSION")));
    match proxy {
        Some(proxy) => builder.proxy(proxy.proxy.clone()),
        None => builder,
    }
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, NexthinkError> {
    builder
        .build()
        .map_err(|error| NexthinkError::TlsSetup { source: SharedError::new(error.without_url()) })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddr};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::settings::Trust;

    #[test]
    fn a_cause_inside_an_io_error_is_found() {
        let inner = rustls::Error::General("invented".to_owned());
        let error = io::Error::other(io::Error::other(inner));
        assert!(in_chain::<rustls::Error>(&error));
        assert!(!in_chain::<NotPublic>(&error));
    }

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
        let tls = tls_config(false, &Trust::default()).expect("nothing is trusted");
        let client = client(&Timeouts::default(), tls, None)
            .resolve_to_addrs("both.example", &[broken, works]);
        let client = build(client).expect("a client");
        let url = format!("http://both.example:{}/", works.port());
        let response = client.get(url).send().await.expect("the other address works");
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        answering.await.expect("it was asked");
    }
}
