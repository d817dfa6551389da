//! The ledger: its entries after each kind of command, and the detection of every change.

use std::fs;

use core_simulator::{JupiterOne, JupiterOneConfig, TenantSpec};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::kit::{Scene, write_private};

const LEDGER: &str = "store/acme/ledger/entries.ndjson";

fn scene() -> Scene {
    Scene::of(TenantSpec { devices: 8, users: 6, alerts: 4, ..TenantSpec::default() })
}

fn entries(scene: &Scene) -> Vec<Value> {
    let ended = scene.program(&["privacy", "ledger", "list", "--output", "json"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).expect("the entries are JSON")
}

fn events(scene: &Scene) -> Vec<String> {
    entries(scene).iter().map(|entry| entry["event"].as_str().unwrap_or("").to_owned()).collect()
}

/// The exit code of `ledger verify`, and the head that it prints.
fn verify(scene: &Scene, from: &[&str]) -> (Option<i32>, String) {
    let from = from.iter().flat_map(|head| ["--from", head]);
    let arguments: Vec<&str> = ["privacy", "ledger", "verify"].into_iter().chain(from).collect();
    let ended = scene.program(&arguments);
    let head = ended.stdout.lines().find_map(|line| line.strip_prefix("head "));
    (ended.exit, head.unwrap_or("").to_owned())
}

#[test]
fn runs_and_reads_are_in_the_ledger_without_what_was_read() {
    let scene = scene();
    let run = scene.run_completely();
    scene.query("select * from nexthink_user where name = 'canary-name'");
    let folder = scene.path("folder").display().to_string();
    assert_eq!(scene.program(&["export", "jupiterone", &folder]).exit, Some(0));
    // A page made of declarations shows no data.
    assert_eq!(scene.program(&["query", "--tables"]).exit, Some(0));

    let all = entries(&scene);
    assert_eq!(events(&scene), ["run_started", "run_ended", "query", "export"]);
    let generation = scene.published().id().to_string();
    assert_eq!(all[1]["facts"]["generation"], generation.as_str());
    assert_eq!(all[1]["facts"]["run"], run.report["runId"]);
    assert_eq!((&all[1]["facts"]["exports"], &all[1]["facts"]["exitCode"]), (&4.into(), &0.into()));
    assert_eq!(all[2]["facts"]["generation"], generation.as_str());
    assert_eq!(run.report["ledger"]["hash"], all[1]["hash"], "the report tells the head");
    let text = fs::read_to_string(scene.path(LEDGER)).expect("there is a ledger");
    assert!(!text.contains("canary-name") && !text.contains("nexthink_user"), "{text}");
    #[cfg(unix)]
    assert!(
        all.iter().all(|entry| entry["who"].as_str().is_some_and(|who| who.starts_with("uid ")))
    );

    // Under a key, a query has an HMAC, which cannot be tried out without it. The same query has one entry.
    assert!(all[2]["facts"].get("query").is_none());
    assert_eq!(scene.program(&["privacy", "key", "new"]).exit, Some(0));
    for name in ["canary-name", "canary-name", "another-name"] {
        scene.query(&format!("select * from nexthink_user where name = '{name}'"));
    }
    let all = entries(&scene);
    assert_eq!(events(&scene)[4..], ["key", "query", "query"]);
    let [one, other] = [&all[5]["facts"]["query"], &all[6]["facts"]["query"]];
    assert!(one != other && one.as_str().is_some_and(|text| text.starts_with("hmac-")), "{one}");
}

#[test]
fn a_run_that_fails_has_its_end_in_the_ledger() {
    let scene = scene();
    write_private(&scene.path("secret"), "wrong");
    assert_eq!(scene.run(&[]).ended.exit, Some(3));
    let all = entries(&scene);
    assert_eq!(all.len(), 2);
    assert_eq!(all[1]["facts"]["exitCode"], 3);
}

#[test]
fn deliveries_are_in_the_ledger_with_the_account_that_got_them() {
    let runtime = Runtime::new().expect("threads can be started");
    let config = JupiterOneConfig { api_key: "key".to_owned(), ..JupiterOneConfig::default() };
    let jupiterone = runtime.block_on(JupiterOne::start(config)).expect("a port is free");
    let scene = scene();
    write_private(&scene.path("key"), "key");
    scene.configure(|configuration| {
        configuration
            .text("destinations.jupiterone.account", "demo")
            .text("destinations.jupiterone.url", jupiterone.url())
            .set("destinations.jupiterone.api_key", "{ file = \"key\" }")
            .set("destinations.jupiterone.polling", "{ first_ms = 10, longest_ms = 100 }")
    });
    let run = scene.run_completely();
    let all = entries(&scene);
    assert_eq!(events(&scene), ["run_started", "run_ended", "delivery_started", "delivery_ended"]);
    assert_eq!(all[2]["facts"]["account"], "demo");
    assert!(all[3]["facts"]["job"].is_string());
    assert_eq!(run.report["ledger"]["hash"], all[3]["hash"], "the head is that of the end");
}

#[test]
fn a_changed_cut_or_lost_ledger_is_found() {
    let scene = scene();
    scene.run_completely();
    scene.query("select 1");
    let (exit, head) = verify(&scene, &[]);
    assert_eq!(exit, Some(0));
    assert_eq!(verify(&scene, &[&head]), (Some(0), head.clone()));
    assert_eq!(verify(&scene, &["1:abc"]).0, Some(2), "that is no head");

    let path = scene.path(LEDGER);
    let whole = fs::read_to_string(&path).expect("there is a ledger");
    let lines: Vec<&str> = whole.lines().collect();
    fs::write(&path, whole.replacen("run_ended", "run_endet", 1)).expect("it is ours");
    assert_eq!(verify(&scene, &[]).0, Some(5));
    fs::write(&path, format!("{}\n{}\n", lines[0], lines[1])).expect("it is ours");
    assert_eq!(verify(&scene, &[]).0, Some(0), "a cut end is not to be seen");
    assert_eq!(verify(&scene, &[&head]).0, Some(5), "but from a head that was kept");
    fs::remove_file(&path).expect("it is ours");
    let ended = scene.program(&["privacy", "ledger", "verify", "--output", "json"]);
    assert_eq!(ended.exit, Some(5), "the generation names a head");
    let report: Value = serde_json::from_str(&ended.stdout).expect("the verdict is JSON");
    assert_eq!((&report["isWhole"], &report["entries"]), (&false.into(), &0.into()));
}

#[test]
fn an_entry_that_a_crash_cut_off_is_repaired_by_the_next_run() {
    let scene = scene();
    scene.run_completely();
    let path = scene.path(LEDGER);
    let whole = fs::read(&path).expect("there is a ledger");
    fs::write(&path, &whole[..whole.len() - 20]).expect("it is ours");
    assert_eq!(verify(&scene, &[]).0, Some(5));
    scene.run_completely();
    assert_eq!(verify(&scene, &[]).0, Some(0));
    assert_eq!(events(&scene), ["run_started", "repair", "run_started", "run_ended"]);
}

#[test]
fn n9_a_generation_that_was_never_published_goes_with_an_entry() {
    let scene = scene();
    scene.run_completely();
    let published = scene.published().id().to_string();
    scene.run_completely();
    let killed = scene.published().id().to_string();
    // As if the last run had been killed before it replaced the pointer, and so before its end was recorded.
    let ledger = fs::read_to_string(scene.path(LEDGER)).expect("it is there");
    let (before, last) = ledger.trim_end().rsplit_once('\n').expect("it has entries");
    assert!(last.contains("run_ended") && last.contains(&killed), "{last}");
    fs::write(scene.path(LEDGER), format!("{before}\n")).expect("it is ours");
    fs::write(scene.path("store/acme/CURRENT"), format!("{published}\n")).expect("it is ours");
    scene.run_completely();
    let entries = entries(&scene);
    let removed: Vec<_> =
        entries.iter().filter(|entry| entry["event"] == "unpublished_removed").collect();
    assert_eq!(removed.len(), 1, "{entries:?}");
    assert_eq!(removed[0]["facts"]["generation"], killed.as_str());
}
