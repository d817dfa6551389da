//! The rules that come with the program, about the audit trail and about the program itself.

use std::collections::BTreeMap;
use std::fs;

use core_simulator::{SavedQuery, TenantSpec};
use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{done, findings};
use crate::kit::Scene;

fn scene() -> Scene {
    Scene::of(TenantSpec { devices: 12, users: 10, alerts: 5, ..TenantSpec::default() })
}

/// The findings of each rule, of which none may have had more than its beginning.
fn told_once(scene: &Scene) -> BTreeMap<String, u64> {
    let book = fs::read_to_string(scene.path("store/acme/findings.json")).expect("it is there");
    let book: Value = serde_json::from_str(&book).expect("it is JSON");
    let mut counts = BTreeMap::new();
    for finding in book["findings"].as_object().expect("findings by id").values() {
        let history = finding["history"].as_array().expect("a list");
        assert!(history.len() == 1 && history[0]["what"] == "opened", "{finding}");
        let rule = finding["rule"].as_str().expect("a rule").to_owned();
        *counts.entry(rule).or_default() += 1;
    }
    counts
}

#[test]
fn each_event_of_the_audit_trail_is_one_finding_however_often_it_is_looked_at() {
    let scene = scene();
    scene.configure(|configuration| {
        configuration
            .text("audit.host", scene.api())
            .text("audit.account", "demo")
            .set("audit.password", "{ file = \"secret\" }")
            .set("audit.since_days", "1")
    });
    done(&scene, &["rules", "enable", "audit-*"]);
    let events = |condition: &str| {
        let sql = format!("select count(*) as n from nexthink_audit_event where {condition}");
        scene.query(&sql)[0]["n"].as_u64().expect("a number")
    };
    for _ in 0..3 {
        scene.run_completely();
        let told = told_once(&scene);
        for (rule, condition) in [
            ("audit-new-credential", "action = 'api-credential-change'"),
            ("audit-support-access", "action = 'support-access'"),
            (
                "audit-new-administrator",
                "action = 'user-change' and message like '%Administrator%'",
            ),
        ] {
            let expected = events(condition);
            assert!(expected > 1, "{rule}");
            assert_eq!(told.get(rule), Some(&expected), "{rule}");
        }
    }
    let before = told_once(&scene);

    // Failures in a row are told by whom they are about, not by the system that tells of them.
    let failure = |name: &str, number: u32| {
        format!(
            "[Infinity|LOGIN|90213|*system] User failed to log in, name={name}@corp.example, error=\"no. {number}\"\n"
        )
    };
    let lines = (0..6).map(|number| failure("jane", number));
    let lines: String = lines.chain((0..4).map(|number| failure("joe", number))).collect();
    scene.update(|behaviour| behaviour.audit.content = Some(lines.trim_end().to_owned()));
    for _ in 0..2 {
        scene.run_completely();
        let about_jane = findings(&scene, &["--rule", "audit-failed-logins"]);
        let texts = about_jane.iter().filter_map(|finding| finding["text"].as_str());
        let texts: Vec<&str> =
            texts.filter(|text| text.contains("@corp.example failed in a row")).collect();
        let expected = before.get("audit-failed-logins").copied().unwrap_or(0) + 1;
        assert_eq!(texts.len() as u64, expected, "{texts:?}");
        assert!(
            texts.iter().any(|text| text.starts_with("6 logins of jane@corp.example")),
            "{texts:?}"
        );
        told_once(&scene);
    }
}

#[test]
fn changes_outside_working_hours_are_told_and_changes_within_are_not() {
    let scene = scene();
    // Of three days one at least is a working day.
    scene.configure(|configuration| {
        configuration
            .text("audit.host", scene.api())
            .text("audit.account", "demo")
            .set("audit.password", "{ file = \"secret\" }")
            .set("audit.since_days", "3")
    });
    let rule = "audit-outside-hours";
    done(&scene, &["rules", "enable", rule]);
    scene.run_completely();
    let changes = scene.query(
        "select to_char(\"occurredOn\", '%Y-%m-%dT%H:%M:%SZ') as at from nexthink_audit_event \
         where action like '%-change' or action in ('support-access', 'remote-action', 'content-grant')",
    );
    let is_outside = |row: &Value| {
        let at: Timestamp =
            row["at"].as_str().and_then(|at| at.parse().ok()).expect("an RFC 3339 time");
        let at = at.to_zoned(TimeZone::UTC);
        let is_weekend = matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday);
        is_weekend || !(7..19).contains(&at.hour())
    };
    let (outside, within): (Vec<&Value>, Vec<&Value>) =
        changes.iter().partition(|row| is_outside(row));
    assert!(!outside.is_empty() && !within.is_empty(), "{} {}", outside.len(), within.len());
    assert_eq!(told_once(&scene).get(rule), Some(&(outside.len() as u64)));
}

#[test]
fn the_program_tells_of_its_own_troubles_and_of_their_end() {
    let scene = scene();
    scene.configure(|configuration| configuration.set("nexthink.daily_exports", "4"));
    done(&scene, &["rules", "enable", "program-*"]);
    let open = || {
        let rows = findings(&scene, &[]);
        let texts =
            rows.iter().map(|row| format!("{}: {}", row["rule"], row["text"]).replace('"', ""));
        texts.collect::<Vec<String>>()
    };
    scene.run_completely();
    assert_eq!(open(), ["program-quota-nearly-spent: 4 of 4 exports of the day are used"]);
    scene.configure(|configuration| configuration);
    done(&scene, &["rules", "run"]);
    assert_eq!(open(), [] as [&str; 0]);

    scene.update(|behaviour| {
        behaviour.failing.insert(SavedQuery::Packages, "ERROR".to_owned());
    });
    assert_eq!(scene.run(&[]).ended.exit, Some(7));
    let found = open();
    let [text] = &found[..] else { panic!("{found:?}") };
    assert!(text.starts_with("program-step-not-complete: fetch-packages: failed: "), "{text}");
    scene.update(|behaviour| behaviour.failing.clear());
    scene.run_completely();
    assert_eq!(open(), [] as [&str; 0]);
}
