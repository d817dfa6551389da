//! The file host: its answers, and its S3-like errors.

use std::io::Read;
use std::time::Duration;

use core_simulator::{Behaviour, SavedQuery, TenantSpec};
use flate2::read::MultiGzDecoder;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_MATCH, IF_RANGE, RANGE};
use reqwest::{Response, StatusCode};

use crate::support::{Tester, bytes_of};

#[tokio::test]
async fn each_compression_decodes_to_the_plain_csv() {
    let tester = Tester::start(Behaviour::default()).await;
    for query in SavedQuery::ALL {
        let plain = tester.download(query, "NONE").await;

        let zstd = tester.download(query, "ZSTD").await;
        assert!(zstd.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]));
        // The third lowest bit of the frame header descriptor announces a checksum (RFC 8878).
        assert_eq!(zstd[4] & 0b100, 0b100);
        assert_eq!(zstd::decode_all(zstd.as_slice()).expect("one zstd frame"), plain);

        let gzip = tester.download(query, "GZIP").await;
        let mut decoded = Vec::new();
        MultiGzDecoder::new(gzip.as_slice()).read_to_end(&mut decoded).expect("one gzip member");
        assert_eq!(decoded, plain);
    }
    assert_eq!(tester.simulator.requests().downloads, 15);
}

#[tokio::test]
async fn a_zstandard_file_can_lack_its_checksum() {
    let tester = Tester::start(Behaviour { zstd_checksum: false, ..Behaviour::default() }).await;
    let zstd = tester.download(SavedQuery::Devices, "ZSTD").await;
    assert_eq!(zstd[4] & 0b100, 0);
}

#[tokio::test]
async fn length_and_etag_are_known_and_equal_for_equal_bytes() {
    let tester = Tester::start(Behaviour::default()).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let response = tester.get(&tester.link(SavedQuery::Packages, "ZSTD").await).await;
        let headers = response.headers().clone();
        let bytes = bytes_of(response).await;
        assert_eq!(headers[CONTENT_LENGTH], bytes.len().to_string());
        seen.push((headers[ETAG].clone(), bytes));
    }
    assert_eq!(seen[0], seen[1]);
    let other = tester.get(&tester.link(SavedQuery::Users, "ZSTD").await).await;
    assert_ne!(other.headers()[ETAG], seen[0].0);
}

#[tokio::test]
async fn a_request_with_an_authorization_header_is_refused() {
    let tester = Tester::start(Behaviour::default()).await;
    let link = tester.link(SavedQuery::Devices, "NONE").await;
    for request in [
        tester.http.get(&link).bearer_auth("any"),
        tester.http.get(&link).basic_auth("any", Some("")),
    ] {
        let response = request.send().await.expect("the file host answers");
        assert_refused(response, 400, "InvalidArgument", "Only one auth mechanism allowed").await;
    }
    let requests = tester.simulator.requests();
    assert_eq!((requests.authorized_downloads, requests.downloads), (2, 0));
}

#[tokio::test]
async fn an_expired_link_is_refused_and_the_next_status_call_signs_a_new_one() {
    let tester =
        Tester::start(Behaviour { link_lifetime: Duration::ZERO, ..Behaviour::default() }).await;
    let token = tester.token().await;
    let export_id = tester.export_id(&token, SavedQuery::Devices, "NONE").await;
    let (_, answer) = tester.last_status(&token, &export_id).await;
    let expired = answer["resultsFileUrl"].as_str().expect("a completed export has a link");
    assert_refused(tester.get(expired).await, 403, "AccessDenied", "Request has expired").await;

    tester.simulator.update(|behaviour| behaviour.link_lifetime = Duration::from_mins(15));
    let (_, answer) = tester.status(&token, &export_id).await;
    let fresh = answer["resultsFileUrl"].as_str().expect("a completed export has a link");
    assert_eq!(tester.get(fresh).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_tampered_or_unsigned_link_is_refused() {
    let tester = Tester::start(Behaviour::default()).await;
    let link = tester.link(SavedQuery::Devices, "NONE").await;
    let (unsigned, _) = link.split_once('?').expect("a link has a query");
    for tampered in [
        link.replace("X-Amz-Expires=900", "X-Amz-Expires=90000"),
        link.replace("results.csv", "other.csv"),
        link.replace("%2F", "/"),
        format!("{link}0"),
        unsigned.to_owned(),
    ] {
        let response = tester.get(&tampered).await;
        assert_refused(response, 403, "SignatureDoesNotMatch", "signature").await;
    }
}

#[tokio::test]
async fn a_range_equals_that_part_of_the_whole_file() {
    let tester = Tester::start(Behaviour::default()).await;
    let link = tester.link(SavedQuery::Packages, "NONE").await;
    let response = tester.get(&link).await;
    let etag = response.headers()[ETAG].clone();
    let whole = bytes_of(response).await;
    let length = whole.len();
    for (range, from, to) in
        [("bytes=0-0".to_owned(), 0, 1), (format!("bytes={}-", length / 2), length / 2, length)]
    {
        let request = tester.http.get(&link).header(RANGE, range).header(IF_MATCH, &etag);
        let response = request.send().await.expect("the file host answers");
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        let expected = format!("bytes {from}-{}/{length}", to - 1);
        assert_eq!(response.headers()[CONTENT_RANGE], expected);
        let part = bytes_of(response).await;
        assert_eq!(part, whole.slice(from..to));
    }
    for (name, value, expected) in [
        (RANGE, format!("bytes={length}-"), StatusCode::RANGE_NOT_SATISFIABLE),
        (IF_MATCH, "\"another\"".to_owned(), StatusCode::PRECONDITION_FAILED),
    ] {
        let request = tester.http.get(&link).header(name, value);
        assert_eq!(request.send().await.expect("the file host answers").status(), expected);
    }
    let changed = tester.http.get(&link).header(RANGE, "bytes=5-").header(IF_RANGE, "\"another\"");
    let response = changed.send().await.expect("the file host answers");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(bytes_of(response).await, whole);
}

#[tokio::test]
async fn a_download_that_the_simulator_does_not_finish_is_an_error_and_not_a_short_file() {
    // More than the buffers of a connection hold, so that it cannot have been sent in advance.
    let spec = TenantSpec { devices: 8_000, ..TenantSpec::default() };
    let tester = Tester::with_tenant(spec).await;
    let mut response = tester.get(&tester.link(SavedQuery::Packages, "NONE").await).await;
    assert!(response.chunk().await.expect("it begins well").is_some());
    tester.simulator.stop().await;
    let end = loop {
        match response.chunk().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert!(end.is_err());
}

async fn assert_refused(response: Response, status: u16, code: &str, message: &str) {
    assert_eq!(response.status().as_u16(), status);
    let body = bytes_of(response).await;
    let body = std::str::from_utf8(&body).expect("the body is text");
    assert!(body.contains(&format!("<Code>{code}</Code>")), "{body}");
    assert!(body.contains(message), "{body}");
}
