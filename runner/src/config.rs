//! The configuration: one file, overridden by environment variables, checked as a whole so that all
//! mistakes are reported at once.

mod audit;
mod destinations;
mod flat;
mod instance;
mod paths;
mod privacy;
mod queries;
mod record;
mod retention;
mod secret;
mod secret_command;
mod secret_text;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use core_nexthink::{
    EndpointOverrides, Endpoints, PollSchedule, Region, RetryPolicy, TenantId, Timeouts,
};
use core_store::{Location, Windows};
use jiff::tz::TimeZone;

pub(crate) use self::audit::{Audit, AuditSource, AuditTable, AuditTrails};
pub(crate) use self::destinations::JupiterOne;
pub(crate) use self::flat::Problem;
use self::flat::Settings;
pub(crate) use self::paths::Paths;
pub(crate) use self::privacy::{Privacy, policy};
pub(crate) use self::queries::{PARAMETER, Partition, SavedQuery};
pub(crate) use self::secret::SecretReference;
pub(crate) use self::secret_command::kill_running as kill_secret_commands;
pub(crate) use self::source::{DEFAULT_FILE, Source, VARIABLE_PREFIX, find, invalid};

/// How many exports Nexthink allows a day (exporting audit logs, Nexthink documentation). Other
/// programs of the tenant use the same.
const DAILY_EXPORTS: u32 = 50;

/// How many exports run at once: one for each query of the usual four. How many Nexthink allows is
/// not documented.
const PARALLEL_EXPORTS: usize = 4;

/// A configuration whose every value is valid. Secrets are references until a run needs them.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) account: Account,
    pub(crate) tenant: TenantId,
    pub(crate) region: Region,
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretReference,
    pub(crate) endpoints: Endpoints,
    /// The zone of times that name none.
    pub(crate) time_zone: TimeZone,
    /// Certificates of a company's own authority, PEM.
    pub(crate) extra_ca_pem: Option<Vec<u8>>,
    pub(crate) proxy: Proxy,
    pub(crate) poll: PollSchedule,
    pub(crate) retry: RetryPolicy,
    pub(crate) timeouts: Timeouts,
    /// How many exports may be started within 24 hours.
    pub(crate) daily_exports: u32,
    /// How many exports may run at once.
    pub(crate) parallel_exports: usize,
    /// The saved queries by configuration field; a field that is blank is not here.
    pub(crate) queries: BTreeMap<&'static str, SavedQuery>,
    pub(crate) store: Location,
    /// What is kept of people.
    pub(crate) privacy: Privacy,
    /// Where generations are sent.
    pub(crate) jupiterone: Option<JupiterOne>,
    /// The audit trail, if it is to be read.
    pub(crate) audit: Option<Audit>,
    /// How long everything in the store is kept.
    pub(crate) retention: Windows,
    /// What is allowed and probably not meant, for `check`.
    pub(crate) warnings: Vec<String>,
}

/// How Nexthink's hosts are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// Through the proxy that the variables `HTTPS_PROXY` and `NO_PROXY` name, if they do.
    FromEnvironment,
    /// Through this one.
    At(String),
    /// Without one, whatever the environment says.
    None,
}

/// How the account is shown.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    /// Whether every entity gets the name as `tag.AccountName`.
    pub(crate) tag_entities: bool,
}

impl Config {
    /// Reads the text of a file and the variables that override it.
    pub(crate) fn parse(
        text: &str,
        variables: &BTreeMap<String, String>,
        paths: &Paths,
    ) -> Result<Config, Vec<Problem>> {
        let mut settings = Settings::parse(text, variables)?;
        let account = read_account(&mut settings);
        let endpoints = read_endpoints(&mut settings);
        let (tenant, region) = instance::read(&mut settings, endpoints.is_some());
        let client_id = settings.required_text("nexthink.client_id");
        let client_secret = secret::read(&mut settings, paths, "nexthink.client_secret");
        let time_zone = read_time_zone(&mut settings);
        let extra_ca_pem = read_ca_file(&mut settings, paths);
        let proxy = read_proxy(&mut settings);
        let poll = read_poll(&mut settings);
        let retry = read_retry(&mut settings);
        let timeouts = read_timeouts(&mut settings);
        let daily_exports = settings.integer("nexthink.daily_exports", 1..=10_000);
        let parallel_exports = settings.integer("nexthink.parallel_exports", 1..=64);
        let queries = queries::read(&mut settings);
        let store = read_store(&mut settings, paths);
        let privacy = privacy::read(&mut settings, paths);
        let named = name_with_region(tenant.as_ref(), region.as_ref());
        let jupiterone = destinations::read_jupiterone(&mut settings, paths, named.as_deref());
        let retention = retention::read(&mut settings);
        let audit = audit::read(
            &mut settings,
            paths,
            tenant.as_ref(),
            region.as_ref(),
            time_zone.as_ref(),
            &privacy.policy,
            retention.events_days,
        );
        let read = (tenant, region, client_id, client_secret, time_zone, store);
        let (
            Some(tenant),
            Some(region),
            Some(client_id),
            Some(client_secret),
            Some(time_zone),
            Some(store),
        ) = read
        else {
            return Err(settings.finish());
        };
        let warnings = std::mem::take(&mut settings.warnings);
        let problems = settings.finish();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Config {
            endpoints: endpoints.unwrap_or_else(|| Endpoints::for_tenant(&tenant, &region)),
            account,
            tenant,
            region,
            client_id,
            client_secret,
            time_zone,
            extra_ca_pem,
            proxy,
            poll,
            retry,
            timeouts,
            daily_exports: number(daily_exports).unwrap_or(DAILY_EXPORTS),
            parallel_exports: number(parallel_exports).unwrap_or(PARALLEL_EXPORTS),
            queries,
            store,
            privacy,
            jupiterone,
            audit,
            retention,
            warnings,
        })
    }

    /// The address of the tenant's web interface.
    pub(crate) fn web_address(&self) -> String {
        format!("https://{}.{}.nexthink.cloud", self.tenant.as_str(), self.region.as_str())
    }
}

/// The name of a tenant with its region, since one of another region is another one.
fn name_with_region(tenant: Option<&TenantId>, region: Option<&Region>) -> Option<String> {
    let named = tenant.zip(region);
    named.map(|(tenant, region)| format!("{}-{}", tenant.as_str(), region.as_str()))
}

fn read_account(settings: &mut Settings) -> Account {
    let name = settings.text("account.name");
    let tag_entities = settings.flag("account.tag_entities").unwrap_or(false);
    if tag_entities && name.is_none() {
        settings.problem("account.tag_entities", "needs `account.name` to tag entities with");
    }
    Account { name, description: settings.text("account.description"), tag_entities }
}

/// The overrides, if the table is there; all three addresses belong together.
fn read_endpoints(settings: &mut Settings) -> Option<Endpoints> {
    if !settings.has_table("nexthink.endpoints") {
        return None;
    }
    let names = ["login", "api", "files"];
    let [login, api, files] =
        names.map(|it| settings.required_text(&format!("nexthink.endpoints.{it}")));
    let overrides = EndpointOverrides { login: login?, api: api?, files: files? };
    settings.checked("nexthink.endpoints", Endpoints::overridden(&overrides))
}

fn read_ca_file(settings: &mut Settings, paths: &Paths) -> Option<Vec<u8>> {
    let path = settings.path("nexthink.ca_file", paths)?;
    let read = std::fs::read(&path);
    settings.checked("nexthink.ca_file", read.map_err(|it| format!("{}: {it}", path.display())))
}

fn read_proxy(settings: &mut Settings) -> Proxy {
    match settings.text("nexthink.proxy").as_deref() {
        None | Some("environment") => Proxy::FromEnvironment,
        Some("none") => Proxy::None,
        Some(url) if url.contains('@') => {
            let message = "must not hold a password; name this proxy in the variable HTTPS_PROXY";
            settings.problem("nexthink.proxy", message);
            Proxy::None
        }
        Some(url) => Proxy::At(url.to_owned()),
    }
}

/// The zone of times that name none.
fn read_time_zone(settings: &mut Settings) -> Option<TimeZone> {
    let path = "nexthink.time_zone";
    let zone = settings.text(path).unwrap_or_else(|| "UTC".to_owned());
    settings.checked(path, TimeZone::get(&zone))
}

fn read_poll(settings: &mut Settings) -> PollSchedule {
    let mut poll = PollSchedule::default();
    if let Some(milliseconds) = settings.integer("nexthink.polling.first_ms", 1..=600_000) {
        poll.first = Duration::from_millis(milliseconds);
        // A tenant that is asked more often shows sooner what it has.
        poll.gone_after = poll.gone_after.min(poll.first * 60);
    }
    if let Some(milliseconds) = settings.integer("nexthink.polling.longest_ms", 1..=600_000) {
        poll.cap = Duration::from_millis(milliseconds);
    }
    if let Some(seconds) = settings.integer("nexthink.polling.deadline_s", 1..=86_400) {
        poll.deadline = Duration::from_secs(seconds);
    }
    poll
}

fn read_retry(settings: &mut Settings) -> RetryPolicy {
    let mut retry = RetryPolicy::default();
    if let Some(attempts) = settings.integer("nexthink.retry.attempts", 1..=100) {
        retry.max_attempts = u32::try_from(attempts).unwrap_or(retry.max_attempts);
    }
    if let Some(milliseconds) = settings.integer("nexthink.retry.longest_ms", 1..=600_000) {
        retry.max_wait = Duration::from_millis(milliseconds);
        retry.first_wait = retry.first_wait.min(retry.max_wait);
        retry.max_throttled_wait = retry.max_wait;
        retry.first_throttled_wait = retry.first_throttled_wait.min(retry.max_wait);
    }
    retry
}

fn read_timeouts(settings: &mut Settings) -> Timeouts {
    let defaults = Timeouts::default();
    let mut read = |name: &str, default: Duration| {
        let seconds = settings.integer(&format!("nexthink.timeouts.{name}"), 1..=3_600);
        seconds.map_or(default, Duration::from_secs)
    };
    Timeouts {
        connect: read("connect_s", defaults.connect),
        idle: read("idle_s", defaults.idle),
        answer: read("answer_s", defaults.answer),
    }
}

/// A number that was checked to be small.
fn number<T: TryFrom<u64>>(read: Option<u64>) -> Option<T> {
    read.and_then(|it| it.try_into().ok())
}

/// The place of the store; nothing and a problem if its location cannot be used.
fn read_store(settings: &mut Settings, paths: &Paths) -> Option<Location> {
    const LOCATION: &str = "store.location";
    let text = settings.text(LOCATION).unwrap_or_else(|| "nexthink-graph-store".to_owned());
    match settings.checked(LOCATION, Location::parse(&text))? {
        Location::Folder(_) if !text.contains("://") => {
            settings.checked(LOCATION, paths.resolve(&text)).map(Location::Folder)
        }
        location => Some(location),
    }
}
