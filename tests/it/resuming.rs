//! An export is paid for once: what a run that was killed or stopped has started, the next run goes on
//! with; and the day's exports are counted.

use std::fs;
use std::time::Duration;

use core_simulator::{Answer, Cut, Fault, FaultAction, FaultPoint, SavedQuery, TenantSpec};

use crate::kit::{Running, Scene, TENANT, until};

const PATIENCE: Duration = Duration::from_secs(20);

fn scene() -> Scene {
    Scene::of(TenantSpec { devices: 40, users: 20, alerts: 5, ..TenantSpec::default() })
}

fn n_exports(scene: &Scene) -> u64 {
    scene.requests().exports.values().sum()
}

/// Kills a run as soon as something is true.
fn kill_when(scene: &Scene, running: Running, is_time: impl Fn() -> bool) {
    let is_time = until(PATIENCE, || is_time().then_some(()));
    assert!(is_time.is_some(), "the run does not get that far");
    running.kill();
    assert_eq!(running.wait().exit, None);
    assert!(!scene.leftovers().is_empty(), "a run that is killed leaves what it has paid for");
}

#[test]
fn d10_a_run_that_is_killed_while_it_polls_costs_no_further_export() {
    let scene = scene();
    scene.update(|behaviour| behaviour.preparation = Duration::from_secs(2));
    let running = scene.start(&["run"]);
    kill_when(&scene, running, || scene.requests().polls >= 8);
    assert_eq!(n_exports(&scene), 4);
    let run = scene.run_completely();
    assert_eq!(n_exports(&scene), 4, "nothing is paid for twice");
    assert_eq!(run.step("fetch-packages")["exports"], 0);
    assert!(run.ended.stderr.contains("export of an earlier run taken up"), "{}", run.ended.stderr);
    assert!(scene.leftovers().is_empty(), "{:?}", scene.leftovers());
}

#[test]
fn d10_a_run_that_is_killed_in_mid_download_goes_on_at_the_byte_where_it_was() {
    let scene = scene();
    scene.update(|behaviour| {
        let packages = behaviour.queries.entry("#j1_packages".to_owned()).or_default();
        // The first download breaks off, and the answer to the second request never comes.
        packages.download.cut = Some(Cut { at: 3_000, times: Some(1) });
        let second =
            Fault { after: 1, times: Some(1), ..Fault::new(FaultPoint::File, FaultAction::Hang) };
        behaviour.faults = vec![Fault { query: Some("#j1_packages".to_owned()), ..second }];
    });
    let running = scene.start(&["run"]);
    let download = scene.path("store").join(TENANT).join("staging/downloads/fetch-packages");
    kill_when(&scene, running, || {
        download.metadata().is_ok_and(|metadata| metadata.len() == 3_000)
            && scene.requests().faults == 1
    });
    scene.run_completely();
    assert_eq!(n_exports(&scene), 4);
    let ranges: Vec<String> = scene
        .recorded()
        .iter()
        .filter_map(|request| request.headers.iter().find(|(name, _)| name == "range"))
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect();
    assert!(ranges.contains(&"bytes=3000-".to_owned()), "{ranges:?}");
}

#[test]
fn d10_files_that_are_here_are_not_asked_for_again() {
    let scene = scene();
    scene.update(|behaviour| {
        _ = behaviour.preparations.insert(SavedQuery::Alerts, Duration::from_hours(1));
    });
    let running = scene.start(&["run"]);
    let downloads = scene.path("store").join(TENANT).join("staging/downloads");
    let is_whole = |name: &str| {
        let note = fs::read_to_string(downloads.join(format!("{name}.json"))).unwrap_or_default();
        note.contains("\"whole\":") && !note.contains("\"whole\":null")
    };
    kill_when(&scene, running, || {
        ["fetch-devices", "fetch-users", "fetch-packages"].into_iter().all(is_whole)
    });
    // The export of alerts will never be done: its note is removed, as it would be by age.
    fs::remove_file(downloads.join("fetch-alerts.json")).expect("it was noted");
    scene.update(|behaviour| behaviour.preparations.clear());
    scene.run_completely();
    assert_eq!((n_exports(&scene), scene.requests().downloads), (5, 4));
}

#[test]
fn what_a_partial_run_could_not_use_is_paid_for_once_all_the_same() {
    let scene = scene();
    scene.update(|behaviour| {
        let fault = Fault::new(FaultPoint::File, FaultAction::Answer(Answer::from_status(503)));
        behaviour.faults = vec![Fault { query: Some("#j1_users".to_owned()), ..fault }];
    });
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    scene.update(|behaviour| behaviour.faults.clear());
    let run = scene.run(&["--step", "fetch-devices"]);
    assert_eq!(run.ended.exit, Some(0), "{}", run.ended.stderr);
    let run = scene.run_completely();
    let exports = scene.requests().exports;
    assert_eq!((exports[&SavedQuery::Users], exports[&SavedQuery::Devices]), (1, 3), "{run:?}");
}

#[test]
fn a_firewall_before_the_file_host_costs_no_further_export() {
    let scene = scene();
    scene.update(|behaviour| {
        let page = Answer::from_status(403).with_body("<html>blocked</html>");
        behaviour.faults = vec![Fault::new(FaultPoint::File, FaultAction::Answer(page))];
    });
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(4), "{}", run.ended.stderr);
    assert!(run.ended.stderr.contains("allow HTTPS to 127.0.0.1"), "{}", run.ended.stderr);
    scene.update(|behaviour| behaviour.faults.clear());
    scene.run_completely();
    assert_eq!(n_exports(&scene), 4);
}

#[test]
fn a_removal_that_is_accepted_costs_no_further_export() {
    let scene = Scene::of(TenantSpec { devices: 40, users: 60, ..TenantSpec::default() });
    scene.run_completely();
    scene.update(|behaviour| behaviour.tenant.users = 30);
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    let users = scene.requests().exports[&SavedQuery::Users];
    let arguments = ["nexthink_user", "nexthink_account_has_user"];
    let run = scene.run(&["--accept-shrink", arguments[0], "--accept-shrink", arguments[1]]);
    assert_eq!(run.step("fetch-users")["outcome"], "complete", "{}", run.ended.stderr);
    assert_eq!(scene.requests().exports[&SavedQuery::Users], users);
}

#[test]
fn d10_an_export_that_is_too_old_or_of_another_query_is_not_gone_on_with() {
    let scene = scene();
    scene.update(|behaviour| behaviour.preparation = Duration::from_secs(1));
    let running = scene.start(&["run"]);
    kill_when(&scene, running, || scene.requests().polls >= 8);
    let downloads = scene.path("store").join(TENANT).join("staging/downloads");
    let note = downloads.join("fetch-devices.json");
    let text = fs::read_to_string(&note).expect("it was noted");
    let started = text.split("\"startedMs\":").nth(1).and_then(|line| line.split(',').next());
    let started: u64 =
        started.and_then(|started| started.parse().ok()).expect("the note says when");
    let older = (started - 3 * 3_600_000).to_string();
    fs::write(&note, text.replace(&started.to_string(), &older)).expect("it can be written");
    fs::write(downloads.join("fetch-users.json"), "{").expect("it can be written");
    scene.run_completely();
    assert_eq!(n_exports(&scene), 6, "devices and users are exported again");
}

#[test]
fn a_run_that_the_rest_of_the_day_does_not_allow_says_so_before_it_starts_anything() {
    let scene = scene();
    scene.configure(|configuration| configuration.set("nexthink.daily_exports", "6"));
    scene.run_completely();
    // The login host alone is asked, for the time: by a wrong clock, another number would be left.
    let calls = || {
        scene.recorded().iter().filter(|request| !request.target.starts_with("/oauth2/")).count()
    };
    let before = calls();
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(75), "{}", run.ended.stderr);
    let expected = "this run needs 4 exports, and 2 of the day's 6 are left: not before 2";
    assert!(run.ended.stderr.contains(expected), "{}", run.ended.stderr);
    assert_eq!(calls(), before, "the API was not called");
    let plan = scene.program(&["plan"]);
    assert!(plan.stdout.contains("costs 4 exports; 2 of 6 a day are left"), "{}", plan.stdout);
    // Fewer steps cost less.
    let run = scene.run(&["--step", "fetch-devices"]);
    assert_eq!(run.ended.exit, Some(0), "{}", run.ended.stderr);
}

#[test]
fn a_broken_count_of_exports_is_named_with_the_way_out() {
    let scene = scene();
    scene.run_completely();
    scene.write(&format!("store/{TENANT}/quota.json"), "{");
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(1), "{}", run.ended.stderr);
    assert!(
        run.ended.stderr.contains("quota.json of tenant acme is damaged"),
        "{}",
        run.ended.stderr
    );
    assert!(run.ended.stderr.contains("may be removed"), "{}", run.ended.stderr);
}
