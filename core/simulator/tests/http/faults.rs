//! Scripted faults: the requests that meet them, and the effects.

use std::time::Duration;

use core_simulator::{Answer, Behaviour, Fault, FaultAction, FaultPoint, SavedQuery};
use reqwest::{StatusCode, header};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Tester, bytes_of};

fn answer(status: u16) -> FaultAction {
    FaultAction::Answer(Answer::from_status(status))
}

async fn with_faults(faults: Vec<Fault>) -> Tester {
    Tester::start(Behaviour { faults, ..Behaviour::default() }).await
}

async fn start_status(tester: &Tester, token: &str, query_id: &str) -> u16 {
    let body = json!({ "queryId": query_id });
    tester.start_export(token, &body).await.status().as_u16()
}

#[tokio::test]
async fn the_third_status_call_of_one_query_answers_401() {
    let mut fault = Fault::new(FaultPoint::Status, answer(401));
    (fault.query, fault.after, fault.times) = (Some("#j1_packages".to_owned()), 2, Some(1));
    let tester = with_faults(vec![fault]).await;
    let token = tester.token().await;
    for (query, expected) in
        [(SavedQuery::Users, [200, 200, 200, 200]), (SavedQuery::Packages, [200, 200, 401, 200])]
    {
        let export_id = tester.export_id(&token, query, "NONE").await;
        for expected in expected {
            assert_eq!(tester.status(&token, &export_id).await.0.as_u16(), expected, "{query:?}");
        }
    }
    let requests = tester.simulator.requests();
    assert_eq!((requests.faults, requests.unauthorized), (1, 1));
}

#[tokio::test]
async fn faults_of_the_same_point_count_independently_from_the_last_change() {
    let mut first = Fault::new(FaultPoint::Start, answer(503));
    first.times = Some(2);
    let mut second = Fault::new(FaultPoint::Start, answer(500));
    (second.after, second.times) = (1, Some(2));
    let tester = with_faults(vec![first, second]).await;
    let token = tester.token().await;
    for expected in [503, 503, 500, 200] {
        assert_eq!(start_status(&tester, &token, "#j1_users").await, expected);
    }
    assert_eq!(tester.simulator.requests().exports[&SavedQuery::Users], 1);
    tester.simulator.update(|behaviour| {
        behaviour.faults =
            vec![Fault { times: Some(1), ..Fault::new(FaultPoint::Start, answer(418)) }];
    });
    for expected in [418, 200] {
        assert_eq!(start_status(&tester, &token, "#j1_users").await, expected);
    }
}

#[tokio::test]
async fn every_point_can_be_refused_with_any_answer() {
    let made_up = Answer::from_status(200)
        .with_header("content-type", "text/html")
        .with_body("<html>maintenance</html>");
    for (point, path) in [
        (FaultPoint::Token, "/oauth2/default/v1/token"),
        (FaultPoint::Start, "/api/v1/nql/export"),
        (FaultPoint::Execute, "/api/v1/nql/execute"),
        (FaultPoint::Execute, "/api/v2/nql/execute"),
        (FaultPoint::Status, "/api/v1/nql/status/any"),
        (FaultPoint::File, "/any"),
    ] {
        let tester =
            with_faults(vec![Fault::new(point, FaultAction::Answer(made_up.clone()))]).await;
        let endpoints = tester.simulator.endpoints();
        let is_file = point == FaultPoint::File;
        let url = format!("{}{path}", if is_file { &endpoints.files } else { &endpoints.api });
        let request = match point {
            FaultPoint::Status | FaultPoint::File => tester.http.get(url),
            _ => tester.http.post(url),
        };
        let response = request.send().await.expect("the simulator answers");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html");
        assert_eq!(&bytes_of(response).await[..], b"<html>maintenance</html>");
    }
}

#[tokio::test]
async fn a_redirect_names_its_target() {
    let action = FaultAction::Redirect("http://127.0.0.1:9/elsewhere".to_owned());
    let tester = with_faults(vec![Fault::new(FaultPoint::File, action)]).await;
    let files = tester.simulator.endpoints().files.clone();
    let answer =
        raw_request(&files, "GET / HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n").await;
    let answer = String::from_utf8_lossy(&answer.expect("it ends in order")).to_lowercase();
    assert!(answer.starts_with("http/1.1 307 "), "{answer}");
    assert!(answer.contains("location: http://127.0.0.1:9/elsewhere\r\n"), "{answer}");
}

/// The bytes of the answer up to the end of the connection.
async fn raw_request(url: &str, request: &str) -> std::io::Result<Vec<u8>> {
    let address = url.strip_prefix("http://").expect("the simulator speaks HTTP");
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map(|_| answer)
}

const GET: &str = "GET /any HTTP/1.1\r\nhost: it\r\n\r\n";

#[tokio::test]
async fn a_connection_ends_without_an_answer_in_order_or_by_a_reset() {
    let tester = with_faults(vec![Fault::new(FaultPoint::File, FaultAction::Close)]).await;
    let files = tester.simulator.endpoints().files.clone();
    assert_eq!(raw_request(&files, GET).await.expect("it ends in order"), b"");
    tester.simulator.update(|behaviour| behaviour.faults[0].action = FaultAction::Reset);
    let reset = raw_request(&files, GET).await.expect_err("it is reset");
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn raw_bytes_are_sent_unchanged() {
    let bytes = "HTTP/1.1 100 Continue\r\n\r\n".repeat(2_000);
    let action = FaultAction::Raw(bytes.clone().into());
    let tester = with_faults(vec![Fault::new(FaultPoint::File, action)]).await;
    let files = tester.simulator.endpoints().files.clone();
    assert_eq!(raw_request(&files, GET).await.expect("it ends in order"), bytes.as_bytes());
}

#[tokio::test]
async fn a_hanging_answer_never_comes_and_does_not_delay_the_stop() {
    for action in [FaultAction::Hang, FaultAction::RawThenHang("HTTP/1.1 200 OK\r\n".into())] {
        let is_raw = action != FaultAction::Hang;
        let tester = with_faults(vec![Fault::new(FaultPoint::File, action)]).await;
        let files = tester.simulator.endpoints().files.clone();
        let mut request = tokio::spawn(async move { raw_request(&files, GET).await });
        let early = tokio::time::timeout(Duration::from_millis(200), &mut request).await;
        assert!(early.is_err(), "it hangs");
        tester.simulator.stop().await;
        let answer = request.await.expect("it does not panic").expect("it ends in order");
        assert_eq!(!answer.is_empty(), is_raw);
    }
}

#[tokio::test]
async fn a_lost_answer_leaves_a_started_export() {
    let mut fault = Fault::new(FaultPoint::Start, FaultAction::Lose);
    fault.times = Some(1);
    let tester = with_faults(vec![fault]).await;
    let token = tester.token().await;
    let url = format!("{}/api/v1/nql/export", tester.simulator.endpoints().api);
    let body = json!({ "queryId": "#j1_users" });
    let lost = tester.http.post(url).bearer_auth(&token).json(&body).send().await;
    assert!(lost.is_err());
    assert_eq!(tester.simulator.requests().exports[&SavedQuery::Users], 1);
    assert_eq!(start_status(&tester, &token, "#j1_users").await, 200);
}

#[tokio::test]
async fn a_late_answer_is_the_tenants_own() {
    let mut late = Fault::new(FaultPoint::Token, FaultAction::Pass);
    late.delay = Duration::from_millis(150);
    let tester = with_faults(vec![late]).await;
    let started = tokio::time::Instant::now();
    tester.token().await;
    assert!(started.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn a_status_call_returns_exactly_this_json() {
    let body = r#"{"status":null,"status":"COMPLETED", "resultsFileUrl":7}"#;
    let made_up = Answer::from_status(206).with_body(body);
    let fault = Fault::new(FaultPoint::Status, FaultAction::Answer(made_up));
    let tester = with_faults(vec![fault]).await;
    let url = format!("{}/api/v1/nql/status/any", tester.simulator.endpoints().api);
    let response = tester.http.get(url).send().await.expect("the simulator answers");
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(bytes_of(response).await, body);
}
