//! The extras beyond JupiterOne's own integration: off without a word, and whole where they are switched on.

use std::collections::BTreeSet;
use std::fs;

use core_simulator::SavedQuery;
use serde_json::Value;

use super::Delivery;
use crate::kit::{Ended, files};

const USES: &str = "nexthink_user_uses_device";
const PERSONS: &str = "nexthink_user_is_person";

pub(super) fn json(ended: &Ended) -> Value {
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).expect("it prints JSON")
}

fn configure(delivery: &Delivery, switches: &[(&str, &str)]) {
    delivery.configure_with(|configuration| {
        switches
            .iter()
            .fold(configuration, |configuration, (name, value)| configuration.set(name, value))
    });
}

/// The relationships of a type that JupiterOne has.
pub(super) fn held(delivery: &Delivery, name: &str) -> Vec<Value> {
    let kept = delivery.kept().relationships.into_values();
    kept.filter(|entity| entity["_type"] == name).collect()
}

const DEVICE_USERS: (&str, &str) = ("queries.device_users", "\"#j1_device_users\"");

#[test]
fn a_disabled_extra_is_mentioned_by_the_plan_only() {
    let delivery = Delivery::new();
    let run = delivery.scene.run_completely();
    let report = run.report.to_string() + &run.ended.stdout + &run.ended.stderr;
    assert!(!report.contains("device-users") && !report.contains(USES), "{report}");
    assert!(!delivery.scene.requests().exports.contains_key(&SavedQuery::DeviceUsers));
    let second = delivery.scene.program(&["sync", "jupiterone", "--dry-run", "--output", "json"]);
    let partial = json(&second)["partialDatasets"].clone();
    let partial: Vec<&str> =
        partial.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(!partial.contains(&USES) && !partial.contains(&PERSONS), "{partial:?}");
    let plan = delivery.scene.program(&["plan"]);
    let line = plan.stdout.lines().find(|line| line.contains("fetch-device-users"));
    assert!(
        line.is_some_and(|line| line.contains("off, until `queries.device_users`")),
        "{line:?}"
    );
    for page in [["docs", "--format", "page"], ["docs", "--format", "sdk"]] {
        let page = delivery.scene.program(&page).stdout;
        assert!(page.contains("nexthink_device") && !page.contains(USES), "{page}");
    }
    let folder = delivery.scene.path("collected").display().to_string();
    json(&delivery.scene.program(&["export", "jupiterone", &folder, "--output", "json"]));
    let steps = fs::read_to_string(delivery.scene.path("collected/src/index.js"));
    assert!(!steps.expect("it was written").contains("device-users"));
}

#[test]
fn users_of_devices_are_read_delivered_and_kept_when_switched_off() {
    let delivery = Delivery::new();
    configure(&delivery, &[DEVICE_USERS]);
    let run = delivery.scene.run_completely();
    let n_devices = delivery.scene.counts().devices;
    assert_eq!(run.objects()[USES], n_devices);
    let edges = held(&delivery, USES);
    assert_eq!(edges.len() as u64, n_devices);
    assert!(edges.iter().all(|edge| edge["_class"] == "USES"));
    let kept = delivery.kept();
    for edge in &edges {
        let end = |name: &str| kept.entities[edge[name].as_str().expect("a key")]["_type"].clone();
        assert_eq!(
            (end("_fromEntityKey"), end("_toEntityKey")),
            ("nexthink_user".into(), "nexthink_device".into())
        );
    }
    let folder = delivery.scene.path("collected").display().to_string();
    let report =
        json(&delivery.scene.program(&["export", "jupiterone", &folder, "--output", "json"]));
    assert_eq!(report["objects"][USES], n_devices);
    let steps = fs::read_to_string(delivery.scene.path("collected/src/index.js"));
    assert!(steps.expect("it was written").contains(USES));

    configure(&delivery, &[]);
    delivery.scene.update(|behaviour| behaviour.tenant.idle_devices = 3);
    let run = delivery.scene.run_completely();
    assert_eq!(run.step("fetch-device-users")["outcome"], "skipped");
    assert_eq!(run.objects()[USES], n_devices);
    assert_eq!(held(&delivery, USES).len() as u64, n_devices);
}

#[test]
fn users_are_mapped_to_persons_where_that_is_switched_on() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    assert!(held(&delivery, PERSONS).is_empty());
    configure(&delivery, &[("destinations.jupiterone.persons", "true")]);
    let with_address =
        delivery.scene.query("select _key from nexthink_user where email is not null");
    let with_address: BTreeSet<&str> =
        with_address.iter().filter_map(|person| person["_key"].as_str()).collect();
    assert!(with_address.len() > 5, "{with_address:?}");
    let intent =
        json(&delivery.scene.program(&["sync", "jupiterone", "--dry-run", "--output", "json"]));
    let types = intent["types"].as_array().expect("a list");
    let persons =
        types.iter().find(|object_type| object_type["typeName"] == PERSONS).expect("it is told of");
    assert_eq!(persons["creates"], with_address.len());
    let delivered = json(&delivery.scene.program(&["sync", "jupiterone", "--output", "json"]));
    let counters = &delivered["counters"];
    assert_eq!(counters["numMappedRelationshipsCreated"], with_address.len(), "{delivered}");
    let mapped = held(&delivery, PERSONS);
    let sources = mapped
        .iter()
        .filter_map(|relationship| relationship["_mapping"]["sourceEntityKey"].as_str());
    assert_eq!(sources.collect::<BTreeSet<_>>(), with_address);
    assert!(
        mapped.iter().all(|relationship| relationship["_mapping"]["skipTargetCreation"] == true)
    );
    let again = json(&delivery.scene.program(&["sync", "jupiterone", "--output", "json"]));
    assert_eq!(again["result"], "nothing_changed");

    delivery.scene.update(|behaviour| _ = behaviour.missing.insert(SavedQuery::Users));
    delivery.scene.run(&[]);
    assert_eq!(held(&delivery, PERSONS).len(), with_address.len(), "users failed");

    // Switched off they stay, and are purged by name; switched on again they come back.
    configure(&delivery, &[]);
    delivery.scene.update(|behaviour| behaviour.missing.clear());
    delivery.scene.run_completely();
    assert_eq!(held(&delivery, PERSONS).len(), with_address.len(), "switched off");
    let purged = delivery.scene.program(&["purge", "jupiterone", "--type", PERSONS]);
    assert_eq!(purged.exit, Some(0), "{}", purged.stderr);
    assert!(held(&delivery, PERSONS).is_empty());
    configure(&delivery, &[("destinations.jupiterone.persons", "true")]);
    json(&delivery.scene.program(&["sync", "jupiterone", "--output", "json"]));
    assert_eq!(held(&delivery, PERSONS).len(), with_address.len(), "switched on again");
}

#[test]
fn raw_data_is_delivered_and_written_where_that_is_switched_on() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    let n_raw =
        || delivery.kept().entities.values().filter(|entity| entity["_rawData"].is_array()).count();
    assert_eq!(n_raw(), 0);
    configure(&delivery, &[("destinations.jupiterone.raw_data", "true")]);
    json(&delivery.scene.program(&["sync", "jupiterone", "--output", "json"]));
    let kept = delivery.kept();
    assert_eq!(n_raw(), kept.entities.len());
    for entity in kept.entities.values() {
        assert_eq!(entity["_rawData"][0]["rawData"]["name"], entity["name"]);
    }
    assert!(kept.relationships.values().all(|relationship| relationship.get("_rawData").is_none()));

    let folder = delivery.scene.path("collected").display().to_string();
    let written = || {
        let graph = files(&delivery.scene.path("collected/.j1-integration/graph"));
        let text = graph.iter().map(|path| fs::read_to_string(path).expect("it is text"));
        text.collect::<String>()
    };
    json(&delivery.scene.program(&["export", "jupiterone", &folder, "--output", "json"]));
    assert!(!written().contains("_rawData") && !written().contains("_mapping"));
    let switches = ["export", "jupiterone", &folder, "--raw-data", "--persons", "--output", "json"];
    json(&delivery.scene.program(&switches));
    assert!(written().contains("_rawData") && written().contains("_mapping"));
}
