//! The state that the handlers share: the behaviour, the issued tokens and exports, and the
//! counters.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::SimulatorConfig;
use super::clock::Clock;
use super::link::LinkSigner;
use super::record::Recording;
use crate::behaviour::{Behaviour, FaultAction, FaultPoint};
use crate::encode::Compression;
use crate::exports::SavedQuery;
use crate::selection::Selection;
use crate::tenant::Tenant;

/// The number of requests since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Requests to the token endpoint, including refused ones.
    pub tokens: u64,
    /// Exports started, by query. One with a further ID counts for the query whose rows it returns.
    pub exports: BTreeMap<SavedQuery, u64>,
    /// Exports started, by query ID and by the value of the query's parameter, which is empty for a
    /// query without one.
    pub export_starts: BTreeMap<String, BTreeMap<String, u64>>,
    /// The largest number of exports that ran at the same time.
    pub max_running_exports: u64,
    /// Queries executed without an export.
    pub executions: u64,
    /// Status calls with an accepted token.
    pub polls: u64,
    /// Results files of which at least the beginning was sent.
    pub downloads: u64,
    /// Requests that the file host refused because of an `Authorization` header.
    pub authorized_downloads: u64,
    /// Requests that the NQL API refused with 401, including those that a fault refused.
    pub unauthorized: u64,
    /// Unknown members of request bodies, which the NQL API ignored.
    pub unknown_members: u64,
    /// Values sent for parameters that the query does not have.
    pub unknown_parameters: u64,
    /// Requests that met a scripted fault.
    pub faults: u64,
}

/// One export that a client has started.
#[derive(Debug, Clone)]
pub(crate) struct Export {
    pub(crate) query_id: String,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) selection: Selection,
    /// The content of the file, in place of the selection.
    pub(crate) content: Option<Bytes>,
    /// True if the content was truncated at the row cap.
    pub(crate) is_cut: bool,
    /// The actual compression of the file.
    pub(crate) compression: Compression,
    /// The suffix of the file's name.
    pub(crate) suffix: &'static str,
    pub(crate) started: Duration,
    pub(crate) preparation: Duration,
    /// The number of earlier exports of the query.
    pub(crate) n_before: u64,
    pub(crate) progress: Progress,
    /// `None` while it is being measured.
    pub(crate) file: Option<ResultsFile>,
}

/// The answers of an export's status calls so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub(crate) polls: u32,
    /// The number of `COMPLETED` answers.
    pub(crate) n_completed: u32,
    /// The number of other answers after the first `COMPLETED`.
    pub(crate) n_back: usize,
    /// True if a status call has reported the end, good or bad.
    pub(crate) has_ended: bool,
    /// The first link.
    pub(crate) link: Option<String>,
}

/// The properties of a results file, known before any of it is sent.
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
    pub(crate) clock: Clock,
    /// True once no more requests are taken.
    pub(crate) stopping: watch::Sender<bool>,
    is_stopped: AtomicBool,
    shared: Mutex<Shared>,
}

pub(crate) struct Shared {
    pub(crate) behaviour: Behaviour,
    pub(crate) requests: RequestCounts,
    pub(crate) recording: Recording,
    /// Exports by an internal name, which is in the results links.
    pub(crate) exports: HashMap<String, Export>,
    /// The internal name, by the ID that clients know.
    pub(crate) export_names: HashMap<String, String>,
    /// Downloads by query ID, since the last change of the behaviour of queries.
    pub(crate) downloads: BTreeMap<String, u64>,
    /// The time before which no query is executed.
    next_execution: Duration,
    /// The number of requests that each fault has matched.
    fault_calls: Vec<u64>,
    /// Tokens and their expiry.
    tokens: HashMap<String, Duration>,
    /// The tenant of the last export, whose spec the next export probably shares.
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
            clock: Clock::start(),
            stopping: watch::Sender::new(false),
            is_stopped: AtomicBool::new(false),
            shared: Mutex::new(Shared {
                behaviour: config.behaviour,
                requests: RequestCounts::default(),
                recording: Recording::default(),
                exports: HashMap::new(),
                export_names: HashMap::new(),
                downloads: BTreeMap::new(),
                next_execution: Duration::ZERO,
                fault_calls: Vec::new(),
                tokens: HashMap::new(),
                tenant,
            }),
        }
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    pub(crate) fn shared(&self) -> MutexGuard<'_, Shared> {
        // A panic in a caller's `update` must not affect other requests.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Behaviour)) {
        let mut shared = self.shared();
        let (faults, queries) = (shared.behaviour.faults.clone(), shared.behaviour.queries.clone());
        change(&mut shared.behaviour);
        if shared.behaviour.faults != faults {
            shared.fault_calls.clear();
        }
        if shared.behaviour.queries != queries {
            shared.downloads.clear();
        }
    }

    pub(crate) fn behaviour(&self) -> Behaviour {
        self.shared().behaviour.clone()
    }

    pub(crate) fn requests(&self) -> RequestCounts {
        self.shared().requests.clone()
    }

    /// Ends the answers that would never come.
    pub(crate) fn begin_stop(&self) {
        self.stopping.send_replace(true);
    }

    pub(crate) async fn until_stopping(&self) {
        // The sender is our own field, so it exists.
        _ = self.stopping.subscribe().wait_for(|is_stopping| *is_stopping).await;
    }

    pub(crate) fn stop(&self) {
        self.begin_stop();
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// # Errors
    ///
    /// The simulator has stopped, so no client waits for the data.
    pub(crate) fn check_running(&self) -> io::Result<()> {
        if self.is_stopped.load(Ordering::Relaxed) {
            // Not `Interrupted`, because `write_all` would retry it.
            return Err(io::Error::other("the simulated tenant has stopped"));
        }
        Ok(())
    }
}

impl fmt::Debug for State {
    /// Omits the secret, the tokens and the signing key.
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

    /// The tenant of the current behaviour.
    pub(crate) fn tenant(&mut self) -> Arc<Tenant> {
        if *self.tenant.spec() != self.behaviour.tenant {
            self.tenant = Arc::new(Tenant::new(self.behaviour.tenant.clone()));
        }
        Arc::clone(&self.tenant)
    }

    /// The number of exports whose end no client has seen. One that no client asks for runs for the
    /// lifetime of a link.
    pub(crate) fn n_running(&self, now: Duration) -> u64 {
        let lifetime = self.behaviour.link_lifetime;
        let is_running = |export: &&Export| {
            !export.progress.has_ended && now < export.started + export.preparation + lifetime
        };
        self.exports.values().filter(is_running).count() as u64
    }

    /// Returns true if a query may be executed now, which then counts.
    pub(crate) fn may_execute(&mut self, now: Duration) -> bool {
        let limit = self.behaviour.executions_per_second;
        if limit == 0 {
            return true;
        }
        let may_execute = now >= self.next_execution;
        if may_execute {
            self.next_execution = now + Duration::from_secs(1) / limit;
        }
        may_execute
    }

    /// Counts a request for every fault, and returns the delay and action of the first fault that
    /// takes it.
    pub(crate) fn fault(
        &mut self,
        at: FaultPoint,
        query_id: Option<&str>,
    ) -> Option<(Duration, FaultAction)> {
        let faults = &self.behaviour.faults;
        self.fault_calls.resize(faults.len(), 0);
        let mut taken = None;
        for (fault, n_seen) in faults.iter().zip(&mut self.fault_calls) {
            let is_about = fault.query.is_none() || fault.query.as_deref() == query_id;
            if fault.at != at || !is_about {
                continue;
            }
            if taken.is_none() && fault.happens_after(*n_seen) {
                taken = Some((fault.delay, fault.action.clone()));
            }
            *n_seen += 1;
        }
        self.requests.faults += u64::from(taken.is_some());
        taken
    }
}
