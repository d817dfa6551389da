//! The audit trail as the only thing that is read, and what is told of it.

use core_simulator::TenantSpec;
use serde_json::Value;

use super::{configure, configure_table, scene, trail};
use crate::kit::Scene;

const EVENTS: &str = "select count(*) n from nexthink_audit_event";

fn events(scene: &Scene) -> u64 {
    scene.query(EVENTS)[0]["n"].as_u64().expect("a number")
}

fn planned(scene: &Scene) -> Vec<String> {
    let ended = scene.program(&["plan", "--format", "json"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let plan: Value = serde_json::from_str(&ended.stdout).expect("an object");
    let steps = plan["steps"].as_array().expect("a list").iter();
    let runs = steps.filter(|step| step["skipReason"].is_null());
    runs.map(|step| step["id"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_configuration_of_the_audit_trail_alone_reads_it_and_publishes_nothing() {
    let scene = scene("[]");
    configure(&scene, "[]", |configuration| {
        ["devices", "users", "packages", "alerts"]
            .iter()
            .fold(configuration, |configuration, name| {
                configuration.without(&format!("queries.{name}"))
            })
    });
    assert_eq!(planned(&scene), ["fetch-audit"]);
    let run = scene.run_completely();
    assert!(trail(&run, "portal")["added"].as_u64().expect("a number") > 250);
    assert!(scene.store().current().expect("it can be read").is_none());
    assert!(events(&scene) > 250);
}

#[test]
fn the_step_of_the_audit_trail_is_asked_for_and_left_out_like_any_other() {
    let scene = scene("[]");
    let without = scene.run(&["--step", "fetch-users"]);
    assert!(without.report["audit"].is_null(), "{}", without.report);
    assert_ne!(scene.program(&["query", EVENTS]).exit, Some(0));
    let generation = scene.published().id().clone();
    let alone = scene.run(&["--step", "fetch-audit"]);
    assert_eq!(alone.ended.exit, Some(0), "{}", alone.ended.stderr);
    assert!(events(&scene) > 250);
    assert_eq!(scene.published().id(), &generation, "a generation is made by exports alone");

    // The table is an export, which is not started for steps that were not asked for.
    configure_table(&scene, 72, |configuration| configuration);
    let without = scene.run(&["--step", "fetch-users"]);
    assert!(without.report["audit"].is_null(), "{}", without.report);
    let alone = scene.run(&["--step", "fetch-audit"]);
    assert_eq!(alone.ended.exit, Some(0), "{}", alone.ended.stderr);
    assert!(trail(&alone, "table")["added"].as_u64().expect("a number") > 250);
}

#[test]
fn a_run_that_may_add_no_events_after_a_rotation_of_the_key_says_why_even_when_quiet() {
    let scene = Scene::of(TenantSpec { devices: 3, users: 2, alerts: 1, ..TenantSpec::default() });
    configure(&scene, "[]", |configuration| configuration.text("privacy.profile", "pseudonymous"));
    for arguments in [&["privacy", "key", "new"][..], &["run"], &["privacy", "key", "rotate"]] {
        let ended = scene.program(arguments);
        assert_eq!(ended.exit, Some(0), "{arguments:?}: {}", ended.stderr);
    }
    let ended = scene.program(&["run", "--quiet"]);
    assert_eq!(ended.exit, Some(7), "{}", ended.stderr);
    assert!(ended.stderr.contains("other privacy settings or another key"), "{}", ended.stderr);
    assert!(ended.stderr.contains("backfill audit --start-over"), "{}", ended.stderr);
}

#[test]
fn a_backfill_is_in_the_ledger_with_what_it_removed() {
    let scene = scene("[]");
    scene.run_completely();
    let before = events(&scene);
    let now = scene.query("select cast(now() - interval '1 day' as date) as it");
    let day = now[0]["it"].as_str().expect("a date").to_owned();
    let ended = scene.program(&["backfill", "audit", "--start-over", "--from", &day]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let ledger = std::fs::read_to_string(scene.path("store/acme/ledger/entries.ndjson"));
    let ledger = ledger.expect("there is one");
    let entry = ledger.lines().find(|line| line.contains("\"backfill\"")).expect("it is in there");
    let entry: Value = serde_json::from_str(entry).expect("an object");
    let text = entry.to_string();
    assert!(text.contains(&format!("\"removed\":{before}")), "{text}");
    assert!(text.contains(&day) && text.contains("\"exitCode\":0"), "{text}");
}

#[test]
fn a_backfill_from_before_what_is_kept_begins_there() {
    let scene = scene("[]");
    configure(&scene, "[]", |configuration| configuration.set("retention.audit_days", "3"));
    let ended = scene.program(&["backfill", "audit", "--from", "2000-01-01"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("events are kept for 3 days"), "{}", ended.stderr);
    assert!(events(&scene) > 400);
}

#[test]
fn failed_logins_are_of_the_account_that_a_pair_names_and_of_no_other_word() {
    let scene = scene("[]");
    let lines = [
        "[Infinity|LOGIN|90213|*system] User failed to log in, display_name=\"Jane Doe\", name=\"ACME\\\\jane\"",
        "[Infinity|LOGIN|90213|*system] User failed to log in, device_name=kiosk-7, name=\"ben smith\"",
        "[Infinity|LOGIN|90213|eve] User failed to log in: name=login is unknown",
        "[Portal|LOGIN|20103|*system] User account failed login attempts - wrong password of joe",
    ];
    scene.update(|behaviour| behaviour.audit.content = Some(lines.join("\n")));
    scene.run_completely();
    let ended = scene.program(&["audit", "report", "failed-logins", "--output", "json"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let rows: Value = serde_json::from_str(&ended.stdout).expect("an array");
    let rows = rows.as_array().expect("an array").iter();
    let mut who: Vec<&str> = rows.map(|row| row["who"].as_str().expect("a name")).collect();
    who.sort_unstable();
    assert_eq!(who, ["ACME\\jane", "ben smith", "eve", "joe"]);
}

#[test]
fn the_same_line_of_two_engines_is_kept_for_each() {
    let scene = scene("[\"engine-01\", \"engine-02\"]");
    configure(&scene, "[\"engine-01\", \"engine-02\"]", |configuration| {
        configuration.set("audit.portal", "false")
    });
    scene.update(|behaviour| {
        behaviour.audit.content = Some("[Engine|General|10001|nxengine] Engine is up".to_owned());
    });
    scene.run_completely();
    let rows =
        scene.query("select trail, count(*) n from nexthink_audit_event group by 1 order by 1");
    let trails: Vec<&str> = rows.iter().filter_map(|row| row["trail"].as_str()).collect();
    assert_eq!(trails, ["engine/engine-01", "engine/engine-02"]);
}
