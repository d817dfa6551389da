//! Exports whose life differs from the documentation.

use core_simulator::{Behaviour, FailingExports, QueryBehaviour, SavedQuery};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Tester, bytes_of, parse};

async fn with_users(query: QueryBehaviour) -> Tester {
    let queries = [("#j1_users".to_owned(), query)].into();
    Tester::start(Behaviour { queries, ..Behaviour::default() }).await
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[tokio::test]
async fn statuses_are_returned_verbatim() {
    let played = ["SUBMITTED", "CANCELLED", "in_progress", ""];
    let statuses = texts(&played);
    let tester = with_users(QueryBehaviour { statuses, ..QueryBehaviour::default() }).await;
    let token = tester.token().await;
    let export_id = tester.export_id(&token, SavedQuery::Users, "NONE").await;
    for expected in played {
        let (status, answer) = tester.status(&token, &export_id).await;
        assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!(expected)));
        assert_eq!(answer["resultsFileUrl"], Value::Null);
    }
    assert_eq!(tester.last_status(&token, &export_id).await.1["status"], "COMPLETED");
}

#[tokio::test]
async fn a_completed_export_may_lack_a_link_and_may_go_back() {
    let query = QueryBehaviour {
        completed_without_link: 2,
        statuses_after_completion: texts(&["IN_PROGRESS", "SUBMITTED"]),
        ..QueryBehaviour::default()
    };
    let tester = with_users(query).await;
    let token = tester.token().await;
    let export_id = tester.export_id(&token, SavedQuery::Users, "NONE").await;
    let first = tester.last_status(&token, &export_id).await.1;
    let mut seen = vec![(first["status"].clone(), first["resultsFileUrl"].is_string())];
    for _ in 0..4 {
        let answer = tester.status(&token, &export_id).await.1;
        seen.push((answer["status"].clone(), answer["resultsFileUrl"].is_string()));
    }
    let expected = [
        ("COMPLETED", false),
        ("IN_PROGRESS", false),
        ("SUBMITTED", false),
        ("COMPLETED", false),
        ("COMPLETED", true),
    ];
    assert_eq!(seen, expected.map(|(status, has_link)| (json!(status), has_link)));
}

#[tokio::test]
async fn a_link_may_come_before_the_end() {
    let query = QueryBehaviour {
        statuses: vec!["IN_PROGRESS".to_owned(); 1_000],
        has_link_in_progress: true,
        ..QueryBehaviour::default()
    };
    let tester = with_users(query).await;
    let token = tester.token().await;
    let export_id = tester.export_id(&token, SavedQuery::Users, "NONE").await;
    let mut answer = Value::Null;
    while !answer["resultsFileUrl"].is_string() {
        answer = tester.status(&token, &export_id).await.1;
        assert_eq!(answer["status"], "IN_PROGRESS");
    }
}

#[tokio::test]
async fn an_export_is_forgotten_after_a_number_of_polls() {
    let query = QueryBehaviour { forgotten_after: Some(2), ..QueryBehaviour::default() };
    let tester = with_users(query).await;
    let (token, export_id) = (tester.token().await, "export-1");
    tester.simulator.update(|behaviour| {
        let users = behaviour.queries.get_mut("#j1_users").expect("it is there");
        users.export_id = Some(export_id.to_owned());
    });
    assert_eq!(tester.export_id(&token, SavedQuery::Users, "NONE").await, export_id);
    for expected in [200, 200, 404, 404] {
        assert_eq!(tester.status(&token, export_id).await.0.as_u16(), expected);
    }
}

#[tokio::test]
async fn the_first_exports_fail_and_the_next_succeeds() {
    let failing = Some(FailingExports { times: 2, description: "try again".to_owned() });
    let tester = with_users(QueryBehaviour { failing, ..QueryBehaviour::default() }).await;
    let token = tester.token().await;
    for expected in ["ERROR", "ERROR", "COMPLETED"] {
        let export_id = tester.export_id(&token, SavedQuery::Users, "NONE").await;
        let answer = tester.last_status(&token, &export_id).await.1;
        assert_eq!(answer["status"], expected);
        let is_error = expected == "ERROR";
        assert_eq!(answer["errorDescription"] == "try again", is_error);
    }
}

#[tokio::test]
async fn an_id_can_be_any_text_and_the_same_for_two_queries() {
    let query = QueryBehaviour { export_id: Some("same".to_owned()), ..QueryBehaviour::default() };
    let queries =
        [("#j1_users".to_owned(), query.clone()), ("#j1_devices".to_owned(), query)].into();
    let tester = Tester::start(Behaviour { queries, ..Behaviour::default() }).await;
    let token = tester.token().await;
    for query in [SavedQuery::Users, SavedQuery::Devices] {
        assert_eq!(tester.export_id(&token, query, "NONE").await, "same");
    }
    let answer = tester.last_status(&token, "same").await.1;
    let link = answer["resultsFileUrl"].as_str().expect("a completed export has a link");
    let csv = bytes_of(tester.get(link).await).await;
    assert_eq!(&parse(&csv).0[0], "device.uid", "the later export");

    let odd = "../../x%00 \u{1F600}";
    tester.simulator.update(|behaviour| {
        let users = behaviour.queries.get_mut("#j1_users").expect("it is there");
        users.export_id = Some(odd.to_owned());
    });
    assert_eq!(tester.export_id(&token, SavedQuery::Users, "NONE").await, odd);
}

#[tokio::test]
async fn a_query_id_can_return_the_results_of_another_query() {
    let same_as = Some(SavedQuery::Devices);
    let tester = with_users(QueryBehaviour { same_as, ..QueryBehaviour::default() }).await;
    let csv = tester.download(SavedQuery::Users, "NONE").await;
    assert_eq!(&parse(&csv).0[0], "device.uid");
    assert_eq!(tester.simulator.requests().exports[&SavedQuery::Users], 1);
}

#[tokio::test]
async fn results_can_be_reported_as_truncated() {
    let tester =
        with_users(QueryBehaviour { says_truncated: true, ..QueryBehaviour::default() }).await;
    let token = tester.token().await;
    let export_id = tester.export_id(&token, SavedQuery::Users, "NONE").await;
    let (status, answer) = tester.last_status(&token, &export_id).await;
    assert_eq!((status.as_u16(), &answer["status"]), (206, &json!("COMPLETED")));
}
