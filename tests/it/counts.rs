//! The counts that a run arrives at, against those of the tenant itself.

use std::collections::BTreeMap;

use core_simulator::{SavedQuery, TenantCounts, TenantSpec};

use crate::kit::{Run, Scene};

const STEPS: [(&str, SavedQuery); 4] = [
    ("fetch-devices", SavedQuery::Devices),
    ("fetch-users", SavedQuery::Users),
    ("fetch-packages", SavedQuery::Packages),
    ("fetch-alerts", SavedQuery::Alerts),
];

const ENTITIES: [&str; 5] =
    ["nexthink_account", "nexthink_alert", "nexthink_device", "nexthink_package", "nexthink_user"];

fn expected(counts: &TenantCounts) -> BTreeMap<&'static str, u64> {
    BTreeMap::from([
        ("nexthink_account", 1),
        ("nexthink_device", counts.devices),
        ("nexthink_user", counts.users),
        ("nexthink_package", counts.packages),
        ("nexthink_alert", counts.alerts),
        ("nexthink_account_has_device", counts.devices),
        ("nexthink_account_has_user", counts.users),
        ("nexthink_device_installed_package", counts.installations),
        ("nexthink_device_has_alert", counts.alerts_with_device),
        ("nexthink_user_has_alert", counts.alerts_with_user),
    ])
}

fn number(run: &Run, step: &str, path: &str) -> u64 {
    let value = run.step(step).pointer(path);
    value.and_then(serde_json::Value::as_u64).unwrap_or_else(|| panic!("{step} has no {path}"))
}

/// Every row that was read became something.
fn assert_accounts_close(run: &Run) {
    let steps = run.report["steps"].as_array().expect("a report lists its steps");
    assert!(steps.len() >= 5, "{steps:?}");
    for step in steps {
        let id = step["id"].as_str().expect("a step has an id");
        let ends = ["/rows/used", "/rows/merged", "/rows/quarantined"];
        let sum: u64 = ends.into_iter().map(|end| number(run, id, end)).sum();
        assert_eq!(number(run, id, "/rows/read"), sum, "{step}");
    }
}

#[test]
fn a_large_estate_arrives_whole() {
    let scene = Scene::of(TenantSpec {
        devices: 2_000,
        users: 1_500,
        packages_per_device: 60,
        alerts: 300,
        ..TenantSpec::default()
    });
    let run = scene.run_completely();
    let counts = scene.counts();
    assert_eq!(counts.rows[&SavedQuery::Packages], 120_000);
    assert_eq!(run.objects(), expected(&counts));
    for (step, query) in STEPS {
        assert_eq!(number(&run, step, "/rows/read"), counts.rows[&query], "{step}");
        assert_eq!(number(&run, step, "/rows/merged"), 0, "{step}");
        assert_eq!(number(&run, step, "/dangling"), 0, "{step}");
    }
    assert_accounts_close(&run);
    assert_eq!(run.partial_types(), [""; 0]);

    let sql = "select _type, count(*) n from entities group by 1 \
               union all select _type, count(*) n from relationships group by 1";
    let answer = scene.query(sql);
    let answer: BTreeMap<&str, u64> = answer
        .iter()
        .filter_map(|row| Some((row["_type"].as_str()?, row["n"].as_u64()?)))
        .collect();
    assert_eq!(answer, expected(&counts));
}

#[test]
fn duplicates_are_merged_and_dangling_rows_counted() {
    let scene =
        Scene::of(TenantSpec { dangling_rows: 7, duplicate_rows: 11, ..TenantSpec::default() });
    let run = scene.run_completely();
    let counts = scene.counts();
    assert_eq!(run.objects(), expected(&counts));
    for (step, query) in STEPS {
        assert_eq!(number(&run, step, "/rows/read"), counts.rows[&query], "{step}");
        assert_eq!(number(&run, step, "/rows/merged"), 11, "{step}");
        assert_eq!(number(&run, step, "/rows/quarantined"), 0, "{step}");
    }
    assert_accounts_close(&run);
    assert_eq!(counts.dangling_installations, 7);
    assert_eq!(number(&run, "fetch-packages", "/dangling"), counts.dangling_installations);
    assert_eq!(counts.dangling_alerts, 7);
    assert_eq!(number(&run, "fetch-alerts", "/dangling"), counts.dangling_alerts);
    for table in ENTITIES {
        assert_eq!(scene.keys(table).len() as u64, expected(&counts)[table]);
    }
}

#[test]
fn the_report_that_is_printed_is_kept_with_the_generation() {
    let scene = Scene::of(TenantSpec::default());
    let run = scene.run_completely();
    let generation = scene.published();
    assert_eq!(run.report["runId"], generation.id().as_str());
    let kept = generation.attachment("run.json").expect("the store is whole");
    let kept = String::from_utf8(kept.expect("it is listed")).expect("it is text");
    let kept: serde_json::Value = serde_json::from_str(&kept).expect("it is JSON");
    // The ledger goes on after the report was kept.
    let mut printed = run.report;
    let ledger = printed.as_object_mut().and_then(|members| members.remove("ledger"));
    assert!(ledger.is_some_and(|entry| entry["sequence"] == 2));
    assert_eq!(kept, printed);
    generation.verify().expect("every file is as the manifest says");
}
