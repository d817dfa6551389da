//! The record of processing from outside.

use core_simulator::TenantSpec;
use serde_json::Value;

use crate::kit::{Scene, write_private};

#[test]
fn the_record_has_the_purposes_the_counts_and_the_recipients() {
    let scene = Scene::of(TenantSpec { devices: 8, users: 6, alerts: 4, ..TenantSpec::default() });
    scene.run_completely();
    write_private(&scene.path("key"), "key");
    scene.configure(|configuration| {
        configuration
            .set("privacy.record.purposes", "[\"inventory of the estate\"]")
            .text("privacy.record.controller", "ACME | privacy")
            .text("destinations.jupiterone.account", "demo")
            .set("destinations.jupiterone.api_key", "{ file = \"key\" }")
    });
    let page = scene.program(&["privacy", "record"]);
    assert_eq!(page.exit, Some(0), "{}", page.stderr);
    for text in ["inventory of the estate", "ACME \\| privacy", "api.us.jupiterone.io"] {
        assert!(page.stdout.contains(text), "{text} is not in {}", page.stdout);
    }
    let warning = "the tenant's data lies in region eu, and JupiterOne is in us";
    assert!(page.stderr.contains(warning), "{}", page.stderr);
    let checked = scene.program(&["check"]);
    assert!(checked.stdout.contains(warning), "{}", checked.stdout);

    let record = scene.program(&["privacy", "record", "--output", "json"]);
    let record: Value = serde_json::from_str(&record.stdout).expect("the record is JSON");
    let categories = record["categories"].as_array().expect("there are categories");
    let users = categories.iter().find(|category| category["type"] == "nexthink_user");
    assert_eq!(users.map(|user| &user["objects"]), Some(&6.into()));
    assert_eq!(record["generation"], scene.published().id().as_str());
}
