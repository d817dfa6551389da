//! Where a generation is sent after it was published.

use std::sync::Arc;
use std::time::Duration;

use core_engine::settings::JupiterOne;
use core_jupiterone::{BaseUrl, Destination, Extras, PollSchedule, Source, SyncMode};

use super::flat::Values;
use super::paths::Paths;
use super::secret;

/// The host of accounts in the United States.
const DEFAULT_URL: &str = "https://api.us.jupiterone.io";

const PATH: &str = "destinations.jupiterone";

/// Reads the destination, if its table is there.
pub(super) fn read_jupiterone(
    values: &mut Values,
    paths: &Paths,
    tenant: Option<&str>,
) -> Option<JupiterOne> {
    if values.take_empty_table(PATH) {
        values.warnings.push(format!("`[{PATH}]` is empty, so nothing is delivered"));
    }
    if !values.has_table(PATH) {
        return None;
    }
    let path = |name: &str| format!("{PATH}.{name}");
    let url = values.text(&path("url")).unwrap_or_else(|| DEFAULT_URL.to_owned());
    // A host that is none of JupiterOne's gets the API key, so it has to be asked for by name.
    let any_host = values.flag(&path("any_host")).unwrap_or(false);
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
    let after_run = values.flag(&path("after_run")).unwrap_or(true);
    let extras = Extras {
        persons: values.flag(&path("persons")).unwrap_or(false),
        raw_data: values.flag(&path("raw_data")).unwrap_or(false),
    };
    let audit = values.flag(&path("audit")).unwrap_or(false);
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
    let mut poll = PollSchedule::default();
    let mut milliseconds = |name: &str| {
        let path = format!("{PATH}.polling.{name}");
        values.integer(&path, 1..=600_000).map(Duration::from_millis)
    };
    poll.first = milliseconds("first_ms").unwrap_or(poll.first);
    poll.cap = milliseconds("longest_ms").unwrap_or(poll.cap);
    let deadline = values.integer(&format!("{PATH}.polling.deadline_s"), 1..=86_400);
    poll.deadline = deadline.map_or(poll.deadline, Duration::from_secs);
    poll
}

fn read_source(values: &mut Values, tenant: Option<&str>) -> Option<Source> {
    let path = |name: &str| format!("{PATH}.{name}");
    let source = values.text(&path("source")).unwrap_or_else(|| "api".to_owned());
    let scope = values.text(&path("scope"));
    let instance = values.text(&path("integration_instance_id"));
    if source != "api" && scope.is_some() {
        values.problem(&path("scope"), "is for source api only");
    }
    if let Some(mode) = values.text(&path("mode")) {
        values.checked(&path("mode"), SyncMode::parse(&mode));
    }
    let needs_instance = |values: &mut Values| {
        let message = "is missing: the id of the integration instance in JupiterOne";
        values.problem(&path("integration_instance_id"), message);
    };
    match (source.as_str(), instance) {
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
        ("integration-managed", Some(integration_instance_id)) => {
            Some(Source::IntegrationManaged { integration_instance_id })
        }
        ("integration-external" | "integration-managed", None) => {
            needs_instance(values);
            None
        }
        _ => {
            let message = "must be api, integration-external or integration-managed";
            values.problem(&path("source"), message);
            None
        }
    }
}
