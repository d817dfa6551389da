//! The commands that look at single entities.

use core_simulator::TenantSpec;
use serde_json::Value;

use crate::kit::Scene;

fn published() -> Scene {
    let scene = Scene::of(TenantSpec::default());
    scene.run_completely();
    scene
}

fn json(scene: &Scene, arguments: &[&str]) -> Value {
    let ended = scene.program(&[arguments, &["--output", "json"]].concat());
    assert_eq!((ended.exit, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
}

#[test]
fn an_entity_is_shown_with_counts_that_a_query_agrees_with() {
    let scene = published();
    let most = "select d._key, d.name, count(*) n from nexthink_device d join \
         nexthink_device_has_alert a on a._fromEntityKey = d._key group by 1, 2 order by 3 desc, 1 limit 1";
    let device = &scene.query(most)[0];
    let (key, name) =
        (device["_key"].as_str().expect("a key"), device["name"].as_str().expect("a name"));
    let shown = json(&scene, &["show", key]);
    assert_eq!(shown["entity"]["name"], device["name"]);
    assert_eq!(shown["alerts"]["count"], device["n"]);
    assert_eq!(shown["history"]["generations"], 1);
    for group in shown["neighbors"].as_array().expect("a list") {
        let table = group["relationship"].as_str().expect("a type");
        let end = if group["direction"] == "out" { "_fromEntityKey" } else { "_toEntityKey" };
        let count = format!("select count(*) n from {table} where {end} = '{key}'");
        assert_eq!(scene.query(&count)[0]["n"], group["count"], "{table}");
    }
    // The name, in another case, stands for the same device.
    assert_eq!(json(&scene, &["show", &name.to_lowercase()])["entity"], shown["entity"]);
    let table = scene.program(&["show", key]).stdout;
    assert!(table.contains(">> INSTALLED") && table.contains("first seen in"), "{table}");

    let around = json(&scene, &["neighbors", key, "--limit", "3"]);
    let hidden: u64 = around["hidden"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|row| row["count"].as_u64())
        .sum();
    let shown_edges = around["edges"].as_array().expect("a list").len() as u64;
    let counts = shown["neighbors"].as_array().expect("a list").iter();
    assert_eq!(
        hidden + shown_edges,
        counts.filter_map(|group| group["count"].as_u64()).sum::<u64>()
    );
}

#[test]
fn a_name_of_several_entities_and_one_of_none_are_answered_with_candidates() {
    let scene = published();
    let twice = "select name from nexthink_alert group by 1 having count(*) > 1 order by 1 limit 1";
    let name = scene.query(twice)[0]["name"].as_str().expect("a name").to_owned();
    let ended = scene.program(&["show", &name]);
    assert_eq!(ended.exit, Some(2));
    assert!(ended.stderr.contains("entities are named"), "{}", ended.stderr);
    assert!(ended.stdout.contains("nexthink_alert:"), "{}", ended.stdout);
    let ended = scene.program(&["neighbors", "no such thing"]);
    assert_eq!((ended.exit, ended.stdout.as_str()), (Some(2), ""));
    assert!(
        ended.stderr.contains("no entity has the key or name no such thing"),
        "{}",
        ended.stderr
    );
    let ended = scene.program(&["search", "x", "--type", "nexthink_thing"]);
    assert_eq!(ended.exit, Some(2));
    assert!(ended.stderr.contains("there is no type nexthink_thing"), "{}", ended.stderr);
}

#[test]
fn a_path_avoids_the_account_and_reads_leave_a_line_in_the_ledger() {
    let scene = published();
    let pair = "select a._fromEntityKey a, b._fromEntityKey b from nexthink_device_installed_package a \
         join nexthink_device_installed_package b on a._toEntityKey = b._toEntityKey \
         where a._fromEntityKey < b._fromEntityKey order by 1, 2 limit 1";
    let pair = &scene.query(pair)[0];
    let (one, two) = (pair["a"].as_str().expect("a key"), pair["b"].as_str().expect("a key"));
    let path = json(&scene, &["path", one, two]);
    let types: Vec<_> = path["entities"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entity| &entity["_type"])
        .collect();
    assert_eq!(types, ["nexthink_device", "nexthink_package", "nexthink_device"]);
    let ended = scene.program(&["privacy", "ledger", "list"]);
    assert!(ended.stdout.contains("graph_read"), "{}", ended.stdout);
    assert!(!ended.stdout.contains(one), "{}", ended.stdout);
}

#[test]
fn people_can_be_left_out_of_what_is_found() {
    let scene = published();
    let name = "select name from nexthink_user where name like '% %' order by 1 limit 1";
    let name = scene.query(name)[0]["name"].as_str().expect("a name").to_owned();
    assert_ne!(json(&scene, &["search", &name])["hits"], Value::Array(Vec::new()));
    let found = json(&scene, &["search", &name, "--without-personal"]);
    assert_eq!(found["hits"], Value::Array(Vec::new()));
}
