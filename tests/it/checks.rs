//! `check`, `init`, `nql` and `plan`: what a new user meets before the first run.

use core_simulator::{Answer, Fault, FaultAction, FaultPoint, SavedQuery, TenantSpec};
use serde_json::Value;

use crate::kit::{Scene, start};

fn scene() -> Scene {
    Scene::of(TenantSpec { devices: 10, users: 8, alerts: 4, ..TenantSpec::default() })
}

/// The state and the detail of each check, by its name.
fn check(scene: &Scene, exit: i32) -> Vec<(String, String, String)> {
    let ended = scene.program(&["check", "--json"]);
    assert_eq!(ended.exit, Some(exit), "{}{}", ended.stdout, ended.stderr);
    let checks: Vec<Value> = serde_json::from_str(&ended.stdout).expect("it is JSON");
    let text = |check: &Value, name: &str| check[name].as_str().unwrap_or("").to_owned();
    checks
        .iter()
        .map(|check| (text(check, "name"), text(check, "state"), text(check, "detail")))
        .collect()
}

fn of<'a>(checks: &'a [(String, String, String)], name: &str) -> (&'a str, &'a str) {
    let found = checks.iter().find(|check| check.0 == name);
    found.map_or(("", ""), |(_, state, detail)| (state.as_str(), detail.as_str()))
}

#[test]
fn a_tenant_that_is_ready_passes_every_check_without_an_export() {
    let scene = scene();
    let checks = check(&scene, 0);
    let names: Vec<&str> = checks.iter().map(|check| check.0.as_str()).collect();
    let expected = [
        "configuration",
        "lock",
        "disk",
        "store",
        "quota",
        "secret",
        "dns",
        "connection",
        "tls",
        "token",
        "clock",
        "permission",
        "query alerts",
        "query devices",
        "query packages",
        "query users",
    ];
    let played: Vec<&&str> = names.iter().filter(|name| expected.contains(name)).collect();
    assert_eq!(played.into_iter().copied().collect::<Vec<_>>(), expected);
    for name in expected {
        // There is no TLS to a simulated tenant.
        assert!(
            ["ok", "warning", "skipped"].contains(&of(&checks, name).0),
            "{name}: {:?}",
            of(&checks, name)
        );
    }
    assert_eq!(of(&checks, "quota").1, "costs 4 exports; 50 of 50 a day are left");
    assert!(scene.requests().exports.is_empty(), "a check exports nothing");
    assert_eq!(scene.requests().executions, 4);

    let lines = scene.program(&["check"]);
    assert_eq!(lines.exit, Some(0));
    assert!(lines.stdout.contains("ok    token"), "{}", lines.stdout);
}

#[test]
fn each_thing_that_is_wrong_is_named_with_its_code() {
    type Change = fn(&Scene);
    let at_token =
        |status| Fault::new(FaultPoint::Token, FaultAction::Answer(Answer::from_status(status)));
    let table: [(&str, i32, Change, &str); 6] = [
        ("token", 3, |scene| scene.write("secret", "another"), "refused client id"),
        (
            "secret",
            2,
            |scene| {
                scene.configure(|configuration| {
                    configuration.set("nexthink.client_secret", "{ file = \"no\" }")
                });
            },
            "cannot read",
        ),
        (
            "query users",
            2,
            |scene| scene.update(|behaviour| _ = behaviour.missing.insert(SavedQuery::Users)),
            "nql users",
        ),
        (
            "query users",
            2,
            |scene| scene.update(|behaviour| _ = behaviour.forbidden.insert(SavedQuery::Users)),
            "permission",
        ),
        (
            "connection",
            4,
            |scene| {
                scene.configure(|configuration| {
                    configuration.text("nexthink.endpoints.login", "http://127.0.0.1:9")
                });
            },
            "cannot reach",
        ),
        (
            "query devices",
            5,
            |scene| {
                scene.update(|behaviour| {
                    let devices = behaviour.queries.entry("#j1_devices".to_owned()).or_default();
                    let content = "Device UID,device.name\n1,a\n".into();
                    let compression = core_simulator::ResultsCompression::Requested;
                    devices.results = Some(core_simulator::Results { content, compression });
                });
            },
            "`device.uid` (it has `Device UID`)",
        ),
    ];
    for (name, exit, change, expected) in table {
        let scene = scene();
        change(&scene);
        let checks = check(&scene, exit);
        let (state, detail) = of(&checks, name);
        assert_eq!(state, "failed", "{name}: {checks:?}");
        assert!(detail.contains(expected), "{name}: {detail}");
    }
    let scene = scene();
    scene.update(|behaviour| behaviour.faults = vec![at_token(503)]);
    assert_eq!(of(&check(&scene, 4), "query users").0, "skipped");
}

#[test]
fn an_answer_that_is_not_nexthinks_is_refused_data_and_not_a_reason_to_try_later() {
    let page = || Answer::from_status(200).with_header("content-type", "text/html");
    let page = || FaultAction::Answer(page().with_body("<html><title>Sign in</title></html>"));
    let table = [
        (FaultPoint::Token, page(), "token"),
        (FaultPoint::Status, page(), "permission"),
        (FaultPoint::Status, FaultAction::Answer(Answer::from_status(400)), "permission"),
        (FaultPoint::Execute, page(), "query devices"),
        (FaultPoint::Execute, FaultAction::Answer(Answer::from_status(418)), "query devices"),
    ];
    for (point, action, name) in table {
        let scene = scene();
        scene.update(|settings| settings.faults = vec![Fault::new(point, action)]);
        let checks = check(&scene, 5);
        assert_eq!(of(&checks, name).0, "failed", "{point:?}: {checks:?}");
    }
}

#[test]
fn columns_that_a_query_lacks_are_a_warning_and_blank_queries_too() {
    let scene = scene();
    scene.configure(|configuration| configuration.text("queries.alerts", ""));
    scene.update(|behaviour| {
        let users = behaviour.queries.entry("#j1_users".to_owned()).or_default();
        let compression = core_simulator::ResultsCompression::Requested;
        let content = "user.uid,user.name,what\n1,a,b\n".into();
        users.results = Some(core_simulator::Results { content, compression });
    });
    let checks = check(&scene, 0);
    let (state, detail) = of(&checks, "query users");
    assert_eq!(state, "warning");
    assert!(detail.contains("lists 3 columns, but not `user.upn`, `user.sid`"), "{detail}");
    assert_eq!(
        of(&checks, "query alerts"),
        ("warning", "`queries.alerts` is blank, so fetch-alerts is skipped")
    );
}

#[test]
fn a_clock_that_is_off_is_a_warning() {
    let scene = scene();
    scene.update(|behaviour| behaviour.clock_offset_seconds = 3600);
    let checks = check(&scene, 0);
    let (state, detail) = of(&checks, "clock");
    assert_eq!(state, "warning");
    assert!(
        detail.starts_with("this machine's clock is ") && detail.contains("min behind Nexthink"),
        "{detail}"
    );
}

#[test]
fn the_queries_of_parts_are_printed_and_checked() {
    let scene = scene();
    let ended = scene.program(&["nql", "--partitioned", "packages"]);
    assert_eq!(ended.exit, Some(0));
    insta::assert_snapshot!(ended.stdout, @r##"
    # Fetch Packages in parts: save as #j1_packages_part, set
    # queries.packages = { id = "#j1_packages", partition = { query = "#j1_packages_part" } }
    package.installed_packages
    | where device.uid == $p
    | list device.uid, package.uid, package.name, package.version,
           package.publisher, package.type, package.platform
    "##);
    let table = "{ id = \"#j1_packages\", partition = { query = \"#j1_packages_part\" } }";
    scene.configure(|configuration| configuration.set("queries.packages", table));
    let checks = check(&scene, 2);
    assert!(of(&checks, "parts packages").1.contains("#j1_packages_part"), "{checks:?}");
}

#[test]
fn init_writes_a_private_file_prints_the_queries_and_says_what_is_left() {
    let scene = scene();
    let arguments = [
        "init",
        "--config",
        "new.toml",
        "--tenant",
        "acme",
        "--region",
        "eu",
        "--client-id",
        "0a1b",
        "--query",
        "alerts=",
        "--no-check",
    ];
    let ended = start(scene.folder(), &arguments, &[]).wait();
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("save as #j1_devices"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("alerts"), "{}", ended.stdout);
    assert!(ended.stderr.contains("wrote new.toml"), "{}", ended.stderr);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(scene.path("new.toml")).expect("written").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let again = start(scene.folder(), &arguments, &[]).wait();
    assert_eq!(again.exit, Some(2));
    let told = "new.toml exists already: --force replaces it";
    assert!(again.stderr.contains(told), "{}", again.stderr);
}

#[test]
fn the_settings_that_hold_are_shown_with_where_they_come_from() {
    let scene = scene();
    let variables = [("NEXTHINK_GRAPH__NEXTHINK__DAILY_EXPORTS", "20")];
    let ended = start(scene.folder(), &["config", "show", "--output", "json"], &variables).wait();
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let settings: Vec<Value> = serde_json::from_str(&ended.stdout).expect("it is JSON");
    let find = |path: &str| {
        let setting = settings.iter().find(|setting| setting["setting"] == path);
        let setting = setting.expect("every setting is listed");
        (setting["value"].clone(), setting["source"].as_str().unwrap_or_default().to_owned())
    };
    let variable = variables[0].0.to_owned();
    assert_eq!(find("nexthink.daily_exports"), (20.into(), variable));
    assert_eq!(find("nexthink.parallel_exports"), (4.into(), "default".to_owned()));
    let (tenant, place) = find("nexthink.tenant");
    assert_eq!(tenant, "acme");
    assert!(place.starts_with("nexthink-graph.toml:"), "{place}");
    assert_eq!(find("nexthink.client_secret").0, serde_json::json!({ "file": "secret" }));
}

#[test]
fn a_plan_for_programs_tells_the_cost() {
    let scene = scene();
    let ended = scene.program(&["plan", "--format", "json"]);
    let plan: Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    assert!(plan["steps"].as_array().is_some_and(|items| items.len() >= 5), "{plan}");
    assert_eq!((&plan["exports"]["needed"], &plan["exports"]["left"]), (&4.into(), &50.into()));
}

#[test]
fn a_scenario_is_played_and_a_wrong_one_is_told_with_its_line() {
    let scene = scene();
    scene.write("scenario.toml", "row_cap = 5\nrow_cups = 1\n");
    let arguments = ["simulate", "--listen", "127.0.0.1:0", "--scenario", "scenario.toml"];
    let ended = start(scene.folder(), &arguments, &[]).wait();
    assert_eq!(ended.exit, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("line 2") && ended.stderr.contains("row_cups"),
        "{}",
        ended.stderr
    );
}
