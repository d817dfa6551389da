//! The access token: fetched once for all callers, renewed in time, thrown away when refused.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use core_http::{Jitter, Retry, RetryPolicy, Secret};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::{Endpoint, NexthinkError};
use crate::retry_cause::RetryCause;
use crate::secret::Credentials;
use crate::transport::{Answer, LoginClient};

/// The scope of a token for the NQL API.
pub(crate) const INTEGRATION_SCOPE: &str = "service:integration";

/// Gives the token to callers of the API.
pub(crate) struct TokenSource {
    login: LoginClient,
    scope: &'static str,
    client_id: String,
    policy: RetryPolicy,
    jitter: Arc<Jitter>,
    /// Counts the finished fetches, so that a caller can tell whether one ended while it waited.
    rounds: AtomicU64,
    /// Held while fetching, so that all other callers wait for the one request.
    state: Mutex<State>,
}

struct State {
    credentials: Credentials,
    current: Option<Issued>,
    /// True if a token was ever issued, so that the host is known to exist.
    has_answered: bool,
    last_failure: Option<NexthinkError>,
}

/// A token that the login host issued.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) token: Arc<Secret>,
    life: TokenLife,
    /// The clock of the login host when it was asked.
    server_ms: Option<i64>,
}

impl Issued {
    /// The time of the login host's clock now, in milliseconds since 1970-01-01 UTC.
    pub(crate) fn server_now_ms(&self, now: Instant) -> Option<i64> {
        let since = now.saturating_duration_since(self.life.asked).as_millis();
        self.server_ms?.checked_add(i64::try_from(since).ok()?)
    }

    /// The time for which it is used, from when it was asked for.
    pub(crate) fn refresh_after(&self) -> Duration {
        self.life.refresh_after
    }
}

impl TokenSource {
    pub(crate) fn new(
        login: LoginClient,
        scope: &'static str,
        credentials: Credentials,
        policy: RetryPolicy,
        jitter: Arc<Jitter>,
    ) -> Self {
        let client_id = credentials.client_id().to_owned();
        let rounds = AtomicU64::new(0);
        let state = Mutex::new(State {
            credentials,
            current: None,
            has_answered: false,
            last_failure: None,
        });
        Self { login, scope, client_id, policy, jitter, rounds, state }
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// A token that is fresh, fetched if need be.
    pub(crate) async fn get(&self) -> Result<Issued, NexthinkError> {
        let asked_in = self.rounds.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let Some(issued) = &state.current
            && issued.life.is_fresh(Instant::now())
        {
            return Ok(issued.clone());
        }
        if let Some(error) = &state.last_failure {
            // Who waited for a fetch shares its failure, or many callers would each wait through
            // all repetitions. Refused credentials stay refused: they never change in here.
            let waited_for_it = self.rounds.load(Ordering::Acquire) != asked_in;
            if waited_for_it || error.is_credentials() {
                return Err(error.clone());
            }
        }
        let is_first = !state.has_answered;
        let fetched = self.fetch_anew(&mut state.credentials, is_first).await;
        state.has_answered |= fetched.is_ok();
        self.rounds.fetch_add(1, Ordering::Release);
        state.current = fetched.as_ref().ok().cloned();
        state.last_failure = fetched.as_ref().err().cloned();
        fetched
    }

    /// Fetches a token. If the secret is refused, reads the secret again and tries once more.
    async fn fetch_anew(
        &self,
        credentials: &mut Credentials,
        is_first: bool,
    ) -> Result<Issued, NexthinkError> {
        let fetched = self.fetch(credentials, is_first).await;
        if !matches!(&fetched, Err(error) if secret_was_refused(error)) {
            return fetched;
        }
        let Some(replaced) = credentials.read_again().await else {
            return fetched;
        };
        *credentials = replaced;
        self.fetch(credentials, false).await
    }

    /// Forgets `refused`, unless it has been replaced already.
    pub(crate) async fn invalidate(&self, refused: &Arc<Secret>) {
        let mut state = self.state.lock().await;
        if state.current.as_ref().is_some_and(|issued| Arc::ptr_eq(&issued.token, refused)) {
            state.current = None;
        }
    }

    async fn fetch(
        &self,
        credentials: &Credentials,
        is_first: bool,
    ) -> Result<Issued, NexthinkError> {
        let mut retry = Retry::new(&self.policy, &self.jitter, self.policy.max_attempts);
        if is_first {
            retry = retry.at_first_contact();
        }
        loop {
            // Life counts from before the request, so that it never ends later than it should.
            let asked = Instant::now();
            let cause = match self.login.request_token(credentials, self.scope).await {
                Ok(answer) => match answer.retry_cause(Endpoint::Token) {
                    Some(cause) => cause,
                    None => return self.read(&answer, asked),
                },
                Err(error) => RetryCause::NoAnswer(error),
            };
            retry.pause(cause).await?;
        }
    }

    pub(crate) fn read(&self, answer: &Answer, asked: Instant) -> Result<Issued, NexthinkError> {
        match answer.status {
            StatusCode::OK => {}
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(self.refused(answer, refusal_code(answer)));
            }
            _ => return Err(answer.unexpected_status(Endpoint::Token)),
        }
        let issued: TokenAnswer = answer.json(Endpoint::Token)?;
        let token = Secret::new(issued.access_token);
        if !is_sendable(token.expose()) {
            return Err(answer.unexpected(Endpoint::Token, "a token that cannot be sent"));
        }
        if issued.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("Bearer")) {
            return Err(answer.unexpected(Endpoint::Token, "a token that is not a bearer token"));
        }
        let lacks_scope =
            |scope: &Value| scope.as_str().is_some_and(|s| !s.split(' ').any(|s| s == self.scope));
        if issued.scope.as_ref().is_some_and(lacks_scope) {
            let reason = format!("the token lacks the scope {}", self.scope);
            return Err(self.refused(answer, reason));
        }
        let life = TokenLife::new(asked, issued.expires_in.as_ref());
        tracing::debug!(refresh_after_ms = life.refresh_after.as_millis(), "token received");
        Ok(Issued { token: Arc::new(token), life, server_ms: answer.server_ms })
    }

    fn refused(&self, answer: &Answer, reason: impl Into<Cow<'static, str>>) -> NexthinkError {
        NexthinkError::Unauthorized {
            endpoint: Endpoint::Token,
            scope: self.scope,
            client_id: self.client_id().to_owned(),
            status: answer.status.as_u16(),
            reason: reason.into(),
        }
    }
}

/// Returns whether another secret may be accepted where this one was not.
fn secret_was_refused(error: &NexthinkError) -> bool {
    let NexthinkError::Unauthorized { status, reason, .. } = error else { return false };
    *status == StatusCode::UNAUTHORIZED.as_u16() || *reason == "invalid_client"
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<Value>,
    scope: Option<Value>,
}

/// The error code of a refusal if it is one of RFC 6749, section 5.2; nothing else is repeated.
fn refusal_code(answer: &Answer) -> &'static str {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    const KNOWN: [&str; 7] = [
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    ];
    let refusal = answer.json::<Refusal>(Endpoint::Token).ok();
    refusal
        .and_then(|refusal| KNOWN.into_iter().find(|known| *known == refusal.error))
        .unwrap_or("no reason given")
}

/// Returns whether a token can go into a header as it is: visible ASCII of a bearable length.
fn is_sendable(token: &str) -> bool {
    (1..=16 << 10).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic())
}

/// Returns the time for which a token is used, on the monotonic clock.
#[derive(Debug, Clone)]
struct TokenLife {
    asked: Instant,
    refresh_after: Duration,
}

impl TokenLife {
    /// A token is renewed after 80 % of its life.
    ///
    /// `expires_in` is in seconds (900 by Nexthink's documentation). It is held between 30 s and an
    /// hour; without a number in it, five minutes are assumed.
    fn new(asked: Instant, expires_in: Option<&Value>) -> Self {
        let seconds = expires_in.and_then(Value::as_f64).unwrap_or(300.0).clamp(30.0, 3600.0);
        Self { asked, refresh_after: Duration::from_secs_f64(seconds * 0.8) }
    }

    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.asked) < self.refresh_after
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a6_the_life_of_a_token_is_held_within_bounds() {
        let now = Instant::now();
        for (expires_in, seconds) in [
            (None, 240),
            (Some(json!(null)), 240),
            (Some(json!("900")), 240),
            (Some(json!([900])), 240),
            (Some(json!(900)), 720),
            (Some(json!(900.0)), 720),
            (Some(json!(0)), 24),
            (Some(json!(-5)), 24),
            (Some(json!(1_000_000_000_000_u64)), 2880),
        ] {
            let life = TokenLife::new(now, expires_in.as_ref());
            assert_eq!(life.refresh_after, Duration::from_secs(seconds), "{expires_in:?}");
        }
    }

    #[test]
    fn a1_a_token_is_fresh_for_eighty_percent_of_its_life() {
        let asked = Instant::now();
        let life = TokenLife::new(asked, Some(&json!(900)));
        assert!(life.is_fresh(asked));
        let renewal = asked + Duration::from_mins(12);
        assert!(life.is_fresh(renewal.checked_sub(Duration::from_secs(1)).expect("in the future")));
        assert!(!life.is_fresh(renewal));
    }

    #[test]
    fn a11_tokens_that_could_break_a_header_are_not_sendable() {
        let long = "a".repeat((16 << 10) + 1);
        for (token, expected) in [
            ("eyJhbGciOi.J9-_~+/=", true),
            ("", false),
            ("a b", false),
            ("a\r\nX-Header: b", false),
            ("a\0", false),
            ("ä", false),
            (long.as_str(), false),
        ] {
            assert_eq!(is_sendable(token), expected);
        }
    }
}
