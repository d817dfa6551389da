//! The life of an export: what is sent, and how each status is taken.

use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use core_nexthink::{ErrorKind, ExportEvent, ExportState, NexthinkError};

use crate::support::*;

#[tokio::test]
async fn an_export_is_started_polled_and_downloaded() {
    let tenant = Tenant::start(
        vec![started(), status("SUBMITTED"), status("IN_PROGRESS"), status("IN_PROGRESS")],
        vec![answer(200, FILE)],
    )
    .await;
    tenant.api.then(completed(&tenant.files.link()));

    let outcome = tenant.run().await;
    let finished = outcome.result.expect("a whole export");
    assert_eq!(outcome.file, FILE);
    assert_eq!(finished.export_id.as_str(), EXPORT_ID);
    assert_eq!(finished.bytes, FILE.len() as u64);
    assert!(!finished.truncated && finished.length_proven);

    let bytes = FILE.len() as u64;
    assert_eq!(
        outcome.events,
        [
            ExportEvent::Started { export_id: finished.export_id },
            ExportEvent::StateChanged { state: ExportState::Submitted, polls: 1 },
            ExportEvent::StateChanged { state: ExportState::InProgress, polls: 2 },
            ExportEvent::StateChanged { state: ExportState::Completed, polls: 4 },
            ExportEvent::Downloading { bytes: 0, total: Some(bytes) },
            ExportEvent::Downloading { bytes, total: Some(bytes) },
            ExportEvent::Downloaded { bytes },
        ]
    );
}

#[tokio::test]
async fn exports_can_run_as_tasks_of_their_own() {
    let tenant = Tenant::start(vec![started()], vec![answer(200, FILE)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let task = tokio::spawn(async move { tenant.run().await.file });
    assert_eq!(task.await.expect("the task does not panic"), FILE);
}

#[tokio::test]
async fn e3_e6_the_requests_are_those_that_nexthink_documents() {
    let tenant = Tenant::start(vec![started()], vec![answer(200, FILE)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    tenant.run().await.result.expect("a whole export");

    let login = tenant.login.seen();
    assert_eq!(login.len(), 1);
    assert_eq!(
        (&login[0].method, login[0].uri.path()),
        (&Method::POST, "/oauth2/default/v1/token")
    );
    // base64("client-0a1b2c:canary-client-secret")
    let basic = "Basic Y2xpZW50LTBhMWIyYzpjYW5hcnktY2xpZW50LXNlY3JldA==";
    assert_eq!(login[0].header("authorization"), Some(basic));
    assert_eq!(login[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(login[0].body, "grant_type=client_credentials&scope=service%3Aintegration");

    let api = tenant.api.seen();
    assert_eq!(api.len(), 2);
    assert_eq!((&api[0].method, api[0].uri.path()), (&Method::POST, "/api/v1/nql/export"));
    assert_eq!(api[0].header("x-utc-times"), Some("true"));
    assert_eq!(api[0].header("authorization"), Some("Bearer canary-access-token"));
    assert_eq!(api[0].header("content-type"), Some("application/json"));
    assert_eq!(api[0].header("accept"), Some("application/json"));
    assert_eq!(api[0].body, r##"{"queryId":"#j1_devices","compression":"ZSTD"}"##);
    assert_eq!((&api[1].method, api[1].uri.path()), (&Method::GET, "/api/v1/nql/status/e-1"));
    assert_eq!(api[1].header("authorization"), Some("Bearer canary-access-token"));
    assert!(api[1].body.is_empty());

    let files = tenant.files.seen();
    assert_eq!(files.len(), 1);
    let target = files[0].uri.path_and_query().expect("a path").as_str();
    assert_eq!(target, format!("/results/a%2Fb.csv?{SIGNATURE}"));
    assert_eq!(files[0].header("accept-encoding"), Some("identity"));
    for name in ["authorization", "cookie", "referer"] {
        assert_eq!(files[0].header(name), None);
    }
}

#[tokio::test]
async fn b10_a_partial_answer_means_truncated_and_stays_so() {
    let tenant = Tenant::start(vec![started()], vec![link_expired(), answer(200, FILE)]).await;
    tenant.api.then(completed_with(206, &tenant.files.link()));
    tenant.api.then(completed_with(200, &format!("{}&again=1", tenant.files.link())));
    assert!(tenant.run().await.result.expect("a whole file").truncated);
}

#[tokio::test]
async fn d3_statuses_that_are_not_known_are_not_taken_for_done() {
    let tenant = Tenant::start(
        vec![
            started(),
            status("CANCELLED"),
            status("FINISHED"),
            status(""),
            answer(200, r#"{"status":null}"#),
            answer(200, r#"{"status":"SUBMITTED","more":[{"than":"documented"}]}"#),
        ],
        vec![answer(200, FILE)],
    )
    .await;
    let body = format!(r#"{{"status":"COMPLETE","resultsFileUrl":"{}"}}"#, tenant.files.link());
    tenant.api.then(answer(200, body));

    let outcome = tenant.run().await;
    assert_eq!(outcome.result.expect("a whole export").bytes, FILE.len() as u64);
    let states = outcome.events.iter().filter_map(|event| match event {
        ExportEvent::StateChanged { state, polls } => Some((*state, *polls)),
        _ => None,
    });
    let expected =
        [(ExportState::Unknown, 1), (ExportState::Submitted, 5), (ExportState::Completed, 6)];
    assert_eq!(states.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn d14_a_status_counts_in_any_case_and_one_that_is_no_word_is_refused() {
    let tenant = Tenant::start(
        vec![started(), status("submitted"), status("In_Progress")],
        vec![answer(200, FILE)],
    )
    .await;
    let body = format!(r#"{{"status":"completed","resultsFileUrl":"{}"}}"#, tenant.files.link());
    tenant.api.then(answer(200, body));
    assert_eq!(tenant.run().await.file, FILE);
    assert_eq!(tenant.api.seen().len(), 4);

    for length in [65, 40_000, 900 << 10] {
        let long = "x".repeat(length);
        let tenant = Tenant::start(vec![started(), status(&long), status(&long)], Vec::new()).await;
        let mut journal = Journal::default();
        let error = tenant.resume(None, Vec::new(), &mut journal).await.error();
        assert!(matches!(error, NexthinkError::UnexpectedAnswer { .. }), "{error}");
        assert_eq!(tenant.api.seen().len(), 2, "it is not asked again: {length}");
        assert!(journal.record().is_some(), "the export may be had yet");
    }
}

#[tokio::test]
async fn b16_a_start_that_is_created_or_accepted_counts_and_an_accepted_status_is_no_end() {
    for status in [201, 202] {
        let start = answer(status, format!(r#"{{"exportId":"{EXPORT_ID}"}}"#));
        let running = answer(202, r#"{"status":"IN_PROGRESS"}"#);
        let tenant = Tenant::start(vec![start, running], vec![answer(200, FILE)]).await;
        tenant.api.then(completed(&tenant.files.link()));
        assert_eq!(tenant.run().await.file, FILE, "{status}");
    }
    for refused in [answer(201, ""), answer(202, r#"{"message":"canary"}"#)] {
        let tenant = Tenant::start(vec![refused], Vec::new()).await;
        let error = tenant.run().await.error();
        assert!(matches!(error, NexthinkError::UnexpectedAnswer { .. }), "{error}");
    }
    let tenant = Tenant::start(vec![started()], Vec::new()).await;
    tenant.api.then(completed_with(202, &tenant.files.link()));
    let error = tenant.run().await.error();
    assert!(matches!(error, NexthinkError::UnexpectedAnswer { status: 202, .. }), "{error}");
}

#[tokio::test]
async fn d4_the_first_completed_status_with_a_link_counts() {
    let script = vec![started(), status("COMPLETED")];
    let mut tenant = Tenant::start(script, vec![answer(200, FILE)]).await;
    tenant.api.then(status("IN_PROGRESS"));
    tenant.api.then(completed(&tenant.files.link()));
    tenant.api.then(status("IN_PROGRESS"));
    let mut settings = settings();
    settings.poll.gone_after = Duration::from_mins(1);
    tenant.client = client(&tenant.login.base, &tenant.api.base, &tenant.files.base, settings);
    assert_eq!(tenant.run().await.file, FILE);
    assert_eq!(tenant.api.seen().len(), 1 + 3);
}

#[tokio::test]
async fn d6_a_link_before_the_export_is_completed_is_not_followed() {
    let tenant = Tenant::start(vec![started()], vec![answer(200, FILE)]).await;
    let early = r#"{"status":"IN_PROGRESS","resultsFileUrl":"https://evil.example/a"}"#;
    tenant.api.then(answer(200, early));
    tenant.api.then(completed(&tenant.files.link()));
    assert_eq!(tenant.run().await.file, FILE);
}

#[tokio::test]
async fn d1_a_failed_export_tells_its_description_escaped_and_cut() {
    let description = format!("no such column\\n\\u001b[31m{}", "x".repeat(10_000));
    let body = format!(r#"{{"status":"ERROR","errorDescription":"{description}"}}"#);
    let tenant = Tenant::start(vec![started(), answer(200, body)], Vec::new()).await;
    let error = tenant.run().await.error();
    let NexthinkError::ExportFailed { description, .. } = &error else {
        panic!("unexpected: {error}");
    };
    assert!(description.starts_with("no such column\\n\\u{1b}[31mxxx"), "{description}");
    assert!(description.chars().count() < 320);
    assert_eq!(error.kind(), ErrorKind::Data);
}

#[tokio::test]
async fn d2_an_export_that_never_ends_meets_its_deadline() {
    let mut script = vec![started()];
    script.extend((0..2_000).map(|_| status("IN_PROGRESS")));
    let tenant = Tenant::start(script, Vec::new()).await;
    let mut settings = settings();
    settings.poll.deadline = std::time::Duration::from_millis(40);
    let client = client(&tenant.login.base, &tenant.api.base, &tenant.files.base, settings);
    let mut file = Vec::new();
    let error = run_export(&client, &mut file).await.expect_err("it never ends");
    assert!(matches!(error, NexthinkError::Deadline { .. }), "{error}");
    assert!(error.is_unreachable());
}

#[tokio::test]
async fn b8_a_forgotten_export_is_started_again_once() {
    let tenant = Tenant::start(
        vec![started(), answer(404, Body::empty()), started()],
        vec![answer(200, FILE)],
    )
    .await;
    tenant.api.then(completed(&tenant.files.link()));
    assert_eq!(tenant.run().await.file, FILE);

    let gone = || answer(404, r#"{"message":"not found","code":100}"#);
    let tenant = Tenant::start(vec![started(), gone(), started(), gone()], Vec::new()).await;
    let error = tenant.run().await.error();
    assert!(matches!(error, NexthinkError::ExportGone { .. }), "{error}");
    assert_eq!(tenant.api.seen().len(), 4);
}

#[tokio::test]
async fn d1_an_export_that_fails_for_a_passing_reason_is_started_again_once() {
    let failed = |description| {
        answer(200, format!(r#"{{"status":"ERROR","errorDescription":"{description}"}}"#))
    };
    let timed_out = || failed("The query timed out.");
    let tenant =
        Tenant::start(vec![started(), timed_out(), started()], vec![answer(200, FILE)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    assert_eq!(tenant.run().await.file, FILE);

    let gone = answer(404, Body::empty());
    for (first, second, n_calls) in [
        (timed_out(), timed_out(), 4),
        (gone, timed_out(), 4),
        (failed("No such field."), timed_out(), 2),
    ] {
        let tenant = Tenant::start(vec![started(), first, started(), second], Vec::new()).await;
        let error = tenant.run().await.error();
        assert!(matches!(error, NexthinkError::ExportFailed { .. }), "{error}");
        assert_eq!(tenant.api.seen().len(), n_calls, "{error}");
    }
}

#[tokio::test]
async fn d7_an_export_id_that_is_not_one_path_segment_is_refused() {
    let long = "e".repeat(10_000);
    for export_id in ["../../x", "", "a/b", "a%00", "é", "a?b", &long] {
        let body = format!(r#"{{"exportId":"{export_id}"}}"#);
        let tenant = Tenant::start(vec![answer(200, body)], Vec::new()).await;
        let error = tenant.run().await.error();
        assert!(matches!(error, NexthinkError::UnexpectedAnswer { .. }), "{error}");
        assert_eq!(tenant.api.seen().len(), 1);
    }
}
