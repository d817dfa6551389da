//! Statuses and networks that fail: what is repeated, what is not, and what the error says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::header::{DATE, LOCATION, RETRY_AFTER};
use core_nexthink::{Endpoint, ErrorKind, NexthinkError, TlsProblem, UnreachableCause};
use tokio::io::AsyncWriteExt as _;

use crate::support::*;

#[tokio::test]
async fn a8_b7_h2_a_query_that_is_forbidden_or_missing_is_named() {
    let tenant = Tenant::start(vec![answer(403, r#"{"message":"canary","code":1}"#)], Vec::new());
    let tenant = tenant.await;
    let error = tenant.run().await.error();
    assert_eq!(error.kind(), ErrorKind::Query);
    assert!(error.to_string().contains("query #j1_devices"), "{error}");

    let tenant = Tenant::start(vec![answer(404, r#"{"message":"canary","code":100}"#)], Vec::new());
    let tenant = tenant.await;
    let error = tenant.run().await.error();
    assert!(matches!(error, NexthinkError::QueryNotFound { .. }));
    assert_eq!(error.kind(), ErrorKind::Query);
    assert!(error.to_string().contains("Administration > NQL API queries"), "{error}");
}

#[tokio::test]
async fn b9_refusals_are_not_repeated() {
    let tenant = Tenant::start(vec![answer(400, "canary")], Vec::new()).await;
    let error = tenant.run().await.error();
    assert!(matches!(error, NexthinkError::QueryNotAccepted { .. }), "{error}");
    assert_eq!((error.kind(), tenant.api.seen().len()), (ErrorKind::Query, 1));
    for status in [405, 406, 415, 418, 422] {
        let tenant = Tenant::start(vec![answer(status, "canary")], Vec::new()).await;
        let error = tenant.run().await.error();
        assert!(
            matches!(error, NexthinkError::UnexpectedAnswer { status: s, .. } if s == status),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::Data);
        assert_eq!(tenant.api.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn b6_server_errors_that_pass_are_survived() {
    for status in [408, 425, 500, 502, 503, 504] {
        let trouble = || answer(status, "<html>canary</html>");
        let tenant = Tenant::start(
            vec![trouble(), trouble(), started(), trouble(), trouble(), trouble()],
            vec![trouble(), trouble(), answer(200, FILE)],
        )
        .await;
        tenant.api.then(completed(&tenant.files.link()));
        assert_eq!(tenant.run().await.file, FILE, "{status}");
    }
}

#[tokio::test]
async fn b6_server_errors_that_stay_ask_to_try_later() {
    let trouble = || answer(503, "canary");
    let tenant = Tenant::start((0..9).map(|_| trouble()).collect(), Vec::new()).await;
    let error = tenant.run().await.error();
    assert!(error.is_unreachable());
    assert!(
        matches!(error, NexthinkError::Unavailable { status: 503, attempts: 3, .. }),
        "starting costs quota, so it is tried three times only: {error}"
    );
    assert_eq!(tenant.api.seen().len(), 3);

    let mut script = vec![started()];
    script.extend((0..9).map(|_| trouble()));
    let tenant = Tenant::start(script, Vec::new()).await;
    assert!(tenant.run().await.error().is_unreachable());
    assert_eq!(tenant.api.seen().len(), 1 + 4);
}

/// A tenant one of whose five endpoints fails `n` times before it answers.
async fn failing(endpoint: Endpoint, n: usize, trouble: impl Fn() -> Answer) -> Tenant {
    let then = |at, answer: Option<Answer>| {
        let n = if at == endpoint { n } else { 0 };
        let failures = (0..n).map(|_| trouble());
        failures.chain(answer).collect::<Vec<_>>()
    };
    let login = then(Endpoint::Token, Some(token_answer()));
    let mut api = then(Endpoint::Execute, Some(answer(200, r#"{"headers":[],"data":[]}"#)));
    api.extend(then(Endpoint::StartExport, Some(started())));
    api.extend(then(Endpoint::ExportStatus, None));
    let files = then(Endpoint::ResultsFile, Some(answer(200, FILE)));
    let tenant = Tenant::with_logins(login, api, files).await;
    tenant.api.then(completed(&tenant.files.link()));
    tenant
}

#[tokio::test]
async fn b6_each_server_error_at_each_endpoint_is_survived_or_told() {
    use Endpoint::{Execute, ExportStatus, ResultsFile, StartExport, Token};
    for status in [408, 425, 500, 502, 503, 504] {
        for endpoint in [Token, Execute, StartExport, ExportStatus, ResultsFile] {
            // Four attempts, but three for a call that costs an export.
            let most = if endpoint == StartExport { 2 } else { 3 };
            for n in [1, most, 99] {
                let tenant = failing(endpoint, n, || answer(status, "canary")).await;
                let executed = tenant.client.execute(&order().query, &BTreeMap::new()).await;
                let result = match executed {
                    Ok(_) => tenant.run().await.result.map(drop),
                    Err(error) => Err(error),
                };
                let what = format!("{status} {n} times at {endpoint}");
                let Err(error) = result else {
                    assert!(n <= most, "{what}");
                    continue;
                };
                assert_eq!(n, 99, "{what}: {error}");
                let unavailable = matches!(
                    error,
                    NexthinkError::Unavailable { endpoint: at, status: it, attempts }
                        if at == endpoint && it == status && usize::try_from(attempts) == Ok(most + 1)
                );
                assert!(unavailable, "{what}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn a8_a_query_that_is_forbidden_does_not_stop_another() {
    let tenant = Tenant::start(vec![answer(403, "canary"), started()], vec![answer(200, FILE)]);
    let tenant = tenant.await;
    tenant.api.then(completed(&tenant.files.link()));
    let error = tenant.run().await.error();
    assert!(matches!(error, NexthinkError::Forbidden { .. }), "{error}");
    assert_eq!(tenant.run().await.file, FILE);
    assert_eq!(tenant.login.seen().len(), 1, "the token is not to blame");
}

#[tokio::test]
async fn b15_answers_may_hold_more_than_is_known_but_not_the_same_twice() {
    let twice = r#"{"status":"COMPLETED","status":"IN_PROGRESS"}"#;
    let deep = format!(r#"{{"status":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for body in [twice, &deep, r#"{"status":["COMPLETED"]}"#, r#"{"Status":"COMPLETED"}"#] {
        let tenant = Tenant::start(vec![started(), answer(200, body.to_owned())], Vec::new()).await;
        let error = tenant.run().await.error();
        assert!(is_unexpected_at(&error, Endpoint::ExportStatus), "{error}");
    }
}

#[tokio::test]
async fn b1_throttling_that_passes_is_survived() {
    let throttled = || answer(429, "canary");
    let tenant = Tenant::start(
        vec![throttled(), started(), throttled(), throttled()],
        vec![throttled(), answer(200, FILE)],
    )
    .await;
    tenant.api.then(completed(&tenant.files.link()));
    assert_eq!(tenant.run().await.file, FILE);
}

#[tokio::test]
async fn b4_a_daily_limit_is_deferred_by_the_clock_of_the_server() {
    for retry_after in [
        "50400",
        "Mon, 02 Mar 2026 00:00:00 GMT",
        "2026-03-02T00:00:00Z",
        "Mon Mar  2 00:00:00 2026",
    ] {
        let throttled = answer(429, "canary")
            .with(DATE, "Sun, 01 Mar 2026 10:00:00 GMT")
            .with(RETRY_AFTER, retry_after);
        let tenant = Tenant::start(vec![throttled], Vec::new()).await;
        let error = tenant.run().await.error();
        assert_eq!(error.kind(), ErrorKind::Deferred);
        let NexthinkError::Deferred { wait, .. } = error else {
            panic!("unexpected: {error}");
        };
        assert_eq!(wait.as_secs(), 14 * 3600, "{retry_after}");
        assert_eq!(tenant.api.seen().len(), 1);
    }
}

#[tokio::test]
async fn b13_e5_redirects_are_never_followed() {
    for status in [301, 302, 303, 307, 308] {
        let trap = Server::start(Vec::new()).await;
        let redirect = || answer(status, "canary").with(LOCATION, trap.base.clone());

        let tenant = Tenant::with_logins(vec![redirect()], Vec::new(), Vec::new()).await;
        let error = tenant.run().await.error();
        assert!(is_unexpected_at(&error, Endpoint::Token), "{error}");

        let tenant = Tenant::start(vec![redirect()], Vec::new()).await;
        let error = tenant.run().await.error();
        assert!(is_unexpected_at(&error, Endpoint::StartExport), "{error}");

        let tenant = Tenant::start(vec![started(), redirect()], Vec::new()).await;
        let error = tenant.run().await.error();
        assert!(is_unexpected_at(&error, Endpoint::ExportStatus), "{error}");

        let tenant = Tenant::start(vec![started()], vec![redirect()]).await;
        tenant.api.then(completed(&tenant.files.link()));
        let error = tenant.run().await.error();
        assert!(is_unexpected_at(&error, Endpoint::ResultsFile), "{error}");

        assert!(trap.seen().is_empty(), "{status} was followed");
    }
}

fn is_unexpected_at(error: &NexthinkError, at: Endpoint) -> bool {
    matches!(error, NexthinkError::UnexpectedAnswer { endpoint, .. } if *endpoint == at)
}

#[tokio::test]
async fn b11_b12_successes_without_a_result_are_refused() {
    let bodies = [
        (200, ""),
        (204, ""),
        (200, r#"{"code":5,"message":"canary"}"#),
        (200, "[]"),
        (200, "<html>canary</html>"),
        (200, "\u{feff}{\"exportId\":\"e-1\",\"status\":\"SUBMITTED\"}"),
        (200, r#"{"exportId":7,"status":7}"#),
    ];
    for (status, body) in bodies {
        let tenant = Tenant::start(vec![answer(status, body)], Vec::new()).await;
        let error = tenant.run().await.error();
        assert!(is_unexpected_at(&error, Endpoint::StartExport), "{body}: {error}");

        let tenant = Tenant::start(vec![started(), answer(status, body)], Vec::new()).await;
        let error = tenant.run().await.error();
        assert!(is_unexpected_at(&error, Endpoint::ExportStatus), "{body}: {error}");
    }
}

#[tokio::test]
async fn b15_an_answer_over_the_cap_is_refused() {
    let body = format!(r#"{{"exportId":"e-1","more":"{}"}}"#, "canary".repeat(200_000));
    let tenant = Tenant::start(vec![answer(200, body)], Vec::new()).await;
    assert!(is_unexpected_at(&tenant.run().await.error(), Endpoint::StartExport));
}

#[tokio::test]
async fn c3_a_host_that_does_not_answer_is_named_with_its_cause() {
    // A port that was free a moment ago: nothing listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error = client(&closed, &closed, &closed, settings())
        .check_credentials(|| NOW_MS)
        .await
        .expect_err("nothing listens");
    assert_no_canary_in(&error);
    assert!(error.is_unreachable());
    assert_eq!(cause(&error), UnreachableCause::Connect);
    assert!(error.to_string().contains("127.0.0.1"), "{error}");

    // Connections are accepted and never answered.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = format!("http://{}", listener.local_addr().expect("an address"));
    let mut impatient = settings();
    impatient.retry.max_attempts = 2;
    impatient.timeouts.idle = Duration::from_millis(50);
    let error = client(&silent, &silent, &silent, impatient)
        .check_credentials(|| NOW_MS)
        .await
        .expect_err("there is no answer");
    assert_eq!(cause(&error), UnreachableCause::Timeout);
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_file_host_that_is_down_does_not_give_the_link_away() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let link = format!("{closed}/a?{SIGNATURE}");
    let tenant = Tenant::start(vec![started(), completed(&link)], Vec::new()).await;
    let client = client(&tenant.login.base, &tenant.api.base, &closed, settings());
    let mut file = Vec::new();
    let error = run_export(&client, &mut file).await.expect_err("nothing listens");
    assert_no_canary_in(&error);
    assert_eq!(cause(&error), UnreachableCause::Connect);
}

#[tokio::test]
async fn a_host_that_does_not_speak_tls_is_not_called_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let https = format!("https://{}", listener.local_addr().expect("an address"));
    let n_calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&n_calls);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            // The client may be gone already; that it called is all that matters.
            drop(socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    let error = client(&https, &https, &https, settings())
        .check_credentials(|| NOW_MS)
        .await
        .expect_err("it speaks plain http");
    assert_eq!(cause(&error), UnreachableCause::Tls(TlsProblem::NotTls));
    assert_eq!(n_calls.load(Ordering::Relaxed), 1);
}

fn cause(error: &NexthinkError) -> UnreachableCause {
    let NexthinkError::Unreachable { cause, .. } = error else {
        panic!("unexpected: {error}");
    };
    cause.clone()
}
