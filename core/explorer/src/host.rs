//! The interface to the program around the server: the clock, randomness, the store, the ledger, and processes that
//! answer queries. This crate accesses none of them directly.

use std::error::Error;
use std::io;
use std::process::Child;

use core_query::QuerySession;
use core_query::questions::Questions;
use core_store::{Generation, TenantStore};
use futures::future::BoxFuture;
use serde::Serialize;

use crate::access::Role;

/// The failure of a call to the host. Its text is shown to the user of the page.
pub type HostError = Box<dyn Error + Send + Sync>;

/// A session that is being opened.
pub type SessionFuture<'a> = BoxFuture<'a, Result<QuerySession, HostError>>;

/// The program around the server. Its methods may block.
pub trait Host: Send + Sync + 'static {
    /// Returns the tenants of the store, the configured one first.
    ///
    /// # Errors
    /// The store cannot be read, or it may show an erased person.
    fn tenants(&self) -> Result<Vec<TenantStore>, HostError>;

    /// Returns the state of the store besides generations.
    ///
    /// # Errors
    /// A state file cannot be read.
    fn status(&self, tenant: &TenantStore) -> Result<TenantStatus, HostError>;

    /// Returns the saved questions.
    ///
    /// # Errors
    /// A file of the user's own questions cannot be read.
    fn questions(&self) -> Result<Questions, HostError>;

    /// Returns the types that a step makes.
    fn types_of_step(&self, step: &str) -> Vec<String>;

    /// Returns the time, in milliseconds since 1970-01-01 UTC.
    fn now_ms(&self) -> u64;

    /// Fills a buffer with random bytes.
    ///
    /// # Errors
    /// The system has none.
    fn fill_random(&self, buffer: &mut [u8]) -> io::Result<()>;

    /// Adds an entry to the tenant's ledger: a user of the explorer has read personal data.
    fn record_read(&self, tenant: &TenantStore, read: &Read<'_>);

    /// Adds an entry to the tenant's ledger: a user of the explorer has changed findings.
    ///
    /// # Errors
    /// The ledger cannot be written.
    fn record_change(
        &self,
        tenant: &TenantStore,
        change: &FindingsChange<'_>,
    ) -> Result<(), HostError>;

    /// Returns the account that runs the server: the name of the user who has opened the one-time address.
    fn account(&self) -> String;

    /// Returns who takes a lock, for those who find it taken.
    fn lock_owner(&self) -> String;

    /// Returns a new identifier.
    ///
    /// # Errors
    /// The system has no random numbers.
    fn new_id(&self) -> Result<String, HostError>;

    /// Opens a generation for look-ups by users of a role. A viewer gets no personal columns.
    ///
    /// # Errors
    /// A file cannot be opened.
    fn open_session<'a>(&'a self, generation: &'a Generation, role: Role) -> SessionFuture<'a>;

    /// Returns the tables that the process of a query adds if the query names them. Sessions of
    /// [`open_session`](Self::open_session) do not have them.
    fn tables_on_demand(&self) -> &'static [&'static str];

    /// Starts a process that reads a [`WorkerRequest`](crate::WorkerRequest) from its standard input and
    /// writes the answer to its standard output.
    ///
    /// # Errors
    /// The system starts no process.
    fn start_worker(&self) -> io::Result<Child>;
}

/// A read of personal data.
#[derive(Debug, Clone, Copy)]
pub struct Read<'a> {
    /// The page or call: `audit`, `entity`, `search`.
    pub view: &'a str,
    /// The user: the name of a token, or `browser` for the one-time address.
    pub user: &'a str,
    /// The generation that was read; none if the events were.
    pub generation: Option<&'a str>,
}

/// A change of findings.
#[derive(Debug, Clone, Copy)]
pub struct FindingsChange<'a> {
    /// `acknowledge`, `unacknowledge`, `silence` or `end-silence`.
    pub action: &'a str,
    /// The number of findings that it is about.
    pub findings: usize,
    /// The user: the name of a token, or `browser` for the one-time address.
    pub user: &'a str,
}

/// The state of a tenant besides its generations.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// The day's exports; none if no tenant is configured.
    pub quota: Option<Quota>,
    /// The process that runs now, as its lock describes it.
    pub running: Option<String>,
    /// The trails of the audit log, with their missing periods.
    pub trails: Vec<Trail>,
    /// The number of stored audit events.
    pub events: u64,
    /// The privacy settings and retention.
    pub privacy: PrivacyStatus,
}

/// The exports of the last 24 hours.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// The number that is left.
    pub left: u32,
    /// The number that a day has.
    pub of: u32,
    /// Until when Nexthink asked not to be called, RFC 3339.
    pub deferred_until: Option<String>,
}

/// One trail of the audit log.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trail {
    /// The name of the engine, or `table`.
    pub name: String,
    /// The time of the newest event, RFC 3339.
    pub newest_event: Option<String>,
    /// Periods that the next run reads.
    pub gaps: Vec<Period>,
    /// Periods that Nexthink no longer keeps.
    pub lost: Vec<Period>,
}

/// A period of time.
#[derive(Debug, Clone, Serialize)]
pub struct Period {
    /// Its start, RFC 3339.
    pub from: String,
    /// Its end, RFC 3339.
    pub to: String,
}

/// The data that is kept of people, and for how long.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrivacyStatus {
    /// The kind of data and its retention, in words: `generations`, `90 days`.
    pub windows: Vec<Window>,
    /// The items that the next run removes, each with the time since when it is kept.
    pub due: Vec<Due>,
    /// The reason why nothing is removed although it is due, if the clock is not trusted.
    pub clock: Option<String>,
    /// The properties that hold personal data, by type.
    pub personal: Vec<PersonalProperties>,
}

/// The retention of a kind of data.
#[derive(Debug, Clone, Serialize)]
pub struct Window {
    /// The kind of data.
    pub what: String,
    /// The time.
    pub kept: String,
}

/// An item that retention removes next.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Due {
    /// The item.
    pub item: String,
    /// Since when it is kept, RFC 3339.
    pub kept_since: String,
}

/// The properties of a type that hold personal data.
#[derive(Debug, Clone, Serialize)]
pub struct PersonalProperties {
    /// The `_type`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Those that name a person.
    pub direct: Vec<String>,
    /// Those that point at a person together with other data.
    pub indirect: Vec<String>,
}
