//! The `diff` command.

use core_simulator::TenantSpec;
use serde_json::Value;

use crate::kit::Scene;

/// A tenant with two generations, of which the second has three more devices.
fn two_generations() -> Scene {
    let scene = Scene::of(TenantSpec::default());
    scene.run_completely();
    // Alerts and users keep to the devices that they had.
    scene.update(|behaviour| behaviour.tenant.devices += 3);
    scene.run(&[]);
    scene
}

fn json(scene: &Scene, arguments: &[&str]) -> Value {
    let words = [&["diff", "--output", "json"], arguments].concat();
    let ended = scene.program(&words);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).expect("it is JSON")
}

#[test]
fn what_was_added_is_counted_listed_and_queried() {
    let scene = two_generations();
    let report = json(&scene, &[]);
    assert_eq!(report["differs"], true);
    let types = report["types"].as_array().expect("a list");
    let devices = types.iter().find(|diff| diff["type"] == "nexthink_device").expect("compared");
    assert_eq!((&devices["added"], &devices["removed"]), (&3.into(), &0.into()), "{devices}");
    assert!(devices["ignored"].to_string().contains("lastSeenOn"), "{devices}");

    let devices = ["--names", "--type", "nexthink_device"];
    let names = json(&scene, &devices);
    let names = names.as_array().expect("a list");
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|name| name["change"] == "added" && name["displayName"].is_string()));
    let without = json(&scene, &[&devices[..], &["--without-personal"]].concat());
    assert!(without.as_array().expect("a list").iter().all(|name| name["displayName"].is_null()));

    let sql = "select count(*) n from diff_entities where _type = 'nexthink_device'";
    let ended = scene.program(&["query", "-o", "json", "--diff", "previous", "current", sql]);
    assert!(ended.stdout.contains("\"n\":3"), "{} {}", ended.stdout, ended.stderr);
    let page = scene.program(&["diff", "--names", "--output", "html"]);
    assert!(page.stdout.ends_with("</html>\n") && !page.stdout.contains("<script"));
    let ledger = scene.program(&["privacy", "ledger", "list"]);
    assert!(ledger.stdout.contains("diff"), "{}", ledger.stdout);
}

#[test]
fn the_exit_code_tells_a_difference_only_if_it_is_asked_to() {
    let scene = two_generations();
    assert_eq!(scene.program(&["diff"]).exit, Some(0));
    let ended = scene.program(&["diff", "--exit-code", "-q"]);
    assert_eq!((ended.exit, ended.stderr.as_str()), (Some(10), "error: the generations differ\n"));
    let same = scene.program(&["diff", "current", "--exit-code", "--type", "nexthink_package"]);
    assert_eq!(same.exit, Some(0), "{}", same.stderr);
    let unknown = scene.program(&["diff", "--type", "nexthink_devise"]);
    assert_eq!(unknown.exit, Some(2));
    assert!(unknown.stderr.contains("did you mean nexthink_device?"), "{}", unknown.stderr);
}
