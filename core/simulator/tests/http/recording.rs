//! The record of received requests.

use core_simulator::{Behaviour, SavedQuery};
use serde_json::{Value, json};

use crate::support::Tester;

#[tokio::test]
async fn every_request_is_recorded_as_it_arrived() {
    let tester = Tester::start(Behaviour::default()).await;
    let body = json!({ "queryId": "#j1_users", "compression": "NONE" });
    let link = tester.link(SavedQuery::Users, "NONE").await;
    tester.get(&link).await;
    let requests = tester.simulator.recorded_requests();

    let first = &requests[0];
    assert_eq!(
        (first.method.as_str(), first.target.as_str()),
        ("POST", "/oauth2/default/v1/token")
    );
    assert_eq!(first.body, b"grant_type=client_credentials&scope=service%3Aintegration");
    let start = requests
        .iter()
        .find(|request| request.target == "/api/v1/nql/export")
        .expect("it is there");
    assert_eq!(serde_json::from_slice::<Value>(&start.body).expect("it is JSON"), body);
    let bearer = start.headers.iter().find(|(name, _)| name == "authorization");
    assert!(bearer.is_some_and(|(_, value)| value.starts_with(b"Bearer ")));
    let last = requests.last().expect("it is there");
    assert!(last.is_for_files && link.ends_with(&last.target), "{last:?}");
    assert!(requests[..requests.len() - 1].iter().all(|request| !request.is_for_files));
}

#[tokio::test]
async fn a_recorded_request_shows_no_credentials() {
    let tester = Tester::start(Behaviour::default()).await;
    tester.get(&tester.link(SavedQuery::Users, "NONE").await).await;
    let shown = format!("{:?}", tester.simulator.recorded_requests());
    assert!(shown.contains("/api/v1/nql/status/"));
    for secret in ["Bearer", "Basic", "Signature", "grant_type"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}
