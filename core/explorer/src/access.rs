//! Who may use the explorer: a one-time address for the person at the machine, tokens for others, and the
//! sessions that both become. Only hashes of tokens and sessions are held.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, header};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Settings;
use crate::error::ApiError;
use crate::host::Host;
use crate::listening::is_loopback_name;
use crate::tokens::Tokens;

/// The lifetime of a session. Milliseconds.
const SESSION_MS: u64 = 12 * 60 * 60 * 1000;

/// The time for which the printed address can be used. Milliseconds. It may stay in a log for longer.
const FIRST_TOKEN_MS: u64 = 60 * 60 * 1000;

/// The most sessions at once. When there are more, the oldest ends.
const MAX_SESSIONS: usize = 1000;

/// The random bytes of a token or session.
const SECRET_BYTES: usize = 24;

/// The rights of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything but personal data.
    Viewer,
    /// Everything.
    Analyst,
}

impl Role {
    /// Its name, as in the file of tokens and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Analyst => "analyst",
        }
    }
}

/// A token that was given to a person or a script. The token itself is kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessToken {
    /// Whose it is, for the ledger.
    pub name: String,
    /// The rights of its user.
    pub role: Role,
    /// The BLAKE3 hash of the token, in hexadecimal.
    pub hash: String,
}

impl AccessToken {
    /// Makes a token. Returns its text, which is shown once, and the part to store.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new(
        name: &str,
        role: Role,
        fill_random: impl FnOnce(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<(String, Self)> {
        let token = random_text(fill_random)?;
        let hash = hash(&token);
        Ok((token, Self { name: name.to_owned(), role, hash }))
    }

    /// Returns the token as an object for people and programs, without its hash.
    pub fn without_hash(&self) -> Value {
        json!({ "name": self.name, "role": self.role })
    }

    /// Returns the token of a text; none if no such one was given out.
    pub fn find<'a>(tokens: &'a [Self], text: &str) -> Option<&'a Self> {
        let hash = hash(text);
        tokens.iter().find(|token| token.hash == hash)
    }
}

/// A user whose request was authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// True for the person at the machine, who has opened the one-time address.
    pub(crate) is_first: bool,
}

impl User {
    fn of_token(token: &AccessToken) -> Self {
        Self { name: token.name.clone(), role: token.role, is_first: false }
    }
}

/// A header that a reverse proxy sets to the name of the user that it has authenticated.
#[derive(Debug, Clone)]
pub struct ProxyUsers {
    /// The header, in lower case.
    pub header: String,
    /// The rights of these users.
    pub role: Role,
}

impl ProxyUsers {
    /// Returns the name of the user that the proxy names; none if it names nobody.
    fn name(&self, headers: &HeaderMap) -> Result<Option<String>, ApiError> {
        let mut values = headers.get_all(&self.header).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let header = &self.header;
        // A proxy that adds its header to that of the client would let the client choose.
        if values.next().is_some() {
            return Err(ApiError::bad_request(format!(
                "the request has the header {header} more than once: the proxy must replace the one that it receives"
            )));
        }
        let name = str::from_utf8(value.as_bytes()).map_err(|_| {
            ApiError::bad_request(format!(
                "the name of the user in the header {header} is not UTF-8"
            ))
        })?;
        let name = name.trim();
        Ok((!name.is_empty()).then(|| name.chars().take(100).collect()))
    }
}

struct Session {
    user: User,
    /// The token that it began with; none for the printed address.
    token: Option<AccessToken>,
    ends_ms: u64,
}

/// Authenticates requests.
pub(crate) struct Access {
    cookie: String,
    /// True if browsers reach the server over TLS only.
    is_secure: bool,
    /// True if the server listens on a loopback address only.
    is_local: bool,
    tokens: Tokens,
    proxy_users: Option<ProxyUsers>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The hash of the token in the printed address and the time at which it expires, until it is used.
    first_token: Option<(String, u64)>,
    sessions: HashMap<String, Session>,
}

impl Access {
    /// `port` is part of the cookie's name, since a browser sends the cookies of a host to all its ports.
    pub(crate) fn new(settings: &Settings) -> Self {
        let Settings { is_secure, is_local, .. } = *settings;
        let cookie = format!("nexthink-graph-{}", settings.port);
        let (tokens, proxy_users) = (settings.tokens.clone(), settings.proxy_users.clone());
        Self { cookie, is_secure, is_local, tokens, proxy_users, state: Mutex::default() }
    }

    /// Makes the token of the printed address, which can be used once, within an hour.
    pub(crate) fn issue_first_token(&self, host: &dyn Host) -> io::Result<String> {
        let token = random_text(|buffer| host.fill_random(buffer))?;
        let ends_ms = host.now_ms().saturating_add(FIRST_TOKEN_MS);
        self.state().first_token = Some((hash(&token), ends_ms));
        Ok(token)
    }

    /// Starts a session for a token. `name` is the name under which the browser reaches this server, the value of
    /// `Host`. Returns the value of the `Set-Cookie` header; none if there is no such token.
    pub(crate) fn exchange(
        &self,
        token: &str,
        name: &str,
        host: &dyn Host,
    ) -> io::Result<Option<String>> {
        let is_loopback = is_loopback_name(name);
        // The printed address of a local server has a loopback name. Under any other, someone comes through a proxy.
        let is_first =
            (is_loopback || !self.is_local) && self.take_first_token(token, host.now_ms());
        let token = if is_first { None } else { self.tokens.find(token) };
        let user = match &token {
            Some(token) => User::of_token(token),
            None if is_first => {
                User { name: "browser".to_owned(), role: Role::Analyst, is_first: true }
            }
            None => return Ok(None),
        };
        let session = random_text(|buffer| host.fill_random(buffer))?;
        let now_ms = host.now_ms();
        let mut state = self.state();
        state.sessions.retain(|_, session| session.ends_ms > now_ms);
        if state.sessions.len() >= MAX_SESSIONS {
            let oldest = state.sessions.iter().min_by_key(|(_, session)| session.ends_ms);
            if let Some(oldest) = oldest.map(|(hash, _)| hash.clone()) {
                state.sessions.remove(&oldest);
            }
        }
        let ends_ms = now_ms.saturating_add(SESSION_MS);
        state.sessions.insert(hash(&session), Session { user, token, ends_ms });
        let secure = if self.is_secure || !is_loopback { "; Secure" } else { "" };
        let seconds = SESSION_MS / 1000;
        Ok(Some(format!(
            "{}={session}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}",
            self.cookie
        )))
    }

    /// Returns true if this is the token of the printed address, which then cannot be used again.
    fn take_first_token(&self, token: &str, now_ms: u64) -> bool {
        let first = &mut self.state().first_token;
        first.take_if(|(first, ends_ms)| *first == hash(token) && now_ms < *ends_ms).is_some()
    }

    /// Returns the user of a request.
    ///
    /// # Errors
    /// It has no session, token or header of the proxy, or that header does not tell one user.
    pub(crate) fn authenticate(&self, headers: &HeaderMap, now_ms: u64) -> Result<User, ApiError> {
        if let Some(session) = self.cookie_of(headers) {
            let state = self.state();
            let session = state.sessions.get(&hash(session));
            let is_accepted = |session: &&Session| {
                let token = session.token.as_ref();
                session.ends_ms > now_ms && token.is_none_or(|token| self.tokens.has(token))
            };
            if let Some(session) = session.filter(is_accepted) {
                return Ok(session.user.clone());
            }
        }
        let authorization = headers.get(header::AUTHORIZATION);
        let authorization = authorization.and_then(|value| value.to_str().ok());
        if let Some(token) = authorization.and_then(|value| value.strip_prefix("Bearer "))
            && let Some(token) = self.tokens.find(token.trim())
        {
            return Ok(User::of_token(&token));
        }
        // A proxy may pass on a token of its own.
        let proxy = self.proxy_users.as_ref().ok_or_else(ApiError::unauthorized)?;
        let name = proxy.name(headers)?.ok_or_else(ApiError::unauthorized)?;
        Ok(User { name, role: proxy.role, is_first: false })
    }

    fn cookie_of<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let values =
            headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut cookies = values
            .flat_map(|value| value.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='));
        cookies.find(|(name, _)| *name == self.cookie).map(|(_, value)| value)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn random_text(fill_random: impl FnOnce(&mut [u8]) -> io::Result<()>) -> io::Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    fill_random(&mut bytes)?;
    Ok(HEXLOWER.encode(&bytes))
}

/// Tokens are random and long, so that a plain hash cannot be reversed, and comparing hashes tells nothing by
/// its time.
fn hash(secret: &str) -> String {
    blake3::hash(secret.as_bytes()).to_hex().to_string()
}
