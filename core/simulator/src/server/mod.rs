//! The running simulator: two listeners, their start and their stop.

mod api;
mod audit_trail;
mod body;
pub(crate) mod clock;
mod execute;
mod files;
mod gate;
mod link;
mod record;
mod request;
mod state;
mod status;
mod stream;
mod token;
mod wire;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::audit::SimulatedTrail;
use crate::behaviour::Behaviour;
use crate::tenant::{Tenant, TenantCounts};
pub use record::RecordedRequest;
pub use state::RequestCounts;
use state::State;
use wire::{Wire, WireListener};

/// The distance of the port for files from that of the API: so far that a second tenant or a destination beside the first one,
/// whose ports people count on from there, does not meet it.
const FILES_ABOVE_API: u16 = 10_000;

/// The addresses and the credentials of the simulator.
#[derive(Clone)]
pub struct SimulatorConfig {
    /// Address of the token endpoint and the NQL API; port 0 takes a free one.
    pub api_address: SocketAddr,
    /// Address of the file host; port 0 takes a free one.
    pub files_address: SocketAddr,
    /// The only known client ID.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The initial behaviour of the tenant.
    pub behaviour: Behaviour,
}

impl Default for SimulatorConfig {
    /// Free loopback ports, client `demo` with the secret `demo-secret`, a healthy tenant.
    fn default() -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            api_address: any_port,
            files_address: any_port,
            client_id: "demo".to_owned(),
            client_secret: "demo-secret".to_owned(),
            behaviour: Behaviour::default(),
        }
    }
}

impl fmt::Debug for SimulatorConfig {
    /// Leaves the secret out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SimulatorConfig")
            .field("api_address", &self.api_address)
            .field("files_address", &self.files_address)
            .field("client_id", &self.client_id)
            .field("behaviour", &self.behaviour)
            .finish_non_exhaustive()
    }
}

/// The base URLs of a running simulator, `http://address:port` without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Replaces `https://{tenantId}-login.{region}.nexthink.cloud`.
    pub login: String,
    /// Replaces `https://{tenantId}.api.{region}.nexthink.cloud`; the same listener.
    pub api: String,
    /// Replaces the file host of results links; its own port.
    pub files: String,
}

/// A running simulated tenant. Dropping it closes its ports; [`Simulator::stop`] first lets pending
/// answers finish.
#[derive(Debug)]
pub struct Simulator {
    state: Arc<State>,
    endpoints: Endpoints,
    listeners: [JoinHandle<()>; 2],
}

/// The time that pending answers have to finish once the simulator stops.
const STOP_GRACE: Duration = Duration::from_secs(1);

impl Simulator {
    /// Opens both listeners and serves until [`Simulator::stop`] or drop.
    ///
    /// # Errors
    ///
    /// An address is not available.
    pub async fn start(config: SimulatorConfig) -> io::Result<Self> {
        let api = TcpListener::bind(config.api_address).await?;
        let files = TcpListener::bind(config.files_address).await?;
        let api_url = format!("http://{}", api.local_addr()?);
        let files_url = format!("http://{}", files.local_addr()?);
        tracing::info!(api = api_url, files = files_url, "simulated tenant listens");

        let state = Arc::new(State::new(config, files_url.clone()));
        let listeners = [
            serve(api, api_router(Arc::clone(&state)), Arc::clone(&state)),
            serve(files, files_router(Arc::clone(&state)), Arc::clone(&state)),
        ];
        let endpoints = Endpoints { login: api_url.clone(), api: api_url, files: files_url };
        Ok(Self { state, endpoints, listeners })
    }

    /// Starts a tenant whose API is at this address. The files of exports are 10,000 ports above it if that port is free, so
    /// that a configuration of an earlier start stays right.
    ///
    /// # Errors
    ///
    /// The address is not available.
    pub async fn start_at(api_address: SocketAddr, behaviour: Behaviour) -> io::Result<Self> {
        let start = |files_port| {
            Self::start(SimulatorConfig {
                api_address,
                files_address: SocketAddr::new(api_address.ip(), files_port),
                behaviour: behaviour.clone(),
                ..SimulatorConfig::default()
            })
        };
        let port = api_address.port();
        let above = port.checked_add(FILES_ABOVE_API).filter(|_| port != 0);
        let files_port = above.unwrap_or(0);
        match start(files_port).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && files_port != 0 => {
                start(0).await
            }
            started => started,
        }
    }

    /// The base URLs.
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Changes the behaviour from the next request on.
    pub fn update(&self, change: impl FnOnce(&mut Behaviour)) {
        self.state.update(change);
    }

    /// The lines of a log in a period, in seconds since 1970-01-01 UTC.
    pub fn audit_lines(&self, trail: &SimulatedTrail, from: u64, to: u64) -> Vec<String> {
        self.state.behaviour().audit.lines(trail, from, to)
    }

    /// The rows of the audit trail's table in a period, in seconds since 1970-01-01 UTC: time,
    /// account, code, message.
    pub fn audit_rows(&self, from: u64, to: u64) -> Vec<[String; 4]> {
        self.state.behaviour().audit.rows(from, to)
    }

    /// Counts the content of the tenant, by generating all of it once.
    pub fn counts(&self) -> TenantCounts {
        Tenant::new(self.state.behaviour().tenant).counts()
    }

    /// The counts of the requests so far.
    pub fn requests(&self) -> RequestCounts {
        self.state.requests()
    }

    /// The received requests, the oldest first, for tests that search them for secrets. Beyond 16
    /// MiB the oldest are dropped.
    pub fn recorded_requests(&self) -> Vec<RecordedRequest> {
        self.state.shared().recording.requests()
    }

    /// Accepts no more requests, lets pending answers finish for a short time, and closes the
    /// ports.
    pub async fn stop(mut self) {
        self.state.begin_stop();
        let deadline = tokio::time::Instant::now() + STOP_GRACE;
        for listener in &mut self.listeners {
            if tokio::time::timeout_at(deadline, listener).await.is_err() {
                tracing::debug!("an answer was still open when the simulated tenant stopped");
            }
        }
    }

    /// Serves until `signal` is done, then stops.
    pub async fn serve_until(self, signal: impl Future<Output = ()>) {
        signal.await;
        self.stop().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.state.stop();
        for listener in &self.listeners {
            listener.abort();
        }
    }
}

fn api_router(state: Arc<State>) -> Router {
    Router::new()
        .route("/oauth2/default/v1/token", post(token::issue))
        .route("/api/v1/nql/export", post(api::start_by_post).get(api::start_by_get))
        .route("/api/v1/nql/status/{export_id}", get(status::status))
        .route("/api/v1/nql/execute", post(execute::version_1))
        .route("/api/v2/nql/execute", post(execute::version_2))
        .route("/audit-trail/api/v1/portal/type/auditlog", get(audit_trail::portal))
        .route("/audit-trail/api/v1/engines/type/auditlog", get(audit_trail::engines))
        .route("/audit-trail/api/v1/engine/{name}/type/auditlog", get(audit_trail::engine))
        .fallback(|| async { axum::http::StatusCode::NOT_FOUND })
        .layer(from_fn_with_state(Arc::clone(&state), gate::pass))
        .with_state(state)
}

fn files_router(state: Arc<State>) -> Router {
    Router::new()
        .fallback(get(files::download))
        .layer(from_fn_with_state(Arc::clone(&state), gate::pass_to_files))
        .with_state(state)
}

fn serve(listener: TcpListener, router: Router, state: Arc<State>) -> JoinHandle<()> {
    let service = router.into_make_service_with_connect_info::<Wire>();
    tokio::spawn(async move {
        let signal = async move { state.until_stopping().await };
        let server = axum::serve(WireListener(listener), service).with_graceful_shutdown(signal);
        if let Err(error) = server.await {
            tracing::error!(%error, "simulated tenant stopped listening");
        }
    })
}
