//! The audit trail under a profile that hides people: no name of it is in any file, and whoever is a
//! user is the same under one pseudonym.

use std::collections::BTreeSet;
use std::fs;

use core_simulator::TenantSpec;
use serde_json::Value;

use crate::kit::{Configuration, Scene, files};

fn tenant() -> TenantSpec {
    TenantSpec { devices: 8, users: 6, alerts: 4, ..TenantSpec::default() }
}

fn scene(profile: &str) -> Scene {
    let scene = Scene::of(tenant());
    configure(&scene, profile, |configuration| configuration);
    let key = scene.program(&["privacy", "key", "new"]);
    assert_eq!(key.exit, Some(0), "{}", key.stderr);
    scene
}

fn configure(scene: &Scene, profile: &str, change: impl FnOnce(Configuration) -> Configuration) {
    let host = scene.api().to_owned();
    scene.configure(|configuration| {
        change(
            configuration
                .text("audit.host", &host)
                .text("audit.account", "demo")
                .set("audit.password", "{ file = \"secret\" }")
                .set("audit.since_days", "2")
                .text("privacy.profile", profile),
        )
    });
}

/// Every cell of every event, and the bytes of every file of the store.
fn stored(scene: &Scene) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in files(&scene.path("store")) {
        bytes.extend(fs::read(path).expect("it can be read"));
    }
    for batch in scene.store().events("audit").expect("the log is whole").batches_from("") {
        bytes.extend(format!("{:?}", batch.expect("it is whole").columns()).into_bytes());
        bytes.push(b'\n');
    }
    for row in scene.query("select * from nexthink_audit_event") {
        bytes.extend(row.to_string().into_bytes());
    }
    bytes
}

fn has(bytes: &[u8], text: &str) -> bool {
    aho_corasick::AhoCorasick::new([text]).expect("one text").is_match(bytes)
}

fn number(scene: &Scene, sql: &str) -> u64 {
    scene.query(sql)[0]["n"].as_u64().expect("a number")
}

const EVENTS: &str = "select count(*) n from nexthink_audit_event";

#[test]
fn no_name_of_the_trail_is_in_the_store_under_a_profile_that_hides_people() {
    let full = scene("full");
    full.run_completely();
    assert!(has(&stored(&full), "user07@corp.example"));
    for profile in ["pseudonymous", "minimal"] {
        let scene = scene(profile);
        scene.run_completely();
        let events = number(&scene, EVENTS);
        assert!(events > 250);
        let bytes = stored(&scene);
        for name in ["corp.example", "user07", "Clean disk", "wrong password", "ingester"] {
            assert!(!has(&bytes, name), "{name} is in the store under {profile}");
        }
        let kept = format!(
            "{EVENTS} where raw is null and message is null and details is null \
             and code > 0 and name <> ''"
        );
        assert_eq!(number(&scene, &kept), events, "{profile}");
        let accounts = scene.query("select distinct account from nexthink_audit_event");
        let accounts: BTreeSet<_> =
            accounts.iter().filter_map(|account| account["account"].as_str()).collect();
        assert_eq!(accounts.is_empty(), profile == "minimal", "{accounts:?}");
        assert!(accounts.iter().all(|account| account.trim_start_matches('*').starts_with("p1-")));
        // The identity is none that whoever can guess a line could compute.
        let ids = |scene: &Scene| -> BTreeSet<String> {
            let rows = scene.query("select id from nexthink_audit_event");
            rows.iter().filter_map(|row| row["id"].as_str()).map(str::to_owned).collect()
        };
        assert!(ids(&scene).is_disjoint(&ids(&full)));
        // Read again, every event is known again.
        let again = scene.run_completely();
        let trail = &again.report["audit"]["trails"][0];
        assert!(
            trail["records"].as_u64() > Some(5) && trail["added"].as_u64() < Some(3),
            "{trail}"
        );
    }
}

#[test]
fn whoever_is_a_user_has_the_same_pseudonym_in_events() {
    let full = Scene::of(tenant());
    full.run_completely();
    let user =
        full.query("select upn from nexthink_user where upn is not null order by 1")[0].clone();
    let upn = user["upn"].as_str().expect("a text");
    let scene = scene("pseudonymous");
    // One window, so that the line without a time is read once.
    configure(&scene, "pseudonymous", |configuration| configuration.set("audit.since_days", "1"));
    let line = format!("[Portal|LOGIN|20103|{}] of {upn}", upn.to_uppercase());
    scene.update(|behaviour| behaviour.audit.content = Some(line));
    scene.run_completely();
    assert!(!has(&stored(&scene), upn));
    let joined = "select count(*) n from nexthink_audit_event e join nexthink_user u \
                  on e.account = u.upn where e.action = 'failed-login'";
    assert_eq!(number(&scene, joined), 1);
}

#[test]
fn events_that_show_people_in_two_ways_are_never_in_one_store() {
    let scene = scene("full");
    scene.run_completely();
    let events = number(&scene, EVENTS);
    configure(&scene, "pseudonymous", |configuration| configuration);
    let run = scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    assert!(
        run.report["audit"]["reason"].as_str().is_some_and(|text| text.contains("--start-over"))
    );
    assert_eq!(number(&scene, EVENTS), events);

    // The operator may want them as they are.
    configure(&scene, "pseudonymous", |configuration| {
        configuration.set("audit.clear_names", "true")
    });
    scene.run_completely();
    assert!(has(&stored(&scene), "user07@corp.example"));

    // Nothing goes before it is known that something comes in its place.
    let start_over = ["backfill", "audit", "--start-over", "--from", "2026-01-01T00:00"];
    configure(&scene, "pseudonymous", |configuration| {
        configuration.text("audit.account", "nobody").set("retention.audit_days", "3000")
    });
    let ended = scene.program(&start_over);
    assert_eq!(ended.exit, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("nothing was removed"), "{}", ended.stderr);
    assert!(number(&scene, EVENTS) >= events);

    configure(&scene, "pseudonymous", |configuration| configuration);
    let day =
        scene.query("select cast(min(\"observedOn\") as date) as it from nexthink_audit_event");
    let day = day[0]["it"].as_str().expect("a date").to_owned();
    let arguments = ["backfill", "audit", "--start-over", "--from", &day, "--output", "json"];
    let ended = scene.program(&arguments);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).expect("an object");
    assert!(report["trails"][0]["added"].as_u64() >= Some(events), "{report}");
    assert!(!has(&stored(&scene), "corp.example"));
    scene.run_completely();
}

#[test]
fn events_are_kept_by_a_time_that_no_policy_may_drop() {
    let scene = scene("full");
    configure(&scene, "full", |configuration| {
        configuration.text("privacy.columns.\"audit.observed\"", "drop")
    });
    let ended = scene.program(&["check"]);
    assert_eq!(ended.exit, Some(2), "{}", ended.stdout);
    assert!(ended.stderr.contains("events are kept and removed"), "{}", ended.stderr);
    // A single column may go, and times may be kept to the second.
    configure(&scene, "pseudonymous", |configuration| {
        configuration
            .text("privacy.columns.\"audit.code\"", "drop")
            .text("privacy.columns.\"audit.occurred\"", "keep")
            .text("privacy.columns.\"audit.observed\"", "keep")
    });
    scene.run_completely();
    assert_eq!(number(&scene, &format!("{EVENTS} where code is not null")), 0);
    let times = "select count(distinct \"occurredOn\") n from nexthink_audit_event";
    assert!(number(&scene, times) > 100);
}
