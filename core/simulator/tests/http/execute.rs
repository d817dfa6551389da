//! Queries executed without an export.

use core_simulator::{Behaviour, Parameter, QueryBehaviour, Results, SavedQuery, TenantSpec};
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{Tester, bytes_of, json_answer, parse};

async fn execute(tester: &Tester, version: u8, accept: &str, body: &Value) -> Response {
    let token = tester.token().await;
    let url = format!("{}/api/v{version}/nql/execute", tester.simulator.endpoints().api);
    let request = tester.http.post(url).bearer_auth(token).header(ACCEPT, accept).json(body);
    request.send().await.expect("the simulator answers")
}

#[tokio::test]
async fn both_versions_give_the_first_thousand_rows_of_the_export() {
    let tester = Tester::with_tenant(TenantSpec { devices: 500, ..TenantSpec::default() }).await;
    let (header, rows) = parse(&tester.download(SavedQuery::Packages, "NONE").await);
    let body = json!({ "queryId": "#j1_packages" });
    let (status, first) = json_answer(execute(&tester, 1, "application/json", &body).await).await;
    assert_eq!(status, StatusCode::OK);
    let second = json_answer(execute(&tester, 2, "*/*", &body).await).await.1;
    for answer in [&first, &second] {
        assert_eq!(answer["queryId"], "#j1_packages");
        assert_eq!(answer["rows"], 1_000);
        let query = answer["executedQuery"].as_str().expect("it is text");
        assert!(query.starts_with("package.installed_packages | list device.uid, "));
    }
    assert_eq!(first["headers"], json!(header.iter().collect::<Vec<_>>()));
    let cell = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    for (position, row) in rows.iter().take(1_000).enumerate() {
        let cells: Vec<Value> = row.iter().map(cell).collect();
        assert_eq!(first["data"][position], json!(cells));
        for (column, cell) in header.iter().zip(cells) {
            assert_eq!(second["data"][position][column], cell);
        }
    }
    assert!(first["executionDateTime"]["year"].is_number());
    assert!(second["executionDateTime"].as_str().is_some_and(|text| text.len() == 19));
    let requests = tester.simulator.requests();
    assert_eq!((requests.executions, requests.exports[&SavedQuery::Packages]), (2, 1));
}

#[tokio::test]
async fn rows_can_be_csv_and_no_other_format() {
    let tester = Tester::start(Behaviour::default()).await;
    let body = json!({ "queryId": "#j1_users" });
    let csv = execute(&tester, 2, "text/csv", &body).await;
    assert_eq!(csv.headers()[CONTENT_TYPE], "text/csv");
    let rows = bytes_of(csv).await;
    assert_eq!(rows, tester.download(SavedQuery::Users, "NONE").await);
    let other = execute(&tester, 1, "application/pdf", &body).await;
    assert_eq!(other.status(), StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn an_execution_is_refused_like_an_export() {
    let parameter = Some(Parameter { name: "p".to_owned(), column: "user.name".to_owned() });
    let with_parameter =
        QueryBehaviour { same_as: Some(SavedQuery::Users), parameter, ..QueryBehaviour::default() };
    let mut behaviour = Behaviour::default();
    behaviour.queries.insert("#users_by_name".to_owned(), with_parameter);
    behaviour.forbidden.insert(SavedQuery::Users);
    behaviour.missing.insert(SavedQuery::Alerts);
    let tester = Tester::start(behaviour).await;
    for (body, expected) in [
        (json!({ "queryId": "#j1_users" }), 403),
        (json!({ "queryId": "#j1_alerts" }), 404),
        (json!({ "queryId": "nonsense" }), 400),
        (json!({ "queryId": "#users_by_name" }), 400),
        (json!({ "queryId": "#users_by_name", "parameters": { "p": "no such user" } }), 200),
    ] {
        let (status, answer) = json_answer(execute(&tester, 1, "*/*", &body).await).await;
        assert_eq!(status.as_u16(), expected, "{answer}");
    }
    let url = format!("{}/api/v1/nql/execute", tester.simulator.endpoints().api);
    let anonymous = tester.http.post(url).json(&json!({})).send().await;
    assert_eq!(anonymous.expect("the simulator answers").status(), StatusCode::UNAUTHORIZED);
    assert_eq!(tester.simulator.requests().executions, 1);
}

#[tokio::test]
async fn an_execution_returns_the_given_results() {
    let tester = Tester::start(Behaviour::default()).await;
    // A file that is no table has no rows.
    let rows = json!([{ "a": "1", "b": null }]);
    for (content, expected) in [("a,b\n1,\n", rows), ("a\n1,2\n", json!([]))] {
        tester.simulator.update(|behaviour| {
            let results = Results {
                content: content.into(),
                compression: core_simulator::ResultsCompression::AsIs,
            };
            behaviour.queries.entry("#j1_users".to_owned()).or_default().results = Some(results);
        });
        let body = json!({ "queryId": "#j1_users" });
        let (status, answer) = json_answer(execute(&tester, 2, "*/*", &body).await).await;
        assert_eq!((status.as_u16(), &answer["data"]), (200, &expected));
    }
}

#[tokio::test]
async fn a_second_execution_within_the_time_of_one_is_throttled() {
    let behaviour = Behaviour { executions_per_second: 1, ..Behaviour::default() };
    let tester = Tester::start(behaviour).await;
    let body = json!({ "queryId": "#j1_users" });
    assert_eq!(execute(&tester, 1, "*/*", &body).await.status(), StatusCode::OK);
    let early = execute(&tester, 2, "*/*", &body).await;
    assert_eq!(early.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(!early.headers().contains_key(RETRY_AFTER));
    tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
    assert_eq!(execute(&tester, 1, "*/*", &body).await.status(), StatusCode::OK);
    assert_eq!(tester.simulator.requests().executions, 2);
}
