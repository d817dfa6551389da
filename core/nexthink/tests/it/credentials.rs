//! Tokens: one for all callers, renewed when refused, never shown.

use std::time::Duration;

use core_nexthink::{Endpoint, ErrorKind, NexthinkError};

use crate::support::*;

#[tokio::test]
async fn a3_many_callers_share_one_token_request() {
    let tenant = Tenant::with_logins(vec![token_answer()], Vec::new(), Vec::new()).await;
    let client = &tenant.client;
    let check = || client.check_credentials(|| NOW_MS);
    let (a, b, c) = tokio::join!(check(), check(), check());
    for result in [a, b, c] {
        result.expect("one token for all");
    }
    assert_eq!(tenant.login.seen().len(), 1);
}

#[tokio::test]
async fn a4_many_callers_share_one_refusal() {
    let refusal = || answer(401, r#"{"error":"invalid_client","error_description":"canary"}"#);
    let tenant =
        Tenant::with_logins(vec![refusal(), refusal(), refusal()], Vec::new(), Vec::new()).await;
    let client = &tenant.client;
    let check = || client.check_credentials(|| NOW_MS);
    let (a, b, c) = tokio::join!(check(), check(), check());
    for result in [a, b, c, client.check_credentials(|| NOW_MS).await] {
        let error = result.expect_err("the client is not known");
        assert_no_canary_in(&error);
        assert!(error.is_credentials());
        let message = error.to_string();
        assert!(message.contains(CLIENT_ID) && message.contains("invalid_client"), "{message}");
    }
    assert_eq!(tenant.login.seen().len(), 1, "a refusal is not repeated");
}

#[tokio::test]
async fn a5_many_callers_share_one_round_of_trouble() {
    let trouble = (0..20).map(|_| answer(503, "canary")).collect();
    let tenant = Tenant::with_logins(trouble, Vec::new(), Vec::new()).await;
    let client = &tenant.client;
    let check = || client.check_credentials(|| NOW_MS);
    let (a, b, c) = tokio::join!(check(), check(), check());
    for result in [a, b, c] {
        assert!(result.expect_err("the login host is down").is_unreachable());
    }
    assert_eq!(tenant.login.seen().len(), 4, "one round of four attempts");
    client.check_credentials(|| NOW_MS).await.expect_err("still down");
    assert_eq!(tenant.login.seen().len(), 8, "who comes later tries again");
}

#[tokio::test]
async fn a1_a_token_is_renewed_before_it_expires() {
    let tenant =
        Tenant::with_logins(vec![token_answer(), token_answer()], Vec::new(), Vec::new()).await;
    tenant.client.check_credentials(|| NOW_MS).await.expect("a token");
    // Time stands still only while no answer is waited for.
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(11)).await;
    tokio::time::resume();
    tenant.client.check_credentials(|| NOW_MS).await.expect("the same token");
    assert_eq!(tenant.login.seen().len(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(2)).await;
    tokio::time::resume();
    tenant.client.check_credentials(|| NOW_MS).await.expect("a new token");
    assert_eq!(tenant.login.seen().len(), 2);
}

#[tokio::test]
async fn a2_a_refused_token_is_renewed_once() {
    let tenant = Tenant::with_logins(
        vec![token_answer(), token_answer()],
        vec![started(), answer(401, "canary")],
        vec![answer(200, FILE)],
    )
    .await;
    tenant.api.then(completed(&tenant.files.link()));
    assert_eq!(tenant.run().await.file, FILE);
    assert_eq!(tenant.login.seen().len(), 2);
}

#[tokio::test]
async fn a2_a_token_may_be_refused_at_any_call() {
    for n in 1..=10 {
        let tenant =
            Tenant::with_logins(vec![token_answer(), token_answer()], Vec::new(), Vec::new()).await;
        tenant.files.then(answer(200, FILE));
        for call in 0..=10 {
            if call == n {
                tenant.api.then(answer(401, "canary"));
            }
            tenant.api.then(if call == 0 { started() } else { status("IN_PROGRESS") });
        }
        tenant.api.then(completed(&tenant.files.link()));
        assert_eq!(tenant.run().await.file, FILE, "call {n}");
        assert_eq!(tenant.login.seen().len(), 2, "call {n}");
    }
}

#[tokio::test]
async fn a2_a_token_that_stays_refused_is_an_error() {
    let refusal = || answer(401, "canary");
    let tenant = Tenant::with_logins(
        vec![token_answer(), token_answer(), token_answer()],
        vec![refusal(), refusal(), refusal()],
        Vec::new(),
    )
    .await;
    let error = tenant.run().await.error();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains(CLIENT_ID));
    assert_eq!((tenant.login.seen().len(), tenant.api.seen().len()), (2, 2));
}

#[tokio::test]
async fn a9_a_token_without_the_scope_is_named_as_such() {
    let body = format!(r#"{{"access_token":"{TOKEN}","scope":"service:other"}}"#);
    let tenant = Tenant::with_logins(vec![answer(200, body)], Vec::new(), Vec::new()).await;
    let error = tenant.run().await.error();
    assert!(error.is_credentials());
    assert!(error.to_string().contains("lacks the scope service:integration"), "{error}");
}

#[tokio::test]
async fn a5_the_token_endpoint_is_asked_again_when_it_has_trouble() {
    let trouble = || answer(503, "canary");
    let tenant =
        Tenant::with_logins(vec![trouble(), trouble(), token_answer()], Vec::new(), Vec::new())
            .await;
    tenant.client.check_credentials(|| NOW_MS).await.expect("the third time");
    assert_eq!(tenant.login.seen().len(), 3);
}

#[tokio::test]
async fn a7_unusable_token_answers_are_refused_without_being_shown() {
    let deep = format!(r#"{{"access_token":{}"canary"{}}}"#, "[".repeat(9_999), "]".repeat(9_999));
    let bodies = [
        "<html>canary</html>".to_owned(),
        "\"canary\"".to_owned(),
        String::new(),
        r#"{"access_token":"canary"#.to_owned(),
        r#"{"access_token":["canary"]}"#.to_owned(),
        r#"{"access_token":""}"#.to_owned(),
        r#"{"access_token":"canary\r\nX-Other: 1"}"#.to_owned(),
        r#"{"access_token":"canary","token_type":"mac"}"#.to_owned(),
        r#"{"access_token":"canary","access_token":"canary"}"#.to_owned(),
        format!(r#"{{"access_token":"{}"}}"#, "canary".repeat(900_000)),
        deep,
    ];
    for body in bodies {
        let start: String = body.chars().take(60).collect();
        let tenant =
            Tenant::with_logins(vec![answer(200, body)], vec![started()], Vec::new()).await;
        let error = tenant.run().await.error();
        assert!(
            matches!(
                error,
                NexthinkError::UnexpectedAnswer { endpoint: Endpoint::Token, status: 200, .. }
            ),
            "{start}: {error}"
        );
        assert!(tenant.api.seen().is_empty(), "{start}");
    }
}
