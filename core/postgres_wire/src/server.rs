//! The server: accepts connections, logs users in, and ends queries that another connection cancels.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::Child;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use core_explorer::{AccessToken, Host, Settings, Tls, Tokens, set_options};
use core_reading::StartWorker;
use core_store::TenantStore;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::connection::{Connection, End};
use crate::error::{WireError, state};
use crate::login;

/// The most connections at once.
const MAX_CONNECTIONS: usize = 128;

/// The most answers that wait for their clients to read on, in all sessions. Each has a process.
pub(crate) const MAX_PAUSED: usize = 64;

/// The time that a client may take to log in.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(15);

/// The time that sessions may take to end when the server stops.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// The wait after the system has refused a connection, for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The settings of the server.
pub(crate) struct WireSettings {
    /// The tokens that are accepted: the passwords.
    pub(crate) tokens: Tokens,
    /// The certificate to answer with; none for plain connections.
    pub(crate) tls: Option<Tls>,
    /// The time that a query may take.
    pub(crate) query_timeout: Duration,
    /// The number of queries that are answered at once; others wait.
    pub(crate) parallel_queries: usize,
    /// Starts a process that runs a [`Worker`](crate::Worker) on its standard input.
    pub(crate) start_worker: StartWorker,
}

/// A server for clients of Postgres.
pub(crate) struct Wire {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) settings: WireSettings,
    pub(crate) queries: Arc<Semaphore>,
    /// The answers that wait for their clients to read on.
    pub(crate) paused: Arc<Semaphore>,
    sessions: Mutex<HashMap<i32, Canceling>>,
    next: AtomicI32,
    stopping: watch::Sender<bool>,
}

/// A session that another connection can cancel a query of.
struct Canceling {
    secret: i32,
    cancel: watch::Sender<()>,
}

/// A session's place among all. It is given up when it is dropped.
pub(crate) struct Place {
    wire: Arc<Wire>,
    pub(crate) process: i32,
    pub(crate) secret: i32,
    /// Changes when the query is to be canceled.
    pub(crate) canceled: watch::Receiver<()>,
    /// The events that end the session.
    pub(crate) ending: Ending,
}

/// The events that end a session.
pub(crate) struct Ending {
    /// True when the server stops.
    stopping: watch::Receiver<bool>,
    /// The tokens that are accepted.
    tokens: Tokens,
    /// The token that the client has logged in with.
    token: AccessToken,
}

impl Ending {
    /// Waits until the session may not go on, and returns the reason.
    pub(crate) async fn ended(&mut self) -> End {
        let tokens = &self.tokens;
        let (code, message) = tokio::select! {
            _ = self.stopping.wait_for(|stops| *stops) => (state::STOPPED, "the server stops"),
            () = tokens.removed(&self.token) => {
                (state::PASSWORD, "the token of this session was withdrawn")
            }
        };
        End::Fatal(WireError::new(code, message))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.wire.sessions().remove(&self.process);
    }
}

/// A reason why clients are not listened for.
#[derive(Debug)]
pub enum ListenError {
    /// Anyone on the network path could read tokens and answers.
    Unencrypted(SocketAddr),
    /// No one could log in.
    NoToken,
    /// The system refuses the address.
    System(SocketAddr, io::Error),
}

impl fmt::Display for ListenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unencrypted(address) => write!(
                formatter,
                "{address} can be reached from other machines, and a token is sent as it is: give --tls-cert and \
                 --tls-key, or listen on a loopback address such as 127.0.0.1:5490"
            ),
            Self::NoToken => write!(
                formatter,
                "no one could log in to --postgres, since there is no token: `serve token new --name NAME --role viewer` \
                 makes one"
            ),
            Self::System(address, error) => write!(
                formatter,
                "cannot listen on {address}: {error}; --postgres names another address"
            ),
        }
    }
}

impl std::error::Error for ListenError {}

/// The server, with the address that it listens on, if any.
pub struct Clients {
    wire: Arc<Wire>,
    listening: Option<(TcpListener, String)>,
}

impl Clients {
    /// A server beside the explorer: it has the same tokens and the same limits. `start_worker` starts a process that
    /// runs a [`Worker`](crate::Worker).
    pub fn new(
        host: Arc<dyn Host>,
        settings: &Settings,
        tls: Option<Tls>,
        start_worker: StartWorker,
    ) -> Self {
        let settings = WireSettings {
            tokens: settings.tokens.clone(),
            tls,
            query_timeout: settings.query_timeout,
            parallel_queries: settings.parallel_queries,
            start_worker,
        };
        Self { wire: Arc::new(Wire::new(host, settings)), listening: None }
    }

    /// Listens on an address, if there is one.
    ///
    /// # Errors
    ///
    /// [`ListenError`].
    pub async fn listen(mut self, address: Option<SocketAddr>) -> Result<Self, ListenError> {
        let Some(address) = address else { return Ok(self) };
        let settings = &self.wire.settings;
        if settings.tls.is_none() && !address.ip().is_loopback() {
            return Err(ListenError::Unencrypted(address));
        }
        if settings.tokens.is_empty() {
            return Err(ListenError::NoToken);
        }
        let system = |error| ListenError::System(address, error);
        let listener = TcpListener::bind(address).await.map_err(system)?;
        let address = listener.local_addr().map_err(system)?;
        let stores = self.wire.stores().await.unwrap_or_default();
        let database = stores.first().map_or("", TenantStore::name);
        self.listening = Some((listener, format!("postgresql://{address}/{database}")));
        Ok(self)
    }

    /// Returns the address as clients take it, with the first tenant as the database.
    pub fn url(&self) -> Option<String> {
        self.listening.as_ref().map(|(_, url)| url.clone())
    }

    /// Answers clients until `stop` ends. Without an address, there is nothing to do.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        if let Some((listener, _)) = self.listening {
            self.wire.serve(listener, stop).await;
        }
    }
}

impl Wire {
    /// A server that listens nowhere yet.
    fn new(host: Arc<dyn Host>, settings: WireSettings) -> Self {
        let tls = settings.tls.as_ref().map(|tls| tls.for_protocol("postgresql"));
        let queries = Arc::new(Semaphore::new(settings.parallel_queries));
        let paused = Arc::new(Semaphore::new(MAX_PAUSED));
        let (sessions, next) = (Mutex::default(), AtomicI32::new(1));
        let stopping = watch::Sender::new(false);
        let settings = WireSettings { tls, ..settings };
        Self { host, settings, queries, paused, sessions, next, stopping }
    }

    /// Answers clients until `stop` ends.
    async fn serve(self: Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()>) {
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut tasks = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => accepted,
            };
            // Ended sessions leave their results behind.
            while tasks.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let permit = Arc::clone(&connections).try_acquire_owned();
                    let wire = Arc::clone(&self);
                    set_options(&stream);
                    tasks.spawn(async move {
                        let connection = Connection::new(Box::new(stream));
                        match permit {
                            Ok(_permit) => wire.answer(connection).await,
                            Err(_) => connection.end(End::Fatal(too_many())).await,
                        }
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(listener);
        self.stopping.send_replace(true);
        let ended = async { while tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(SHUTDOWN, ended).await;
    }

    async fn answer(self: Arc<Self>, connection: Connection) {
        let login = login::login(&self, connection);
        match tokio::time::timeout(LOGIN_TIMEOUT, login).await {
            Ok(Some(session)) => session.run().await,
            Ok(None) => {}
            Err(_) => tracing::debug!("a client was too slow to log in"),
        }
    }

    /// Gives a new session its place.
    pub(crate) fn place(self: &Arc<Self>, token: AccessToken) -> io::Result<Place> {
        let mut secret = [0; 4];
        self.host.fill_random(&mut secret)?;
        let secret = i32::from_be_bytes(secret);
        let process = self.next.fetch_add(1, Ordering::Relaxed);
        let (cancel, canceled) = watch::channel(());
        self.sessions().insert(process, Canceling { secret, cancel });
        let (stopping, tokens) = (self.stopping.subscribe(), self.settings.tokens.clone());
        let ending = Ending { stopping, tokens, token };
        Ok(Place { wire: Arc::clone(self), process, secret, canceled, ending })
    }

    /// Cancels the query of a session, if the secret is right.
    pub(crate) fn cancel(&self, process: i32, secret: i32) {
        if let Some(session) =
            self.sessions().get(&process).filter(|session| session.secret == secret)
        {
            // The session may have ended.
            let _ = session.cancel.send(());
        }
    }

    /// Starts a process that answers queries.
    pub(crate) fn start_worker(&self) -> io::Result<Child> {
        (self.settings.start_worker)()
    }

    /// Returns the stores of the tenants that may be shown now.
    pub(crate) async fn stores(self: &Arc<Self>) -> Result<Vec<TenantStore>, WireError> {
        let wire = Arc::clone(self);
        let stores = tokio::task::spawn_blocking(move || wire.host.tenants()).await;
        let stores: Result<_, core_explorer::HostError> =
            stores.unwrap_or_else(|error| Err(error.into()));
        stores.map_err(|error| WireError::new(state::INTERNAL, error.to_string()))
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<i32, Canceling>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the names of tenants.
pub(crate) fn names(stores: &[TenantStore]) -> Vec<String> {
    stores.iter().map(|store| store.name().to_owned()).collect()
}

fn too_many() -> WireError {
    WireError::new(
        state::TOO_MANY,
        format!(
            "{MAX_CONNECTIONS} clients are connected, and no more may be; close some, or try later"
        ),
    )
}
