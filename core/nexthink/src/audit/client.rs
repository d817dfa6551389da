//! Reads the audit trail: authenticated, streamed, repeated where the trouble may pass.

use std::io;
use std::sync::Arc;

use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Response, StatusCode};

use super::{AuditHost, AuditRequest};
use crate::endpoints::Endpoints;
use crate::error::{Endpoint, NexthinkError, SharedError};
use crate::results_sink::sink_failed;
use crate::retry::{Jitter, Retry, Setback};
use crate::secret::{Credentials, Secret};
use crate::settings::Settings;
use crate::token::TokenSource;
use crate::transport::{AuditHttp, retry_after, server_ms, setback};

/// What a token for the audit trail is for.
const SCOPE: &str = "service:audit-trail";

/// How the audit trail is accessed.
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

/// What comes of a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditPiece<'a> {
    /// An answer begins; what came before it is of no use.
    Begin,
    /// The next bytes of it.
    Bytes(&'a [u8]),
}

/// A part of a trail that came whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditAnswer {
    /// Its size in bytes.
    pub bytes: u64,
    /// Nexthink's clock when it began to answer, in milliseconds since 1970-01-01 UTC.
    pub server_ms: Option<i64>,
}

impl AuditClient {
    /// Makes a client; nothing is called yet.
    ///
    /// # Errors
    /// [`NexthinkError::TlsSetup`], [`NexthinkError::InvalidTrust`] or
    /// [`NexthinkError::InvalidProxy`], as for [`Client::new`](crate::Client::new).
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

    /// Reads a part of a trail (Nexthink, audit trail API). `on_piece` gets it as it comes, from the
    /// start again if it breaks off and is asked for anew.
    ///
    /// # Errors
    /// [`NexthinkError::AuditUnauthorized`] for the account, [`NexthinkError::AuditTrailFailed`] for an
    /// Engine that Nexthink does not know or reach (HTTP 500 with a JSON array, documented),
    /// [`NexthinkError::Sink`] for what `on_piece` says; else what the network or the answer did.
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
                Access::Token(tokens) => Some(tokens.get().await?.token),
            };
            let setback = match self.ask(request, token.as_deref()).await {
                Ok(response) if response.status() == StatusCode::OK => {
                    match self.receive(response, &mut on_piece).await {
                        Ok(answer) => return Ok(answer),
                        Err(error @ NexthinkError::DownloadBroken { .. }) => {
                            Setback::NoAnswer(error)
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
                    self.setback(&response)?
                }
                Err(error) => Setback::NoAnswer(error),
            };
            retry.pause(setback).await.map_err(|error| named(error, request))?;
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

    /// What an answer without a trail says about trying again.
    fn setback(&self, response: &Response) -> Result<Setback, NexthinkError> {
        const AT: Endpoint = Endpoint::AuditTrail;
        let status = response.status();
        if let Some(setback) = setback(status, retry_after(response.headers()), AT) {
            return Ok(setback);
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let account = match &self.access {
                Access::Basic(credentials) => credentials.client_id(),
                Access::Token(tokens) => tokens.client_id(),
            };
            let account = account.to_owned();
            return Err(NexthinkError::AuditUnauthorized { account, status: status.as_u16() });
        }
        let what = if status.is_redirection() {
            "a redirect, which is never followed"
        } else {
            "a refusal, which will not change by trying again"
        };
        Err(NexthinkError::UnexpectedAnswer { endpoint: AT, status: status.as_u16(), what })
    }

    async fn receive(
        &self,
        mut response: Response,
        on_piece: &mut impl FnMut(AuditPiece<'_>) -> io::Result<()>,
    ) -> Result<AuditAnswer, NexthinkError> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with("text/html")) {
            let (endpoint, what) = (Endpoint::AuditTrail, "a web page instead of a trail");
            return Err(NexthinkError::UnexpectedAnswer { endpoint, status: 200, what });
        }
        let cap = self.settings.max_download_bytes;
        let server_ms = server_ms(response.headers());
        on_piece(AuditPiece::Begin).map_err(sink_failed)?;
        let mut bytes = 0;
        loop {
            let chunk = response.chunk().await.map_err(|error| NexthinkError::DownloadBroken {
                received: bytes,
                source: SharedError::new(error.without_url()),
            })?;
            let Some(chunk) = chunk else { return Ok(AuditAnswer { bytes, server_ms }) };
            bytes += chunk.len() as u64;
            if bytes > cap {
                return Err(NexthinkError::TooLarge { cap });
            }
            on_piece(AuditPiece::Bytes(&chunk)).map_err(sink_failed)?;
        }
    }
}

/// A server error that stays, with whose trail it is about.
fn named(error: NexthinkError, request: &AuditRequest) -> NexthinkError {
    match error {
        NexthinkError::Unavailable { endpoint: Endpoint::AuditTrail, status, attempts } => {
            let trail = request.trail.for_people();
            NexthinkError::AuditTrailFailed { trail, status, attempts }
        }
        error => error,
    }
}
