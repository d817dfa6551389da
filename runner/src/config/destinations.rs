//! Where a generation is sent after it was published.

use std::time::Duration;

use core_jupiterone::{BaseUrl, Destination, Extras, PollSchedule, Source, SyncMode};

use super::flat::Settings;
use super::paths::Paths;
use super::secret::{self, SecretReference};

/// The host of accounts in the United States.
const DEFAULT_URL: &str = "https://api.us.jupiterone.io";

const PATH: &str = "destinations.jupiterone";

/// JupiterOne as a destination.
#[derive(Debug)]
pub(crate) struct JupiterOne {
    pub(crate) destination: Destination,
    pub(crate) api_key: SecretReference,
    /// How often a job is asked for its state.
    pub(crate) poll: PollSchedule,
    /// Whether every run that publishes is followed by a delivery.
    pub(crate) after_run: bool,
    /// What is delivered beyond what JupiterOne's own integration delivers.
    pub(crate) extras: Extras,
    /// Whether the audit trail's events are delivered too.
    pub(crate) audit: bool,
}

/// Reads the destination, if its table is there.
pub(super) fn read_jupiterone(
    settings: &mut Settings,
    paths: &Paths,
    tenant: Option<&str>,
) -> Option<JupiterOne> {
    if settings.take_empty_table(PATH) {
        settings.warnings.push(format!("`[{PATH}]` is empty, so nothing is delivered"));
    }
    if !settings.has_table(PATH) {
        return None;
    }
    let path = |name: &str| format!("{PATH}.{name}");
    let url = settings.text(&path("url")).unwrap_or_else(|| DEFAULT_URL.to_owned());
    // A host that is none of JupiterOne's gets the API key, so it has to be asked for by name.
    let any_host = settings.flag(&path("any_host")).unwrap_or(false);
    let base = match BaseUrl::explicit(&url) {
        Ok(_) if !any_host => BaseUrl::parse(&url).map_err(|error| {
            format!("{error}; for a gateway that may see the API key set `{PATH}.any_host`")
        }),
        base => base.map_err(|error| error.to_string()),
    };
    let base = settings.checked(&path("url"), base);
    let account = settings.required_text(&path("account"));
    let source = read_source(settings, tenant);
    let api_key = secret::read(settings, paths, &path("api_key"));
    let poll = read_poll(settings);
    let after_run = settings.flag(&path("after_run")).unwrap_or(true);
    let extras = Extras {
        persons: settings.flag(&path("persons")).unwrap_or(false),
        raw_data: settings.flag(&path("raw_data")).unwrap_or(false),
    };
    let audit = settings.flag(&path("audit")).unwrap_or(false);
    if audit && !settings.has_table("audit") {
        settings
            .problem(&path("audit"), "is true, and there is no `[audit]` that reads any events");
    }
    let destination = Destination::new(base?, &account?, source?);
    let destination = settings.checked(PATH, destination);
    Some(JupiterOne {
        destination: destination?,
        api_key: api_key?,
        poll,
        after_run,
        extras,
        audit,
    })
}

fn read_poll(settings: &mut Settings) -> PollSchedule {
    let mut poll = PollSchedule::default();
    let mut milliseconds = |name: &str| {
        let path = format!("{PATH}.polling.{name}");
        settings.integer(&path, 1..=600_000).map(Duration::from_millis)
    };
    poll.first = milliseconds("first_ms").unwrap_or(poll.first);
    poll.cap = milliseconds("longest_ms").unwrap_or(poll.cap);
    let deadline = settings.integer(&format!("{PATH}.polling.deadline_s"), 1..=86_400);
    poll.deadline = deadline.map_or(poll.deadline, Duration::from_secs);
    poll
}

fn read_source(settings: &mut Settings, tenant: Option<&str>) -> Option<Source> {
    let path = |name: &str| format!("{PATH}.{name}");
    let source = settings.text(&path("source")).unwrap_or_else(|| "api".to_owned());
    let scope = settings.text(&path("scope"));
    let instance = settings.text(&path("integration_instance_id"));
    if source != "api" && scope.is_some() {
        settings.problem(&path("scope"), "is for source api only");
    }
    if let Some(mode) = settings.text(&path("mode")) {
        settings.checked(&path("mode"), SyncMode::parse(&mode));
    }
    let needs_instance = |settings: &mut Settings| {
        let message = "is missing: the id of the integration instance in JupiterOne";
        settings.problem(&path("integration_instance_id"), message);
    };
    match (source.as_str(), instance) {
        ("api", instance) => {
            let scope = scope.or_else(|| tenant.map(|tenant| format!("nexthink-{tenant}")));
            if instance.is_some() {
                let message = "is for the integration sources; with source api it is `scope`";
                settings.problem(&path("integration_instance_id"), message);
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
            needs_instance(settings);
            None
        }
        _ => {
            let message = "must be api, integration-external or integration-managed";
            settings.problem(&path("source"), message);
            None
        }
    }
}
