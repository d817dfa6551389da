//! The settings of one tenant, typed and checked. Secrets are references, which are read when they are needed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use core_audit::WindowSettings;
use core_delta::DeltaSettings;
use core_http::{ProxySettings, RetryPolicy, Secret, Trust};
use core_ingest::partition::Pattern;
use core_ingest::values::Tag;
use core_jupiterone::{Destination, Extras};
use core_neo4j::Neo4jSettings;
use core_nexthink::{
    AuditHost, Endpoints, PollSchedule, QueryId, Region, TenantId, Timeouts, Trail,
};
use core_postgres::PostgresSettings;
use core_privacy::profile::Policy;
use core_store::{Location, Windows};
use jiff::tz::TimeZone;

use crate::export_files::FilePattern;

/// The settings of one tenant.
#[derive(Debug)]
pub struct Settings {
    /// The account in the graph.
    pub account: Account,
    /// The tenant.
    pub tenant: TenantId,
    /// Its region.
    pub region: Region,
    /// The credential of Nexthink's API; none if nothing is read from it.
    pub credential: Option<ApiCredential>,
    /// The hosts of the tenant.
    pub endpoints: Endpoints,
    /// The zone of times without a zone.
    pub time_zone: TimeZone,
    /// Which certificates are trusted.
    pub trust: Trust,
    /// The proxy to go through, if any.
    pub proxy: Option<ProxySettings>,
    /// The schedule for polling a running export.
    pub poll: PollSchedule,
    /// The repetition of failed calls.
    pub retry: RetryPolicy,
    /// The longest waits for the network.
    pub timeouts: Timeouts,
    /// The number of exports that may be started within 24 hours.
    pub daily_exports: u32,
    /// The number of exports that may run at once.
    pub parallel_exports: usize,
    /// The saved queries by the name of their setting. A step without a query ID has none.
    pub queries: BTreeMap<&'static str, SavedQuery>,
    /// The files that are read in place of the export of a query, by the name of its setting: the newest of each
    /// pattern.
    pub files: BTreeMap<&'static str, Vec<FilePattern>>,
    /// Where generations are stored.
    pub store: Location,
    /// The privacy profile and its keys.
    pub privacy: Privacy,
    /// The audit trail, if it is to be read.
    pub audit: Option<Audit>,
    /// JupiterOne, if generations are delivered there.
    pub jupiterone: Option<JupiterOne>,
    /// A folder of Delta tables, if generations are delivered there.
    pub delta: Option<Delta>,
    /// A Postgres database, if generations are delivered there.
    pub postgres: Option<Postgres>,
    /// A Neo4j database, if generations are delivered there.
    pub neo4j: Option<Neo4j>,
    /// The retention of everything in the store.
    pub retention: Windows,
}

/// The account in the graph.
#[derive(Debug, Default)]
pub struct Account {
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// True if every entity gets the name as `tag.AccountName`.
    pub tag_entities: bool,
}

/// A credential of Nexthink's API.
#[derive(Debug)]
pub struct ApiCredential {
    /// Its client ID.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SharedSecretSource,
}

/// A query that an administrator has saved in Nexthink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedQuery {
    /// Its ID.
    pub id: QueryId,
    /// Its export in parts, if the whole has too many rows. Without it, the export stays truncated.
    pub partition: Option<Partition>,
}

/// The export of a query in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The query with the parameter; that of the whole, if it has the parameter itself.
    pub query: QueryId,
    /// The name of the parameter, without its `$`.
    pub parameter: String,
    /// One value for each part; no text matches two of them.
    pub values: Vec<Pattern>,
}

/// The privacy profile and its keys.
#[derive(Debug)]
pub struct Privacy {
    /// The action on each column.
    pub policy: Policy,
    /// The key file. It is read only when keys are needed.
    pub key_file: PathBuf,
}

/// The audit trail as a source.
#[derive(Debug)]
pub struct Audit {
    /// Where it is read from.
    pub source: AuditSource,
    /// The zone of `before_date`, and of times without a zone.
    pub time_zone: TimeZone,
    /// True if events are kept as they are, whatever the privacy profile is.
    pub clear_names: bool,
    /// Which periods are read.
    pub windows: WindowSettings,
}

/// Where the audit trail is read from.
#[derive(Debug)]
pub enum AuditSource {
    /// The classic interface, a trail at a time.
    Trails(AuditTrails),
    /// The table `platform.audit_logs`, through an export.
    Table(AuditTable),
}

/// The trails of the classic interface.
#[derive(Debug)]
pub struct AuditTrails {
    /// Their host.
    pub host: AuditHost,
    /// True if an API client with a token reads it, and no local account.
    pub is_oauth: bool,
    /// The account or client ID.
    pub account: String,
    /// Its password or secret.
    pub password: SharedSecretSource,
    /// The trails to read.
    pub trails: Vec<Trail>,
}

/// The saved query of the table, and the names of its columns, which Nexthink does not document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditTable {
    /// The saved query.
    pub query: QueryId,
    /// The column with the time.
    pub time: String,
    /// The column with the account.
    pub account: String,
    /// The column with the code of the event.
    pub code: String,
    /// The column with the message.
    pub message: String,
    /// The number of hours that the query looks back.
    pub hours: u64,
}

/// JupiterOne as a destination.
#[derive(Debug)]
pub struct JupiterOne {
    /// The account and what is written there.
    pub destination: Destination,
    /// The API key.
    pub api_key: SharedSecretSource,
    /// The schedule for polling a job.
    pub poll: core_jupiterone::PollSchedule,
    /// True if every run that publishes is followed by a delivery.
    pub after_run: bool,
    /// The objects that JupiterOne's own integration does not deliver.
    pub extras: Extras,
    /// True if the audit trail's events are delivered too.
    pub audit: bool,
}

/// A folder of Delta tables as a destination.
#[derive(Debug)]
pub struct Delta {
    /// The folder, and the retention of old versions.
    pub settings: DeltaSettings,
    /// True if every run that publishes is followed by a delivery.
    pub after_run: bool,
}

/// A Neo4j database as a destination.
#[derive(Debug)]
pub struct Neo4j {
    /// The database and the user.
    pub settings: Neo4jSettings,
    /// The password, if the server wants one.
    pub password: Option<SharedSecretSource>,
    /// True if every run that publishes is followed by a delivery.
    pub after_run: bool,
}

/// A Postgres database as a destination.
#[derive(Debug)]
pub struct Postgres {
    /// The database, the schema and the role.
    pub settings: PostgresSettings,
    /// The password, if the role has one.
    pub password: Option<SharedSecretSource>,
    /// True if every run that publishes is followed by a delivery.
    pub after_run: bool,
}

/// Where a secret is kept.
pub trait SecretSource: fmt::Debug + Send + Sync {
    /// Reads the secret, which messages call `what`. It may block for as long as a secret command may run.
    ///
    /// # Errors
    /// The secret is missing or cannot be used. The message never shows it.
    fn read(&self, what: &str) -> anyhow::Result<Secret>;
}

/// A source that several readers share.
pub type SharedSecretSource = Arc<dyn SecretSource>;

impl Settings {
    /// Returns the address of the tenant's web interface.
    pub fn web_address(&self) -> String {
        format!("https://{}.{}.nexthink.cloud", self.tenant.as_str(), self.region.as_str())
    }

    /// Returns the tags that every entity gets.
    pub fn tags(&self) -> Vec<Tag> {
        let name = self.account.name.iter().filter(|_| self.account.tag_entities);
        name.map(|value| Tag { name: "tag.AccountName".to_owned(), value: value.clone() }).collect()
    }

    /// Returns true if a query is exported through Nexthink's API, or the audit trail is read from it.
    pub fn reads_api(&self) -> bool {
        !self.queries.is_empty() || self.audit.as_ref().is_some_and(|audit| audit.table().is_some())
    }

    /// Returns the credential of Nexthink's API.
    ///
    /// # Errors
    /// None is configured.
    pub fn credential(&self) -> anyhow::Result<&ApiCredential> {
        self.credential.as_ref().context(
            "no credential of Nexthink's API is configured: set `nexthink.client_id` and `nexthink.client_secret`",
        )
    }

    /// Reads the client secret.
    ///
    /// # Errors
    /// As [`Settings::credential`] and [`SecretSource::read`].
    pub fn read_client_secret(&self) -> anyhow::Result<Secret> {
        self.credential()?.client_secret.read("the client secret")
    }
}

impl SavedQuery {
    /// Returns the parameters of an export of the whole: none, unless the query asks for one.
    pub fn whole(&self) -> BTreeMap<String, String> {
        let own = self.partition.iter().filter(|partition| partition.query == self.id);
        own.map(|partition| (partition.parameter.clone(), "*".to_owned())).collect()
    }
}

impl Audit {
    /// Returns the table, if the audit trail is read from there.
    pub fn table(&self) -> Option<&AuditTable> {
        match &self.source {
            AuditSource::Table(table) => Some(table),
            AuditSource::Trails(_) => None,
        }
    }
}

impl AuditTable {
    /// Returns the columns: time, account, code, message.
    pub fn columns(&self) -> [&str; 4] {
        [&self.time, &self.account, &self.code, &self.message]
    }

    /// Returns a text to save for the query.
    pub fn nql(&self) -> String {
        let (hours, columns, time) = (self.hours, self.columns().join(", "), &self.time);
        format!("platform.audit_logs during past {hours}h\n| list {columns}\n| sort {time} asc")
    }
}
