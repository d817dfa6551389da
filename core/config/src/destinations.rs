//! The destinations of a generation after it was published.

use std::sync::Arc;
use std::time::Duration;

use core_delta::DeltaSettings;
use core_engine::settings::{Delta, JupiterOne, Neo4j, Postgres, SharedSecretSource};
use core_http::Trust;
use core_jupiterone::{BaseUrl, Destination, Extras, PollSchedule, Source, SyncMode};
use core_neo4j::Neo4jSettings;
use core_postgres::{PostgresSettings, Tls};
use core_settings::Values;

use crate::paths::Paths;
use crate::secret;

const PATH: &str = "destinations.jupiterone";

/// Reads the destination, if its table is there.
pub(crate) fn read_jupiterone(
    values: &mut Values,
    paths: &Paths,
    tenant: Option<&str>,
) -> Option<JupiterOne> {
    if values.take_empty_table(PATH) {
        values.warn(format!("`[{PATH}]` is empty, so nothing is delivered"));
    }
    if !values.has_table(PATH) {
        return None;
    }
    let path = |name: &str| format!("{PATH}.{name}");
    let url = values.text_or_default(&path("url"));
    // A host that is none of JupiterOne's gets the API key, so it has to be asked for by name.
    let any_host = values.flag(&path("any_host"));
    let base = match BaseUrl::explicit(&url) {
        Ok(_) if !any_host => BaseUrl::parse(&url).map_err(|error| {
            format!("{error}; for a gateway that may see the API key set `{PATH}.any_host`")
        }),
        base => base.map_err(|error| error.to_string()),
    };
    let base = values.checked(&path("url"), base);
    let account = values.required_text(&path("account"));
    let source = read_source(values, tenant);
    let api_key = secret::read(values, paths, &path("api_key"));
    let poll = read_poll(values);
    let after_run = values.flag(&path("after_run"));
    let extras =
        Extras { persons: values.flag(&path("persons")), raw_data: values.flag(&path("raw_data")) };
    let audit = values.flag(&path("audit"));
    if audit && !values.has_table("audit") {
        values.problem(&path("audit"), "is true, and there is no `[audit]` that reads any events");
    }
    let destination = Destination::new(base?, &account?, source?);
    let destination = values.checked(PATH, destination);
    Some(JupiterOne {
        destination: destination?,
        api_key: Arc::new(api_key?),
        poll,
        after_run,
        extras,
        audit,
    })
}

fn read_poll(values: &mut Values) -> PollSchedule {
    let mut read = |name: &str| values.integer_or_default(&format!("{PATH}.polling.{name}"));
    PollSchedule {
        first: Duration::from_millis(read("first_ms")),
        cap: Duration::from_millis(read("longest_ms")),
        deadline: Duration::from_secs(read("deadline_s")),
    }
}

fn read_source(values: &mut Values, tenant: Option<&str>) -> Option<Source> {
    let path = |name: &str| format!("{PATH}.{name}");
    let source = values.choice(&path("source"));
    let scope = values.text(&path("scope"));
    let instance = values.text(&path("integration_instance_id"));
    if source != "api" && scope.is_some() {
        values.problem(&path("scope"), "is for source api only");
    }
    let mode = values.text_or_default(&path("mode"));
    values.checked(&path("mode"), SyncMode::parse(&mode));
    match (source, instance) {
        ("api", instance) => {
            let scope = scope.or_else(|| tenant.map(|tenant| format!("nexthink-{tenant}")));
            if instance.is_some() {
                let message = "is for the integration sources; with source api it is `scope`";
                values.problem(&path("integration_instance_id"), message);
            }
            scope.map(|scope| Source::Api { scope })
        }
        ("integration-external", Some(integration_instance_id)) => {
            Some(Source::IntegrationExternal { integration_instance_id })
        }
        (_, Some(integration_instance_id)) => {
            Some(Source::IntegrationManaged { integration_instance_id })
        }
        (_, None) => {
            let message = "is missing: the id of the integration instance in JupiterOne";
            values.problem(&path("integration_instance_id"), message);
            None
        }
    }
}

/// Reads the Postgres database, if its table is there.
pub(crate) fn read_postgres(
    values: &mut Values,
    paths: &Paths,
    tenant: Option<&str>,
    trust: Trust,
) -> Option<Postgres> {
    const PATH: &str = "destinations.postgres";
    if values.take_empty_table(PATH) {
        values.warn(format!("`[{PATH}]` is empty, so nothing is delivered"));
    }
    if !values.has_table(PATH) {
        return None;
    }
    let path = |name: &str| format!("{PATH}.{name}");
    let host = values.required_text(&path("host"));
    let database = values.required_text(&path("database"));
    let user = values.required_text(&path("user"));
    let port = values.integer_or_default(&path("port"));
    let schema = values.text(&path("schema"));
    let schema =
        schema.or_else(|| tenant.map(|tenant| format!("nexthink_{tenant}").replace('-', "_")));
    let readers = values.text(&path("readers"));
    let is_encrypted = read_tls(values, &path("tls"), host.as_deref());
    let tls = if is_encrypted { Tls::Required } else { Tls::Off };
    for (name, value) in [("schema", &schema), ("readers", &readers)] {
        if value.as_ref().is_some_and(|value| value.is_empty() || value.len() > 63) {
            values.problem(&path(name), "must have 1 to 63 bytes, as every name in Postgres");
        }
    }
    let after_run = values.flag(&path("after_run"));
    let password = read_password(values, paths, &path("password"))?;
    let settings = PostgresSettings {
        host: host?,
        port: u16::try_from(port).unwrap_or(u16::MAX),
        database: database?,
        user: user?,
        schema: schema?,
        readers,
        tls,
        trust,
    };
    Some(Postgres { settings, password, after_run })
}

/// Reads the Neo4j database, if its table is there.
pub(crate) fn read_neo4j(values: &mut Values, paths: &Paths, trust: Trust) -> Option<Neo4j> {
    const PATH: &str = "destinations.neo4j";
    if values.take_empty_table(PATH) {
        values.warn(format!("`[{PATH}]` is empty, so nothing is delivered"));
    }
    if !values.has_table(PATH) {
        return None;
    }
    let path = |name: &str| format!("{PATH}.{name}");
    let host = values.required_text(&path("host"));
    let user = values.required_text(&path("user"));
    let port = values.integer_or_default(&path("port"));
    let database = values.text_or_default(&path("database"));
    let is_encrypted = read_tls(values, &path("tls"), host.as_deref());
    let after_run = values.flag(&path("after_run"));
    let password = read_password(values, paths, &path("password"))?;
    let settings = Neo4jSettings {
        host: host?,
        port: u16::try_from(port).unwrap_or(u16::MAX),
        database,
        user: user?,
        tls: if is_encrypted { core_neo4j::Tls::Required } else { core_neo4j::Tls::Off },
        trust,
    };
    Some(Neo4j { settings, password, after_run })
}

/// Reads whether a connection to a database is encrypted, which it must be beyond this machine.
fn read_tls(values: &mut Values, path: &str, host: Option<&str>) -> bool {
    let is_encrypted = values.choice(path) != "off";
    if !is_encrypted && host.is_some_and(|host| !is_loopback(host)) {
        let message =
            "is off, and the host is not this machine: rows would cross the network in the clear";
        values.problem(path, message);
    }
    is_encrypted
}

/// Reads where the password of a database comes from. The outer `None` says that the setting is wrong, the inner one that
/// there is none.
#[allow(clippy::option_option, reason = "the caller gives up on the outer one with `?`")]
fn read_password(
    values: &mut Values,
    paths: &Paths,
    path: &str,
) -> Option<Option<SharedSecretSource>> {
    let password = secret::read_optional(values, paths, path)?;
    Some(password.map(|password| Arc::new(password) as SharedSecretSource))
}

/// Reads the folder of Delta tables, if its table is there.
pub(crate) fn read_delta(values: &mut Values, paths: &Paths) -> Option<Delta> {
    const PATH: &str = "destinations.delta";
    if values.take_empty_table(PATH) {
        values.warn(format!("`[{PATH}]` is empty, so nothing is delivered"));
    }
    if !values.has_table(PATH) {
        return None;
    }
    let path = |name: &str| format!("{PATH}.{name}");
    let folder = paths.read(values, &path("folder"));
    if folder.is_none() && !values.has(&path("folder")) {
        values.problem(&path("folder"), "is missing: the folder of the tables");
    }
    let keep_days = values.integer_or_default(&path("keep_days"));
    let after_run = values.flag(&path("after_run"));
    Some(Delta { settings: DeltaSettings { folder: folder?, keep_days }, after_run })
}

/// Returns true if a host is this machine.
fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
