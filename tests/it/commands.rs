//! The rules of every command: it replaces no file that it did not make, and says why it failed.

use std::fs;

use core_simulator::{SavedQuery, TenantSpec};
use serde_json::Value;
use tempfile::TempDir;

#[cfg(target_os = "linux")]
use crate::kit::start_command;
use crate::kit::{Ended, Scene, start, until};

fn scene() -> Scene {
    Scene::of(TenantSpec { devices: 10, users: 8, alerts: 4, ..TenantSpec::default() })
}

/// The JSON object that a failed command has printed.
fn failure(ended: &Ended) -> Value {
    let object: Value = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("{error}: {:?}, {}", ended.stdout, ended.stderr));
    // A delivery has an object of its own.
    let is_delivery = object.get("result").is_some();
    let [outcome, error] = if is_delivery { ["result", "reason"] } else { ["outcome", "error"] };
    assert_eq!(object[outcome], "failed", "{object}");
    assert_eq!(object["exitCode"].as_i64().map(i32::try_from), ended.exit.map(Ok), "{object}");
    assert!(object[error].as_str().is_some_and(|error| error.len() > 10), "{object}");
    object
}

#[test]
fn p1_no_command_replaces_a_file_that_it_did_not_make() {
    let folder = TempDir::new().expect("a folder can be made");
    let init = ["init", "--tenant", "acme", "--region", "eu", "--client-id", "0a1b", "--no-check"];
    let simulate = ["simulate", "--listen", "127.0.0.1:0"];
    let table: [(&[&str], &str, &str); 3] = [
        (&init, "--config", "mine.toml"),
        (&simulate, "--config-out", "mine.toml"),
        (&simulate, "--config-out", "other.toml"),
    ];
    let kept = ["mine.toml", "other.toml.secret"];
    for name in kept {
        fs::write(folder.path().join(name), "mine").expect("a file can be written");
    }
    for (command, option, name) in table {
        let arguments = [command, &[option, name]].concat();
        let ended = start(folder.path(), &arguments, &[]).wait();
        assert_eq!(ended.exit, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("exists already: --force replaces it"), "{}", ended.stderr);
    }
    for name in kept {
        let text = fs::read_to_string(folder.path().join(name)).expect("it is there");
        assert_eq!(text, "mine", "{name}");
    }
    assert!(!folder.path().join("other.toml").exists(), "half a configuration is left");

    let arguments = [&simulate[..], &["--config-out", "mine.toml", "--force"]].concat();
    let running = start(folder.path(), &arguments, &[]);
    let path = folder.path().join("mine.toml");
    let written = || fs::read_to_string(&path).ok().filter(|text| text.contains("[nexthink]"));
    let written = until(std::time::Duration::from_secs(20), written);
    assert!(written.is_some(), "--force does not replace the file");
    running.kill();
}

#[test]
fn p2_a_command_that_dies_early_prints_one_json_object_if_json_was_asked_for() {
    let scene = scene();
    scene.configure(|configuration| configuration.text("nexthink.region", "eu/"));
    let table: [&[&str]; 16] = [
        &["run", "--output", "json"],
        &["run", "-ojson", "--quiet"],
        &["run", "--output=json", "--nonsense"],
        &["plan", "--output", "json"],
        &["plan", "--format", "json"],
        &["query", "--output", "json", "select 1"],
        &["query", "--output", "ndjson", "select 1"],
        &["history", "--output", "json"],
        &["export", "jupiterone", "folder", "--output", "json"],
        &["sync", "jupiterone", "--output", "json"],
        &["purge", "jupiterone", "--type", "nexthink_alert", "--output", "json"],
        &["audit", "status", "--output", "json"],
        &["backfill", "audit", "--from", "7d", "--output", "json"],
        &["privacy", "retrieve", "--user", "x"],
        &["privacy", "ledger", "verify", "--output", "json"],
        &["privacy", "record", "--output", "json"],
    ];
    for arguments in table {
        let ended = scene.program(arguments);
        assert_eq!(ended.exit, Some(2), "{arguments:?}: {}", ended.stderr);
        failure(&ended);
        assert!(ended.stderr.contains("error: "), "{arguments:?}: {}", ended.stderr);
    }
    let text = scene.program(&["run", "--output", "table"]);
    assert_eq!((text.exit, text.stdout.as_str()), (Some(2), ""));
}

#[test]
fn p2_a_result_that_was_begun_is_not_followed_by_another_object() {
    let scene = scene();
    scene.update(|behaviour| _ = behaviour.missing.insert(SavedQuery::Users));
    let run = scene.run(&["--quiet"]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    assert_eq!(run.report["exitCode"], 7, "the report is all that was printed");
    let checked = scene.program(&["check", "--output", "json"]);
    let checks: Vec<Value> = serde_json::from_str(&checked.stdout).expect("it is one array");
    assert!(checks.iter().any(|check| check["state"] == "failed"), "{}", checked.stdout);
    assert!(checked.stderr.contains("1 of "), "{}", checked.stderr);
    assert!(checked.stderr.contains("failed: query users"), "{}", checked.stderr);
}

#[test]
fn p3_an_exit_code_other_than_0_is_explained_even_when_nothing_else_is_printed() {
    let scene = scene();
    scene.update(|behaviour| _ = behaviour.missing.insert(SavedQuery::Users));
    let partial = scene.program(&["run", "--quiet"]);
    assert_eq!(partial.exit, Some(7));
    let told =
        "error: the generation is published, but partial: fetch-users: failed: query #j1_users";
    assert!(partial.stderr.contains(told), "{}", partial.stderr);
    let all = [SavedQuery::Devices, SavedQuery::Packages, SavedQuery::Alerts];
    scene.update(|behaviour| behaviour.missing.extend(all));
    let nothing = scene.run(&["--quiet"]);
    assert_eq!(nothing.ended.exit, Some(2), "{}", nothing.ended.stderr);
    let told =
        "error: no export could be used, so that nothing was published:\n  fetch-devices: failed";
    assert!(nothing.ended.stderr.contains(told), "{}", nothing.ended.stderr);
}

#[test]
fn p3_p4_a_run_after_a_change_of_key_says_why_no_event_is_added() {
    let scene = scene();
    scene.configure(|configuration| {
        configuration
            .text("privacy.profile", "pseudonymous")
            .text("audit.host", scene.api())
            .text("audit.account", "demo")
            .set("audit.password", "{ file = \"secret\" }")
            .set("audit.since_days", "1")
    });
    assert_eq!(scene.program(&["privacy", "key", "new"]).exit, Some(0));
    scene.run_completely();
    assert_eq!(scene.program(&["privacy", "key", "rotate"]).exit, Some(0));
    let checked = scene.program(&["check"]);
    assert_eq!(checked.exit, Some(2), "{}", checked.stdout);
    assert!(checked.stdout.contains("FAIL  audit events"), "{}", checked.stdout);
    let run = scene.program(&["run", "--quiet"]);
    assert_eq!(run.exit, Some(7));
    assert!(
        run.stderr.contains("audit trail: the events in the store were read"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("backfill audit --start-over"), "{}", run.stderr);
}

#[test]
fn p4_check_fails_where_a_run_would() {
    type Change = fn(&Scene);
    let table: [(&str, Change); 4] = [
        ("region of the store", |scene| {
            scene.configure(|configuration| configuration.text("nexthink.region", "us"));
        }),
        ("privacy", |scene| {
            scene.configure(|configuration| configuration.text("privacy.profile", "pseudonymous"));
        }),
        ("plan", |scene| scene.configure(|configuration| configuration.without("queries"))),
        ("store", |scene| {
            fs::remove_dir_all(scene.path("store")).expect("it is ours");
            scene.write("store", "a file");
        }),
    ];
    for (name, change) in table {
        let scene = scene();
        scene.run_completely();
        assert_eq!(scene.program(&["check"]).exit, Some(0));
        change(&scene);
        let run = scene.program(&["run", "--quiet"]);
        let checked = scene.program(&["check"]);
        assert_eq!((run.exit, checked.exit), (Some(2), Some(2)), "{name}: {}", checked.stdout);
        let line = checked.stdout.lines().find(|line| line.starts_with("FAIL"));
        let failed = line.is_some_and(|line| line.contains(name));
        assert!(failed, "{name}: {}", checked.stdout);
    }
}

#[test]
fn p8_variables_do_without_a_file_and_a_named_file_wins_over_the_variable() {
    let scene = scene();
    let file = scene.path("nexthink-graph.toml");
    let elsewhere = TempDir::new().expect("a folder can be made");
    let secret = scene.path("secret").display().to_string();
    let variables = [
        ("NEXTHINK_GRAPH__NEXTHINK__TENANT", "acme"),
        ("NEXTHINK_GRAPH__NEXTHINK__REGION", "eu"),
        ("NEXTHINK_GRAPH__NEXTHINK__CLIENT_ID", "demo"),
        ("NEXTHINK_GRAPH__NEXTHINK__CLIENT_SECRET__FILE", &secret),
        ("NEXTHINK_GRAPH__NEXTHINK__ENDPOINTS__LOGIN", scene.api()),
        ("NEXTHINK_GRAPH__NEXTHINK__ENDPOINTS__API", scene.api()),
        ("NEXTHINK_GRAPH__NEXTHINK__ENDPOINTS__FILES", scene.files()),
        ("NEXTHINK_GRAPH__QUERIES__DEVICES", "#j1_devices"),
    ];
    let run = start(elsewhere.path(), &["run"], &variables).wait();
    assert_eq!(run.exit, Some(0), "{}", run.stderr);
    assert!(elsewhere.path().join("nexthink-graph-store/acme").is_dir());

    let named = file.display().to_string();
    let other = [("NEXTHINK_GRAPH_CONFIG", "no-such-file.toml")];
    for arguments in [&["plan", "--config", &named], &["--config", &named, "plan"]] {
        let plan = start(elsewhere.path(), arguments, &other).wait();
        assert_eq!(plan.exit, Some(0), "{arguments:?}: {}", plan.stderr);
    }
    let blank = start(elsewhere.path(), &["plan"], &[("NEXTHINK_GRAPH_CONFIG", "")]).wait();
    assert_eq!(blank.exit, Some(0), "{}", blank.stderr);
}

#[cfg(unix)]
#[test]
fn p5_a_store_below_the_home_folder_is_made_there_and_not_in_a_folder_named_tilde() {
    let scene = scene();
    let home = TempDir::new().expect("a folder can be made");
    scene.configure(|configuration| configuration.text("store.location", "~/graph"));
    let home_path = home.path().display().to_string();
    let run = start(scene.folder(), &["run"], &[("HOME", &home_path)]).wait();
    assert_eq!(run.exit, Some(0), "{}", run.stderr);
    assert!(home.path().join("graph/acme").is_dir() && !scene.path("~").exists());
    let run = scene.program(&["run"]);
    assert_eq!(run.exit, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("HOME is not set"), "{}", run.stderr);
}

#[test]
fn p6_what_an_editor_adds_to_a_secret_is_named() {
    let scene = scene();
    for (secret, expected) in [
        ("\u{feff}demo-secret", "a byte order mark (BOM)"),
        ("demo-secret\u{200b}\n", "an invisible character (U+200B)"),
    ] {
        scene.write("secret", secret);
        let run = scene.program(&["run"]);
        assert_eq!(run.exit, Some(2), "{}", run.stderr);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
        assert!(!run.stderr.contains("demo-secret"), "{}", run.stderr);
    }
}

#[test]
fn p10_a_configuration_that_cannot_be_read_is_told_from_one_that_is_not_there() {
    let folder = TempDir::new().expect("a folder can be made");
    let utf16: Vec<u8> = "[nexthink]".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(folder.path().join("utf16.toml"), [&[0xff, 0xfe], &utf16[..]].concat())
        .expect("ours");
    fs::create_dir(folder.path().join("folder")).expect("it is ours");
    for (name, expected) in [
        ("utf16.toml", "save it as UTF-8"),
        ("folder", "name a file in it"),
        ("nowhere.toml", "init` writes one"),
    ] {
        let ended = start(folder.path(), &["plan", "--config", name], &[]).wait();
        assert_eq!(ended.exit, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{name}: {}", ended.stderr);
        let is_missing = name == "nowhere.toml";
        assert_eq!(ended.stderr.contains("writes one"), is_missing, "{name}: {}", ended.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_variable_that_cannot_be_read_is_named() {
    use std::os::unix::ffi::OsStrExt as _;
    let scene = scene();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_program"));
    command.current_dir(scene.folder()).env_clear().args(["config", "show"]);
    command.env("NEXTHINK_GRAPH__STORE__LOCATION", std::ffi::OsStr::from_bytes(b"/srv/caf\xe9"));
    let ended = start_command(command).wait();
    assert_eq!(ended.exit, Some(2), "{}", ended.stderr);
    let expected = "the variable NEXTHINK_GRAPH__STORE__LOCATION is not UTF-8";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}
