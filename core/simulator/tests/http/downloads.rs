//! Misbehaviour in the delivery of results files.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use core_simulator::{
    AnnouncedLength, Behaviour, Cut, Download, Etag, Pace, RangeAnswer, Results,
    ResultsCompression, SavedQuery,
};
use flate2::read::MultiGzDecoder;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, RANGE,
    TRANSFER_ENCODING,
};
use reqwest::{Response, StatusCode};

use crate::support::{Tester, bytes_of};

const QUERY: &str = "#j1_packages";

async fn with_download(download: Download) -> Tester {
    let tester = Tester::start(Behaviour::default()).await;
    set(&tester, download);
    tester
}

fn set(tester: &Tester, download: Download) {
    tester.simulator.update(|behaviour| {
        behaviour.queries.entry(QUERY.to_owned()).or_default().download = download;
    });
}

/// The bytes up to the end or the first error, and true if there was an error.
async fn read(mut response: Response) -> (Bytes, bool) {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return (bytes.into(), false),
            Err(_) => return (bytes.into(), true),
        }
    }
}

/// The healthy file, and a link to it.
async fn file(tester: &Tester) -> (Bytes, String) {
    let link = tester.link(SavedQuery::Packages, "NONE").await;
    let before = tester.simulator.requests().downloads;
    let healthy = Tester::start(Behaviour::default()).await;
    let whole = healthy.download(SavedQuery::Packages, "NONE").await;
    assert_eq!(before, tester.simulator.requests().downloads);
    (whole.into(), link)
}

#[tokio::test]
async fn a_cut_sends_exactly_its_bytes_and_then_closes() {
    for announced_length in
        [AnnouncedLength::Right, AnnouncedLength::Chunked, AnnouncedLength::None]
    {
        let tester = with_download(Download { announced_length, ..Download::default() }).await;
        let (whole, link) = file(&tester).await;
        let length = whole.len() as u64;
        for at in [0, 1, 70_000, length - 1] {
            tester.simulator.update(|behaviour| {
                let query = behaviour.queries.entry(QUERY.to_owned()).or_default();
                query.download.cut = Some(Cut { at, times: Some(1) });
            });
            let response = tester.get(&link).await;
            let is_delimited_by_close = !response.headers().contains_key(CONTENT_LENGTH)
                && !response.headers().contains_key(TRANSFER_ENCODING);
            let (bytes, failed) = read(response).await;
            let at = usize::try_from(at).expect("the file is small");
            assert_eq!(bytes.len(), at);
            assert_eq!(bytes, whole.slice(..at));
            assert_eq!(failed, !is_delimited_by_close, "only a client that knows can tell");
            assert_eq!(read(tester.get(&link).await).await, (whole.clone(), false));
        }
    }
}

#[tokio::test]
async fn a_length_can_be_missing_or_wrong() {
    let tester = with_download(Download::default()).await;
    let (whole, link) = file(&tester).await;
    let length = whole.len() as u64;
    for (announced_length, announced, has_chunks, expected) in [
        (AnnouncedLength::Right, Some(length), false, (whole.clone(), false)),
        (AnnouncedLength::Chunked, None, true, (whole.clone(), false)),
        (AnnouncedLength::None, None, false, (whole.clone(), false)),
        (AnnouncedLength::Literal(length + 9), Some(length + 9), false, (whole.clone(), true)),
        (AnnouncedLength::Literal(50), Some(50), false, (whole.slice(..50), false)),
    ] {
        set(&tester, Download { announced_length, ..Download::default() });
        let response = tester.get(&link).await;
        let headers = response.headers();
        let got =
            headers.get(CONTENT_LENGTH).map(|value| value.to_str().expect("a number").to_owned());
        assert_eq!(got, announced.map(|length| length.to_string()));
        assert_eq!(headers.contains_key(TRANSFER_ENCODING), has_chunks);
        assert!(read(response).await == expected, "{announced:?}");
    }
}

#[tokio::test]
async fn an_etag_can_be_weak_missing_or_changing() {
    let tester = with_download(Download::default()).await;
    let (_, link) = file(&tester).await;
    let strong = tester.get(&link).await.headers()[ETAG].to_str().expect("text").to_owned();
    for (etag, expected, with_condition) in [
        (Etag::Weak, Some(format!("W/{strong}")), StatusCode::PRECONDITION_FAILED),
        (Etag::None, None, StatusCode::PARTIAL_CONTENT),
    ] {
        set(&tester, Download { etag, ..Download::default() });
        let got = tester.get(&link).await.headers().get(ETAG).cloned();
        assert_eq!(got.map(|value| value.to_str().expect("text").to_owned()), expected);
        let known = expected.unwrap_or_else(|| strong.clone());
        let request = tester.http.get(&link).header(RANGE, "bytes=5-").header(IF_MATCH, known);
        let response = request.send().await.expect("the file host answers");
        assert_eq!(response.status(), with_condition, "{etag:?}");
    }
    set(&tester, Download { etag: Etag::Changing, ..Download::default() });
    let first = tester.get(&link).await.headers()[ETAG].clone();
    let request = tester.http.get(&link).header(RANGE, "bytes=5-").header(IF_MATCH, &first);
    let second = request.send().await.expect("the file host answers");
    assert_eq!(second.status(), StatusCode::PARTIAL_CONTENT);
    assert_ne!(second.headers()[ETAG], first);
}

#[tokio::test]
async fn a_range_can_be_ignored_wrong_or_unrequested() {
    let tester = with_download(Download::default()).await;
    let (whole, link) = file(&tester).await;
    let all = format!("bytes 0-{}/{}", whole.len() - 1, whole.len());
    for (range, asked, status, content_range) in [
        (RangeAnswer::Ignored, true, 200, None),
        (RangeAnswer::Wrong, true, 206, Some(&all)),
        (RangeAnswer::Wrong, false, 200, None),
        (RangeAnswer::Unasked, false, 206, Some(&all)),
    ] {
        set(&tester, Download { range, ..Download::default() });
        let mut request = tester.http.get(&link);
        if asked {
            request = request.header(RANGE, "bytes=100-");
        }
        let response = request.send().await.expect("the file host answers");
        assert_eq!(response.status().as_u16(), status, "{range:?}");
        let got = response.headers().get(CONTENT_RANGE).map(|value| value.to_str().expect("text"));
        assert_eq!(got, content_range.map(String::as_str), "{range:?}");
        assert_eq!(bytes_of(response).await, whole, "{range:?}");
    }
}

#[tokio::test]
async fn a_slow_file_comes_in_pieces_and_is_complete() {
    let content = "device.uid\n".repeat(10);
    let pace = Some(Pace { bytes: 11, pause: Duration::from_millis(20) });
    let tester = with_download(Download { pace, ..Download::default() }).await;
    give(&tester, &content, ResultsCompression::AsIs);
    let link = tester.link(SavedQuery::Packages, "NONE").await;
    let started = tokio::time::Instant::now();
    let bytes = bytes_of(tester.get(&link).await).await;
    assert_eq!(bytes, content);
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn headers_can_be_false() {
    let download = Download {
        content_type: Some("text/html".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        headers: [("x-amz-request-id".to_owned(), "1".to_owned())].into(),
        ..Download::default()
    };
    let tester = with_download(download).await;
    let (whole, link) = file(&tester).await;
    let response = tester.get(&link).await;
    assert_eq!(response.headers()[CONTENT_TYPE], "text/html");
    assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
    assert_eq!(response.headers()["x-amz-request-id"], "1");
    assert_eq!(bytes_of(response).await, whole);
}

fn give(tester: &Tester, content: &str, compression: ResultsCompression) {
    let results = Results { content: content.to_owned().into(), compression };
    tester.simulator.update(|behaviour| {
        behaviour.queries.entry(QUERY.to_owned()).or_default().results = Some(results);
    });
}

#[tokio::test]
async fn given_results_are_compressed_as_configured_and_served_like_any_file() {
    let tester = with_download(Download::default()).await;
    let content = "device.uid\nabc\n";
    for (compression, requested, magic) in [
        (ResultsCompression::Requested, "NONE", &b"devi"[..]),
        (ResultsCompression::Requested, "GZIP", &[0x1F, 0x8B]),
        (ResultsCompression::AsIs, "ZSTD", b"devi"),
        (ResultsCompression::Gzip, "ZSTD", &[0x1F, 0x8B]),
        (ResultsCompression::Zstd, "NONE", &[0x28, 0xB5, 0x2F, 0xFD]),
    ] {
        give(&tester, content, compression);
        let bytes = tester.download(SavedQuery::Packages, requested).await;
        assert!(bytes.starts_with(magic), "{compression:?}");
        let mut decoded = Vec::new();
        match magic {
            [0x1F, ..] => {
                MultiGzDecoder::new(&bytes[..]).read_to_end(&mut decoded).expect("one gzip member");
            }
            [0x28, ..] => decoded = zstd::decode_all(&bytes[..]).expect("one zstd frame"),
            _ => decoded = bytes,
        }
        assert_eq!(decoded, content.as_bytes(), "{compression:?}");
    }
    let link = tester.link(SavedQuery::Packages, "NONE").await;
    let ranged = tester.http.get(&link).header(RANGE, "bytes=4-").send().await;
    assert_eq!(ranged.expect("the file host answers").status(), StatusCode::PARTIAL_CONTENT);
    give(&tester, "", ResultsCompression::AsIs);
    let empty = tester.get(&tester.link(SavedQuery::Packages, "ZSTD").await).await;
    assert_eq!(empty.headers()[CONTENT_LENGTH], "0");
}

#[tokio::test]
async fn a_link_can_be_any_text_have_any_host_and_never_change() {
    let hostile = "http://169.254.169.254/latest/meta-data";
    let tester =
        with_download(Download { link: Some(hostile.to_owned()), ..Download::default() }).await;
    assert_eq!(tester.link(SavedQuery::Packages, "NONE").await, hostile);

    set(&tester, Download { same_link_again: true, ..Download::default() });
    tester.simulator.update(|behaviour| {
        behaviour.files_url = Some("http://proxy.example".to_owned());
        behaviour.link_lifetime = Duration::ZERO;
    });
    let token = tester.token().await;
    let export_id = tester.export_id(&token, SavedQuery::Packages, "NONE").await;
    let first = tester.last_status(&token, &export_id).await.1["resultsFileUrl"].clone();
    assert!(first.as_str().is_some_and(|link| link.starts_with("http://proxy.example/")));
    tester.simulator.update(|behaviour| behaviour.link_lifetime = Duration::from_mins(1));
    assert_eq!(tester.status(&token, &export_id).await.1["resultsFileUrl"], first);
}
