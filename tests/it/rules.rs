//! Rules from outside: what they find after a run, how findings end, and that nothing ends on ignorance.

mod channels;
mod outcomes;
mod own;
mod reads;
mod troubles;

use std::fs;

use core_simulator::{SavedQuery, TenantSpec};
use serde_json::Value;

use crate::kit::{Ended, Scene};
use crate::privacy::erasure::Place;

/// A rule about the number of packages, which the tests change.
const MANY_PACKAGES: &str = r#"
id = "package-in-the-estate"
title = "Package"
severity = "high"
query = "select _key as key, \"displayName\" as name from nexthink_package"
identity = ["key"]
entity = "key"
first_run = "all"
clear_after = 2
message = "{{ name }} is installed"
"#;

fn scene() -> Scene {
    let tenant = TenantSpec { devices: 30, users: 10, alerts: 10, ..TenantSpec::default() };
    let scene = Scene::of(tenant);
    fs::create_dir(scene.path("rules")).expect("a folder can be made");
    scene.write("rules/packages.toml", MANY_PACKAGES);
    scene
}

fn done(scene: &Scene, arguments: &[&str]) -> Ended {
    let ended = scene.program(arguments);
    assert_eq!(ended.exit, Some(0), "{arguments:?}: {}", ended.stderr);
    ended
}

fn findings(scene: &Scene, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["findings", "list", "--output", "json"], arguments].concat();
    serde_json::from_str(&done(scene, &arguments).stdout).expect("an array")
}

#[test]
fn findings_open_with_a_run_and_end_only_by_proof() {
    let scene = scene();
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(0), "{}", run.ended.stderr);
    let line = &run.report["rules"]["rules"][0];
    assert_eq!(line["id"], "package-in-the-estate", "{}", run.report["rules"]);
    let packages = scene.keys("nexthink_package").len();
    assert_eq!(line["opened"], packages);

    // Packages go, but the export of them fails, so that they are carried over: nothing is resolved.
    scene.update(|behaviour| {
        behaviour.tenant.retired_packages = 2;
        behaviour.failing.insert(SavedQuery::Packages, "ERROR".to_owned());
    });
    for _ in 0..3 {
        assert_eq!(scene.run(&[]).ended.exit, Some(7));
        assert_eq!(findings(&scene, &[]).len(), packages);
    }
    // The next runs prove it, and it takes two of them.
    scene.update(|behaviour| behaviour.failing.clear());
    let run = scene.run_completely();
    let resolved = |run: &crate::kit::Run| run.report["rules"]["rules"][0]["resolved"].clone();
    assert_eq!(resolved(&run), 0);
    let run = scene.run_completely();
    assert_eq!(resolved(&run), packages - scene.keys("nexthink_package").len());
    assert_ne!(resolved(&run), 0);
    let ended = findings(&scene, &["--state", "resolved"]);
    assert!(ended.iter().all(|finding| finding["reason"] == "cleared"), "{ended:?}");

    // The same in a query.
    let rows = scene.query("select state, count(*) n from nexthink_finding group by 1 order by 1");
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(
        (rows[1]["state"].as_str(), rows[1]["n"].as_u64()),
        (Some("resolved"), Some(ended.len() as u64))
    );
}

#[test]
fn a_finding_is_shown_taken_on_and_silenced_and_decides_the_exit_code() {
    let scene = scene();
    let run = scene.run(&["--fail-on", "critical"]);
    assert_eq!(run.ended.exit, Some(0), "{}", run.ended.stderr);
    let ended = scene.program(&["rules", "run", "--fail-on", "high"]);
    assert_eq!(ended.exit, Some(8));
    assert!(ended.stderr.contains("a finding of severity high is open"), "{}", ended.stderr);

    let all = findings(&scene, &["--severity", "high", "--rule", "package-*"]);
    assert_eq!(findings(&scene, &["--severity", "critical"]), Vec::<Value>::new());
    let id = all[0]["id"].as_str().expect("an id");
    done(&scene, &["findings", "ack", &id[..10], "--note", "known"]);
    let shown = done(&scene, &["findings", "show", id, "--output", "json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("an object");
    assert_eq!(
        (&shown["state"], &shown["acknowledgement"]["note"]),
        (&"acknowledged".into(), &"known".into())
    );
    assert_eq!(shown["row"]["key"], shown["entity"]);
    let again = scene.program(&["findings", "ack", "zz"]);
    assert_eq!(again.exit, Some(2));

    done(&scene, &["findings", "silence", "--rule", "package-*", "--for", "7d", "--why", "test"]);
    done(&scene, &["rules", "run", "--fail-on", "high"]);
    let history = done(&scene, &["findings", "history", id, "--output", "json"]);
    let history: Vec<Value> = serde_json::from_str(&history.stdout).expect("an array");
    let what: Vec<&str> = history.iter().filter_map(|entry| entry["what"].as_str()).collect();
    assert_eq!(what, ["acknowledged", "opened"]);

    // A rule that is off closes what it has found.
    done(&scene, &["rules", "disable", "package-in-the-estate"]);
    done(&scene, &["rules", "run"]);
    assert_eq!(findings(&scene, &[]), Vec::<Value>::new());
}

#[test]
fn a_mistake_in_a_rule_file_is_told_with_its_place_and_closes_nothing() {
    let scene = scene();
    scene.run_completely();
    let before = findings(&scene, &[]).len();
    scene.write("rules/packages.toml", &MANY_PACKAGES.replace("severity", "severty"));
    let ended = scene.program(&["rules", "test"]);
    assert_eq!(ended.exit, Some(2));
    let expected = "packages.toml:4:1: unknown field `severty`";
    assert!(
        ended.stderr.contains(expected) && ended.stderr.contains("did you mean `severity`?"),
        "{}",
        ended.stderr
    );
    done(&scene, &["rules", "run"]);
    assert_eq!(findings(&scene, &[]).len(), before);
    // Neither does a query that is refused, or an identity that is none.
    for (query, reason) in [
        ("select nothing from nexthink_package", "there is no column nothing"),
        ("select 'x' as key, name from nexthink_package", "rows are the same in key"),
        ("select null as key, name from nexthink_package", "row 1 has no value in `key`"),
        (
            "select _key as key, repeat(name, 100000000) as name from nexthink_package",
            "memory limit",
        ),
    ] {
        let query = query.replace('"', "\\\"");
        let rule = MANY_PACKAGES.replace(
            r#"select _key as key, \"displayName\" as name from nexthink_package"#,
            &query,
        );
        scene.write("rules/packages.toml", &rule);
        let ended = done(&scene, &["rules", "run", "--dry-run", "package-in-the-estate"]);
        assert!(ended.stdout.contains(reason), "{query}: {}", ended.stdout);
    }
}

#[test]
fn a_mistake_in_the_switches_ends_every_command_about_rules_and_no_finding() {
    let scene = scene();
    let path = scene.path("rules/switches.toml");
    fs::write(&path, "off = ['package-in-the-estate']\n").expect("it is ours");
    scene.run_completely();
    fs::write(&path, "<<<<<<< HEAD\noff = ['package-in-the-estate']\n").expect("it is ours");
    for arguments in [
        &["rules", "run"][..],
        &["rules", "run", "--dry-run"],
        &["rules", "list"],
        &["rules", "test"],
    ] {
        let ended = scene.program(arguments);
        assert_eq!(ended.exit, Some(2), "{arguments:?}");
        assert!(ended.stderr.contains("switches.toml:1:"), "{arguments:?}: {}", ended.stderr);
    }
    let before = scene.query("select 1 from nexthink_package").len();
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(2), "{}", run.ended.stderr);
    let expected = "it is not known which rules are enabled, so no rule is evaluated";
    assert!(run.ended.stderr.contains(expected), "{}", run.ended.stderr);
    assert_eq!(scene.query("select 1 from nexthink_package").len(), before);
    assert!(!scene.path("store/acme/findings.json").exists());
}

#[test]
fn a_rule_asks_a_saved_question_with_its_parameters() {
    let scene = scene();
    fs::create_dir(scene.path("questions")).expect("a folder can be made");
    let question = |query: &str| {
        format!(
            "[[question]]\nid = 'packages-like'\ntitle = 'Packages'\nlanguage = 'sql'\n\
             query = '{query}'\n[[question.parameters]]\nname = 'least'\ntype = 'integer'\n\
             [[question.parameters]]\nname = 'like'\ntype = 'text'\ndefault = '%'\n"
        )
    };
    let query = "select _key as key, name from nexthink_package where length(name) >= $least and name like $like";
    scene.write("questions/packages.toml", &question(query));
    let rule = MANY_PACKAGES
        .replace(
            r#"query = "select _key as key, \"displayName\" as name from nexthink_package""#,
            "question = \"packages-like\"\nparameters = { least = 3 }",
        )
        .replace("clear_after = 2", "clear_after = 1");
    scene.write("rules/packages.toml", &rule);
    scene.run_completely();
    let expected = scene.query("select _key from nexthink_package where length(name) >= 3").len();
    assert!(expected > 1);
    assert_eq!(findings(&scene, &[]).len(), expected);
    let explained = done(&scene, &["rules", "explain", "package-in-the-estate"]).stdout;
    assert!(explained.contains("ask packages-like --param \"least=3\""), "{explained}");

    // The user changes the question: findings that it no longer has are closed for this reason.
    scene.write("questions/packages.toml", &question(&format!("{query} and false")));
    done(&scene, &["rules", "run"]);
    let closed = findings(&scene, &["--state", "resolved"]);
    assert_eq!(closed.len(), expected);
    assert!(closed.iter().all(|finding| finding["reason"] == "rule-changed"), "{closed:?}");

    // A question that is gone, or that lacks a value, is told with its place.
    for (from, to, reason) in [
        ("packages-like", "packages-lik", "packages.toml:5:12: there is no question packages-lik"),
        ("least = 3", "", "packages.toml:6:14: the question needs a value for `least`"),
        ("least = 3", "least = 'x'", "packages.toml:6:14: the parameter least has to be a whole"),
    ] {
        scene.write("rules/packages.toml", &rule.replace(from, to));
        let ended = scene.program(&["rules", "test"]);
        assert_eq!(ended.exit, Some(2), "{to}");
        assert!(ended.stderr.contains(reason), "{to}: {}", ended.stderr);
    }
}

#[test]
fn an_interrupted_evaluation_leaves_the_findings_as_they_were_or_as_they_become() {
    let scene = scene();
    scene.run_completely();
    let book = scene.path("store/acme/findings.json");
    let arguments = ["rules", "run"];
    let operations = scene.last_operation_of(&arguments);
    assert!(operations > 3);
    for number in 1..=operations {
        let before = fs::read(&book).expect("it is there");
        for fault in ["kill", "eio"] {
            let ended = scene.program_with_fault(&arguments, &format!("{fault}@{number}"));
            // The process that asks the query counts its own operations, and may be the one that is killed.
            let is_killed =
                ended.exit.is_none() || ended.stderr.contains("its process ended early");
            assert!(fault == "eio" || is_killed, "{fault}@{number}: {ended:?}");
            let after = fs::read(&book).expect("it is there");
            assert!(after == before || serde_json::from_slice::<Value>(&after).is_ok());
        }
        done(&scene, &arguments);
    }
}

#[test]
fn who_is_erased_is_in_no_finding() {
    let place = Place::with("full", |_, configuration| configuration);
    let scene = &place.scene;
    fs::create_dir(scene.path("rules")).expect("a folder can be made");
    scene.write(
        "rules/users.toml",
        r#"
id = "user-seen"
title = "User"
severity = "low"
query = "select _key as key, upn, \"displayName\" as name from nexthink_user where upn is not null"
identity = ["key"]
entity = "key"
first_run = "all"
message = "{{ name }} ({{ upn }})"
"#,
    );
    scene.run_completely();
    let all = findings(scene, &[]);
    let upn = scene.query("select upn from nexthink_user where upn is not null limit 1")[0]["upn"]
        .as_str()
        .expect("a text")
        .to_owned();
    let about = all
        .iter()
        .filter(|finding| finding["text"].as_str().is_some_and(|text| text.contains(&upn)));
    assert_eq!(about.count(), 1);
    let retrieved = place.done(&["privacy", "retrieve", "--user", &upn]);
    let retrieved: Value = serde_json::from_str(&retrieved.stdout).expect("an object");
    assert_eq!(retrieved["findings"].as_array().map(Vec::len), Some(1));

    let old = fs::read(scene.path("store/acme/findings.json")).expect("it is there");
    let ended = place.done(&[
        "privacy", "erase", "--user", &upn, "--reason", "request", "--yes", "--output", "json",
    ]);
    let certificate: Value = serde_json::from_str(&ended.stdout).expect("an object");
    assert_eq!(certificate["findingsRemoved"], 1, "{certificate}");
    let text = fs::read_to_string(scene.path("store/acme/findings.json")).expect("it is there");
    assert!(!text.contains(&upn));
    assert_eq!(findings(scene, &[]).len(), all.len() - 1);

    // An older copy that is put back is not read, and the next run cleanses it.
    fs::write(scene.path("store/acme/findings.json"), old).expect("it can be written");
    let refused = scene.program(&["findings", "list"]);
    assert_eq!(refused.exit, Some(5), "{}", refused.stderr);
    place.done(&["privacy", "suppression", "apply"]);
    assert_eq!(findings(scene, &[]).len(), all.len() - 1);
}
