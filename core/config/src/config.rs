//! The configuration: one file, overridden by environment variables, checked as a whole so that all
//! mistakes are reported at once.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use core_engine::processing::WrittenPart;
use core_engine::settings::{Account, ApiCredential, Settings};
use core_fleet::TenantSettings;
use core_http::{ProxySettings, RetryPolicy, Secret, Trust};
use core_model::step::Step;
use core_nexthink::{EndpointOverrides, Endpoints, PollSchedule, Region, TenantId, Timeouts};
use core_settings::{Checked, Effective, Problem, Values};
use jiff::tz::TimeZone;

use crate::environment::Environment;
use crate::mcp::Mcp;
use crate::paths::Paths;
use crate::secret::SecretReference;
use crate::store_place::{self, BucketStore};
use crate::{audit, destinations, instance, mcp, privacy, queries, retention, schedule, secret};

/// A configuration whose every value is valid.
#[derive(Debug)]
pub struct Config {
    /// The name of the tenant on the command line, in figures and for its due times: that of its file in a fleet, else
    /// that of Nexthink's tenant.
    pub name: String,
    /// The settings of the engine. Secrets are references until they are needed.
    pub settings: Settings,
    /// The bucket that the store is in, if it is in one; `store` of the settings is then a working copy.
    pub bucket: Option<BucketStore>,
    /// The times at which `schedule` starts runs.
    pub schedule: TenantSettings,
    /// The address to request after each run that has published.
    pub heartbeat: Option<SecretReference>,
    /// The settings of `mcp`.
    pub mcp: Mcp,
    /// The part of the record of processing that people have written.
    pub record: WrittenPart,
    /// Every setting with its value and where that comes from.
    pub effective: Vec<Effective>,
    /// The warnings.
    pub warnings: Warnings,
}

/// Warnings about a configuration that can be used.
#[derive(Debug)]
pub struct Warnings {
    /// Settings that are allowed and probably not meant, for `check`.
    pub settings: Vec<String>,
    /// Files that another user could have written: they may name commands, which this user would run.
    pub exposures: Vec<String>,
}

impl Warnings {
    /// Returns all of them.
    pub fn all(&self) -> Vec<String> {
        [&self.exposures[..], &self.settings].concat()
    }
}

impl Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

/// The way to Nexthink's hosts.
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
    ///
    /// # Errors
    ///
    /// All mistakes at once, each with its place.
    pub fn parse(
        text: &str,
        variables: &BTreeMap<String, String>,
        paths: &Paths,
    ) -> Result<Self, Vec<Problem>> {
        Self::read(Values::parse(text, variables, &query_names())?, paths)
    }

    /// Makes typed settings of values.
    pub(crate) fn read(mut values: Values, paths: &Paths) -> Result<Self, Vec<Problem>> {
        let account = read_account(&mut values);
        let endpoints = read_endpoints(&mut values);
        let (tenant, region) = instance::read(&mut values, endpoints.is_some());
        let time_zone = read_time_zone(&mut values);
        let trust = read_trust(&mut values, paths);
        let proxy = read_proxy(&mut values, paths.environment());
        let (poll, retry) = (read_poll(&mut values), read_retry(&mut values));
        let timeouts = read_timeouts(&mut values);
        let daily_exports = number(values.integer_or_default("nexthink.daily_exports"));
        let parallel_exports = number(values.integer_or_default("nexthink.parallel_exports"));
        let queries::Read { queries, files, names_files } = queries::read(&mut values, paths);
        let place = store_place::read(&mut values, paths);
        let (privacy, record) = privacy::read(&mut values, paths);
        let named = name_with_region(tenant.as_ref(), region.as_ref());
        let jupiterone = destinations::read_jupiterone(&mut values, paths, named.as_deref());
        let delta = destinations::read_delta(&mut values, paths);
        let postgres =
            destinations::read_postgres(&mut values, paths, named.as_deref(), trust.clone());
        let neo4j = destinations::read_neo4j(&mut values, paths, trust.clone());
        let (mcp, retention) = (mcp::read(&mut values), retention::read(&mut values));
        let schedule = schedule::read(&mut values);
        let heartbeat = secret::read_optional(&mut values, paths, "monitoring.heartbeat").flatten();
        let audit = audit::read(
            &mut values,
            paths,
            tenant.as_ref(),
            region.as_ref(),
            time_zone.as_ref(),
            &privacy.policy,
            retention.events_days,
        );
        let reads_table = audit.as_ref().is_some_and(|audit| audit.table().is_some());
        let needs_credential = !queries.is_empty() || !names_files || reads_table;
        let credential = read_credential(&mut values, paths, needs_credential);
        let Checked { effective, warnings } = values.finish()?;
        let warnings = Warnings { settings: warnings, exposures: Vec::new() };
        let read = (tenant, region, time_zone, place);
        let (Some(tenant), Some(region), Some(time_zone), Some((store, bucket))) = read else {
            unreachable!("what is missing or wrong is a problem");
        };
        let name = paths.tenant().unwrap_or(tenant.as_str()).to_owned();
        let settings = Settings {
            endpoints: endpoints.unwrap_or_else(|| Endpoints::for_tenant(&tenant, &region)),
            account,
            tenant,
            region,
            credential,
            time_zone,
            trust,
            proxy,
            poll,
            retry,
            timeouts,
            daily_exports,
            parallel_exports,
            queries,
            files,
            store,
            privacy,
            jupiterone,
            delta,
            postgres,
            neo4j,
            audit,
            retention,
        };
        Ok(Self { name, settings, bucket, schedule, heartbeat, mcp, record, effective, warnings })
    }
}

impl ProxyChoice {
    /// Returns the proxy to go through, if any. The password that a variable may hold stays within a secret.
    fn resolve(&self, environment: Environment) -> Option<ProxySettings> {
        let url = match self {
            Self::None => return None,
            Self::At(url) => url.clone(),
            Self::FromEnvironment => {
                environment.first(["HTTPS_PROXY", "https_proxy"]).filter(|url| !url.is_empty())?
            }
        };
        Some(ProxySettings {
            url: Secret::new(url),
            no_proxy: environment.first(["NO_PROXY", "no_proxy"]),
        })
    }
}

/// Returns the names of the queries that the steps of this program read.
pub fn query_names() -> Vec<&'static str> {
    Step::all().into_iter().filter_map(Step::query).map(|query| query.config_field).collect()
}

/// The name of a tenant with its region, since one of another region is another one.
fn name_with_region(tenant: Option<&TenantId>, region: Option<&Region>) -> Option<String> {
    let named = tenant.zip(region);
    named.map(|(tenant, region)| format!("{}-{}", tenant.as_str(), region.as_str()))
}

fn read_account(values: &mut Values) -> Account {
    let name = values.text("account.name");
    let tag_entities = values.flag("account.tag_entities");
    if tag_entities && name.is_none() {
        values.problem("account.tag_entities", "needs `account.name` to tag entities with");
    }
    Account { name, description: values.text("account.description"), tag_entities }
}

/// The credential of Nexthink's API. Who reads everything from files needs none.
fn read_credential(values: &mut Values, paths: &Paths, is_needed: bool) -> Option<ApiCredential> {
    const SECRET: &str = "nexthink.client_secret";
    let has_secret = values.has(SECRET) || !values.names_below(SECRET).is_empty();
    if !is_needed && !has_secret && !values.has("nexthink.client_id") {
        return None;
    }
    let client_id = values.required_text("nexthink.client_id");
    let client_secret = secret::read(values, paths, SECRET);
    Some(ApiCredential { client_id: client_id?, client_secret: Arc::new(client_secret?) })
}

/// The overrides, if the table is there; all three addresses belong together.
fn read_endpoints(values: &mut Values) -> Option<Endpoints> {
    if !values.has_table("nexthink.endpoints") {
        return None;
    }
    let names = ["login", "api", "files"];
    let [login, api, files] =
        names.map(|name| values.required_text(&format!("nexthink.endpoints.{name}")));
    let overrides = EndpointOverrides { login: login?, api: api?, files: files? };
    values.checked("nexthink.endpoints", Endpoints::overridden(&overrides))
}

fn read_trust(values: &mut Values, paths: &Paths) -> Trust {
    let Some(path) = paths.read(values, "nexthink.ca_file") else { return Trust::default() };
    let in_file = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let read = std::fs::read(&path).map_err(|error| in_file(&error)).and_then(|pem| {
        let trust = Trust { extra_ca_pem: Some(pem) };
        trust.check().map_err(|error| in_file(&error)).map(|()| trust)
    });
    values.checked("nexthink.ca_file", read).unwrap_or_default()
}

/// Reads the proxy. That of the environment is checked when it is used: commands without a network need none.
fn read_proxy(values: &mut Values, environment: Environment) -> Option<ProxySettings> {
    let choice = proxy_choice(values);
    let proxy = choice.resolve(environment)?;
    if matches!(choice, ProxyChoice::At(_)) {
        values.checked("nexthink.proxy", proxy.check());
    }
    Some(proxy)
}

fn proxy_choice(values: &mut Values) -> ProxyChoice {
    match values.text_or_default("nexthink.proxy").as_str() {
        "environment" => ProxyChoice::FromEnvironment,
        "none" => ProxyChoice::None,
        url if url.contains('@') => {
            let message = "must not hold a password; name this proxy in the variable HTTPS_PROXY";
            values.problem("nexthink.proxy", message);
            ProxyChoice::None
        }
        url => ProxyChoice::At(url.to_owned()),
    }
}

/// The zone of times that name none.
fn read_time_zone(values: &mut Values) -> Option<TimeZone> {
    let path = "nexthink.time_zone";
    let zone = values.text_or_default(path);
    values.checked(path, TimeZone::get(&zone))
}

fn read_poll(values: &mut Values) -> PollSchedule {
    let defaults = PollSchedule::default();
    let first = Duration::from_millis(values.integer_or_default("nexthink.polling.first_ms"));
    PollSchedule {
        first,
        cap: Duration::from_millis(values.integer_or_default("nexthink.polling.longest_ms")),
        deadline: Duration::from_secs(values.integer_or_default("nexthink.polling.deadline_s")),
        // A tenant that is asked more often shows sooner what it has.
        gone_after: defaults.gone_after.min(first * 60),
        ..defaults
    }
}

fn read_retry(values: &mut Values) -> RetryPolicy {
    let mut retry = RetryPolicy {
        max_attempts: number(values.integer_or_default("nexthink.retry.attempts")),
        ..RetryPolicy::default()
    };
    if let Some(milliseconds) = values.integer("nexthink.retry.longest_ms") {
        retry.max_wait = Duration::from_millis(milliseconds);
        retry.first_wait = retry.first_wait.min(retry.max_wait);
        retry.max_throttled_wait = retry.max_wait;
        retry.first_throttled_wait = retry.first_throttled_wait.min(retry.max_wait);
    }
    retry
}

fn read_timeouts(values: &mut Values) -> Timeouts {
    let mut read = |name: &str| {
        Duration::from_secs(values.integer_or_default(&format!("nexthink.timeouts.{name}")))
    };
    Timeouts { connect: read("connect_s"), idle: read("idle_s"), answer: read("answer_s") }
}

/// Converts a number whose declared bounds are small.
pub(crate) fn number<T: TryFrom<u64, Error: Debug>>(read: u64) -> T {
    T::try_from(read).expect("the declared bounds fit")
}
