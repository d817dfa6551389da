//! What the handlers share: the behaviour, the tokens and exports given out, and the counters.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::SimulatorConfig;
use super::link::LinkSigner;
use crate::behaviour::Behaviour;
use crate::encode::Compression;
use crate::exports::SavedQuery;
use crate::tenant::Tenant;

/// The requests that have arrived since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Requests to the token endpoint, refused ones included.
    pub tokens: u64,
    /// Exports started, by query.
    pub exports: BTreeMap<SavedQuery, u64>,
    /// Status calls with an accepted token.
    pub polls: u64,
    /// Results files of which at least the beginning was sent.
    pub downloads: u64,
    /// Requests that the file host refused since they carried an `Authorization` header.
    pub authorized_downloads: u64,
    /// Requests that the NQL API refused with 401.
    pub unauthorized: u64,
    /// Members of request bodies that the NQL API does not know and ignored.
    pub unknown_members: u64,
}

/// One export that a client has started.
#[derive(Debug, Clone)]
pub(crate) struct Export {
    pub(crate) query: SavedQuery,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) row_cap: Option<u64>,
    pub(crate) compression: Compression,
    pub(crate) started: Duration,
    pub(crate) preparation: Duration,
    pub(crate) polls: u32,
    /// None while it is being measured.
    pub(crate) file: Option<ResultsFile>,
}

/// What a results file will be, known before a byte of it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResultsFile {
    pub(crate) bytes: u64,
    /// With its quotation marks.
    pub(crate) etag: String,
    pub(crate) truncated: bool,
}

pub(crate) struct State {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) signer: LinkSigner,
    started: Instant,
    is_stopped: AtomicBool,
    shared: Mutex<Shared>,
}

pub(crate) struct Shared {
    pub(crate) behaviour: Behaviour,
    pub(crate) requests: RequestCounts,
    pub(crate) exports: HashMap<String, Export>,
    /// Tokens and when they end.
    tokens: HashMap<String, Duration>,
    /// The tenant of the last export, with which the next one probably shares its spec.
    tenant: Arc<Tenant>,
}

impl State {
    pub(crate) fn new(config: SimulatorConfig, files_url: String) -> Self {
        let signer = LinkSigner::new(&config.client_secret, files_url);
        let tenant = Arc::new(Tenant::new(config.behaviour.tenant.clone()));
        Self {
            client_id: config.client_id,
            client_secret: config.client_secret,
            signer,
            started: Instant::now(),
            is_stopped: AtomicBool::new(false),
            shared: Mutex::new(Shared {
                behaviour: config.behaviour,
                requests: RequestCounts::default(),
                exports: HashMap::new(),
                tokens: HashMap::new(),
                tenant,
            }),
        }
    }

    /// Time since the start, the only clock of the simulator.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn shared(&self) -> MutexGuard<'_, Shared> {
        // A panic in a caller's `update` must not take the other requests with it.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared().behaviour);
    }

    pub(crate) fn behaviour(&self) -> Behaviour {
        self.shared().behaviour.clone()
    }

    pub(crate) fn requests(&self) -> RequestCounts {
        self.shared().requests.clone()
    }

    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// The simulator has stopped, so nobody waits for what is being made.
    pub(crate) fn check_running(&self) -> io::Result<()> {
        if self.is_stopped.load(Ordering::Relaxed) {
            // Not `Interrupted`: `write_all` would try that one again.
            return Err(io::Error::other("the simulated tenant has stopped"));
        }
        Ok(())
    }
}

impl fmt::Debug for State {
    /// Leaves secret, tokens and signing key out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("State").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn add_token(&mut self, token: String, now: Duration) {
        self.tokens.retain(|_, end| *end > now);
        self.tokens.insert(token, now + self.behaviour.token_lifetime);
    }

    pub(crate) fn accepts_token(&self, token: &str, now: Duration) -> bool {
        self.tokens.get(token).is_some_and(|end| *end > now)
    }

    /// The tenant as the behaviour has it now.
    pub(crate) fn tenant(&mut self) -> Arc<Tenant> {
        if *self.tenant.spec() != self.behaviour.tenant {
            self.tenant = Arc::new(Tenant::new(self.behaviour.tenant.clone()));
        }
        Arc::clone(&self.tenant)
    }
}
