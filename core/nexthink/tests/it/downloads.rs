//! Results files: new links, lengths, refusals.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use core_nexthink::{Endpoint, ErrorKind, ExportStatus, NexthinkError, ResultsLink};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::*;

#[tokio::test]
async fn e1_an_expired_link_is_asked_for_anew_and_then_exported_anew() {
    let token_expired = || answer(400, "<Error><Code>ExpiredToken</Code></Error>");
    let unexplained = || answer(403, "<html>canary</html>");
    for refusal in [link_expired(), token_expired(), unexplained()] {
        let tenant = Tenant::start(vec![started()], vec![refusal, answer(200, FILE)]).await;
        tenant.api.then(completed(&tenant.files.link()));
        tenant.api.then(completed(&format!("{}&again=1", tenant.files.link())));
        assert_eq!(tenant.run().await.file, FILE);
        assert!(tenant.files.seen()[1].uri.query().is_some_and(|query| query.ends_with("again=1")));
    }

    // The same link again would be refused again, and so would a third one.
    for (links, n_downloads) in [(["", "", "&new=1", "&new=1"], 2), (["", "&a", "&b", "&c"], 4)] {
        let refusals = (0..9).map(|_| link_expired()).collect();
        let tenant = Tenant::start(vec![started()], refusals).await;
        let link = |suffix| completed(&format!("{}{suffix}", tenant.files.link()));
        tenant.api.then(link(links[0]));
        tenant.api.then(link(links[1]));
        tenant.api.then(started());
        tenant.api.then(link(links[2]));
        tenant.api.then(link(links[3]));
        let mut journal = Journal::default();
        let error = tenant.resume(None, Vec::new(), &mut journal).await.error();
        let expired = matches!(error, NexthinkError::LinkExpired { code: Some("AccessDenied") });
        assert!(expired, "{error}");
        assert_eq!(tenant.files.seen().len(), n_downloads, "{links:?}");
        assert_eq!((journal.paid(), journal.record()), (2, None), "{links:?}");
    }
}

#[tokio::test]
async fn e1_a_refusal_on_the_way_names_the_host_and_costs_no_further_export() {
    let refusals = (0..9).map(|_| answer(403, "<html>canary</html>")).collect();
    let tenant = Tenant::start(vec![started()], refusals).await;
    tenant.api.then(completed(&tenant.files.link()));
    tenant.api.then(completed(&format!("{}&again=1", tenant.files.link())));
    let mut journal = Journal::default();
    let error = tenant.resume(None, Vec::new(), &mut journal).await.error();
    assert!(
        matches!(&error, NexthinkError::FilesBlocked { host } if host == "127.0.0.1"),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!((journal.paid(), tenant.files.seen().len()), (1, 2));
    assert!(journal.record().is_some(), "it can be had once the way is free");
}

#[tokio::test]
async fn e4_a_file_that_is_missing_gets_a_new_link_and_a_busy_host_more_time() {
    let missing = || answer(404, "<Error><Code>NoSuchKey</Code></Error>");
    let busy = || answer(503, "<Error><Code>SlowDown</Code></Error>");
    let files = vec![busy(), busy(), missing(), busy(), answer(200, FILE)];
    let tenant = Tenant::start(vec![started()], files).await;
    tenant.api.then(completed(&tenant.files.link()));
    tenant.api.then(completed(&format!("{}&again=1", tenant.files.link())));
    assert_eq!(tenant.run().await.file, FILE);
    assert_eq!(tenant.api.seen().len(), 1 + 2);
}

#[tokio::test]
async fn b18_a_file_host_that_refuses_the_usual_media_types_is_asked_for_csv_once() {
    let refused = || answer(406, "canary");
    let busy = answer(503, "<Error><Code>SlowDown</Code></Error>");
    let tenant = Tenant::start(vec![started()], vec![refused(), busy, answer(200, FILE)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    assert_eq!(tenant.run().await.file, FILE);
    let accepted = |tenant: &Tenant| {
        let seen = tenant.files.seen();
        seen.iter().map(|seen| seen.header("accept").map(str::to_owned)).collect::<Vec<_>>()
    };
    let [any, csv] = ["*/*", "text/csv"].map(|text| Some(text.to_owned()));
    assert_eq!(accepted(&tenant), [any.clone(), csv.clone(), csv.clone()]);

    let tenant = Tenant::start(vec![started()], (0..9).map(|_| refused()).collect()).await;
    tenant.api.then(completed(&tenant.files.link()));
    let error = tenant.run().await.error();
    let expected = matches!(error, NexthinkError::DownloadRefused { status: 406, code: None });
    assert!(expected, "{error}");
    assert_eq!(accepted(&tenant), [any, csv]);
}

#[tokio::test]
async fn e9_a_file_comes_as_it_is_stored_whatever_its_headers_say() {
    for (name, value) in [
        (CONTENT_ENCODING, "gzip"),
        (CONTENT_ENCODING, "zstd"),
        (CONTENT_TYPE, "text/html"),
        (CONTENT_TYPE, "application/gzip"),
    ] {
        let file = answer(200, FILE).with(name.clone(), value);
        let tenant = Tenant::start(vec![started()], vec![file]).await;
        tenant.api.then(completed(&tenant.files.link()));
        let outcome = tenant.run().await;
        assert_eq!(outcome.file, FILE, "{name}: {value}");
        assert!(outcome.result.expect("a whole file").length_proven);
    }
}

#[tokio::test]
async fn e14_an_empty_file_is_told_to_be_empty() {
    let tenant = Tenant::start(vec![started()], vec![answer(200, "")]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let finished = tenant.run().await.result.expect("all of nothing");
    assert_eq!((finished.bytes, finished.length_proven), (0, true));
}

#[tokio::test]
async fn e3_a_signature_that_does_not_match_is_final() {
    let refusal = answer(403, "<Error><Code>SignatureDoesNotMatch</Code><A>canary</A></Error>");
    let tenant = Tenant::start(vec![started()], vec![refusal]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let error = tenant.run().await.error();
    assert!(
        matches!(
            error,
            NexthinkError::DownloadRefused { status: 403, code: Some("SignatureDoesNotMatch") }
        ),
        "{error}"
    );
    assert_eq!(tenant.files.seen().len(), 1);
}

#[tokio::test]
async fn a_refusal_that_echoes_the_request_is_not_shown() {
    let echo = answer(400, "<Error><Code>canary</Code><Value>canary</Value></Error>");
    let tenant = Tenant::start(vec![started()], vec![echo]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let error = tenant.run().await.error();
    assert!(matches!(error, NexthinkError::DownloadRefused { status: 400, code: None }), "{error}");
}

#[tokio::test]
async fn e18_a_link_to_another_host_is_refused_before_any_call() {
    let other = Server::start(vec![answer(200, FILE)]).await;
    let tenant = Tenant::start(vec![started()], vec![answer(200, FILE)]).await;
    tenant.api.then(completed(&other.link()));
    let error = tenant.run().await.error();
    assert!(matches!(error, NexthinkError::LinkRefused { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(other.seen().is_empty() && tenant.files.seen().is_empty());
}

#[tokio::test]
async fn e7_only_a_whole_file_is_taken() {
    for status in [201, 204, 206] {
        let tenant = Tenant::start(vec![started()], vec![answer(status, Body::empty())]).await;
        tenant.api.then(completed(&tenant.files.link()));
        let error = tenant.run().await.error();
        assert!(
            matches!(
                error,
                NexthinkError::UnexpectedAnswer { endpoint: Endpoint::ResultsFile, .. }
            ),
            "{status}: {error}"
        );
    }
}

#[tokio::test]
async fn c7_a_file_without_an_announced_length_is_not_proven() {
    let chunks = chunked(vec![Ok(Bytes::from_static(FILE))]);
    let tenant = Tenant::start(vec![started()], vec![answer(200, chunks)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let outcome = tenant.run().await;
    assert_eq!(outcome.file, FILE);
    assert!(!outcome.result.expect("a file").length_proven);
}

#[tokio::test]
async fn c6_a_file_shorter_than_announced_is_an_error() {
    let (base, server) = raw_file_host("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort").await;
    let tenant = Tenant::start(Vec::new(), Vec::new()).await;
    let client = client(&tenant.login.base, &tenant.api.base, &base, settings());
    tenant.api.then(completed(&format!("{base}/a?{SIGNATURE}")));
    let link = link_of(&client).await;
    let mut file = Vec::new();
    let error = client.download(&link, &mut file, |_, _| {}).await.expect_err("it is cut");
    assert_no_canary_in(&error);
    assert!(matches!(error, NexthinkError::DownloadBroken { received: 5, .. }), "{error}");
    server.await.expect("the file host does not panic");
}

#[tokio::test]
async fn a_file_announced_over_the_cap_is_not_even_begun() {
    let huge = "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999\r\n\r\nshort";
    let (base, server) = raw_file_host(huge).await;
    let tenant = Tenant::start(vec![completed(&format!("{base}/a"))], Vec::new()).await;
    let client = client(&tenant.login.base, &tenant.api.base, &base, settings());
    let link = link_of(&client).await;
    let mut file = Vec::new();
    let error = client.download(&link, &mut file, |_, _| {}).await.expect_err("10 TB");
    assert!(matches!(error, NexthinkError::TooLarge { .. }), "{error}");
    assert!(file.is_empty());
    server.await.expect("the file host does not panic");
}

#[tokio::test]
async fn a_file_over_the_cap_is_refused() {
    let announced = answer(200, "x".repeat(11)).with(CONTENT_LENGTH, "11");
    let unannounced = answer(200, chunked(vec![Ok(Bytes::from("x".repeat(11)))]));
    for file in [announced, unannounced] {
        let tenant = Tenant::start(Vec::new(), vec![file]).await;
        tenant.api.then(completed(&tenant.files.link()));
        let mut small = settings();
        small.max_download_bytes = 10;
        let client = client(&tenant.login.base, &tenant.api.base, &tenant.files.base, small);
        let link = link_of(&client).await;
        let mut file = Vec::new();
        let error = client.download(&link, &mut file, |_, _| {}).await.expect_err("11 bytes");
        assert!(matches!(error, NexthinkError::TooLarge { cap: 10 }), "{error}");
        assert!(file.is_empty());
    }
}

#[tokio::test]
async fn a_full_disk_is_told_apart() {
    let tenant = Tenant::start(Vec::new(), vec![answer(200, FILE)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let link = link_of(&tenant.client).await;
    let mut room = [0_u8; 4];
    let mut sink = io::Cursor::new(&mut room[..]);
    let error =
        tenant.client.download(&link, &mut sink, |_, _| {}).await.expect_err("4 bytes of room");
    assert_eq!(error.kind(), ErrorKind::Local);
}

#[tokio::test]
async fn progress_tells_bytes_and_their_total() {
    let tenant = Tenant::start(Vec::new(), vec![answer(200, vec![7_u8; 1_000_000])]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let link = link_of(&tenant.client).await;
    let (mut file, mut steps) = (Vec::new(), Vec::new());
    let download = tenant
        .client
        .download(&link, &mut file, |bytes, total| steps.push((bytes, total)))
        .await
        .expect("a whole file");
    assert_eq!((download.bytes, file.len()), (1_000_000, 1_000_000));
    assert!(steps.is_sorted() && steps.iter().all(|(_, total)| *total == Some(1_000_000)));
    assert_eq!(steps.first(), Some(&(0, Some(1_000_000))), "told before the first byte");
    assert_eq!(steps.last(), Some(&(1_000_000, Some(1_000_000))));
}

/// The link in the next status answer.
async fn link_of(client: &core_nexthink::Client) -> ResultsLink {
    let export_id = EXPORT_ID.parse().expect("an export id");
    let status = client.export_status(&export_id).await.expect("a status");
    assert_nothing_leaks(&format!("{status:?}"));
    let ExportStatus::Completed { link: Some(link), .. } = status else {
        panic!("unexpected: {status:?}");
    };
    link
}

/// A body that is sent in chunks, without a length.
fn chunked(chunks: Vec<Result<Bytes, io::Error>>) -> Body {
    Body::from_stream(futures::stream::iter(chunks))
}

/// A host that sends exactly `answer` and hangs up.
async fn raw_file_host(answer: &'static str) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let mut request = [0_u8; 4096];
        let n_bytes = socket.read(&mut request).await.expect("a request");
        assert!(!String::from_utf8_lossy(&request[..n_bytes]).contains("uthorization"));
        socket.write_all(answer.as_bytes()).await.expect("an open connection");
    });
    (base, server)
}
