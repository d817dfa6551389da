//! The configuration: one file, overridden by environment variables, checked as a whole so that all
//! mistakes are reported at once.

mod audit;
mod destinations;
mod flat;
mod instance;
mod mcp;
mod paths;
mod privacy;
mod queries;
mod record;
mod retention;
mod schedule;
mod secret;
mod secret_command;
mod secret_text;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use core_engine::settings::{Account, Settings};
use core_fleet::TenantSettings;
use core_http::{ProxySettings, RetryPolicy, Secret, Trust};
use core_nexthink::{EndpointOverrides, Endpoints, PollSchedule, Region, TenantId, Timeouts};
use core_store::Location;
use jiff::tz::TimeZone;

pub(crate) use self::flat::Problem;
use self::flat::Values;
pub(crate) use self::mcp::Mcp;
pub(crate) use self::paths::Paths;
pub(crate) use self::queries::PARAMETER;
pub(crate) use self::record::RecordOfProcessing;
pub(crate) use self::secret::SecretReference;
pub(crate) use self::secret_command::kill_running as kill_secret_commands;
pub(crate) use self::source::{DEFAULT_FILE, Source, VARIABLE_PREFIX, find, invalid};
use crate::system;

/// How many exports Nexthink allows a day (exporting audit logs, Nexthink documentation). Other
/// programs of the tenant use the same.
const DAILY_EXPORTS: u32 = 50;

/// How many exports run at once: one for each query of the usual four. How many Nexthink allows is
/// not documented.
const PARALLEL_EXPORTS: usize = 4;

/// A configuration whose every value is valid.
#[derive(Debug)]
pub(crate) struct Config {
    /// What the engine works with. Secrets are references until they are needed.
    pub(crate) settings: Settings,
    /// When `schedule` starts runs.
    pub(crate) schedule: TenantSettings,
    /// What assistants are shown.
    pub(crate) mcp: Mcp,
    /// What people have written for the record of processing.
    pub(crate) record: RecordOfProcessing,
    /// What is allowed and probably not meant, for `check`.
    pub(crate) warnings: Vec<String>,
}

impl Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

/// How Nexthink's hosts are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ProxyChoice {
    /// Through the proxy that the variables `HTTPS_PROXY` and `NO_PROXY` name, if they do.
    FromEnvironment,
    /// Through this one.
    At(String),
    /// Without one, whatever the environment says.
    None,
}

impl Config {
    /// Reads the text of a file and the variables that override it.
    pub(crate) fn parse(
        text: &str,
        variables: &BTreeMap<String, String>,
        paths: &Paths,
    ) -> Result<Config, Vec<Problem>> {
        let mut values = Values::parse(text, variables)?;
        let account = read_account(&mut values);
        let endpoints = read_endpoints(&mut values);
        let (tenant, region) = instance::read(&mut values, endpoints.is_some());
        let client_id = values.required_text("nexthink.client_id");
        let client_secret = secret::read(&mut values, paths, "nexthink.client_secret");
        let time_zone = read_time_zone(&mut values);
        let extra_ca_pem = read_ca_file(&mut values, paths);
        let proxy = read_proxy(&mut values).resolve();
        let poll = read_poll(&mut values);
        let retry = read_retry(&mut values);
        let timeouts = read_timeouts(&mut values);
        let daily_exports = values.integer("nexthink.daily_exports", 1..=10_000);
        let parallel_exports = values.integer("nexthink.parallel_exports", 1..=64);
        let queries = queries::read(&mut values);
        let store = read_store(&mut values, paths);
        let (privacy, record) = privacy::read(&mut values, paths);
        let named = name_with_region(tenant.as_ref(), region.as_ref());
        let jupiterone = destinations::read_jupiterone(&mut values, paths, named.as_deref());
        let (mcp, retention) = (mcp::read(&mut values), retention::read(&mut values));
        let schedule = schedule::read(&mut values);
        let audit = audit::read(
            &mut values,
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
            return Err(values.finish());
        };
        let warnings = std::mem::take(&mut values.warnings);
        let problems = values.finish();
        if !problems.is_empty() {
            return Err(problems);
        }
        let settings = Settings {
            endpoints: endpoints.unwrap_or_else(|| Endpoints::for_tenant(&tenant, &region)),
            account,
            tenant,
            region,
            client_id,
            client_secret: Arc::new(client_secret),
            time_zone,
            trust: Trust { extra_ca_pem },
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
        };
        Ok(Config { settings, schedule, mcp, record, warnings })
    }
}

impl ProxyChoice {
    /// Returns the proxy to go through, if any. The password that a variable may hold stays within a secret.
    fn resolve(&self) -> Option<ProxySettings> {
        let first = |names: [&str; 2]| names.into_iter().find_map(system::variable);
        let url = match self {
            Self::None => return None,
            Self::At(url) => url.clone(),
            Self::FromEnvironment => {
                first(["HTTPS_PROXY", "https_proxy"]).filter(|url| !url.is_empty())?
            }
        };
        Some(ProxySettings { url: Secret::new(url), no_proxy: first(["NO_PROXY", "no_proxy"]) })
    }
}

/// The name of a tenant with its region, since one of another region is another one.
fn name_with_region(tenant: Option<&TenantId>, region: Option<&Region>) -> Option<String> {
    let named = tenant.zip(region);
    named.map(|(tenant, region)| format!("{}-{}", tenant.as_str(), region.as_str()))
}

fn read_account(values: &mut Values) -> Account {
    let name = values.text("account.name");
    let tag_entities = values.flag("account.tag_entities").unwrap_or(false);
    if tag_entities && name.is_none() {
        values.problem("account.tag_entities", "needs `account.name` to tag entities with");
    }
    Account { name, description: values.text("account.description"), tag_entities }
}

/// The overrides, if the table is there; all three addresses belong together.
fn read_endpoints(values: &mut Values) -> Option<Endpoints> {
    if !values.has_table("nexthink.endpoints") {
        return None;
    }
    let names = ["login", "api", "files"];
    let [login, api, files] =
        names.map(|it| values.required_text(&format!("nexthink.endpoints.{it}")));
    let overrides = EndpointOverrides { login: login?, api: api?, files: files? };
    values.checked("nexthink.endpoints", Endpoints::overridden(&overrides))
}

fn read_ca_file(values: &mut Values, paths: &Paths) -> Option<Vec<u8>> {
    let path = values.path("nexthink.ca_file", paths)?;
    let read = std::fs::read(&path);
    values.checked("nexthink.ca_file", read.map_err(|it| format!("{}: {it}", path.display())))
}

fn read_proxy(values: &mut Values) -> ProxyChoice {
    match values.text("nexthink.proxy").as_deref() {
        None | Some("environment") => ProxyChoice::FromEnvironment,
        Some("none") => ProxyChoice::None,
        Some(url) if url.contains('@') => {
            let message = "must not hold a password; name this proxy in the variable HTTPS_PROXY";
            values.problem("nexthink.proxy", message);
            ProxyChoice::None
        }
        Some(url) => ProxyChoice::At(url.to_owned()),
    }
}

/// The zone of times that name none.
fn read_time_zone(values: &mut Values) -> Option<TimeZone> {
    let path = "nexthink.time_zone";
    let zone = values.text(path).unwrap_or_else(|| "UTC".to_owned());
    values.checked(path, TimeZone::get(&zone))
}

fn read_poll(values: &mut Values) -> PollSchedule {
    let mut poll = PollSchedule::default();
    if let Some(milliseconds) = values.integer("nexthink.polling.first_ms", 1..=600_000) {
        poll.first = Duration::from_millis(milliseconds);
        // A tenant that is asked more often shows sooner what it has.
        poll.gone_after = poll.gone_after.min(poll.first * 60);
    }
    if let Some(milliseconds) = values.integer("nexthink.polling.longest_ms", 1..=600_000) {
        poll.cap = Duration::from_millis(milliseconds);
    }
    if let Some(seconds) = values.integer("nexthink.polling.deadline_s", 1..=86_400) {
        poll.deadline = Duration::from_secs(seconds);
    }
    poll
}

fn read_retry(values: &mut Values) -> RetryPolicy {
    let mut retry = RetryPolicy::default();
    if let Some(attempts) = values.integer("nexthink.retry.attempts", 1..=100) {
        retry.max_attempts = u32::try_from(attempts).unwrap_or(retry.max_attempts);
    }
    if let Some(milliseconds) = values.integer("nexthink.retry.longest_ms", 1..=600_000) {
        retry.max_wait = Duration::from_millis(milliseconds);
        retry.first_wait = retry.first_wait.min(retry.max_wait);
        retry.max_throttled_wait = retry.max_wait;
        retry.first_throttled_wait = retry.first_throttled_wait.min(retry.max_wait);
    }
    retry
}

fn read_timeouts(values: &mut Values) -> Timeouts {
    let defaults = Timeouts::default();
    let mut read = |name: &str, default: Duration| {
        let seconds = values.integer(&format!("nexthink.timeouts.{name}"), 1..=3_600);
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
fn read_store(values: &mut Values, paths: &Paths) -> Option<Location> {
    const LOCATION: &str = "store.location";
    let text = values.text(LOCATION).unwrap_or_else(|| "nexthink-graph-store".to_owned());
    match values.checked(LOCATION, Location::parse(&text))? {
        Location::Folder(_) if !text.contains("://") => {
            values.checked(LOCATION, paths.resolve(&text)).map(Location::Folder)
        }
        location => Some(location),
    }
}
