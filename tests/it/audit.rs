//! The audit trail, from a simulated tenant to the answers of the program.

use std::collections::BTreeMap;
use std::time::Duration;

use core_simulator::{LineTime, SavedQuery, SimulatedTrail, SimulatorConfig, TenantSpec};
use serde_json::Value;

mod alone;

use crate::kit::{Configuration, Run, Scene, start_and_read, until};

/// A small tenant, and a configuration that reads these Engines' trails and that of the web interface.
fn scene(engines: &str) -> Scene {
    let mut config = SimulatorConfig::default();
    config.behaviour.tenant =
        TenantSpec { devices: 3, users: 2, alerts: 1, ..TenantSpec::default() };
    let scene = Scene::with(config);
    configure(&scene, engines, |configuration| configuration);
    scene
}

fn configure(scene: &Scene, engines: &str, change: impl FnOnce(Configuration) -> Configuration) {
    let host = scene.api().to_owned();
    scene.configure(|configuration| {
        change(
            configuration
                .text("audit.host", &host)
                .text("audit.account", "demo")
                .set("audit.password", "{ file = \"secret\" }")
                .set("audit.engines", engines)
                .set("audit.since_days", "2"),
        )
    });
}

/// Returns the number of times that each record of a trail is stored that occurred in these seconds.
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
    trails.find(|trail| trail["name"] == name).expect("it was asked for")
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
    let engines = ["engine-01", "engine-02"].map(|name| SimulatedTrail::Engine(name.to_owned()));
    let engines = engines.iter().flat_map(|engine| scene.audit_lines(engine, from, to));
    assert_eq!(stored(&scene, "engines", from, to), count(engines));
}

#[test]
fn l1_an_engine_that_cannot_be_reached_costs_its_part_and_nothing_else() {
    let scene = scene("[\"engine-01\", \"engine-02\"]");
    scene.update(|behaviour| {
        behaviour.audit.unreachable.insert("engine-02".to_owned());
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

    scene.update(|behaviour| behaviour.audit.unreachable.clear());
    let run = scene.run_completely();
    assert!(trail(&run, "engine/engine-02")["added"].as_u64().expect("a number") > 250);
    assert_eq!(trail(&run, "engine/engine-02")["gaps"], Value::Array(Vec::new()));
}

#[test]
fn every_form_of_time_and_a_rotated_log_are_read_in_the_configured_zone() {
    // Within an hour of its midnight, the first line that is read at all could be one without its beginning, which is kept
    // by the time of the end of its answer.
    let hour = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour();
    let (zone, zone_minutes) =
        if (20..24).contains(&hour) { ("Etc/GMT-6", 360) } else { ("Etc/GMT-2", 120) };
    for times in [LineTime::Iso, LineTime::Syslog, LineTime::Epoch] {
        let scene = scene("[]");
        configure(&scene, "[]", |configuration| configuration.text("audit.time_zone", zone));
        scene.update(|behaviour| {
            (behaviour.audit.times, behaviour.audit.zone_minutes, behaviour.audit.rotates) =
                (times, zone_minutes, true);
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
    configure(&scene, "[]", |configuration| configuration.text("audit.account", "somebody"));
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    assert_eq!(scene.published().manifest().tables.len(), 10);
    let reason = trail(&run, "portal")["reason"].as_str().expect("a reason");
    assert!(reason.contains("refused \"somebody\" (HTTP 401)"), "{reason}");
}

#[test]
fn a_token_with_the_scope_of_the_audit_trail_reads_it_too() {
    let scene = scene("[]");
    configure(&scene, "[]", |configuration| configuration.text("audit.auth", "oauth"));
    let run = scene.run_completely();
    assert!(trail(&run, "portal")["added"].as_u64().expect("a number") > 250);
}

#[test]
fn l7_what_steers_a_terminal_is_shown_and_not_obeyed() {
    let scene = scene("[]");
    scene.update(|behaviour| {
        let line = "[Portal|LOGIN|20103|\u{1b}[2J<script>] \u{1b}]0;title\u{7} failed";
        behaviour.audit.content = Some(line.to_owned());
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
        let ended = scene.program(&["audit", "report", question, "--output", "json"]);
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

/// A configuration that reads the table, through a saved query of so many hours.
fn configure_table(scene: &Scene, hours: u64, change: impl FnOnce(Configuration) -> Configuration) {
    scene.update(|behaviour| behaviour.audit.table_hours = hours);
    scene.configure(|configuration| {
        let mut configuration =
            configuration.text("audit.source", "nql").text("audit.query", "#j1_audit");
        for column in ["time", "account", "code", "message"] {
            configuration = configuration.text(&format!("audit.columns.{column}"), column);
        }
        change(configuration.set("audit.hours", &hours.to_string()))
    });
}

/// Returns the number of times that each row of the table is stored that is of these seconds, by code, account and
/// message.
fn stored_rows(scene: &Scene, from: u64, to: u64) -> BTreeMap<String, usize> {
    let sql = format!(
        "select code, account, message from nexthink_audit_event where trail = 'table' and \
         \"occurredOn\" >= to_timestamp({from}) and \"occurredOn\" < to_timestamp({to})"
    );
    let text = |row: &Value| {
        format!("{} {} {}", row["account"].as_str()?, row["code"], row["message"].as_str()?).into()
    };
    count(scene.query(&sql).iter().filter_map(text))
}

fn rows_of(scene: &Scene, from: u64, to: u64) -> BTreeMap<String, usize> {
    let rows = scene.audit_rows(from, to).into_iter();
    count(rows.map(|[_, account, code, message]| format!("{account} {code} {message}")))
}

#[test]
fn l2_l9_the_table_is_read_through_an_export_and_every_row_is_there_once() {
    let scene = scene("[]");
    configure_table(&scene, 72, |configuration| configuration);
    let first = scene.run_completely();
    assert_eq!(trail(&first, "table")["gaps"], Value::Array(Vec::new()));
    let (from, to) = a_day(&scene);
    assert!(!rows_of(&scene, from, to).is_empty());
    assert_eq!(stored_rows(&scene, from, to), rows_of(&scene, from, to));
    let second = scene.run_completely();
    assert!(trail(&second, "table")["records"].as_u64().expect("a number") > 400);
    assert!(trail(&second, "table")["added"].as_u64().expect("a number") < 3);
    assert_eq!(stored_rows(&scene, from, to), rows_of(&scene, from, to));
    // Four queries of the estate and this one, twice: all are in the ledger.
    let plan = scene.program(&["plan", "--format", "json"]);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("an object");
    let exports = &plan["exports"];
    assert_eq!(exports["needed"], 5, "{exports}");
    let number = |name: &str| exports[name].as_u64().expect("a number");
    assert_eq!(number("daily") - number("left"), 10, "{exports}");
}

#[test]
fn l2_a_truncated_table_keeps_its_rows_and_stays_a_gap_until_an_answer_is_whole() {
    let scene = scene("[]");
    configure_table(&scene, 72, |configuration| configuration);
    scene.update(|behaviour| {
        behaviour.row_caps.insert(SavedQuery::AuditLogs, 100);
    });
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    assert_eq!(scene.published().manifest().tables.len(), 10);
    let cut = trail(&run, "table");
    assert_eq!((&cut["records"], &cut["added"]), (&100.into(), &100.into()));
    assert_eq!(cut["gaps"].as_array().expect("a list").len(), 1);
    let reason = cut["reason"].as_str().expect("a reason");
    assert!(reason.contains("truncated") && reason.contains("`audit.hours`"), "{reason}");

    scene.update(|behaviour| behaviour.row_caps.clear());
    let run = scene.run_completely();
    assert_eq!(trail(&run, "table")["gaps"], Value::Array(Vec::new()));
    let (from, to) = a_day(&scene);
    assert_eq!(stored_rows(&scene, from, to), rows_of(&scene, from, to));
}

#[test]
fn a_table_without_a_configured_column_is_refused_and_check_says_so_before() {
    let scene = scene("[]");
    configure_table(&scene, 72, |configuration| configuration);
    let ended = scene.program(&["check"]);
    assert_eq!(ended.exit, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("#j1_audit has the columns that are read"), "{}", ended.stdout);
    let ended = scene.program(&["nql"]);
    assert!(ended.stdout.contains("platform.audit_logs during past 72h"), "{}", ended.stdout);
    configure_table(&scene, 72, |configuration| configuration.text("audit.columns.account", "who"));
    let ended = scene.program(&["check"]);
    assert_eq!(ended.exit, Some(5), "{}", ended.stdout);
    assert!(ended.stdout.contains("has no column `who`"), "{}", ended.stdout);
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    let reason = trail(&run, "table")["reason"].as_str().expect("a reason");
    assert!(reason.contains("has no column `who`"), "{reason}");
    assert_eq!(trail(&run, "table")["added"], 0);
}

#[test]
fn a_host_that_is_down_is_asked_for_one_trail_and_the_rest_is_a_gap_until_it_answers() {
    let scene = scene("[]");
    let down = |engines: &str| {
        configure(&scene, engines, |configuration| {
            configuration.text("audit.host", "http://127.0.0.1:9")
        });
    };
    down("[\"engine-01\", \"engine-02\"]");
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    for name in ["engine/engine-01", "engine/engine-02"] {
        let lacking = trail(&run, name);
        assert_eq!(lacking["reason"], "not asked for, since it would fail like portal");
        assert_eq!(lacking["gaps"].as_array().expect("a list").len(), 1);
    }
    configure(&scene, "[\"engine-01\", \"engine-02\"]", |configuration| configuration);
    let run = scene.run_completely();
    for name in ["portal", "engine/engine-01", "engine/engine-02"] {
        assert!(trail(&run, name)["added"].as_u64().expect("a number") > 250, "{name}");
        assert_eq!(trail(&run, name)["gaps"], Value::Array(Vec::new()));
    }
}

#[test]
fn check_asks_every_trail_and_says_what_to_mend() {
    let scene = scene("[\"engine-01\", \"engine-09\"]");
    let ended = scene.program(&["check"]);
    assert_eq!(ended.exit, Some(4), "{}", ended.stdout);
    assert!(ended.stdout.contains("audit portal"), "{}", ended.stdout);
    assert!(ended.stdout.contains("is `audit.engines` right"), "{}", ended.stdout);
    configure(&scene, "[]", |configuration| configuration.text("audit.account", "somebody"));
    let ended = scene.program(&["check"]);
    assert_eq!(ended.exit, Some(3), "{}", ended.stdout);
    assert!(ended.stdout.contains("see `audit.account`"), "{}", ended.stdout);
}

#[test]
fn tail_follows_new_events_and_ends_when_its_reader_has_gone() {
    let scene = scene("[]");
    configure(&scene, "[]", |configuration| configuration.set("nexthink.daily_exports", "400"));
    let arguments = ["audit", "tail", "--follow", "--account", "eve", "--output", "ndjson"];
    let mut following = start_and_read(20, scene.folder(), &arguments, &[]);
    // Each run adds an event; the reader goes away within the first.
    let mut number = 0;
    let ended = until(Duration::from_mins(1), || {
        number += 1;
        let line = format!("[Portal|LOGIN|20103|eve] failed for the {number}th time");
        scene.update(|behaviour| behaviour.audit.content = Some(line));
        scene.run_completely();
        following.has_ended().then_some(())
    });
    assert!(ended.is_some(), "the program ends when its reader has gone");
    let ended = following.wait();
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("{\"occurredOn\":"), "{}", ended.stdout);
}

#[test]
fn events_are_asked_before_there_is_any_generation() {
    let scene = scene("[]");
    let ended = scene.program(&["query", "select 1 from nexthink_audit_event"]);
    assert_ne!(ended.exit, Some(0));
    let period = ["--from", "2000-01-01", "--to", "2000-02-01"];
    let backfill = scene.program(&[&["backfill", "audit"][..], &period].concat());
    assert_eq!(backfill.exit, Some(2), "{}", backfill.stderr);
    scene.update(|behaviour| {
        for query in SavedQuery::ALL {
            behaviour.failing.insert(query, "out of memory".to_owned());
        }
    });
    let run = scene.run(&[]);
    assert_ne!(run.ended.exit, Some(0));
    assert_ne!(scene.program(&["query", "select 1 from nexthink_device"]).exit, Some(0));
    let events = scene.query("select count(*) n from nexthink_audit_event");
    assert!(events[0]["n"].as_u64().expect("a number") > 250);
}

#[test]
fn tables_of_events_are_partial_only_if_a_trail_lacks_some() {
    let scene = scene("[\"engine-01\", \"engine-02\"]");
    let partial_tables = || {
        let ended = scene.program(&["query", "--tables", "--output", "json"]);
        let tables: Vec<Value> = serde_json::from_str(&ended.stdout).expect("it is JSON");
        let partial = tables.iter().filter(|table| table["partial"] == true);
        let names = partial.map(|table| table["name"].as_str().unwrap_or_default().to_owned());
        names.collect::<Vec<_>>()
    };
    let count = ["query", "select count(*) from nexthink_audit_event"];
    scene.update(|behaviour| {
        behaviour.audit.unreachable.insert("engine-02".to_owned());
    });
    assert_eq!(scene.run(&[]).ended.exit, Some(7));
    assert_eq!(partial_tables(), ["nexthink_audit_event", "nexthink_account_has_audit_event"]);
    let stderr = scene.program(&count).stderr;
    assert!(
        stderr.contains("partial tables") && stderr.contains("nexthink_audit_event"),
        "{stderr}"
    );
    assert_eq!(scene.program(&[&["--quiet"], &count[..]].concat()).stderr, "");

    scene.update(|behaviour| behaviour.audit.unreachable.clear());
    scene.run_completely();
    assert_eq!(partial_tables(), Vec::<String>::new());
    assert_eq!(scene.program(&count).stderr, "");
}
