//! Answers to requests for access: all of the subject, and no one else by name.

use std::collections::BTreeMap;

use core_erasure::retrieval::{Request, RetentionDays, Retrieval, retrieve};
use core_erasure::subject::SubjectKind;
use core_store::LedgerRecord;
use serde_json::{Value, json};

use crate::kit::{LOG, Place, REGION, TENANT, alert, device, edge, user};

fn place() -> Place {
    let place = Place::new();
    let users = vec![
        user("u-zoe-1234", json!({ "upn": "zoe@acme.example", "username": ["ACME\\zoe"] })),
        user("u-eve-5678", json!({ "upn": "eve@acme.example" })),
    ];
    let alerts = vec![alert(
        "a-1",
        json!({ "userUid": "u-zoe-1234", "triggerValue": "zoe@acme.example and eve@acme.example" }),
    )];
    let has_alert = vec![
        edge("nexthink_user:u-eve-5678", "nexthink_alert:a-1"),
        edge("nexthink_user:u-zoe-1234", "nexthink_alert:a-1"),
    ];
    place.publish(
        1,
        &[
            ("nexthink_user", users),
            ("nexthink_alert", alerts),
            ("nexthink_device", vec![device("d-1", json!({}))]),
            ("nexthink_user_has_alert", has_alert),
        ],
    );
    place.append_events(&[
        ("ACME\\zoe", "ACME\\zoe wrote to eve@acme.example"),
        ("ACME\\eve", "ACME\\eve gave zoe@acme.example a role"),
        ("ACME\\eve", "ACME\\eve logged in"),
    ]);
    place
}

fn answer(place: &Place, kind: SubjectKind, typed: &str) -> Retrieval {
    let subject = place.find(kind, &[typed]).expect("it is one");
    let retention = RetentionDays { generations: 90, ledger: 400, events: Some(365) };
    let at = "2026-03-20T00:00:00Z".to_owned();
    let request = Request { tenant: TENANT, region: REGION, log: LOG, kind, at, retention };
    retrieve(place.tenant(), request, &subject).expect("everything can be read")
}

#[test]
fn an_answer_has_the_objects_and_relationships_of_the_subject() {
    let place = place();
    let zoe = answer(&place, SubjectKind::User, "zoe@acme.example");
    assert_eq!(zoe.entities.keys().collect::<Vec<_>>(), ["nexthink_alert", "nexthink_user"]);
    assert_eq!(zoe.entities["nexthink_user"].len(), 1);
    assert_eq!(zoe.entities["nexthink_user"][0]["upn"], "zoe@acme.example");
    assert_eq!(zoe.relationships["nexthink_user_has_alert"].len(), 2);
    assert_eq!(zoe.rows(), 4);
    assert_eq!(zoe.kind, "user");
}

#[test]
fn an_answer_names_no_one_else() {
    let place = place();
    let zoe = answer(&place, SubjectKind::User, "zoe@acme.example");
    let text = serde_json::to_string(&zoe).expect("it is plain data");
    for others in ["eve@acme.example", "u-eve-5678", "ACME\\\\eve"] {
        assert!(!text.contains(others), "{others}: {text}");
    }
    let alert = &zoe.entities["nexthink_alert"][0];
    assert_eq!(alert["triggerValue"], "zoe@acme.example and [another person]");
    let ends: Vec<_> = zoe.relationships["nexthink_user_has_alert"]
        .iter()
        .map(|row| row["_fromEntityKey"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(ends, ["[another person]", "nexthink_user:u-zoe-1234"]);
}

#[test]
fn an_answer_has_the_events_that_name_the_subject() {
    let place = place();
    let zoe = answer(&place, SubjectKind::User, "zoe@acme.example");
    let records: Vec<_> =
        zoe.audit_events.iter().map(|event| event["raw"].as_str().unwrap_or_default()).collect();
    assert_eq!(
        records,
        ["ACME\\zoe wrote to [another person]", "[another person] gave zoe@acme.example a role"]
    );
    assert_eq!(zoe.audit_events[1]["account"], "[another person]");
}

#[test]
fn an_answer_says_since_when_and_until_when_and_who_got_it() {
    let place = place();
    let id =
        place.tenant().current().expect("it is whole").expect("it is published").id().to_string();
    let record = |event: &str, facts: Value| LedgerRecord {
        at: "2026-03-01T09:00:00Z".to_owned(),
        at_ms: 0,
        who: "uid 1000".to_owned(),
        event: event.to_owned(),
        facts: facts.as_object().cloned().unwrap_or_default(),
    };
    let ledger = place.tenant().ledger();
    for record in [
        record("run_ended", json!({ "run": "r-1", "generation": id })),
        record("delivery_started", json!({ "destination": "jupiterone", "generation": id })),
        record("delivery_started", json!({ "destination": "jupiterone", "generation": "another" })),
        record("query", json!({ "generation": id })),
    ] {
        ledger.append(&record).expect("there is room");
    }
    let zoe = answer(&place, SubjectKind::User, "zoe@acme.example");
    let [held] = &zoe.history[..] else { panic!("one generation: {:?}", zoe.history) };
    assert_eq!((held.run.as_deref(), held.objects), (Some("r-1"), 1));
    assert_eq!((held.kept_until.as_str(), held.profile.as_str()), ("2026-05-30", "full"));
    assert_eq!(zoe.deliveries.len(), 1, "{:?}", zoe.deliveries);
    assert_eq!(zoe.deliveries[0]["event"], "delivery_started");
}

#[test]
fn a_subject_that_is_nowhere_gets_an_answer_too() {
    let place = place();
    let max = answer(&place, SubjectKind::User, "max@acme.example");
    assert_eq!((max.rows(), max.audit_events.len(), max.history.len()), (0, 0, 0));
    assert_eq!(max.entities, BTreeMap::new());
    assert_eq!(
        max.retention,
        json!({ "generationsDays": 90, "ledgerDays": 400, "auditDays": 365 })
    );
}

#[test]
fn findings_are_added_without_the_names_of_others() {
    let place = place();
    let subject = place.find(SubjectKind::User, &["zoe@acme.example"]).expect("it is one");
    let mut zoe = answer(&place, SubjectKind::User, "zoe@acme.example");
    let finding = json!({ "text": "zoe@acme.example shares a device with eve@acme.example" });
    zoe.add_findings(vec![finding], &subject);
    assert_eq!(zoe.findings[0]["text"], "zoe@acme.example shares a device with [another person]");
}
