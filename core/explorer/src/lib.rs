#![doc = include_str!("../README.md")]

mod access;
mod api;
mod assets;
mod erasure_watch;
mod error;
mod guard;
mod host;
mod listening;
mod openapi;
mod parameters;
mod server;
mod sessions;
mod shell;
mod snapshot;
mod tls;
mod token_file;
mod tokens;
mod worker;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tokio::sync::Semaphore;

use self::access::Access;
pub use self::access::{AccessToken, ProxyUsers, Role};
use self::assets::Assets;
pub use self::erasure_watch::ErasureWatch;
pub use self::host::{
    Due, FindingsChange, Host, HostError, Period, PersonalProperties, PrivacyStatus, Quota, Read,
    SessionFuture, TenantStatus, Trail, Window,
};
pub use self::listening::Listening;
pub use self::openapi::openapi;
pub use self::server::{Connections, Stopped, serve, set_options};
use self::sessions::Sessions;
pub use self::snapshot::{AnswerColumn, AnsweredQuestion, QueryAnswer, SNAPSHOT_MARK, snapshot};
pub use self::tls::{Tls, TlsError};
pub use self::token_file::{TokenFile, TokenFileError};
pub use self::tokens::Tokens;
pub use self::worker::{AnswerFormat, AnswerHead, Asked, WorkerRequest};

/// The settings of the server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The values of `Host` that are answered, in lower case, each with its port.
    pub hosts: Vec<String>,
    /// The port that it listens on.
    pub port: u16,
    /// True if browsers reach it over TLS only.
    pub is_secure: bool,
    /// True if it listens on a loopback address, so that others reach it through a proxy alone.
    pub is_local: bool,
    /// The tokens that are accepted.
    pub tokens: Tokens,
    /// The header by which a reverse proxy names users; none if there is no proxy.
    pub proxy_users: Option<ProxyUsers>,
    /// The time that a query may take.
    pub query_timeout: Duration,
    /// The number of queries that are answered at once; others wait.
    pub parallel_queries: usize,
    /// The folder that the page is read from, for those who change it; else it is part of the program.
    pub web_folder: Option<PathBuf>,
}

/// The explorer: answers requests, knows sessions.
pub struct Explorer {
    host: Arc<dyn Host>,
    settings: Settings,
    access: Access,
    assets: Assets,
    queries: Arc<Semaphore>,
    /// The answers that wait for their clients to read on.
    slow: Arc<Semaphore>,
    sessions: Sessions,
}

impl Explorer {
    /// An explorer that listens nowhere yet.
    pub fn new(host: Arc<dyn Host>, settings: Settings) -> Self {
        let access = Access::new(&settings);
        let assets = Assets::new(settings.web_folder.clone());
        let queries = Arc::new(Semaphore::new(settings.parallel_queries));
        let slow = Arc::new(Semaphore::new(worker::MAX_SLOW));
        let sessions = Sessions::default();
        Self { host, settings, access, assets, queries, slow, sessions }
    }

    /// Makes the token of the address that is printed. It can be used once, within an hour; a new one replaces it.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn issue_first_token(&self) -> io::Result<String> {
        self.access.issue_first_token(&*self.host)
    }

    /// Returns the service that answers requests.
    pub fn router(self: Arc<Self>) -> Router {
        let api = api::router().layer(from_fn_with_state(Arc::clone(&self), api::authenticate));
        Router::new()
            .merge(api)
            .route("/session", get(shell::open_session).post(shell::sign_in))
            .route("/assets/{version}/{*path}", get(shell::asset))
            .route("/favicon.ico", get(shell::icon))
            .fallback(shell::page)
            .method_not_allowed_fallback(shell::other_method)
            .layer(from_fn(server::hide_panics))
            // The outermost: every answer has its headers, also the one to a defect.
            .layer(from_fn_with_state(Arc::clone(&self), guard::guard))
            .with_state(self)
    }
}
