//! Retrieval: forty planted facts of a person are found, and none of her neighbour's, who shares her
//! device.

use core_simulator::SavedQuery;
use serde_json::Value;

use super::erasure::Place;
use crate::faults::exports::Export;

const DEVICE: &str = "5b0e6f2a-device";

/// The values that are planted of her, column by column.
const MARA: &[(&str, &str)] = &[
    ("user.uid", "7d0c5a52-mara"),
    ("user.name", "ACME\\mkern"),
    ("user.upn", "mara.kern@acme.example"),
    ("user.sid", "S-1-5-21-11-22-33-4711"),
    ("user.type", "domain"),
    ("user.last_seen", "2026-11-20 08:15:00"),
    ("user.first_seen", "2024-02-03 09:30:00"),
    ("user.entity", "Lyon"),
    ("user.ad.email_address", "m.kern@mail.acme.example"),
    ("user.ad.full_name", "Mara Kern"),
    ("user.ad.department", "Treasury"),
];

const OTTO: &[(&str, &str)] = &[
    ("user.uid", "9c1f44de-otto"),
    ("user.name", "ACME\\oweiss"),
    ("user.upn", "otto.weiss@acme.example"),
    ("user.sid", "S-1-5-21-11-22-33-4712"),
    ("user.type", "local"),
    ("user.last_seen", "2026-11-19 07:05:00"),
    ("user.first_seen", "2023-01-02 03:45:00"),
    ("user.entity", "Turin"),
    ("user.ad.email_address", "o.weiss@mail.acme.example"),
    ("user.ad.full_name", "Otto Weiss"),
    ("user.ad.department", "Logistics"),
];

/// Two alerts of hers, the second with the neighbour in its text, and one of his.
const ALERTS: [&[(&str, &str)]; 3] = [
    &[
        ("alert.uid", "a-1"),
        ("alert.status", "open"),
        ("alert.trigger_time", "2026-11-18 10:01:00"),
        ("alert.recovery_time", ""),
        ("alert.trigger_value", "93 %"),
        ("alert.duration", "4h 12m"),
        ("monitor.name", "Disk nearly full"),
        ("monitor.nql_id", "#disk_full"),
        ("monitor.priority", "high"),
        ("monitor.type", "metric_threshold"),
        ("monitor.origin", "custom"),
        ("device.uid", DEVICE),
        ("user.uid", "7d0c5a52-mara"),
    ],
    &[
        ("alert.uid", "a-2"),
        ("alert.status", "closed"),
        ("alert.trigger_time", "2026-11-16 22:02:00"),
        ("alert.recovery_time", "2026-11-16 23:03:00"),
        ("alert.trigger_value", "session taken over from otto.weiss@acme.example, twice"),
        ("alert.duration", "61m"),
        ("monitor.name", "Slow logon"),
        ("monitor.nql_id", "#slow_logon"),
        ("monitor.priority", "critical"),
        ("monitor.type", "metric_change"),
        ("monitor.origin", "system"),
        ("device.uid", DEVICE),
        ("user.uid", "7d0c5a52-mara"),
    ],
    &[
        ("alert.uid", "alert-of-o"),
        ("alert.status", "open"),
        ("alert.trigger_time", "2026-11-15 05:55:00"),
        ("alert.recovery_time", ""),
        ("alert.trigger_value", "otto's value"),
        ("alert.duration", "17 days"),
        ("monitor.name", "Otto's monitor"),
        ("monitor.nql_id", "#ottos"),
        ("monitor.priority", "low"),
        ("monitor.type", "metric_threshold"),
        ("monitor.origin", "custom"),
        ("device.uid", DEVICE),
        ("user.uid", "9c1f44de-otto"),
    ],
];

/// Her facts: the name of each, where it is in the answer, and what must be there.
const FACTS: [(&str, &str, &str); 40] = [
    ("uid", "/entities/nexthink_user/0/id", "7d0c5a52-mara"),
    ("login", "/entities/nexthink_user/0/username/0", "ACME\\mkern"),
    ("login without its domain", "/entities/nexthink_user/0/shortLoginId", "mkern"),
    ("UPN", "/entities/nexthink_user/0/upn", "mara.kern@acme.example"),
    ("SID", "/entities/nexthink_user/0/sid", "S-1-5-21-11-22-33-4711"),
    ("type", "/entities/nexthink_user/0/userType", "domain"),
    ("last seen", "/entities/nexthink_user/0/lastSeenOn", "2026-11-20T08:15:00"),
    ("first seen", "/entities/nexthink_user/0/createdOn", "2024-02-03T09:30:00"),
    ("entity", "/entities/nexthink_user/0/entity", "Lyon"),
    ("e-mail address", "/entities/nexthink_user/0/email/0", "m.kern@mail.acme.example"),
    ("its domain", "/entities/nexthink_user/0/emailDomain/0", "mail.acme.example"),
    ("first name", "/entities/nexthink_user/0/firstName", "Mara"),
    ("last name", "/entities/nexthink_user/0/lastName", "Kern"),
    ("full name", "/entities/nexthink_user/0/displayName", "Mara Kern"),
    ("department", "/entities/nexthink_user/0/department", "Treasury"),
    ("first alert", "/entities/nexthink_alert/0/id", "a-1"),
    ("its user", "/entities/nexthink_alert/0/userUid", "7d0c5a52-mara"),
    ("its status", "/entities/nexthink_alert/0/status", "open"),
    ("its time", "/entities/nexthink_alert/0/createdOn", "2026-11-18T10:01:00"),
    ("its value", "/entities/nexthink_alert/0/triggerValue", "93 %"),
    ("its duration", "/entities/nexthink_alert/0/duration", "4h 12m"),
    ("its monitor", "/entities/nexthink_alert/0/monitorName", "Disk nearly full"),
    ("its priority", "/entities/nexthink_alert/0/monitorPriority", "high"),
    ("second alert", "/entities/nexthink_alert/1/id", "a-2"),
    ("its status", "/entities/nexthink_alert/1/status", "closed"),
    ("its time", "/entities/nexthink_alert/1/createdOn", "2026-11-16T22:02:00"),
    ("its end", "/entities/nexthink_alert/1/recoveredOn", "2026-11-16T23:03:00"),
    (
        "its value",
        "/entities/nexthink_alert/1/triggerValue",
        "taken over from [another person], twice",
    ),
    ("its monitor", "/entities/nexthink_alert/1/monitorNqlId", "#slow_logon"),
    ("the edge of the first", "/relationships/nexthink_user_has_alert/0/_toEntityKey", "a-1"),
    ("the edge of the second", "/relationships/nexthink_user_has_alert/1/_toEntityKey", "a-2"),
    ("her account", "/relationships/nexthink_account_has_user/0/_fromEntityKey", "acme"),
    ("her device", "/relationships/nexthink_user_uses_device/0/_toEntityKey", DEVICE),
    ("a login that failed", "/auditEvents/0/account", "mara.kern@acme.example"),
    ("what was done to her", "/auditEvents/1/raw", "gave mara.kern@acme.example the role"),
    ("the profile", "/history/0/profile", "full"),
    ("the day it goes", "/history/0/keptUntil", "-"),
    ("to whom it went", "/deliveries/0/facts/account", "demo"),
    ("how long generations are kept", "/retention/generationsDays", "90"),
    ("how long events are kept", "/retention/auditDays", "180"),
];

/// The values of the neighbour alone.
fn facts_of_otto() -> Vec<&'static str> {
    let shared = ["local", "open", "", "metric_threshold", "custom", "low", DEVICE];
    let cells = OTTO.iter().chain(ALERTS[2]).map(|(_, cell)| *cell);
    cells.filter(|cell| !shared.contains(cell)).chain(["oweiss", "Otto", "strange"]).collect()
}

fn plant(place: &Place) {
    let serve = |query: SavedQuery, rows: &[&[(&str, &str)]]| {
        let mut export = Export::of(query);
        export.rows.truncate(rows.len().max(2));
        for (number, cells) in rows.iter().enumerate() {
            for (column, cell) in *cells {
                (*cell).clone_into(export.cell(number, column));
            }
        }
        export.serve(&place.scene, query);
    };
    serve(SavedQuery::Devices, &[&[("device.uid", DEVICE)]]);
    serve(SavedQuery::Users, &[MARA, OTTO]);
    serve(SavedQuery::Alerts, &ALERTS);
    let [mara, otto] = ["7d0c5a52-mara", "9c1f44de-otto"];
    serve(
        SavedQuery::DeviceUsers,
        &[
            &[("user.uid", mara), ("device.uid", DEVICE)],
            &[("user.uid", otto), ("device.uid", DEVICE)],
        ],
    );
    let lines = [
        "[Portal|LOGIN|20103|mara.kern@acme.example] failed",
        "[Portal|ROLE|20104|strange] gave mara.kern@acme.example the role of otto.weiss@acme.example",
        "[Portal|LOGIN|20103|otto.weiss@acme.example] failed",
    ];
    place.scene.update(|behaviour| behaviour.audit.content = Some(lines.join("\n")));
}

#[test]
fn forty_planted_facts_are_found_and_none_of_the_neighbour() {
    let place = Place::with("full", |scene, configuration| {
        configuration
            .text("queries.device_users", "#j1_device_users")
            .text("audit.host", scene.api())
            .text("audit.account", "demo")
            .set("audit.password", "{ file = \"secret\" }")
            .set("audit.engines", "[]")
    });
    plant(&place);
    let run = place.scene.run_completely();
    let how = ["privacy", "retrieve", "--user", "mara.kern@acme.example", "--output"];
    let answer = place.done(&[how.as_slice(), &["json"]].concat());
    let page = place.done(&[how.as_slice(), &["html"]].concat()).stdout;
    let json: Value = serde_json::from_str(&answer.stdout).expect("it is JSON");
    let generation = place.scene.published().id().to_string();
    let found = |pointer: &str, expected: &str| {
        json.pointer(pointer).is_some_and(|value| match value {
            Value::String(text) => text.contains(expected),
            number => expected.parse().ok() == number.as_u64(),
        })
    };
    let is_found = |pointer, expected: &str| found(pointer, expected) && page.contains(expected);
    let missing = FACTS.iter().filter(|(_, pointer, expected)| !is_found(pointer, expected));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "{missing:?} of {json:#}");
    assert!(found("/history/0/generation", &generation));
    assert!(found("/history/0/run", run.report["runId"].as_str().expect("a text")));
    for text in facts_of_otto() {
        assert!(!answer.stdout.contains(text), "{text} is in {json:#}");
        assert!(!page.contains(text), "{text} is on the page");
    }
    // Of a device everything is shown but who else uses it.
    let device = place.done(&["privacy", "retrieve", "--device", DEVICE]).stdout;
    for text in ["7d0c5a52-mara", "9c1f44de-otto", "otto.weiss"] {
        assert!(!device.contains(text), "{text} is in {device}");
    }
    assert!(device.contains("[another person]"), "{device}");
}
