//! Retention from outside: what goes after a run and by its own command, and when nothing goes.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use core_simulator::TenantSpec;
use serde_json::Value;

use crate::kit::{Scene, until};

const DAY: Duration = Duration::from_hours(24);

fn scene() -> Scene {
    Scene::of(TenantSpec { devices: 8, users: 6, alerts: 4, ..TenantSpec::default() })
}

/// Puts a file into the tenant's part of the store that was last written to so many days ago.
fn put(scene: &Scene, below: &str, days: u32) {
    let path = scene.path("store/acme").join(below);
    fs::create_dir_all(path.parent().expect("it is below the store")).expect("it can be made");
    let file = File::create(&path).expect("a file can be made");
    file.set_modified(now() - days * DAY).expect("its time can be set");
}

#[expect(clippy::disallowed_methods, reason = "files are as old as the program's clock sees them")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn is_there(scene: &Scene, below: &str) -> bool {
    scene.path("store/acme").join(below).exists()
}

fn report(scene: &Scene, arguments: &[&str]) -> Value {
    let arguments = [&["privacy", "retention", "--output", "json"], arguments].concat();
    let ended = scene.program(&arguments);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr))
}

#[test]
fn a_run_removes_what_was_kept_long_enough_and_nothing_else() {
    let scene = scene();
    scene.run_completely();
    fs::remove_file(scene.path("store/acme/retention.json")).expect("it was remembered");
    let items = [
        ("quarantine/old.csv", 15, false),
        ("quarantine/young.csv", 13, true),
        ("logs/old.log", 31, false),
        ("logs/young.log", 29, true),
        ("elsewhere/very-old", 900, true),
    ];
    for (below, days, _) in items {
        put(&scene, below, days);
    }
    let planned = report(&scene, &["--dry-run"]);
    assert_eq!(planned["removed"].as_array().map(Vec::len), Some(2), "{planned}");
    assert!(items.iter().all(|(below, ..)| is_there(&scene, below)), "that was a dry run");
    scene.run_completely();
    for (below, _, stays) in items {
        assert_eq!(is_there(&scene, below), stays, "{below}");
    }
    let listed = scene.program(&["privacy", "ledger", "list", "--event", "retention"]);
    assert!(listed.stdout.contains("\"quarantine\":1"), "{}", listed.stdout);
}

#[test]
fn j15_nothing_is_removed_while_the_clock_is_behind_an_earlier_run() {
    let scene = scene();
    scene.run_completely();
    put(&scene, "quarantine/old.csv", 15);
    let state = scene.path("store/acme/retention.json");
    let text = fs::read_to_string(&state).expect("it was remembered");
    let mut remembered: Value = serde_json::from_str(&text).expect("it is JSON");
    let ahead = remembered["believed_ms"].as_u64().expect("a time") + 40 * 24 * 3_600_000;
    remembered["believed_ms"] = ahead.into();
    fs::write(&state, remembered.to_string()).expect("it is ours");

    let ended = scene.program(&["privacy", "retention"]);
    assert_eq!(ended.exit, Some(2));
    assert!(ended.stderr.contains("the clock is behind 20"), "{}", ended.stderr);
    let run = scene.run_completely();
    assert!(run.ended.stderr.contains("the clock cannot be believed"), "{}", run.ended.stderr);
    assert!(is_there(&scene, "quarantine/old.csv"));
    let accepted = report(&scene, &["--accept-clock"]);
    assert_eq!(accepted["clock"]["clock"], "steady");
    // It was first seen now, and what its own time says cannot be known to be right.
    assert!(is_there(&scene, "quarantine/old.csv"));
    assert_eq!(scene.program(&["privacy", "retention"]).exit, Some(0));
}

#[test]
fn j15_events_go_by_the_same_clock_as_everything_else() {
    let scene = scene();
    let host = scene.api().to_owned();
    let configure = |days: &str| {
        scene.configure(|configuration| {
            configuration
                .text("audit.host", &host)
                .text("audit.account", "demo")
                .set("audit.password", "{ file = \"secret\" }")
                .set("audit.since_days", "3")
                .set("retention.audit_days", days)
        });
    };
    configure("180");
    scene.run_completely();
    let count = || {
        let rows = scene.query("select count(*) n from nexthink_audit_event");
        rows[0]["n"].as_u64().expect("a number")
    };
    let before = count();
    configure("1");
    let planned = report(&scene, &["--dry-run"]);
    let planned = planned["events"].as_u64().expect("a number");
    assert!(planned > before / 2 && planned < before, "{planned} of {before}");

    let state = scene.path("store/acme/retention.json");
    let text = fs::read_to_string(&state).expect("it was remembered");
    let mut ahead: Value = serde_json::from_str(&text).expect("it is JSON");
    let believed = ahead["believed_ms"].as_u64().expect("a time");
    ahead["believed_ms"] = (believed + 40 * 24 * 3_600_000).into();
    fs::write(&state, ahead.to_string()).expect("it is ours");
    scene.run_completely();
    assert!(count() >= before, "the clock is not believed");

    fs::write(&state, text).expect("it is ours");
    let removed = report(&scene, &[]);
    assert!(removed["events"].as_u64().is_some_and(|number| number >= planned), "{removed}");
    assert!(count() <= before - planned + 3);
    let listed = scene.program(&["privacy", "ledger", "list", "--event", "retention"]);
    assert!(listed.stdout.contains("\"event\":"), "{}", listed.stdout);
    assert_eq!(report(&scene, &[])["events"], 0);
}

#[test]
fn j24_nothing_goes_by_a_clock_that_disagrees_with_nexthinks_and_ids_keep_their_order() {
    const DAY_SECONDS: i64 = 24 * 3_600;
    for days in [-7_300, -200, 200, 365] {
        let scene = scene();
        let host = scene.api().to_owned();
        scene.configure(|configuration| {
            configuration
                .text("audit.host", &host)
                .text("audit.account", "demo")
                .set("audit.password", "{ file = \"secret\" }")
                .set("audit.since_days", "2")
                .set("retention.audit_days", "1")
        });
        // This machine's clock is off by the opposite, at first.
        scene.update(|behaviour| behaviour.clock_offset_seconds = days * DAY_SECONDS);
        put(&scene, "quarantine/old.csv", 15);
        let first = scene.run_completely();
        let told = &first.ended.stderr;
        assert!(told.contains("the clocks disagree"), "{days}: {told}");
        assert!(is_there(&scene, "quarantine/old.csv"), "{days}");
        let events = scene.query("select count(*) n from nexthink_audit_event");
        assert!(events[0]["n"].as_u64() > Some(24), "{days}: {events:?}");
        let wrong = scene.published().id().clone();

        scene.update(|behaviour| behaviour.clock_offset_seconds = 0);
        scene.run_completely();
        let right = scene.published().id().clone();
        assert!(right > wrong, "{days}: {right} is after {wrong}");
        let history = scene.store().history().expect("it can be listed");
        let order: Vec<_> = history.iter().map(|entry| entry.id.clone()).collect();
        assert_eq!(order, [right, wrong], "{days}");
    }
}

#[test]
fn retention_waits_for_no_run() {
    let scene = scene();
    scene.update(|behaviour| behaviour.preparation = Duration::from_hours(1));
    let running = scene.start(&["run"]);
    let lock = scene.path("store/acme/lock");
    let locked = until(Duration::from_secs(10), || {
        fs::read_to_string(&lock).is_ok_and(|owner| !owner.is_empty()).then_some(())
    });
    assert!(locked.is_some(), "the run does not begin");
    assert_eq!(scene.program(&["privacy", "retention"]).exit, Some(9));
    assert_eq!(scene.program(&["privacy", "retention", "--dry-run"]).exit, Some(0));
    running.kill();
}
