//! The audit trail: what counts as one, what its errors say, and how long a slow host is waited for.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, DATE};
use core_nexthink::{
    AuditAccess, AuditAnswer, AuditClient, AuditHost, AuditPiece, AuditRequest, Credentials,
    DownloadSpeed, EndpointOverrides, Endpoints, ErrorKind, NexthinkError, Secret, Settings, Trail,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::raw_host::{RawHost, http, read_request};
use crate::support::*;

const LINES: &str = "2026-03-01 10:00:00 [Portal|LOGIN|20101|anna] User account logged\n";

fn portal() -> AuditRequest {
    AuditRequest { trail: Trail::Portal, before: None, elapsed_hours: 1 }
}

fn engine() -> AuditRequest {
    let trail = Trail::Engine("engine-09".parse().expect("a name"));
    AuditRequest { trail, ..portal() }
}

fn audit_client(base: &str, login: &str, is_oauth: bool, settings: Settings) -> AuditClient {
    let [login, api, files] = [login, base, base].map(str::to_owned);
    let endpoints = Endpoints::overridden(&EndpointOverrides { login, api, files });
    let secret = Secret::new(CLIENT_SECRET.to_owned());
    let credentials = Credentials::new(CLIENT_ID, secret).expect("valid credentials");
    let access =
        if is_oauth { AuditAccess::OAuth(credentials) } else { AuditAccess::Basic(credentials) };
    let host = AuditHost::named(base, false).expect("loopback is allowed");
    let endpoints = endpoints.expect("loopback is allowed");
    AuditClient::new(&host, &endpoints, access, settings).expect("a client")
}

/// Reads a trail; gives what came of it besides.
async fn read(
    client: &AuditClient,
    request: &AuditRequest,
) -> (Result<AuditAnswer, NexthinkError>, Vec<u8>) {
    let mut came = Vec::new();
    let result = client.read(request, |piece| {
        match piece {
            AuditPiece::Begin { .. } => came.clear(),
            AuditPiece::Bytes(bytes) => came.extend_from_slice(bytes),
        }
        Ok(())
    });
    let result = result.await;
    if let Err(error) = &result {
        assert_no_canary_in(error);
    }
    (result, came)
}

/// The error for one answer, and how often it was asked for.
async fn refusal(request: &AuditRequest, answers: Vec<Answer>) -> (NexthinkError, usize) {
    let server = Server::start(answers).await;
    let client = audit_client(&server.base, &server.base, false, settings());
    let (result, came) = read(&client, request).await;
    assert_eq!(String::from_utf8_lossy(&came), "", "nothing of it is a trail");
    (result.expect_err("it is no trail"), server.seen().len())
}

#[tokio::test]
async fn l11_a_success_that_is_no_trail_gives_no_line_whatever_its_type() {
    let page = "<!DOCTYPE html>\n<html><title>Sign in: canary</title></html>\n";
    let json = "{\n \"error\": \"canary\"}\n";
    for (kind, body) in [
        (Some("text/html; charset=utf-8"), page),
        (Some("Text/HTML"), page),
        (Some("application/xhtml+xml"), page),
        (Some("text/plain"), page),
        (None, page),
        (Some("application/json"), json),
        (Some("text/plain"), json),
        (None, "[]"),
    ] {
        let mut scripted = answer(200, body);
        if let Some(kind) = kind {
            scripted = scripted.with(CONTENT_TYPE, kind);
        }
        let (error, asked) = refusal(&portal(), vec![scripted]).await;
        assert_eq!(asked, 1, "{kind:?}");
        let is_told = error.to_string().contains("instead of a trail")
            || matches!(error, NexthinkError::AuditTrailFailed { status: 200, .. });
        assert!(is_told, "{kind:?} {body}: {error}");
    }
}

#[tokio::test]
async fn l1_an_unknown_engine_is_asked_once_and_its_error_array_is_read() {
    let body = r#"[{"error":"unknown or unreachable Engine engine-09 for canary@corp.example"}]"#;
    for status in [500, 200] {
        let (error, asked) = refusal(&engine(), vec![answer(status, body)]).await;
        assert_eq!(asked, 1);
        let told = error.to_string();
        assert!(told.contains("unknown or unreachable Engine engine-09 for …"), "{told}");
        assert!(told.contains("check the name of the Engine"), "{told}");
    }
    // Of the web interface there is no Engine to check. Another body may be a passing trouble.
    let (error, asked) = refusal(&portal(), (0..4).map(|_| answer(500, "oops")).collect()).await;
    assert_eq!(asked, 4);
    let told = error.to_string();
    assert!(told.contains("the web interface") && !told.contains("Engine"), "{told}");
}

#[tokio::test]
async fn a_request_that_stays_wrong_is_not_to_be_tried_later() {
    for status in [400, 404, 410] {
        let body = r#"[{"error":"invalid before_date"}]"#;
        let (error, asked) = refusal(&portal(), vec![answer(status, body)]).await;
        assert_eq!((asked, error.kind()), (1, ErrorKind::Query), "{status}");
        let told = error.to_string();
        assert!(told.contains("invalid before_date") && !told.contains("later"), "{told}");
        assert!(!told.contains("Engine"), "{told}");
    }
}

#[tokio::test]
async fn advice_on_a_refused_account_names_what_this_kind_of_account_needs() {
    let (error, _) = refusal(&portal(), vec![answer(403, "canary")]).await;
    let told = error.to_string();
    assert!(told.contains("local account") && !told.contains("service:"), "{told}");

    let login = Server::start(vec![answer(400, r#"{"error":"invalid_scope"}"#)]).await;
    let client = audit_client(&login.base, &login.base, true, settings());
    let (result, _) = read(&client, &portal()).await;
    let told = result.expect_err("the token was refused").to_string();
    assert!(told.contains("service:audit-trail"), "{told}");
    assert!(!told.contains("service:integration"), "{told}");
}

#[tokio::test]
async fn no_content_is_a_window_without_lines() {
    let date = "Sun, 01 Mar 2026 10:00:00 GMT";
    let server = Server::start(vec![answer(204, "").with(DATE, date)]).await;
    let client = audit_client(&server.base, &server.base, false, settings());
    let (result, came) = read(&client, &portal()).await;
    let expected = AuditAnswer { bytes: 0, server_ms: Some(1_772_359_200_000), end_proven: true };
    assert_eq!(result.expect("an empty window"), expected);
    assert_eq!(came, b"");
}

#[tokio::test]
async fn l12_an_end_is_proven_by_a_length_or_a_last_chunk_and_by_nothing_else() {
    let length = format!("Content-Length: {}", LINES.len());
    let chunked = format!("{:x}\r\n{LINES}\r\n0\r\n\r\n", LINES.len());
    for (headers, body, end_proven) in [
        (vec![length.as_str()], LINES.to_owned(), true),
        (vec!["Transfer-Encoding: chunked"], chunked, true),
        (vec![], LINES.to_owned(), false),
    ] {
        let mut bytes = http(200, &headers);
        bytes.extend_from_slice(body.as_bytes());
        let host = RawHost::start(vec![bytes]).await;
        let client = audit_client(&host.base, &host.base, false, settings());
        let (result, came) = read(&client, &portal()).await;
        assert_eq!(result.expect("it came").end_proven, end_proven, "{headers:?}");
        assert_eq!(came, LINES.as_bytes());
    }
}

#[tokio::test]
async fn l14_a_host_that_sends_a_byte_at_a_time_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        read_request(&mut socket).await;
        let head = http(200, &["Content-Length: 100000"]);
        let mut sent = socket.write_all(&head).await;
        while sent.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            sent = socket.write_all(b"x").await;
        }
    });
    let slowest = DownloadSpeed { bytes: 1_000, within: Duration::from_millis(200) };
    let settings = Settings { slowest_download: slowest, ..settings() };
    let client = audit_client(&base, &base, false, settings);
    let began = Instant::now();
    let (result, _) = read(&client, &portal()).await;
    let error = result.expect_err("it would take half an hour");
    assert!(matches!(error, NexthinkError::AuditTooSlow { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10));
}
