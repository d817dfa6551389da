//! The support bundle: enough to understand a problem, and nothing that says whose it is.

use std::collections::BTreeSet;
use std::fs;

use core_simulator::{SimulatorConfig, TenantSpec};
use serde_json::Value;

use crate::kit::{Scene, TENANT};

/// Texts of the configuration that the bundle must not have, each in a setting of its own.
const CONFIGURED: [(&str, &str); 5] = [
    ("account.name", "Canary Industries"),
    ("account.description", "canary description"),
    ("store.location", "canary-store"),
    ("privacy.record.controller", "Canary Controller"),
    ("queries.alerts", "#canary_unknown"),
];

const SECRET: &str = "canary-secret";

fn scene() -> Scene {
    let mut config =
        SimulatorConfig { client_secret: SECRET.to_owned(), ..SimulatorConfig::default() };
    config.behaviour.tenant =
        TenantSpec { devices: 5, users: 4, alerts: 2, ..TenantSpec::default() };
    let scene = Scene::with(config);
    scene.configure(|configuration| {
        CONFIGURED
            .iter()
            .fold(configuration, |configuration, (name, text)| configuration.text(name, text))
            .set("nexthink.daily_exports", "17")
    });
    scene
}

fn bundle(scene: &Scene, name: &str) -> (String, Value) {
    let ended = scene.program(&["support-bundle", name]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let text = fs::read_to_string(scene.path(name)).expect("it was written");
    let value = serde_json::from_str(&text).expect("it is JSON");
    (text, value)
}

/// Every text in the tables of devices and users that cannot be an ordinary word, since it has a digit.
fn cells(scene: &Scene) -> BTreeSet<String> {
    let mut cells = BTreeSet::new();
    for table in ["nexthink_device", "nexthink_user"] {
        for row in scene.query(&format!("select * from {table}")) {
            let fields = row.as_object().expect("a row is an object");
            // Types and times of the generation are in the bundle too.
            let texts = fields.iter().filter(|(name, _)| !name.starts_with('_') || *name == "_key");
            let texts = texts.filter_map(|(_, value)| value.as_str());
            let is_special = |text: &&str| text.len() > 7 && text.contains(char::is_numeric);
            cells.extend(texts.filter(is_special).map(str::to_owned));
        }
    }
    cells
}

#[test]
fn the_bundle_tells_what_happened_and_has_no_text_of_the_tenant() {
    let scene = scene();
    // The query of alerts is not saved, so that a step fails with a reason that names it.
    let ended = scene.program(&["run"]);
    assert_eq!(ended.exit, Some(7), "{}", ended.stderr);
    assert!(ended.stderr.contains("canary_unknown"), "{}", ended.stderr);

    let (text, bundle) = bundle(&scene, "support.json");
    let setting = |path: &str| {
        let settings = bundle["settings"].as_array().expect("they are a list");
        let found = settings.iter().find(|setting| setting["setting"] == path);
        found.unwrap_or_else(|| panic!("{path} is not listed")).clone()
    };
    assert_eq!(setting("nexthink.daily_exports")["value"], 17);
    assert_eq!(setting("nexthink.daily_exports")["from"], "file");
    assert_eq!(setting("nexthink.tenant")["value"], "(set)");
    assert_eq!(bundle["stored"]["runs"][0]["exitCode"], 7);
    assert_eq!(bundle["stored"]["status"]["generation"]["outcome"], "partial");
    let steps = bundle["stored"]["steps"].as_array().expect("they are a list");
    let alerts = steps.iter().find(|step| step["id"] == "fetch-alerts").expect("it is listed");
    assert!(alerts["reason"].as_str().is_some_and(|reason| reason.contains("<queries.alerts>")));
    let read = &bundle["stored"]["report"]["steps"][1]["rows"]["read"];
    assert!(read.as_u64().is_some_and(|rows| rows > 0), "{}", bundle["stored"]["report"]);

    let cells = cells(&scene);
    assert!(cells.len() > 20, "{cells:?}");
    for cell in &cells {
        assert!(!text.contains(cell.as_str()), "{cell} is in the bundle");
    }
    let folder = scene.folder().display().to_string();
    let configured = CONFIGURED.map(|(_, canary)| canary);
    let others = [SECRET, TENANT, scene.api(), "127.0.0.1", &folder];
    for canary in configured.into_iter().chain(others) {
        assert!(!text.contains(canary), "{canary} is in the bundle: {text}");
    }

    let again = scene.program(&["support-bundle", "support.json"]);
    assert_eq!(again.exit, Some(2), "{}", again.stderr);
    assert!(again.stderr.contains("support.json exists: name a new file"), "{}", again.stderr);
}

#[test]
fn a_bundle_of_a_configuration_that_cannot_be_used_says_what_is_wrong_with_it() {
    let scene = scene();
    let path = scene.path("nexthink-graph.toml");
    let text = fs::read_to_string(&path).expect("it was written");
    scene.write("nexthink-graph.toml", &format!("{text}nexthink.canary = \"canary-value\"\n"));
    let (text, bundle) = bundle(&scene, "support.json");
    assert_eq!(bundle["configuration"]["exitCode"], 2, "{text}");
    assert_eq!(bundle["configuration"]["reason"], "invalid", "{text}");
    let problems = bundle["configuration"]["problems"].as_array().expect("they are a list");
    assert!(problems.iter().any(|problem| problem["line"].is_u64()), "{text}");
    assert!(bundle["settings"].is_null() && bundle["stored"].is_null());
    for canary in ["canary-value", TENANT, "nexthink-graph.toml"] {
        assert!(!text.contains(canary), "{canary} is in the bundle: {text}");
    }
}
