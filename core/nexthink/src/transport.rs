//! The three HTTP clients, one per kind of host, and their common parts: TLS, limits, failures.
//!
//! A credential is bound to its host by type: [`LoginClient`] sends the client secret to the login
//! host only, [`ApiClient`] the token to the API only, and [`FileClient`] has nothing to send.

use std::collections::BTreeMap;
use std::time::Duration;

use core_http::{
    Body, CallFailure, ClientFactory, HttpClient, Secret, UnreachableCause, read_up_to,
    requested_wait, server_time_ms,
};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, IF_MATCH, RANGE};
use reqwest::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::endpoints::{Endpoints, NexthinkUrl};
use crate::error::{Endpoint, NexthinkError};
use crate::identity::{ExportId, QueryId};
use crate::order::Compression;
use crate::results_link::{FileHosts, LinkRefusal, ResultsLink};
use crate::retry_cause::RetryCause;
use crate::secret::Credentials;
use crate::settings::Settings;
use crate::transfer::Rest;

/// The largest answer of the login host that is read, in bytes.
const TOKEN_ANSWER_CAP: usize = 64 << 10;
/// The largest answer about an export that is read, in bytes: it has a link and a description at most, and
/// it may be asked for hundreds of times.
const API_ANSWER_CAP: usize = 64 << 10;
/// The same for an answer with rows: at most 1,000 rows, so 16 KiB for each.
const ROWS_ANSWER_CAP: usize = 16 << 20;

/// The clients for one tenant.
pub(crate) struct Clients {
    pub(crate) login: LoginClient,
    pub(crate) api: ApiClient,
    pub(crate) files: FileClient,
}

/// Talks to the login host.
pub(crate) struct LoginClient {
    http: HttpClient,
    base: NexthinkUrl,
}

/// Talks to the API; every URL it can make starts with the API's base URL.
pub(crate) struct ApiClient {
    http: HttpClient,
    base: NexthinkUrl,
}

/// Talks to the host of the audit trail; every URL it can make starts with that host's base URL.
pub(crate) struct AuditHttp {
    http: HttpClient,
    base: NexthinkUrl,
}

/// Fetches results files, without any credential.
pub(crate) struct FileClient {
    http: HttpClient,
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
        let factory = client_factory(endpoints.use_tls(), settings)?;
        let with_credentials = factory.client(Some(timeouts.idle), Some(timeouts.answer))?;
        let files = match endpoints.files() {
            FileHosts::Nexthink => factory.client_for_public_hosts(Some(timeouts.idle), None)?,
            FileHosts::Only(_) => factory.client(Some(timeouts.idle), None)?,
        };
        Ok(Self {
            login: LoginClient { http: with_credentials.clone(), base: endpoints.login().clone() },
            api: ApiClient { http: with_credentials, base: endpoints.api().clone() },
            files: FileClient { http: files },
        })
    }
}

impl AuditHttp {
    /// The client for the host of the audit trail, and that of the login host for its tokens.
    pub(crate) fn new(
        base: &NexthinkUrl,
        endpoints: &Endpoints,
        settings: &Settings,
    ) -> Result<(Self, LoginClient), NexthinkError> {
        let timeouts = &settings.timeouts;
        let factory = client_factory(base.is_tls() || endpoints.use_tls(), settings)?;
        // A trail takes as long as it takes; that something comes is checked.
        let http = factory.client(Some(timeouts.idle), None)?;
        let login = factory.client(Some(timeouts.idle), Some(timeouts.answer))?;
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
        authorize(request)
            .send()
            .await
            .map_err(|error| no_answer(&self.http, self.base.host(), error))
    }
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
        answer(&self.http, request, self.base.host(), TOKEN_ANSWER_CAP).await
    }
}

impl ApiClient {
    pub(crate) async fn send(
        &self,
        call: ApiCall<'_>,
        token: &Secret,
    ) -> Result<Answer, NexthinkError> {
        let request = match call {
            // Else times come in the zone of the tenant's region. The header is documented for executions only; an
            // export ignores it at worst.
            ApiCall::StartExport(body) => {
                self.http.post(self.base.export()).json(body).header("x-utc-times", "true")
            }
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
        answer(&self.http, request, self.base.host(), cap).await
    }
}

impl FileClient {
    /// Asks for a file, or for the rest of one.
    pub(crate) async fn get(
        &self,
        link: &ResultsLink,
        rest: Option<&Rest>,
        accept: &'static str,
    ) -> Result<Response, NexthinkError> {
        // A file must arrive as it was stored, so that its length can be checked.
        let request = self.http.get(link.expose()).header(ACCEPT, accept);
        let mut request = request.header(ACCEPT_ENCODING, "identity");
        if let Some(rest) = rest {
            request = request.header(RANGE, rest.range()).header(IF_MATCH, &rest.validator);
        }
        request.send().await.map_err(|error| no_answer(&self.http, link.host(), error))
    }
}

/// An answer of the login host or the API, read up to a cap.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The server's clock, in milliseconds since 1970-01-01 UTC.
    pub(crate) server_ms: Option<i64>,
    retry_after: Option<Duration>,
    body: Body,
}

impl Answer {
    /// An answer that no server gave.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn from_parts(status: StatusCode, body: &[u8]) -> Self {
        let body = Body { bytes: body.to_vec().into(), is_over_cap: false };
        Self { status, server_ms: None, retry_after: None, body }
    }

    /// Parses the body as `T`. No error shows its content.
    pub(crate) fn json<T: DeserializeOwned>(&self, endpoint: Endpoint) -> Result<T, NexthinkError> {
        if self.body.is_over_cap {
            return Err(self.unexpected(endpoint, "more bytes than any valid answer has"));
        }
        if self.body.bytes.is_empty() {
            return Err(self.unexpected(endpoint, "an empty body"));
        }
        serde_json::from_slice(&self.body.bytes).map_err(|error| {
            let what = match error.classify() {
                Category::Data => "JSON that lacks a member or has one of the wrong type",
                Category::Eof => "JSON that is cut short",
                Category::Syntax | Category::Io => "a body that is not JSON",
            };
            self.unexpected(endpoint, what)
        })
    }

    /// Returns why the call is worth repeating, if it is.
    pub(crate) fn retry_cause(&self, endpoint: Endpoint) -> Option<RetryCause> {
        retry_cause(self.status, self.retry_after, endpoint)
    }

    pub(crate) fn unexpected(&self, endpoint: Endpoint, what: &'static str) -> NexthinkError {
        NexthinkError::UnexpectedAnswer { endpoint, status: self.status.as_u16(), what }
    }

    /// The error for a status without a special meaning at `endpoint`.
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

/// Returns why a call with this status is worth repeating, if it is.
pub(crate) fn retry_cause(
    status: StatusCode,
    retry_after: Option<Duration>,
    endpoint: Endpoint,
) -> Option<RetryCause> {
    let code = status.as_u16();
    match status {
        StatusCode::TOO_MANY_REQUESTS => {
            Some(RetryCause::Throttled { endpoint, status: code, retry_after })
        }
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => {
            Some(RetryCause::Throttled { endpoint, status: code, retry_after })
        }
        // A load balancer answers 408 for a request that it did not get in time, and 425 for one that came too early.
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => {
            Some(RetryCause::TemporaryStatus { endpoint, status: code })
        }
        _ if status.is_server_error() => {
            Some(RetryCause::TemporaryStatus { endpoint, status: code })
        }
        _ => None,
    }
}

async fn answer(
    http: &HttpClient,
    request: reqwest::RequestBuilder,
    host: &str,
    cap: usize,
) -> Result<Answer, NexthinkError> {
    let mut response = request.send().await.map_err(|error| no_answer(http, host, error))?;
    let status = response.status();
    let retry_after = requested_wait(response.headers());
    let server_ms = server_time_ms(response.headers());
    let body =
        read_up_to(&mut response, cap).await.map_err(|error| no_answer(http, host, error))?;
    Ok(Answer { status, server_ms, retry_after, body })
}

/// The error for a call that got no whole answer.
fn no_answer(http: &HttpClient, host: &str, error: reqwest::Error) -> NexthinkError {
    let CallFailure { cause, source } = http.failure(error);
    if cause == UnreachableCause::PrivateAddress {
        return NexthinkError::LinkRefused { reason: LinkRefusal::PrivateAddress };
    }
    NexthinkError::Unreachable { host: host.to_owned(), cause, source }
}

fn client_factory(uses_tls: bool, settings: &Settings) -> Result<ClientFactory, NexthinkError> {
    let (proxy, connect) = (settings.proxy.as_ref(), settings.timeouts.connect);
    Ok(ClientFactory::new(uses_tls, &settings.trust, proxy, connect)?)
}
