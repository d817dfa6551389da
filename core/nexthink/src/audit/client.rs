//! Reads the audit trail: authenticated, streamed, repeated where the trouble may pass.

use std::io;
use std::sync::Arc;

use core_http::{Jitter, Retry, Secret, read_up_to, requested_wait, server_time_ms};
use reqwest::{RequestBuilder, Response, StatusCode};
use tokio::time::Instant;

use super::answer::{Foreign, Judgement, is_end_proven};
use super::{AuditHost, AuditRequest, Trail, error_array};
use crate::download::next_chunk;
use crate::endpoints::Endpoints;
use crate::error::{Endpoint, NexthinkError};
use crate::results_sink::sink_failed;
use crate::retry_cause::RetryCause;
use crate::secret::Credentials;
use crate::settings::Settings;
use crate::speed::SpeedCheck;
use crate::token::TokenSource;
use crate::transport::{AuditHttp, retry_cause};

/// The scope of a token for the audit trail.
const SCOPE: &str = "service:audit-trail";

/// The size limit for reading the body of an error. Bytes.
const ERROR_CAP: usize = 8 << 10;

const AT: Endpoint = Endpoint::AuditTrail;

/// The access to the audit trail.
pub enum AuditAccess {
    /// With the name and password of a local account with administrator rights.
    Basic(Credentials),
    /// With a token for an API client that has the scope `service:audit-trail`.
    OAuth(Credentials),
}

enum Access {
    Basic(Credentials),
    Token(Box<TokenSource>),
}

/// A client of the audit trail of one tenant.
pub struct AuditClient {
    http: AuditHttp,
    access: Access,
    settings: Settings,
    jitter: Arc<Jitter>,
}

/// The answer of a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditPiece<'a> {
    /// An answer begins; earlier pieces are invalid.
    Begin {
        /// Nexthink's clock when it began to answer, in milliseconds since 1970-01-01 UTC.
        server_ms: Option<i64>,
    },
    /// The next bytes of it.
    Bytes(&'a [u8]),
}

/// A part of a trail that came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditAnswer {
    /// Its size in bytes.
    pub bytes: u64,
    /// Nexthink's clock when it began to answer, in milliseconds since 1970-01-01 UTC.
    pub server_ms: Option<i64>,
    /// True if the host announced its length or its last chunk: without, an answer that was cut looks whole.
    pub end_proven: bool,
}

impl AuditClient {
    /// Makes a client; nothing is called yet.
    ///
    /// # Errors
    /// [`NexthinkError::Setup`], as for [`Client::new`](crate::Client::new).
    pub fn new(
        host: &AuditHost,
        endpoints: &Endpoints,
        access: AuditAccess,
        settings: Settings,
    ) -> Result<Self, NexthinkError> {
        let (http, login) = AuditHttp::new(host.base(), endpoints, &settings)?;
        let jitter = Arc::new(Jitter::new(settings.jitter_seed));
        let access = match access {
            AuditAccess::Basic(credentials) => Access::Basic(credentials),
            AuditAccess::OAuth(credentials) => {
                let policy = settings.retry.clone();
                let jitter = Arc::clone(&jitter);
                let tokens = TokenSource::new(login, SCOPE, credentials, policy, jitter);
                Access::Token(Box::new(tokens))
            }
        };
        Ok(Self { http, access, settings, jitter })
    }

    /// Reads a part of a trail (Nexthink, audit trail API). `on_piece` gets the pieces as they arrive; if the answer
    /// breaks off and is requested again, the pieces start again. HTTP 204 is a part without lines.
    ///
    /// # Errors
    /// [`NexthinkError::AuditUnauthorized`] for the account, [`NexthinkError::AuditTrailFailed`] for an Engine that
    /// Nexthink does not know or reach (HTTP 500 with a JSON array, documented), [`NexthinkError::AuditTrailRefused`]
    /// for an invalid request, [`NexthinkError::Sink`] for an error of `on_piece`; otherwise the failure of the
    /// network or the answer.
    pub async fn read(
        &self,
        request: &AuditRequest,
        mut on_piece: impl FnMut(AuditPiece<'_>) -> io::Result<()>,
    ) -> Result<AuditAnswer, NexthinkError> {
        let policy = &self.settings.retry;
        let mut retry = Retry::new(policy, &self.jitter, policy.max_attempts);
        let mut token_renewed = false;
        loop {
            let token = match &self.access {
                Access::Basic(_) => None,
                Access::Token(tokens) => {
                    let issued = tokens.get().await.map_err(for_audit_trail)?;
                    Some(issued.token)
                }
            };
            let cause = match self.ask(request, token.as_deref()).await {
                Ok(response)
                    if matches!(response.status(), StatusCode::OK | StatusCode::NO_CONTENT) =>
                {
                    match self.receive(response, request, &mut on_piece).await {
                        Ok(answer) => return Ok(answer),
                        Err(error @ NexthinkError::DownloadBroken { .. }) => {
                            RetryCause::NoAnswer(error)
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(response) => {
                    let status = response.status();
                    let is_refused =
                        matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
                    if let (Access::Token(tokens), Some(token), true, false) =
                        (&self.access, &token, is_refused, token_renewed)
                    {
                        tokens.invalidate(token).await;
                        token_renewed = true;
                        continue;
                    }
                    self.refused(response, request).await?
                }
                Err(error) => RetryCause::NoAnswer(error),
            };
            retry.pause(cause).await.map_err(|error| named(error, request))?;
        }
    }

    async fn ask(
        &self,
        request: &AuditRequest,
        token: Option<&Secret>,
    ) -> Result<Response, NexthinkError> {
        let mut query = vec![("elapsed_hours", request.elapsed_hours.to_string())];
        query.extend(request.before.clone().map(|before| ("before_date", before)));
        let authorize = |builder: RequestBuilder| match (&self.access, token) {
            (Access::Basic(it), _) => {
                builder.basic_auth(it.client_id(), Some(it.client_secret().expose()))
            }
            (Access::Token(_), Some(token)) => builder.bearer_auth(token.expose()),
            (Access::Token(_), None) => builder,
        };
        self.http.get(&request.trail.path(), &query, authorize).await
    }

    /// Returns whether an answer without a trail allows another attempt.
    async fn refused(
        &self,
        mut response: Response,
        request: &AuditRequest,
    ) -> Result<RetryCause, NexthinkError> {
        let status = response.status();
        let wait = requested_wait(response.headers());
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.unauthorized(status));
        }
        if status.is_redirection() {
            let (status, what) = (status.as_u16(), "a redirect, which is never followed");
            return Err(NexthinkError::UnexpectedAnswer { endpoint: AT, status, what });
        }
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            let body = self.error_body(&mut response).await;
            // The documented answer about an Engine: it is the same however often it is asked for.
            if error_array::is_array(&body) {
                return Err(failed(request, status.as_u16(), 1, said(&body, request)));
            }
        }
        if let Some(cause) = retry_cause(status, wait, AT) {
            return Ok(cause);
        }
        let body = self.error_body(&mut response).await;
        Err(NexthinkError::AuditTrailRefused {
            trail: request.trail.for_people(),
            status: status.as_u16(),
            said: said(&body, request),
            advice: match (status, &request.trail) {
                (StatusCode::NOT_FOUND, Trail::Engine(_)) => {
                    "check the name of the Engine and the host of the audit trail"
                }
                (StatusCode::NOT_FOUND, _) => {
                    "check the host of the audit trail: it may offer no such trail"
                }
                _ => {
                    "check the host of the audit trail and its time zone; asking again changes nothing"
                }
            },
        })
    }

    fn unauthorized(&self, status: StatusCode) -> NexthinkError {
        let (account, advice) = match &self.access {
            Access::Basic(credentials) => (
                credentials.client_id(),
                "check its name and password; it must be a local account of the web interface with \
                 administrator rights",
            ),
            Access::Token(tokens) => (
                tokens.client_id(),
                "check that Nexthink's support gave this API client the scope service:audit-trail",
            ),
        };
        let (endpoint, account, status) = (AT, account.to_owned(), status.as_u16());
        NexthinkError::AuditUnauthorized { endpoint, account, status, reason: None, advice }
    }

    /// Reads the first bytes of an error, as far as they arrive in time.
    async fn error_body(&self, response: &mut Response) -> Vec<u8> {
        let reading =
            tokio::time::timeout(self.settings.timeouts.answer, read_up_to(response, ERROR_CAP));
        match reading.await {
            Ok(Ok(body)) if !body.is_over_cap => body.bytes.to_vec(),
            _ => Vec::new(),
        }
    }

    async fn receive(
        &self,
        mut response: Response,
        request: &AuditRequest,
        on_piece: &mut impl FnMut(AuditPiece<'_>) -> io::Result<()>,
    ) -> Result<AuditAnswer, NexthinkError> {
        if let Some(foreign) = Foreign::by_media_type(response.headers()) {
            let body = match foreign {
                Foreign::Json => self.error_body(&mut response).await,
                Foreign::Page | Foreign::Binary => Vec::new(),
            };
            return Err(no_trail(foreign, &body, request));
        }
        let server_ms = server_time_ms(response.headers());
        let end_proven = is_end_proven(&response);
        on_piece(AuditPiece::Begin { server_ms }).map_err(sink_failed)?;
        let mut speed = SpeedCheck::new(self.settings.slowest_download, Instant::now());
        let (mut bytes, mut head, mut is_judged) = (0, Vec::new(), false);
        loop {
            let chunk = next_chunk(&mut response, &mut speed, bytes).await.map_err(too_slow)?;
            bytes += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            let cap = self.settings.max_download_bytes;
            if bytes > cap {
                return Err(NexthinkError::TooLarge { cap });
            }
            let is_over = chunk.is_none();
            let chunk = chunk.unwrap_or_default();
            if is_judged {
                on_piece(AuditPiece::Bytes(&chunk)).map_err(sink_failed)?;
            } else {
                head.extend_from_slice(&chunk);
                match Foreign::by_first_bytes(&head, is_over) {
                    Judgement::Undecided => {}
                    Judgement::Foreign(foreign) => return Err(no_trail(foreign, &head, request)),
                    Judgement::Trail => {
                        is_judged = true;
                        on_piece(AuditPiece::Bytes(&head)).map_err(sink_failed)?;
                        head = Vec::new();
                    }
                }
            }
            if is_over {
                return Ok(AuditAnswer { bytes, server_ms, end_proven });
            }
        }
    }
}

/// The error for a success with other content. An error array with HTTP 200 means the same as with another status.
fn no_trail(foreign: Foreign, body: &[u8], request: &AuditRequest) -> NexthinkError {
    let status = StatusCode::OK.as_u16();
    if foreign == Foreign::Json && error_array::is_array(body) {
        return failed(request, status, 1, said(body, request));
    }
    NexthinkError::UnexpectedAnswer { endpoint: AT, status, what: foreign.name() }
}

/// The words of an error body that may be shown.
fn said(body: &[u8], request: &AuditRequest) -> Option<String> {
    let engine = match &request.trail {
        Trail::Engine(name) => Some(name.as_str()),
        Trail::Portal | Trail::Engines => None,
    };
    error_array::readable(body, engine)
}

/// The error for a trail that the host itself cannot give.
fn failed(
    request: &AuditRequest,
    status: u16,
    attempts: u32,
    said: Option<String>,
) -> NexthinkError {
    let trail = request.trail.for_people();
    let advice = match &request.trail {
        Trail::Portal => "it can be read when Nexthink's server works again",
        Trail::Engine(_) => "check the name of the Engine and that it is connected",
        Trail::Engines => "check that all Engines are connected, or name those that are",
    };
    NexthinkError::AuditTrailFailed { trail, status, attempts, said, advice }
}

/// A server error that stays, with whose trail it is about.
fn named(error: NexthinkError, request: &AuditRequest) -> NexthinkError {
    match error {
        NexthinkError::Unavailable { endpoint: AT, status, attempts } => {
            failed(request, status, attempts, None)
        }
        error => error,
    }
}

/// A token that the login host refused: the advice is about another scope than that of the NQL API.
fn for_audit_trail(error: NexthinkError) -> NexthinkError {
    match error {
        NexthinkError::Unauthorized { endpoint, client_id, status, reason, .. } => {
            NexthinkError::AuditUnauthorized {
                endpoint,
                account: client_id,
                status,
                reason: Some(reason),
                advice: "check the client id and the client secret, and that Nexthink's support gave \
                         this API client the scope service:audit-trail",
            }
        }
        error => error,
    }
}

fn too_slow(error: NexthinkError) -> NexthinkError {
    match error {
        NexthinkError::DownloadTooSlow { received } => NexthinkError::AuditTooSlow { received },
        error => error,
    }
}
