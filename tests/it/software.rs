//! The `software` commands, with files of invented products.

use std::fs;

use core_simulator::TenantSpec;
use serde_json::Value;

use crate::kit::Scene;

#[test]
fn the_end_of_support_and_advisories_come_from_the_files_of_the_user() {
    let scene = Scene::of(TenantSpec::default());
    scene.run_completely();
    let write = |name: &str, text: &str| fs::write(scene.folder().join(name), text).expect("ours");
    write("products.json", include_str!("../../core/software/tests/data/products.json"));
    write("advisories.csv", "id,publisher,name,fixed_in\nADV-1,Nexthink,Nexthink Coll*,99\n");
    let json = |words: &[&str]| -> Vec<Value> {
        let ended = scene.program(&[&["software"], words, &["--output", "json"]].concat());
        assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
        serde_json::from_str(&ended.stdout).expect("a list")
    };
    let all = json(&["eol", "--products", "products.json"]);
    let windows =
        scene.query("select count(*) n from nexthink_device where osName like 'Windows%'");
    let found = all.iter().filter(|line| line["product"] == "windows");
    let devices: u64 = found.filter_map(|line| line["devices"].as_u64()).sum();
    assert_eq!(Some(devices), windows[0]["n"].as_u64(), "every build has a release");
    let ended = json(&["eol", "--products", "products.json", "--ended"]);
    assert!(ended.len() < all.len());
    assert!(ended.iter().all(|line| line["state"] != "supported"), "{ended:?}");
    assert!(ended.iter().any(|line| line["releases"][0] == "10-22h2"), "{ended:?}");
    let packages = scene.query("select count(*) n from nexthink_package");
    let unmapped = json(&["eol", "--products", "products.json", "--unmapped"]);
    let mapped: Vec<&Value> = all.iter().filter(|line| line["kind"] == "package").collect();
    assert!(mapped.iter().all(|line| line["name"] == "Contoso Backup"), "{mapped:?}");
    let count = (unmapped.len() + mapped.len()) as u64;
    assert_eq!(Some(count), packages[0]["n"].as_u64(), "no name is guessed");

    let affected = json(&["advisories", "--file", "advisories.csv"]);
    assert!(!affected.is_empty());
    for line in &affected {
        assert!(line["name"].as_str().is_some_and(|name| name.starts_with("Nexthink Coll")));
        assert_eq!((&line["verdict"], &line["sourceAgeDays"]), (&"affected".into(), &0.into()));
    }
    let wrong = scene.program(&["software", "advisories", "--file", "products.json"]);
    assert_eq!(wrong.exit, Some(2), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("products.json is not a CSV file of advisories"));
}
