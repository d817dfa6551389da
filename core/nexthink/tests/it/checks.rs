//! The calls that cost no export: credentials, the clock, the API, and the columns of a query.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::Method;
use axum::http::header::DATE;
use core_nexthink::{
    Client, ClockOffset, Credentials, Endpoint, EndpointOverrides, Endpoints, ErrorKind,
    NexthinkError, QueryLimits, Secret,
};

use crate::support::*;

#[tokio::test]
async fn the_clock_of_the_login_host_is_compared_with_this_machines() {
    for (date, expected) in [
        (Some("Sun, 01 Mar 2026 10:00:00 GMT"), Some(0)),
        (Some("Sun, 01 Mar 2026 10:10:00 GMT"), Some(600_000)),
        (Some("Sat, 28 Feb 2026 10:00:00 GMT"), Some(-86_400_000)),
        (Some("canary"), None),
    ] {
        let token = date.map_or_else(token_answer, |date| token_answer().with(DATE, date));
        let tenant = Tenant::with_logins(vec![token], Vec::new(), Vec::new()).await;
        let check = tenant.client.check_credentials(|| NOW_MS).await.expect("a token");
        let ahead_ms = check.clock_offset.map(ClockOffset::ahead_ms);
        // Both clocks have gone on since the answer.
        let is_right =
            ahead_ms.zip(expected).is_some_and(|(is, exp)| (exp..exp + 5_000).contains(&is));
        assert!(is_right || ahead_ms == expected, "{ahead_ms:?} at {date:?}");
        assert_eq!(check.token_used_for.as_secs(), 720);
    }
}

#[tokio::test]
async fn the_api_is_checked_by_asking_for_an_export_that_does_not_exist() {
    let tenant = Tenant::start(vec![answer(404, "canary")], Vec::new()).await;
    tenant.client.check_api().await.expect("it answers as documented");
    assert_eq!(tenant.api.seen()[0].method, Method::GET);

    let tenant = Tenant::start(vec![answer(403, "canary")], Vec::new()).await;
    let error = tenant.client.check_api().await.expect_err("no permission");
    assert_no_canary_in(&error);
    assert_eq!(error.kind(), ErrorKind::Query);

    let tenant = Tenant::start(vec![answer(200, "canary")], Vec::new()).await;
    let error = tenant.client.check_api().await.expect_err("no such export can be known");
    assert_no_canary_in(&error);
    assert_eq!(error.kind(), ErrorKind::Data);
}

#[tokio::test]
async fn a_query_run_at_once_tells_its_columns_and_how_many_rows_there_are() {
    let body = r##"{"queryId":"#j1_devices","executedQuery":"devices | list device.uid","rows":2,
        "executionDateTime":{"year":2026},"headers":["device.uid","device.name"],
        "data":[["canary",1],[null,{"canary":[]}]]}"##;
    let tenant = Tenant::start(vec![answer(200, body)], Vec::new()).await;
    let parameters = BTreeMap::from([("p".to_owned(), "0*".to_owned())]);
    let found = tenant.client.execute(&order().query, &parameters).await.expect("an answer");
    assert_nothing_leaks(&format!("{found:?}"));
    assert_eq!(found.columns, ["device.uid", "device.name"]);
    assert_eq!(found.rows, 2);
    assert_eq!(found.limits, Some(QueryLimits::default()));
    let seen = &tenant.api.seen()[0];
    assert_eq!((&seen.method, seen.uri.path()), (&Method::POST, "/api/v1/nql/execute"));
    assert_eq!(seen.body, r##"{"queryId":"#j1_devices","parameters":{"p":"0*"}}"##);
    assert_eq!(seen.header("x-utc-times"), Some("true"));
}

#[tokio::test]
async fn a_query_that_cannot_be_run_at_once_says_why() {
    let execute = async |answers: Vec<Answer>| {
        let tenant = Tenant::start(answers, Vec::new()).await;
        let error = tenant.client.execute(&order().query, &BTreeMap::new()).await;
        let error = error.expect_err("it cannot be run");
        assert_no_canary_in(&error);
        (error, tenant.api.seen().len())
    };
    let (error, _) = execute(vec![answer(403, r#"{"message":"canary"}"#)]).await;
    assert!(matches!(error, NexthinkError::Forbidden { .. }), "{error}");
    let (error, _) = execute(vec![answer(404, "")]).await;
    assert!(matches!(error, NexthinkError::QueryNotFound { .. }), "{error}");
    let (error, n_calls) = execute((0..9).map(|_| answer(500, "canary")).collect()).await;
    assert!(matches!(error, NexthinkError::Unavailable { attempts: 4, .. }), "{error}");
    assert_eq!(n_calls, 4, "it costs nothing, so it is repeated like any other call");
    let wrong = [
        answer(200, r#"{"headers":["a"]}"#),
        answer(200, r#"{"headers":[1],"data":[]}"#),
        answer(200, r#"[["canary"]]"#),
        answer(200, format!(r#"{{"headers":[],"data":["{}"]}}"#, "x".repeat(17 << 20))),
        answer(406, "canary"),
    ];
    for answer in wrong {
        let (error, _) = execute(vec![answer]).await;
        let at_execute =
            matches!(error, NexthinkError::UnexpectedAnswer { endpoint: Endpoint::Execute, .. });
        assert!(at_execute, "{error}");
    }
}

#[tokio::test]
async fn a10_a_secret_that_was_replaced_is_read_again_before_giving_up() {
    let refused = || answer(401, r#"{"error":"invalid_client"}"#);
    let expired = token_answer;
    let login = vec![expired(), refused(), token_answer()];
    let tenant = Tenant::with_logins(login, Vec::new(), vec![answer(200, FILE)]).await;
    tenant.api.then(started());
    tenant.api.then(answer(401, ""));
    tenant.api.then(completed(&tenant.files.link()));
    let (client, reads, kept) = rereading_client(&tenant);
    *kept.lock().expect("no test panics in here") = Some("canary-new-secret");
    run_export(&client, &mut Vec::new()).await.expect("the new secret is accepted");
    assert_eq!(reads.load(Ordering::Relaxed), 1);
    let sent: Vec<_> = tenant
        .login
        .seen()
        .iter()
        .map(|request| request.headers["authorization"].clone())
        .collect();
    assert!(sent[0] == sent[1] && sent[1] != sent[2]);
}

#[tokio::test]
async fn a10_a_secret_that_is_still_the_same_or_unusable_stays_refused() {
    for (now_kept, n_requests) in
        [(Some(CLIENT_SECRET), 1), (None, 1), (Some("canary\nnew"), 1), (Some("canary-new"), 2)]
    {
        let refused = || answer(400, r#"{"error":"invalid_client"}"#);
        let login = (0..9).map(|_| refused()).collect();
        let tenant = Tenant::with_logins(login, Vec::new(), Vec::new()).await;
        let (client, reads, kept) = rereading_client(&tenant);
        *kept.lock().expect("no test panics in here") = now_kept;
        for _ in 0..3 {
            let error = client.check_credentials(|| NOW_MS).await.expect_err("it is refused");
            assert_no_canary_in(&error);
            assert!(error.is_credentials(), "{error}");
        }
        assert_eq!(reads.load(Ordering::Relaxed), 1);
        assert_eq!(tenant.login.seen().len(), n_requests, "{now_kept:?}");
    }
}

/// The secret that a source gives now; an error if none.
type Kept = Arc<Mutex<Option<&'static str>>>;

/// A client of `tenant` that reads its secret again when it is refused, and counts that.
fn rereading_client(tenant: &Tenant) -> (Client, Arc<AtomicU32>, Kept) {
    let (reads, kept) = (Arc::<AtomicU32>::default(), Kept::default());
    let (count, source) = (Arc::clone(&reads), Arc::clone(&kept));
    let read = move || {
        count.fetch_add(1, Ordering::Relaxed);
        let secret = *source.lock().expect("no test panics in here");
        secret.map(|text| Secret::new(text.to_owned())).ok_or_else(|| "no such file".into())
    };
    let overrides = EndpointOverrides {
        login: tenant.login.base.clone(),
        api: tenant.api.base.clone(),
        files: tenant.files.base.clone(),
    };
    let endpoints = Endpoints::overridden(&overrides).expect("loopback is allowed");
    let secret = Secret::new(CLIENT_SECRET.to_owned());
    let credentials = Credentials::new(CLIENT_ID, secret).expect("valid credentials");
    let credentials = credentials.with_source(Arc::new(read));
    (Client::new(&endpoints, credentials, settings()).expect("a client"), reads, kept)
}
