//! The destinations of a generation after it was published.

use std::sync::Arc;
use std::time::Duration;

use core_engine::settings::JupiterOne;
use core_jupiterone::{BaseUrl, Destination, Extras, PollSchedule, Source, SyncMode};
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
