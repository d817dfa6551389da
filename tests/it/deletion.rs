//! Nothing is deleted without proof that it is gone, and what is gone does go.

use std::collections::{BTreeMap, BTreeSet};

use core_simulator::{Behaviour, SavedQuery, TenantSpec};

use crate::kit::{Run, Scene};

const TABLES: [&str; 10] = [
    "nexthink_account",
    "nexthink_account_has_device",
    "nexthink_account_has_user",
    "nexthink_alert",
    "nexthink_device",
    "nexthink_device_has_alert",
    "nexthink_device_installed_package",
    "nexthink_package",
    "nexthink_user",
    "nexthink_user_has_alert",
];

/// The types that the packages export makes.
const OF_PACKAGES: [&str; 2] = ["nexthink_device_installed_package", "nexthink_package"];

/// The types that lose nothing while devices may be missing.
const OF_DEVICES: [&str; 4] = [
    "nexthink_account_has_device",
    "nexthink_device",
    "nexthink_device_has_alert",
    "nexthink_device_installed_package",
];

fn keys(scene: &Scene) -> BTreeMap<&'static str, BTreeSet<String>> {
    TABLES.into_iter().map(|table| (table, scene.keys(table))).collect()
}

/// Runs, and checks that the report and the manifest call exactly these types partial.
fn run_partially(scene: &Scene, exit: i32, types: &[&str]) -> Run {
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(exit), "{}", run.ended.stderr);
    assert_eq!(run.report["exitCode"], exit);
    // A step that was not to run makes no run partial, but its types are.
    assert_eq!(run.report["outcome"], if exit == 0 { "complete" } else { "partial" });
    assert_eq!(sorted(run.partial_types()), types);
    let generation = scene.published();
    let partial = generation.manifest().tables.iter().filter(|table| table.partial);
    let partial = partial.map(|table| table.name.as_str());
    assert_eq!(sorted(partial.collect()), types);
    run
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

/// An estate of which a little goes, so little that no guard asks.
fn retire_a_few_packages(behaviour: &mut Behaviour) {
    behaviour.tenant.retired_packages = 2;
}

/// Breaks the packages export, checks that nothing goes although the estate has changed, mends the
/// export and checks that it goes then.
fn assert_kept_until_mended(outcome: &str, reason: &str, fault: fn(&mut Behaviour)) {
    let scene = Scene::of(TenantSpec::default());
    scene.run_completely();
    let before = keys(&scene);

    scene.update(|behaviour| {
        retire_a_few_packages(behaviour);
        fault(behaviour);
    });
    let run = run_partially(&scene, 7, &OF_PACKAGES);
    let step = run.step("fetch-packages");
    assert_eq!(step["outcome"], outcome);
    let told = step["reason"].as_str().expect("what is not complete has a reason");
    assert!(told.contains(reason), "{told}");
    assert!(before == keys(&scene), "something was lost, or made up");

    scene.update(|behaviour| {
        let tenant = behaviour.tenant.clone();
        *behaviour = Behaviour { tenant, ..Behaviour::default() };
    });
    let run = scene.run_completely();
    assert_eq!(run.partial_types(), [""; 0]);
    let (after, counts) = (keys(&scene), scene.counts());
    assert_eq!(after["nexthink_package"].len() as u64, counts.packages);
    assert_eq!(after["nexthink_device_installed_package"].len() as u64, counts.installations);
    for table in TABLES {
        assert!(after[table].is_subset(&before[table]), "{table}");
        let shrinks = OF_PACKAGES.contains(&table);
        assert_eq!(after[table].len() < before[table].len(), shrinks, "{table}");
    }
}

#[test]
fn a_truncated_export_deletes_nothing() {
    assert_kept_until_mended("partial", "truncated", |behaviour| {
        behaviour.row_caps.insert(SavedQuery::Packages, 500);
    });
}

#[test]
fn a_forbidden_query_deletes_nothing() {
    assert_kept_until_mended("failed", "access to query #j1_packages is forbidden", |behaviour| {
        behaviour.forbidden.insert(SavedQuery::Packages);
    });
}

#[test]
fn an_export_that_fails_in_nexthink_deletes_nothing() {
    assert_kept_until_mended("failed", "failed in Nexthink: out of memory", |behaviour| {
        behaviour.failing.insert(SavedQuery::Packages, "out of memory".to_owned());
    });
}

#[test]
fn an_unsaved_query_deletes_nothing() {
    assert_kept_until_mended("failed", "query #j1_packages does not exist", |behaviour| {
        behaviour.missing.insert(SavedQuery::Packages);
    });
}

#[test]
fn a_blank_query_id_skips_its_step_and_deletes_nothing() {
    let scene = Scene::of(TenantSpec::default());
    scene.run_completely();
    let before = keys(&scene);
    scene.update(retire_a_few_packages);
    scene.configure(|configuration| configuration.text("queries.packages", ""));

    let run = run_partially(&scene, 0, &OF_PACKAGES);
    assert_eq!(run.step("fetch-packages")["outcome"], "skipped");
    assert!(before == keys(&scene), "something was lost, or made up");

    let told = scene.program(&["run"]);
    assert_eq!(told.exit, Some(0));
    let remark = "fetch-packages: skipped: no query ID in `queries.packages`\n";
    assert!(told.stderr.contains(remark), "{}", told.stderr);
}

#[test]
fn a_step_that_was_not_asked_for_deletes_nothing() {
    let scene = Scene::of(TenantSpec::default());
    scene.run_completely();
    let before = keys(&scene);
    scene.update(|behaviour| {
        retire_a_few_packages(behaviour);
        behaviour.tenant.users -= 10;
    });
    let run = scene.run(&["--step", "fetch-users"]);
    assert_eq!(run.ended.exit, Some(0), "{}", run.ended.stderr);
    let after = keys(&scene);
    for table in TABLES {
        // An edge may only go when both its ends were looked at.
        let shrinks = ["nexthink_user", "nexthink_account_has_user"].contains(&table);
        assert_eq!(
            before[table].len() - after[table].len(),
            if shrinks { 10 } else { 0 },
            "{table}"
        );
    }
}

#[test]
fn many_devices_go_only_when_that_is_accepted_once() {
    let scene = Scene::of(TenantSpec::default());
    scene.run_completely();
    let before = keys(&scene);
    let halve = |behaviour: &mut Behaviour| behaviour.tenant.devices /= 2;
    let is_guarded = |n_devices: usize| {
        let run = scene.run(&[]);
        assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
        let step = run.step("fetch-devices");
        assert_eq!(step["outcome"], "partial");
        let removals = format!("{} of {n_devices}", n_devices / 2);
        let reason = format!(
            "{removals} `nexthink_device` would be removed and {removals} \
             `nexthink_account_has_device` would be removed; if that is right, run once with \
             --accept-shrink nexthink_device --accept-shrink nexthink_account_has_device"
        );
        assert_eq!(step["reason"], reason);
        assert_eq!(scene.keys("nexthink_device").len(), n_devices);
        for table in OF_DEVICES {
            assert!(run.partial_types().contains(&table), "{table}");
        }
    };

    scene.update(halve);
    is_guarded(120);
    assert!(
        before["nexthink_device_installed_package"]
            .is_subset(&scene.keys("nexthink_device_installed_package"))
    );

    let accepted = ["nexthink_device", "nexthink_account_has_device", "nexthink_package"];
    let accepted = scene.run(&accepted.map(|accepted| ["--accept-shrink", accepted]).concat());
    assert_eq!(accepted.ended.exit, Some(0), "{}", accepted.ended.stdout);
    let counts = scene.counts();
    let after = keys(&scene);
    assert_eq!(after["nexthink_device"].len(), 60);
    assert_eq!(after["nexthink_account_has_device"].len(), 60);
    assert_eq!(after["nexthink_device_installed_package"].len() as u64, counts.installations);
    assert_eq!(after["nexthink_device_has_alert"].len() as u64, counts.alerts_with_device);

    scene.update(halve);
    is_guarded(60);
}

#[test]
fn many_relationships_go_only_when_that_is_accepted() {
    let scene = Scene::of(TenantSpec::default());
    scene.run_completely();
    let installed = "nexthink_device_installed_package";
    let before = scene.keys(installed);
    // The most popular ones: few packages, but many installations.
    scene.update(|behaviour| behaviour.tenant.retired_packages = 12);
    let removed = before.len() as u64 - scene.counts().installations;
    assert!(removed * 100 > before.len() as u64 * 15, "{removed} of {}", before.len());

    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    let reason = run.step("fetch-packages")["reason"].as_str().unwrap_or("");
    assert!(reason.contains("--accept-shrink nexthink_device_installed_package"), "{reason}");
    assert!(before == scene.keys(installed), "something was lost, or made up");

    let run = scene.run(&["--accept-shrink", installed]);
    assert_eq!(run.ended.exit, Some(0), "{}", run.ended.stdout);
    assert_eq!(scene.keys(installed).len() as u64, scene.counts().installations);
}

#[test]
fn edges_are_drawn_to_devices_that_were_carried_over() {
    let scene = Scene::of(TenantSpec { retired_packages: 2, ..TenantSpec::default() });
    scene.run_completely();
    let before = keys(&scene);
    scene.update(|behaviour| {
        behaviour.tenant.retired_packages = 0;
        behaviour.row_caps.insert(SavedQuery::Devices, 50);
    });
    let run = run_partially(&scene, 7, &OF_DEVICES);
    assert_eq!(run.step("fetch-devices")["rows"]["read"], 50);
    assert_eq!(run.step("fetch-packages")["outcome"], "complete");
    assert_eq!(run.step("fetch-packages")["dangling"], 0);
    let (after, counts) = (keys(&scene), scene.counts());
    assert_eq!(after["nexthink_device"], before["nexthink_device"]);
    assert_eq!(after["nexthink_package"].len() as u64, counts.packages);
    let installed = "nexthink_device_installed_package";
    assert_eq!(after[installed].len() as u64, counts.installations);
    assert!(after[installed].len() > before[installed].len());
}
