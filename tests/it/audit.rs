//! The audit trail, from a simulated tenant to the answers of the program.

use std::collections::BTreeMap;

use core_simulator::{LineTime, SimulatedTrail, SimulatorConfig, TenantSpec};
use serde_json::Value;

use crate::kit::{Configuration, Run, Scene};

/// A small tenant, and a configuration that reads these Engines' trails and that of the web interface.
fn scene(engines: &str) -> Scene {
    let mut config = SimulatorConfig::default();
    config.behaviour.tenant =
        TenantSpec { devices: 3, users: 2, alerts: 1, ..TenantSpec::default() };
    let scene = Scene::with(config);
    configure(&scene, engines, |it| it);
    scene
}

fn configure(scene: &Scene, engines: &str, change: impl FnOnce(Configuration) -> Configuration) {
    let host = scene.api().to_owned();
    scene.configure(|it| {
        change(
            it.text("audit.host", &host)
                .text("audit.account", "demo")
                .set("audit.password", "{ file = \"secret\" }")
                .set("audit.engines", engines)
                .set("audit.since_days", "2"),
        )
    });
}

/// How often each record of a trail is stored that occurred in these seconds.
fn stored(scene: &Scene, trail: &str, from: u64, to: u64) -> BTreeMap<String, usize> {
    let sql = format!(
        "select raw from nexthink_audit_event where trail = '{trail}' and \"observedOn\" >= \
         to_timestamp({from}) and \"observedOn\" < to_timestamp({to})"
    );
    count(scene.query(&sql).iter().filter_map(|row| row["raw"].as_str()).map(str::to_owned))
}

fn count(records: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(record).or_default() += 1;
    }
    counts
}

/// Most of a day that every run has read, in seconds since 1970-01-01 UTC. It begins and ends at half past
/// an hour, so that what a midnight does to a log is all in it or all outside.
fn a_day(scene: &Scene) -> (u64, u64) {
    let newest = scene.query("select max(\"observedOn\") as it from nexthink_audit_event");
    let newest = newest[0]["it"].as_str().expect("there are events").to_owned();
    let sql = format!("select cast(extract(epoch from timestamp '{newest}') as bigint) as it");
    let newest = scene.query(&sql)[0]["it"].as_u64().expect("a number");
    let from = newest / 3_600 * 3_600 - 86_400 + 1_800;
    (from, from + 23 * 3_600)
}

fn trail<'a>(run: &'a Run, name: &str) -> &'a Value {
    let mut trails = run.report["audit"]["trails"].as_array().expect("it was read").iter();
    trails.find(|it| it["name"] == name).expect("it was asked for")
}

#[test]
fn l2_l9_two_runs_keep_every_event_once_and_genuine_repetitions_twice() {
    let scene = scene("[\"*\"]");
    let first = scene.run_completely();
    let second = scene.run_completely();
    assert!(trail(&first, "portal")["added"].as_u64().expect("a number") > 250);
    assert!(trail(&second, "portal")["added"].as_u64().expect("a number") < 3);
    assert_ne!(trail(&second, "portal")["records"], 0, "the second run overlaps the first");
    let (from, to) = a_day(&scene);
    let portal = scene.audit_lines(&SimulatedTrail::Portal, from, to);
    assert_eq!(stored(&scene, "portal", from, to), count(portal));
    let engines = ["engine-01", "engine-02"].map(|it| SimulatedTrail::Engine(it.to_owned()));
    let engines = engines.iter().flat_map(|it| scene.audit_lines(it, from, to));
    assert_eq!(stored(&scene, "engines", from, to), count(engines));
}

#[test]
fn l1_an_engine_that_cannot_be_reached_costs_its_part_and_nothing_else() {
    let scene = scene("[\"engine-01\", \"engine-02\"]");
    scene.update(|it| {
        it.audit.unreachable.insert("engine-02".to_owned());
    });
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    assert_eq!(scene.published().manifest().tables.len(), 10);
    assert!(trail(&run, "engine/engine-01")["added"].as_u64().expect("a number") > 250);
    let lacking = trail(&run, "engine/engine-02");
    assert_eq!(lacking["added"], 0);
    assert_eq!(lacking["gaps"].as_array().expect("a list").len(), 1);
    let reason = lacking["reason"].as_str().expect("a reason");
    assert!(reason.contains("the Engine engine-02 cannot be read (HTTP 500"), "{reason}");

    scene.update(|it| it.audit.unreachable.clear());
    let run = scene.run_completely();
    assert!(trail(&run, "engine/engine-02")["added"].as_u64().expect("a number") > 250);
    assert_eq!(trail(&run, "engine/engine-02")["gaps"], Value::Array(Vec::new()));
}

#[test]
fn every_form_of_time_and_a_rotated_log_are_read_in_the_configured_zone() {
    for times in [LineTime::Iso, LineTime::Syslog, LineTime::Epoch] {
        let scene = scene("[]");
        configure(&scene, "[]", |it| it.text("audit.time_zone", "Etc/GMT-2"));
        scene.update(|it| {
            (it.audit.times, it.audit.zone_minutes, it.audit.rotates) = (times, 120, true);
        });
        let run = scene.run_completely();
        let (from, to) = a_day(&scene);
        let lines = scene.audit_lines(&SimulatedTrail::Portal, from, to);
        assert_eq!(stored(&scene, "portal", from, to), count(lines), "{times:?}");
        // The first line of each day has lost its beginning.
        let unparsed = scene
            .query("select count(*) as n from nexthink_audit_event where \"occurredOn\" is null");
        assert!(unparsed[0]["n"].as_u64().expect("a number") >= 1, "{times:?}");
        assert_eq!(trail(&run, "portal")["gaps"], Value::Array(Vec::new()));
    }
}

#[test]
fn a_refused_account_makes_the_run_partial_and_never_hurts_the_generation() {
    let scene = scene("[]");
    configure(&scene, "[]", |it| it.text("audit.account", "somebody"));
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    assert_eq!(scene.published().manifest().tables.len(), 10);
    let reason = trail(&run, "portal")["reason"].as_str().expect("a reason");
    assert!(reason.contains("refused \"somebody\" (HTTP 401)"), "{reason}");
}

#[test]
fn a_token_with_the_scope_of_the_audit_trail_reads_it_too() {
    let scene = scene("[]");
    configure(&scene, "[]", |it| it.text("audit.auth", "oauth"));
    let run = scene.run_completely();
    assert!(trail(&run, "portal")["added"].as_u64().expect("a number") > 250);
}

#[test]
fn l7_what_steers_a_terminal_is_shown_and_not_obeyed() {
    let scene = scene("[]");
    scene.update(|it| {
        let line = "[Portal|LOGIN|20103|\u{1b}[2J<script>] \u{1b}]0;title\u{7} failed";
        it.audit.content = Some(line.to_owned());
    });
    scene.run_completely();
    let ended = scene.program(&["audit", "tail"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert!(!ended.stdout.contains('\u{1b}'), "{}", ended.stdout);
    assert!(ended.stdout.contains("failed-login") && ended.stdout.contains("<script>"));
}

#[test]
fn questions_filters_and_the_edges_to_the_account_are_answered() {
    let scene = scene("[\"*\"]");
    scene.run_completely();
    for question in ["failed-logins", "new-power", "support-access", "outside-hours"] {
        let ended = scene.program(&["audit", "ask", question, "--output", "json"]);
        assert_eq!(ended.exit, Some(0), "{question}: {}", ended.stderr);
        let rows: Value = serde_json::from_str(&ended.stdout).expect("an array");
        assert!(!rows.as_array().expect("an array").is_empty(), "{question}");
    }
    let arguments = ["audit", "tail", "--code", "90213", "-n", "5", "--output", "ndjson"];
    let ended = scene.program(&arguments);
    let rows: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(rows.len(), 5, "{}", ended.stderr);
    assert!(rows.iter().all(|row| row["code"] == 90213 && row["action"] == "failed-login"));
    let edges = scene.query(
        "select count(*) n from nexthink_account_has_audit_event r join nexthink_account a on \
         r._fromEntityKey = a._key join nexthink_audit_event e on r._toEntityKey = e._key",
    );
    let events = scene.query("select count(*) n from nexthink_audit_event");
    assert_eq!(edges, events);
}

#[test]
fn a_backfill_reads_again_what_is_named_and_doubles_nothing() {
    let scene = scene("[]");
    scene.run_completely();
    let before = scene.query("select count(*) n from nexthink_audit_event");
    let (from, _) = a_day(&scene);
    let day = scene.query(&format!("select cast(to_timestamp({from}) as date) as it"));
    let day = day[0]["it"].as_str().expect("a date").to_owned();
    let ended = scene.program(&["backfill", "audit", "--from", &day, "--output", "json"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).expect("an object");
    assert!(report["trails"][0]["records"].as_u64().expect("a number") > 100, "{report}");
    let after = scene.query("select count(*) n from nexthink_audit_event");
    let number = |rows: &[Value]| rows[0]["n"].as_u64().expect("a number");
    assert!(number(&after) - number(&before) < 3, "{before:?} {after:?}");
    let wrong = scene.program(&["backfill", "audit", "--from", "yesterday"]);
    assert_eq!(wrong.exit, Some(2));
    assert!(wrong.stderr.contains("yesterday is no time"), "{}", wrong.stderr);
}
