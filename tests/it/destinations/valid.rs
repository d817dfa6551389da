//! Every entity of a large estate is what the published schemas of its classes allow: by the validator of
//! core/jupiterone's tests, and by the npm package itself where it is installed.

use std::fs;
use std::path::Path;
use std::process::Command;

use core_simulator::TenantSpec;
use serde_json::Value;

use super::Delivery;
use crate::kit::files;

#[path = "../../../core/jupiterone/tests/jupiterone/schema.rs"]
mod schema;

/// The place of the package; `xtask/jupiterone/validate.mjs` says how it gets there.
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../xtask/jupiterone");

#[test]
fn every_entity_of_ten_thousand_devices_is_valid_and_the_package_says_so_too() {
    let estate = TenantSpec {
        devices: 10_000,
        users: 8_000,
        packages_per_device: 12,
        alerts: 3_000,
        ..TenantSpec::default()
    };
    let delivery = Delivery::of(estate);
    delivery.configure("false");
    let run = delivery.scene.run_completely();
    let export = delivery.scene.program(&["export", "jupiterone", "collected"]);
    assert_eq!(export.exit, Some(0), "{}", export.stderr);

    let schemas = schema::Schemas::read();
    let mut n_entities = 0;
    for file in files(&delivery.scene.path("collected/.j1-integration/graph")) {
        let text = fs::read_to_string(file).expect("the folder can be read");
        let content: Value = serde_json::from_str(&text).expect("it is JSON");
        for entity in content["entities"].as_array().into_iter().flatten() {
            assert!(schemas.accept(entity), "{entity}");
            n_entities += 1;
        }
    }
    let objects = run.objects();
    let entities = ["account", "device", "user", "package", "alert"];
    let expected: u64 =
        entities.iter().map(|entity| objects[format!("nexthink_{entity}").as_str()]).sum();
    assert_eq!(n_entities, expected);
    if let Some(counts) = verdicts_of_the_package(&delivery.scene.path("collected")) {
        assert_eq!(counts["entities"], n_entities);
        assert!(counts["cases"].as_u64() > Some(60), "{counts}");
        assert_eq!((&counts["invalid"], &counts["disagreements"]), (&0.into(), &0.into()));
    }
}

/// Nothing where the package is not installed.
fn verdicts_of_the_package(collected: &Path) -> Option<Value> {
    if !Path::new(PACKAGE).join("node_modules/@jupiterone/data-model").is_dir() {
        return None;
    }
    let mut node = Command::new("node");
    node.arg(format!("{PACKAGE}/validate.mjs")).arg(PACKAGE).arg(collected);
    let ended = node.output().expect("what installs the package brings node");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    Some(serde_json::from_slice(&ended.stdout).expect("it prints JSON"))
}
