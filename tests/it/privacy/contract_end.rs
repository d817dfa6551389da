//! The end of a contract from outside: everything that is stored is returned in a readable form, then removed
//! and certified.

use std::fs;
use std::path::PathBuf;

use core_simulator::TenantSpec;
use serde_json::Value;

use super::erasure::Place;
use crate::kit::{Ended, Scene, TENANT, files};

/// The paths of all files below a folder of the scene, relative to it.
fn names(scene: &Scene, folder: &str) -> Vec<String> {
    let root = scene.path(folder);
    let relative = |path: PathBuf| path.strip_prefix(&root).map(|path| path.display().to_string());
    files(&root).into_iter().filter_map(|path| relative(path).ok()).collect()
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", ended.stdout, ended.stderr))
}

#[test]
fn everything_that_is_stored_is_returned_in_a_readable_form() {
    let place = Place::new("full");
    let scene = &place.scene;
    scene.run_completely();
    let first = scene.published().id().to_string();
    scene.run_completely();
    let published = scene.published();
    let exported = json(&place.done(&["export", "everything", "out", "--output", "json"]));

    for table in &published.manifest().tables {
        let kind = if table.from_type.is_some() { "relationships" } else { "entities" };
        let path = format!("generations/{}/{kind}/{}.csv", published.id(), table.name);
        let text = fs::read_to_string(scene.path("out").join(&path)).expect(&path);
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        let columns = rows.headers().map(csv::StringRecord::len).expect("there is a header");
        assert_eq!(columns, table.columns.len(), "{path}");
        assert_eq!(rows.records().count() as u64, table.rows, "{path}");
        assert_eq!(exported["tables"][&path], table.rows, "{path}");
    }
    let names = names(scene, "out");
    let stored = place.scene.store().files().expect("the store can be listed");
    let is_small = |name: &str| !name.contains('/') && !name.starts_with("lock");
    let small = stored.iter().filter(|(name, _)| is_small(name));
    for (name, _) in small {
        assert!(names.contains(&format!("state/{name}")), "{name} of {names:?}");
    }
    for name in ["README.md", "ledger/entries.ndjson", &format!("generations/{first}/run.json")] {
        assert!(names.iter().any(|other| other == name), "{name} of {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains(".parquet") || name == "INCOMPLETE"));
    let ledger = scene.program(&["privacy", "ledger", "list", "--output", "json"]);
    assert!(ledger.stdout.contains("data_return"), "{}", ledger.stdout);

    let parquet = place.done(&["export", "everything", "raw", "--format", "parquet"]);
    assert!(parquet.stderr.contains("README.md"), "{}", parquet.stderr);
    let entities = format!("raw/generations/{}/entities/nexthink_device", published.id());
    let copied = fs::read(scene.path(&entities).join("part-00000.parquet")).expect("it is there");
    assert_eq!(copied, scene.tables()["entities/nexthink_device/part-00000.parquet"]);
}

#[test]
fn an_export_of_everything_overwrites_nothing() {
    let place = Place::new("full");
    place.scene.run_completely();
    fs::create_dir(place.scene.path("mine")).expect("a folder can be made");
    place.scene.write("mine/notes.txt", "precious");
    place.done(&["export", "everything", "again"]);
    fs::create_dir(place.scene.path("cut")).expect("a folder can be made");
    place.scene.write("cut/INCOMPLETE", "");
    for (folder, expected) in
        [("mine", "is not empty"), ("again", "is not empty"), ("cut", "interrupted")]
    {
        let before = names(&place.scene, folder);
        let refused = place.scene.program(&["export", "everything", folder]);
        assert_eq!(refused.exit, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains(expected), "{folder}: {}", refused.stderr);
        assert_eq!(names(&place.scene, folder), before);
    }
}

#[test]
fn a_damaged_generation_is_named_and_keeps_no_other_from_being_returned() {
    let place = Place::new("full");
    place.scene.run_completely();
    let damaged = place.scene.published().id().to_string();
    place.scene.run_completely();
    let folder = place.scene.path("store").join(TENANT).join("generations").join(&damaged);
    let table = files(&folder.join("entities")).pop().expect("there is a table");
    fs::write(&table, "no table").expect("the store is ours");
    let exported = place.scene.program(&["export", "everything", "out", "--output", "json"]);
    assert_eq!(exported.exit, Some(5), "{}", exported.stderr);
    assert!(exported.stderr.contains(&damaged), "{}", exported.stderr);
    let report = json(&exported);
    assert!(report["unreadable"][&damaged].is_string(), "{report}");
    let whole = format!("generations/{}/manifest.json", place.scene.published().id());
    assert!(names(&place.scene, "out").contains(&whole));
    let readme = fs::read_to_string(place.scene.path("out/README.md")).expect("it is there");
    assert!(readme.contains(&damaged), "{readme}");
}

#[test]
fn n11_a_damaged_file_of_events_is_named_and_keeps_nothing_else_from_being_returned() {
    let place = Place::with("full", |scene, configuration| {
        configuration
            .text("audit.host", scene.api())
            .text("audit.account", "demo")
            .set("audit.password", "{ file = \"secret\" }")
            .set("audit.since_days", "3")
    });
    place.scene.run_completely();
    let log = place.scene.path("store").join(TENANT).join("events/audit");
    let events = files(&log)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    let [damaged, _, ..] = &events.collect::<Vec<_>>()[..] else { panic!("several days") };
    let all = place.scene.query("select count(*) n from nexthink_audit_event")[0]["n"].as_u64();
    let all = all.expect("a number");
    let mut bytes = fs::read(damaged).expect("it can be read");
    bytes[40] ^= 1;
    fs::write(damaged, bytes).expect("the store is ours");
    for format in ["csv", "parquet"] {
        let export = ["export", "everything", format, "--format", format, "--output", "json"];
        let exported = place.scene.program(&export);
        assert_eq!(exported.exit, Some(5), "{}", exported.stderr);
        let report = json(&exported);
        let name = damaged.strip_prefix(&log).expect("it is below").display().to_string();
        let finding = report["unreadableEvents"][0].as_str().unwrap_or_default();
        assert!(finding.contains(&name) && exported.stderr.contains(&name), "{report}");
        assert!(
            report["tables"]["generations"].is_null()
                && report["tables"].as_object().is_some_and(|members| members.len() > 5)
        );
        let readme = fs::read_to_string(place.scene.path(format).join("README.md"));
        assert!(readme.expect("it is there").contains(&name));
        assert!(names(&place.scene, format).iter().any(|name| name == "ledger/entries.ndjson"));
        assert!(!names(&place.scene, format).iter().any(|name| name == "INCOMPLETE"));
    }
    let rows = fs::read_to_string(place.scene.path("csv/events/audit.csv")).expect("it is there");
    let rows = csv::Reader::from_reader(rows.as_bytes()).into_records().count() as u64;
    assert!(0 < rows && rows < all, "{rows} of {all}");

    // A log of which not even the list of files can be read.
    fs::write(log.join("state.json"), "{").expect("the store is ours");
    let exported = place.scene.program(&["export", "everything", "rest", "--output", "json"]);
    assert_eq!(exported.exit, Some(5), "{}", exported.stderr);
    assert!(json(&exported)["unreadableEvents"][0].is_string(), "{}", exported.stdout);
}

#[test]
fn n12_a_tenant_that_is_fetched_again_is_not_called_removed() {
    let place = Place::new("full");
    let scene = &place.scene;
    let destroy = ["destroy", "--tenant", TENANT, "--yes"];
    scene.run_completely();
    let operations = scene.operations_of(&destroy);
    let is_renaming = |line: &String| line.starts_with("Rename") && line.contains(".destroying-");
    let renamed = operations.iter().position(is_renaming).expect("the folder is renamed") + 1;
    scene.run_completely();
    let killed = scene.program_with_fault(&destroy, &format!("kill-after@{renamed}"));
    assert_eq!(killed.exit, None, "{}", killed.stderr);
    scene.run_completely();
    let finished = scene.program(&destroy);
    assert_eq!(finished.exit, Some(5), "{}", finished.stderr);
    assert!(finished.stdout.contains("destruction d-"), "{}", finished.stdout);
    assert!(finished.stderr.contains("is stored again"), "{}", finished.stderr);
    place.done(&destroy);
    let again = scene.program(&destroy);
    assert_eq!(again.exit, Some(2), "{}", again.stderr);
}

#[test]
fn a_destruction_removes_all_that_is_stored_and_certifies_it() {
    let place = Place::new("pseudonymous");
    let scene = &place.scene;
    scene.run_completely();
    place.done(&["privacy", "erase", "--user", "nobody@acme.example", "--reason", "r", "--yes"]);
    let stored = names(scene, &format!("store/{TENANT}"));
    let beside = |name: &str| name.contains(".suppressions.json");
    assert!(names(scene, "").iter().any(|name| beside(name)), "the copy beside the key file");

    let preview = place.done(&["destroy", "--tenant", TENANT, "--dry-run", "--output", "json"]);
    let preview = json(&preview);
    let count = preview["files"].as_object().into_iter().flatten();
    let count: u64 = count.filter_map(|(_, kind)| kind["files"].as_u64()).sum();
    // The second lock is made by the preview.
    assert!(count >= stored.len() as u64, "{preview}");
    let unconfirmed = scene.program(&["destroy", "--tenant", TENANT]);
    assert_eq!(unconfirmed.exit, Some(2), "{}", unconfirmed.stderr);
    assert!(unconfirmed.stderr.contains("--yes"), "{}", unconfirmed.stderr);
    let unknown = scene.program(&["destroy", "--tenant", "other", "--yes"]);
    assert_eq!(unknown.exit, Some(2), "{}", unknown.stderr);
    let kept = names(scene, &format!("store/{TENANT}"));
    assert!(stored.iter().all(|name| kept.contains(name)), "nothing is removed so far");

    let destroyed = place.done(&["destroy", "--tenant", TENANT, "--yes", "--output", "json"]);
    assert!(destroyed.stderr.contains("JupiterOne"), "{}", destroyed.stderr);
    let certificate = json(&destroyed);
    let left = names(scene, "store");
    let [name] = left.as_slice() else { panic!("only the certificate is left: {left:?}") };
    let written = fs::read_to_string(scene.path("store").join(name)).expect("it is there");
    assert_eq!(serde_json::from_str::<Value>(&written).expect("it is JSON"), certificate);
    assert_eq!(certificate["copiesRemoved"], 1);
    assert!(certificate["endedAt"].is_string() && certificate["ledger"]["hash"].is_string());
    assert!(!written.contains("nobody@"), "{written}");
    assert!(!names(scene, "").iter().any(|name| beside(name)), "the copy is removed too");
    let again = scene.program(&["destroy", "--tenant", TENANT, "--yes"]);
    assert_eq!(again.exit, Some(2), "{}", again.stderr);
}

#[test]
fn a_destruction_waits_for_no_run_and_no_delivery() {
    let scene = Scene::of(TenantSpec { devices: 5, users: 4, alerts: 3, ..TenantSpec::default() });
    scene.run_completely();
    let lock = scene.store().lock("the test").expect("the lock is free");
    let refused = scene.program(&["destroy", "--tenant", TENANT, "--yes"]);
    assert_eq!(refused.exit, Some(9), "{}", refused.stderr);
    drop(lock);
    let delivery = scene.store().lock_delivery("jupiterone", "the test").expect("the lock is free");
    let refused = scene.program(&["destroy", "--tenant", TENANT, "--yes"]);
    assert_eq!(refused.exit, Some(9), "{}", refused.stderr);
    drop(delivery);
    assert!(
        scene.store().current().is_ok_and(|generation| generation.is_some()),
        "it is all there"
    );
}

#[test]
fn a_destruction_that_is_killed_at_any_file_operation_is_finished_and_certified() {
    let scene = Scene::of(TenantSpec { devices: 5, users: 4, alerts: 3, ..TenantSpec::default() });
    let destroy = ["destroy", "--tenant", TENANT, "--yes"];
    scene.run_completely();
    let operations = scene.operations_of(&destroy);
    assert!(operations.len() > 10, "{operations:?}");
    fs::remove_dir_all(scene.path("store")).expect("the store is ours");
    for number in 1..=operations.len() {
        let case = format!("{number}: {}", operations[number - 1]);
        scene.run_completely();
        let killed = scene.program_with_fault(&destroy, &format!("kill@{number}"));
        assert_eq!(killed.exit, None, "{case}: {}", killed.stderr);
        let stored = names(&scene, "store");
        // No reader sees half of a tenant.
        if stored.iter().any(|name| name.starts_with(TENANT)) {
            scene.published().verify().expect(&case);
        }
        let next = scene.program(&destroy);
        let left = names(&scene, "store");
        let is_done = left.iter().all(|name| name.starts_with("destroyed-")) && left.len() == 1;
        assert!(is_done, "{case}: {left:?}\n{}", next.stderr);
        fs::remove_dir_all(scene.path("store")).expect("the store is ours");
    }
}
