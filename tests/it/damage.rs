//! Damage to what is stored: no command reads it as if it were whole, and `history` and `store verify` say
//! where it is.

use std::fs;
use std::path::Path;

use core_simulator::TenantSpec;
use serde_json::Value;

use crate::kit::Scene;

fn published() -> Scene {
    let scene = Scene::of(TenantSpec { devices: 40, users: 30, ..TenantSpec::default() });
    scene.run_completely();
    scene
}

/// Changes one bit of a value, which Parquet does not notice.
fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).expect("it can be read");
    bytes[40] ^= 1;
    fs::write(path, bytes).expect("it can be written");
}

fn flip_a_bit_of(scene: &Scene, table: &str) {
    flip_a_bit(&scene.published().folder().join(format!("{table}/part-00000.parquet")));
}

#[test]
fn j7_a_damaged_table_is_refused_by_every_command_that_reads_it() {
    let scene = published();
    flip_a_bit_of(&scene, "entities/nexthink_device");
    let table: [&[&str]; 5] = [
        &["query", "select name from nexthink_device"],
        &["query", "--output", "csv", "select count(*) from entities"],
        &["export", "jupiterone", "./collected"],
        &["run", "--step", "fetch-users"],
        &["store", "verify"],
    ];
    for arguments in table {
        let ended = scene.program(arguments);
        assert_ne!(ended.exit, Some(0), "{arguments:?}");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains("has another content"), "{arguments:?}: {said}");
        assert!(ended.stderr.contains("damaged"), "{arguments:?}: {said}");
    }
    let ended = scene.program(&["query", "select count(*) from nexthink_device"]);
    assert_eq!(ended.exit, Some(5), "{}", ended.stderr);
    // What is not damaged can be asked still.
    assert_eq!(scene.query("select count(*) n from nexthink_user")[0]["n"], 30);
}

#[test]
fn j7_damage_is_shown_by_the_history_and_listed_by_verify() {
    let scene = published();
    let verified = scene.program(&["store", "verify"]);
    assert_eq!((verified.exit, verified.stderr.as_str()), (Some(0), ""));
    assert!(verified.stdout.contains("whole"), "{}", verified.stdout);

    let first = scene.published();
    scene.update(|behaviour| behaviour.tenant.alerts += 1);
    scene.run_completely();
    let damaged = "relationships/nexthink_device_installed_package/part-00000.parquet";
    flip_a_bit(&first.folder().join(damaged));
    fs::remove_file(first.folder().join("run.json")).expect("it is there");

    let history = scene.program(&["history"]);
    assert_eq!(history.exit, Some(0));
    assert!(history.stdout.contains("damaged: relationships/"), "{}", history.stdout);
    let history = scene.program(&["history", "--output", "json"]);
    let history: Value = serde_json::from_str(&history.stdout).expect("it is JSON");
    let findings = [
        format!("{damaged} has another content than when it was written"),
        "run.json is missing".to_owned(),
    ];
    assert_eq!(history[0]["damage"], Value::Array(Vec::new()));
    assert_eq!(history[1]["damage"], Value::from(findings.to_vec()));

    let verified = scene.program(&["store", "verify", "--output", "ndjson"]);
    assert_eq!(verified.exit, Some(5), "{}", verified.stderr);
    assert!(
        verified.stderr.contains("1 of 2 parts of the store are damaged"),
        "{}",
        verified.stderr
    );
    let parts: Vec<Value> =
        verified.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let is_damaged: Vec<_> = parts.iter().map(|part| &part["isDamaged"]).collect();
    assert_eq!(is_damaged, [false, true]);
    assert_eq!(parts[1]["findings"], Value::from(findings.to_vec()));
    // The published generation is whole and can be asked.
    assert_eq!(scene.query("select count(*) n from nexthink_device")[0]["n"], 40);
}
