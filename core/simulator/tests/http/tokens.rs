//! Tokens: who gets one, and its lifetime.

use std::time::Duration;

use core_simulator::Behaviour;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Tester, bytes_of, json_answer};

const GOOD: &str = "grant_type=client_credentials&scope=service%3Aintegration";

#[tokio::test]
async fn a_known_client_gets_a_bearer_token_for_a_quarter_of_an_hour() {
    let tester = Tester::start(Behaviour::default()).await;
    let (status, answer) = tester.ask_token("demo-secret", GOOD).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 900);
    assert_eq!(answer["scope"], "service:integration");
}

#[tokio::test]
async fn a_token_request_is_refused_with_its_reason() {
    let tester = Tester::start(Behaviour::default()).await;
    for (secret, body, status, reason) in [
        ("wrong", GOOD, 401, "invalid_client"),
        ("demo-secret", "grant_type=client_credentials&scope=service%3Anxql", 400, "invalid_scope"),
        ("demo-secret", "grant_type=client_credentials", 400, "invalid_scope"),
        ("demo-secret", "grant_type=password&scope=x", 400, "unsupported_grant_type"),
        ("demo-secret", "", 400, "unsupported_grant_type"),
    ] {
        let (got, answer) = tester.ask_token(secret, body).await;
        assert_eq!((got.as_u16(), &answer["error"]), (status, &json!(reason)), "{body}");
    }
    assert_eq!(tester.simulator.requests().tokens, 5);
}

#[tokio::test]
async fn the_token_endpoint_refuses_every_client_if_configured() {
    let behaviour = Behaviour { token_status: Some(503), ..Behaviour::default() };
    let tester = Tester::start(behaviour).await;
    assert_eq!(tester.ask_token("demo-secret", GOOD).await.0, StatusCode::SERVICE_UNAVAILABLE);
    tester.simulator.update(|behaviour| behaviour.token_status = None);
    assert_eq!(tester.ask_token("demo-secret", GOOD).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_expired_or_invented_token_is_refused_without_a_body() {
    let behaviour = Behaviour { token_lifetime: Duration::ZERO, ..Behaviour::default() };
    let tester = Tester::start(behaviour).await;
    let body = json!({ "queryId": "#j1_devices" });
    for token in [tester.token().await, "invented".to_owned()] {
        let response = tester.start_export(&token, &body).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(bytes_of(response).await.is_empty());
        assert_eq!(tester.status(&token, "some").await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(tester.simulator.requests().unauthorized, 4);

    tester.simulator.update(|behaviour| behaviour.token_lifetime = Duration::from_mins(1));
    let token = tester.token().await;
    assert_eq!(json_answer(tester.start_export(&token, &body).await).await.0, StatusCode::OK);
}
