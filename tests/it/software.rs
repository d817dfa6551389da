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

    tables_say_the_same(&scene, all.len(), affected.len());
}

/// The tables for queries are made from files beside the configuration.
fn tables_say_the_same(scene: &Scene, eol_rows: usize, advisory_rows: usize) {
    let eol = "select kind, count(*) n from software_eol group by 1 order by 1";
    let missing = scene.program(&["query", eol]);
    assert_eq!(missing.exit, Some(2), "{}", missing.stderr);
    assert!(missing.stderr.contains("software_eol is made from software"), "{}", missing.stderr);
    fs::create_dir(scene.path("software")).expect("a folder can be made");
    for name in ["products.json", "advisories.csv"] {
        fs::copy(scene.path(name), scene.path("software").join(name)).expect("ours");
    }
    let counted: u64 = scene.query(eol).iter().filter_map(|row| row["n"].as_u64()).sum();
    assert_eq!(counted, eol_rows as u64);
    // The package leads to its devices, without personal columns too.
    let affected = "select m.advisory, count(distinct m._key) n, count(*) devices from advisory_match m \
                    join nexthink_device_installed_package i on i._toEntityKey = m.package group by 1";
    let ended = scene.program(&["query", "--without-personal", "--output", "json", affected]);
    let rows: Vec<Value> = serde_json::from_str(&ended.stdout).expect("a list");
    assert_eq!((&rows[0]["advisory"], &rows[0]["n"]), (&"ADV-1".into(), &advisory_rows.into()));
    assert!(rows[0]["devices"].as_u64() >= rows[0]["n"].as_u64(), "{rows:?}");
    let j1ql = "FIND software_eol WITH kind = 'system' AS s RETURN count(s) AS n";
    let systems = scene.query(&format!("{eol} limit 2"));
    let ended = scene.program(&["query", "--output", "json", j1ql]);
    let found: Vec<Value> = serde_json::from_str(&ended.stdout).expect("a list");
    assert_eq!(
        Some(&found[0]["n"]),
        systems.iter().find(|row| row["kind"] == "system").map(|row| &row["n"])
    );
}
