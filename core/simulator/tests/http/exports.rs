//! The life of an export, from its start to its results link.

use std::collections::BTreeMap;
use std::time::Duration;

use core_simulator::{Behaviour, SavedQuery};
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde_json::{Value, json};

use crate::support::{Tester, bytes_of, json_answer, parse};

#[tokio::test]
async fn an_export_is_submitted_then_in_progress_then_completed_with_a_link() {
    let behaviour = Behaviour { polls_submitted: 2, polls_in_progress: 3, ..Behaviour::default() };
    let tester = Tester::start(behaviour).await;
    let token = tester.token().await;
    let export_id = tester.export_id(&token, SavedQuery::Users, "NONE").await;
    for expected in ["SUBMITTED", "SUBMITTED", "IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS"] {
        let (status, answer) = tester.status(&token, &export_id).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["status"], expected);
        assert_eq!(answer["resultsFileUrl"], Value::Null);
    }
    let (status, answer) = tester.last_status(&token, &export_id).await;
    assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("COMPLETED")));
    let link = answer["resultsFileUrl"].as_str().expect("a completed export has a link");
    assert!(link.starts_with(&tester.simulator.endpoints().files));

    let requests = tester.simulator.requests();
    assert_eq!(requests.exports, BTreeMap::from([(SavedQuery::Users, 1)]));
    assert!(requests.polls >= 6);
}

#[tokio::test]
async fn an_export_is_not_completed_before_its_preparation_time() {
    let behaviour = Behaviour {
        polls_submitted: 0,
        polls_in_progress: 0,
        preparations: BTreeMap::from([(SavedQuery::Alerts, Duration::from_hours(1))]),
        ..Behaviour::default()
    };
    let tester = Tester::start(behaviour).await;
    let token = tester.token().await;
    let slow = tester.export_id(&token, SavedQuery::Alerts, "NONE").await;
    let quick = tester.export_id(&token, SavedQuery::Users, "NONE").await;
    assert_eq!(tester.last_status(&token, &quick).await.1["status"], "COMPLETED");
    assert_eq!(tester.status(&token, &slow).await.1["status"], "IN_PROGRESS");
}

#[tokio::test]
async fn a_row_cap_truncates_to_exactly_its_rows_and_answers_206() {
    let tester = Tester::start(Behaviour::default()).await;
    let rows = tester.simulator.counts().rows[&SavedQuery::Packages];
    for (cap, status, expected) in [
        (0, StatusCode::PARTIAL_CONTENT, 0),
        (7, StatusCode::PARTIAL_CONTENT, 7),
        (rows - 1, StatusCode::PARTIAL_CONTENT, rows - 1),
        (rows, StatusCode::OK, rows),
        (rows + 1, StatusCode::OK, rows),
    ] {
        tester.simulator.update(|behaviour| {
            behaviour.row_cap = Some(1);
            behaviour.row_caps.insert(SavedQuery::Packages, cap);
        });
        let token = tester.token().await;
        let export_id = tester.export_id(&token, SavedQuery::Packages, "NONE").await;
        let (got, answer) = tester.last_status(&token, &export_id).await;
        assert_eq!((got, &answer["status"]), (status, &json!("COMPLETED")), "cap {cap}");
        let link = answer["resultsFileUrl"].as_str().expect("a completed export has a link");
        let csv = bytes_of(tester.get(link).await).await;
        assert_eq!(parse(&csv).1.len() as u64, expected, "cap {cap}");
    }
}

#[tokio::test]
async fn forbidden_missing_and_failing_queries_return_their_errors() {
    let mut behaviour = Behaviour::default();
    behaviour.forbidden.insert(SavedQuery::Users);
    behaviour.missing.insert(SavedQuery::Alerts);
    behaviour.failing.insert(SavedQuery::Devices, "query timed out".to_owned());
    let tester = Tester::start(behaviour).await;
    let token = tester.token().await;
    for (query_id, status, code) in
        [("#j1_users", 403, 403), ("#j1_alerts", 404, 100), ("#unsaved", 404, 100)]
    {
        let response = tester.start_export(&token, &json!({ "queryId": query_id })).await;
        let (got, answer) = json_answer(response).await;
        assert_eq!((got.as_u16(), &answer["code"]), (status, &json!(code)), "{query_id}");
        assert!(answer["message"].is_string());
    }
    let export_id = tester.export_id(&token, SavedQuery::Devices, "NONE").await;
    let (status, answer) = tester.last_status(&token, &export_id).await;
    assert_eq!(status, StatusCode::OK);
    let expected =
        json!({ "status": "ERROR", "resultsFileUrl": null, "errorDescription": "query timed out" });
    assert_eq!(answer, expected);
    assert_eq!(tester.status(&token, "no-such-export").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_malformed_request_is_a_400_and_an_unknown_member_is_counted() {
    let tester = Tester::start(Behaviour::default()).await;
    let token = tester.token().await;
    for body in [
        json!({}),
        json!({ "queryId": 7 }),
        json!({ "queryId": "j1_devices" }),
        json!({ "queryId": "#" }),
        json!({ "queryId": "#x" }),
        json!({ "queryId": "#J1_devices" }),
        json!({ "queryId": format!("#{}", "a".repeat(256)) }),
        json!({ "queryId": "#j1_devices", "compression": "LZ4" }),
        json!({ "queryId": "#j1_devices", "compression": 1 }),
        json!({ "queryId": "#j1_devices", "parameters": [] }),
        json!({ "queryId": "#j1_devices", "parameters": { "days": 7 } }),
        json!("#j1_devices"),
    ] {
        let status = tester.start_export(&token, &body).await.status();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    }
    let accepted = json!({
        "queryId": "#j1_devices", "parameters": { "days": "7" }, "compression": null,
        "format": "csv", "platform": "windows",
    });
    assert_eq!(tester.start_export(&token, &accepted).await.status(), StatusCode::OK);
    assert_eq!(tester.simulator.requests().unknown_members, 2);
}

#[tokio::test]
async fn starting_an_export_by_get_can_be_allowed() {
    let tester = Tester::start(Behaviour::default()).await;
    let token = tester.token().await;
    let api = &tester.simulator.endpoints().api;
    let url = format!("{api}/api/v1/nql/export?queryId=%23j1_users&compression=ZSTD");
    for (accepts, expected) in [(false, StatusCode::METHOD_NOT_ALLOWED), (true, StatusCode::OK)] {
        tester.simulator.update(|behaviour| behaviour.accepts_get_export = accepts);
        let response = tester.http.get(&url).bearer_auth(&token).send().await;
        assert_eq!(response.expect("the simulator answers").status(), expected);
    }
}

#[tokio::test]
async fn the_daily_limit_refuses_further_exports_with_a_retry_after() {
    let behaviour = Behaviour { daily_export_limit: Some(2), ..Behaviour::default() };
    let tester = Tester::start(behaviour).await;
    let token = tester.token().await;
    let body = json!({ "queryId": "#j1_users" });
    for _ in 0..2 {
        assert_eq!(tester.start_export(&token, &body).await.status(), StatusCode::OK);
    }
    let refused = tester.start_export(&token, &body).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()[RETRY_AFTER], "3600");
    assert_eq!(tester.simulator.requests().exports[&SavedQuery::Users], 2);
}

#[tokio::test]
async fn a_stopped_simulator_has_closed_its_ports() {
    let tester = Tester::start(Behaviour::default()).await;
    let endpoints = tester.simulator.endpoints().clone();
    tester.token().await;
    tester.simulator.serve_until(async {}).await;
    for url in [endpoints.api, endpoints.files] {
        assert!(tester.http.get(&url).send().await.is_err(), "{url}");
    }
}
