//! The notes of a journal, and a later process that goes on with an export that was paid for.

use std::collections::BTreeMap;

use core_nexthink::{
    Compression, ErrorKind, ExportEvent, ExportOrder, ExportRecord, FileRecord, NexthinkError,
};

use crate::raw_host::{RawHost, http};
use crate::support::*;

/// The note that an earlier process left when it ended after the export was started.
fn record(file: Option<FileRecord>) -> ExportRecord {
    ExportRecord {
        query_id: order().query,
        parameters: BTreeMap::new(),
        compression: Compression::Zstd,
        export_id: EXPORT_ID.parse().expect("an export id"),
        truncated: false,
        file,
    }
}

fn file_record(whole: Option<u64>) -> FileRecord {
    let total = Some(FILE.len() as u64);
    FileRecord { total, validator: Some("\"a\"".to_owned()), whole }
}

#[tokio::test]
async fn the_journal_is_told_before_and_after_what_costs() {
    let file = answer(200, FILE).with(axum::http::header::ETAG, "\"a\"");
    let tenant = Tenant::start(vec![started(), status("SUBMITTED")], vec![file]).await;
    tenant.api.then(completed_with(206, &tenant.files.link()));
    let mut journal = Journal::default();
    tenant.resume(None, Vec::new(), &mut journal).await.result.expect("a whole export");
    let truncated = |file| ExportRecord { truncated: true, ..record(file) };
    let expected = [
        Note::Starting,
        Note::Record(record(None)),
        Note::Record(truncated(None)),
        Note::Record(truncated(Some(file_record(None)))),
        Note::Record(truncated(Some(file_record(Some(FILE.len() as u64))))),
    ];
    assert_eq!(journal.notes, expected);
}

#[tokio::test]
async fn d10_an_export_that_was_started_is_gone_on_with_and_not_paid_for_again() {
    let tenant = Tenant::start(vec![status("IN_PROGRESS")], vec![answer(200, FILE)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let mut journal = Journal::default();
    let outcome = tenant.resume(Some(record(None)), Vec::new(), &mut journal).await;
    assert_eq!(outcome.file, FILE);
    let export_id = outcome.result.expect("a whole export").export_id;
    assert_eq!(outcome.events[0], ExportEvent::Resumed { export_id });
    assert_eq!(journal.paid(), 0);
    assert!(tenant.api.seen().iter().all(|seen| seen.method == axum::http::Method::GET));
}

#[tokio::test]
async fn d10_a_process_may_end_at_any_moment_without_paying_twice() {
    // Started, two states, two steps of the download, done.
    for stop_after in 1..=6 {
        let script = vec![started(), status("IN_PROGRESS")];
        let tenant = Tenant::start(script, vec![answer(200, FILE), answer(200, FILE)]).await;
        for _ in 0..4 {
            tenant.api.then(completed(&tenant.files.link()));
        }
        let (stop, mut n_events) = (tokio::sync::Notify::new(), 0);
        let (mut journal, mut file) = (Journal::default(), Vec::new());
        let observer = |_| {
            n_events += 1;
            if n_events == stop_after {
                stop.notify_one();
            }
        };
        let order = order();
        let first = tenant.client.run_export(&order, None, &mut journal, &mut file, observer);
        tokio::select! {
            biased;
            () = stop.notified() => {}
            finished = first => drop(finished.expect("it ends by itself")),
        }
        let left = journal.record();
        assert_eq!(
            left.as_ref().map(|record| record.export_id.as_str()),
            Some(EXPORT_ID),
            "{stop_after}"
        );
        let outcome = tenant.resume(left, file, &mut journal).await;
        assert_eq!(outcome.file, FILE, "stopped after event {stop_after}");
        assert_eq!(outcome.result.expect("a whole export").bytes, FILE.len() as u64);
        assert_eq!(journal.paid(), 1, "stopped after event {stop_after}");
    }
}

#[tokio::test]
async fn d10_a_whole_file_is_taken_without_any_call() {
    let tenant = Tenant::with_logins(Vec::new(), Vec::new(), Vec::new()).await;
    let whole = FileRecord { total: None, ..file_record(Some(FILE.len() as u64)) };
    for (file, length_proven) in [(file_record(whole.whole), true), (whole, false)] {
        let left = ExportRecord { truncated: true, ..record(Some(file)) };
        let mut journal = Journal::default();
        let outcome = tenant.resume(Some(left), FILE.to_vec(), &mut journal).await;
        let finished = outcome.result.expect("it is here");
        assert_eq!((finished.bytes, finished.truncated), (FILE.len() as u64, true));
        assert_eq!(finished.length_proven, length_proven);
        assert_eq!((outcome.file.as_slice(), journal.paid()), (FILE, 0));
    }
    assert!(tenant.login.seen().is_empty() && tenant.api.seen().is_empty());
}

#[tokio::test]
async fn d10_a_half_file_is_continued_where_the_sink_ends() {
    for cut in [1, FILE.len() / 2, FILE.len() - 1] {
        let range = format!("Content-Range: bytes {cut}-{}/{}", FILE.len() - 1, FILE.len());
        let length = format!("Content-Length: {}", FILE.len() - cut);
        let head = http(206, &["ETag: \"a\"", &range, &length]);
        let host = RawHost::start(vec![[head, FILE[cut..].to_vec()].concat()]).await;
        let mut tenant = Tenant::start(vec![completed(&host.link(1))], Vec::new()).await;
        tenant.client = client(&tenant.login.base, &tenant.api.base, &host.base, settings());
        let left = record(Some(file_record(None)));
        let mut journal = Journal::default();
        let outcome = tenant.resume(Some(left), FILE[..cut].to_vec(), &mut journal).await;
        assert_eq!(outcome.file, FILE, "cut at {cut}");
        assert!(outcome.result.expect("a whole file").length_proven);
        let request = host.requests.lock().expect("no test panics in here")[0].clone();
        assert!(request.contains(&format!("range: bytes={cut}-\r\n")), "{request}");
        assert!(request.contains("if-match: \"a\"\r\n"), "{request}");
        assert_eq!(journal.paid(), 0);
    }
}

#[tokio::test]
async fn d10_a_sink_that_does_not_fit_its_record_starts_from_zero() {
    let (half, whole) = (file_record(None), file_record(Some(FILE.len() as u64)));
    let untagged = FileRecord { validator: None, ..half.clone() };
    let unsendable = FileRecord { validator: Some("\"\r\nx: y\"".to_owned()), ..half.clone() };
    let unannounced = FileRecord { total: None, ..half.clone() };
    let longer = [FILE, b"more"].concat();
    for (what, file, in_sink) in [
        ("more than the file has", Some(half.clone()), longer.as_slice()),
        ("as much as the file has, but it was not finished", Some(half), FILE),
        ("more than the whole file had", Some(whole), longer.as_slice()),
        ("no entity tag", Some(untagged), &FILE[..5]),
        ("an entity tag that is none", Some(unsendable), &FILE[..5]),
        ("no length", Some(unannounced), &FILE[..5]),
        ("bytes of an unknown file", None, &FILE[..5]),
    ] {
        let tenant = Tenant::start(Vec::new(), vec![answer(200, FILE)]).await;
        tenant.api.then(completed(&tenant.files.link()));
        let mut journal = Journal::default();
        let outcome = tenant.resume(Some(record(file)), in_sink.to_vec(), &mut journal).await;
        assert_eq!(outcome.file, FILE, "{what}");
        assert_eq!(outcome.result.expect("a file").bytes, FILE.len() as u64, "{what}");
        assert_eq!(tenant.files.seen()[0].header("range"), None, "{what}");
        assert_eq!(journal.paid(), 0, "{what}");
    }
}

#[tokio::test]
async fn d10_an_export_that_nexthink_forgot_meanwhile_is_started_anew() {
    let script = vec![answer(404, ""), started()];
    let tenant = Tenant::start(script, vec![answer(200, FILE)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let mut journal = Journal::default();
    let left = record(Some(file_record(None)));
    let outcome = tenant.resume(Some(left), FILE[..5].to_vec(), &mut journal).await;
    assert_eq!(outcome.file, FILE);
    assert_eq!(journal.paid(), 1);
    assert_eq!(journal.notes[0], Note::Forget);
}

#[tokio::test]
async fn d10_the_record_of_another_order_is_ignored() {
    let other_query = "#j1_users".parse().expect("a query id");
    let parameters = BTreeMap::from([("p".to_owned(), "0*".to_owned())]);
    for other in [
        ExportRecord { query_id: other_query, ..record(None) },
        ExportRecord { parameters, ..record(None) },
        ExportRecord { compression: Compression::Gzip, ..record(None) },
    ] {
        assert!(!other.fits(&order()));
        let tenant = Tenant::start(vec![started()], vec![answer(200, FILE)]).await;
        tenant.api.then(completed(&tenant.files.link()));
        let mut journal = Journal::default();
        let outcome = tenant.resume(Some(other), b"other".to_vec(), &mut journal).await;
        assert_eq!((outcome.file.as_slice(), journal.paid()), (FILE, 1));
    }
}

#[tokio::test]
async fn an_error_that_may_pass_keeps_the_record_for_the_next_process() {
    let later = answer(429, "").with(axum::http::header::RETRY_AFTER, "50400");
    let trouble = (0..9).map(|_| answer(503, "canary"));
    for script in [vec![later], trouble.collect(), vec![answer(400, "canary")]] {
        let tenant = Tenant::start(vec![started()], Vec::new()).await;
        for answer in script {
            tenant.api.then(answer);
        }
        let mut journal = Journal::default();
        tenant.resume(None, Vec::new(), &mut journal).await.error();
        assert_eq!((journal.paid(), journal.record()), (1, Some(record(None))));
    }
}

#[tokio::test]
async fn a_failed_export_is_forgotten() {
    let failed = answer(200, r#"{"status":"ERROR","errorDescription":"no such field"}"#);
    let tenant = Tenant::start(vec![started(), failed], Vec::new()).await;
    let mut journal = Journal::default();
    tenant.resume(None, Vec::new(), &mut journal).await.error();
    assert_eq!((journal.paid(), journal.record()), (1, None));
}

#[tokio::test]
async fn d9_a_start_without_an_answer_may_have_been_paid_and_a_refused_one_was_not() {
    let unauthorized = answer(401, "");
    let refused = answer(429, "");
    let script = vec![unauthorized, refused, answer(502, ""), started()];
    let tenant =
        Tenant::with_logins(vec![token_answer(), token_answer()], script, vec![answer(200, FILE)])
            .await;
    tenant.api.then(completed(&tenant.files.link()));
    let mut journal = Journal::default();
    tenant.resume(None, Vec::new(), &mut journal).await.result.expect("the fourth start");
    let told = [
        Note::Starting,
        Note::NotStarted,
        Note::Starting,
        Note::NotStarted,
        Note::Starting,
        Note::Starting,
    ];
    assert_eq!(journal.notes[..6], told);
    assert_eq!(journal.paid(), 2);

    // A load balancer that waits no longer does not know what became of the request; HTTP 503 says that nothing did.
    for (status, paid) in [(408, 3), (500, 3), (504, 3), (425, 1), (503, 1)] {
        let script = vec![answer(status, ""), answer(status, ""), started()];
        let tenant = Tenant::start(script, vec![answer(200, FILE)]).await;
        tenant.api.then(completed(&tenant.files.link()));
        let mut journal = Journal::default();
        tenant.resume(None, Vec::new(), &mut journal).await.result.expect("the third start");
        assert_eq!(journal.paid(), paid, "{status}");
    }

    // Without an answer the outcome is unknown: at most two more are paid for.
    let silent = RawHost::start(vec![Vec::new(); 9]).await;
    let tenant = Tenant::start(Vec::new(), Vec::new()).await;
    let client = client(&tenant.login.base, &silent.base, &silent.base, settings());
    let mut journal = Journal::default();
    let error = client
        .run_export(&order(), None, &mut journal, &mut Vec::new(), |_| {})
        .await
        .expect_err("there is no answer");
    assert!(error.is_unreachable(), "{error}");
    assert_eq!(journal.paid(), 3);
}

#[tokio::test]
async fn d9_a_start_that_never_got_there_was_not_paid() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let tenant = Tenant::start(Vec::new(), Vec::new()).await;
    let client = client(&tenant.login.base, &closed, &closed, settings());
    let mut journal = Journal::default();
    let error = client
        .run_export(&order(), None, &mut journal, &mut Vec::new(), |_| {})
        .await
        .expect_err("nothing listens");
    assert!(error.is_unreachable(), "{error}");
    assert_eq!((journal.notes.len(), journal.paid()), (6, 0));
}

#[tokio::test]
async fn d8_a_start_beside_too_many_others_waits_for_its_turn() {
    let busy = (0..9).map(|_| answer(429, "")).chain([started()]).collect();
    let tenant = Tenant::start(busy, vec![answer(200, FILE)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let mut journal = Journal::default();
    let outcome = tenant.resume(None, Vec::new(), &mut journal).await;
    assert_eq!(outcome.file, FILE);
    assert_eq!(journal.paid(), 1, "only the one that was taken");
}

#[tokio::test]
async fn a_journal_refuses_a_start_that_the_quota_does_not_allow() {
    let tenant = Tenant::start(vec![started(), answer(404, ""), started()], Vec::new()).await;
    let mut journal = Journal { allows: Some(1), ..Journal::default() };
    let error = tenant.resume(None, Vec::new(), &mut journal).await.error();
    assert_eq!(error.kind(), ErrorKind::Deferred);
    let NexthinkError::QuotaExhausted { not_before_ms: NOW_MS, .. } = error else {
        panic!("unexpected: {error}");
    };
    assert!(error.to_string().contains("2026-03-01T10:00:00Z"), "{error}");
    assert_eq!(tenant.api.seen().len(), 2);
}

#[tokio::test]
async fn a_record_that_cannot_be_kept_fails_the_export() {
    let tenant = Tenant::start(vec![started()], Vec::new()).await;
    let mut journal = Journal { full: true, ..Journal::default() };
    let error = tenant.resume(None, Vec::new(), &mut journal).await.error();
    assert_eq!(error.kind(), ErrorKind::Local);
    assert_eq!(tenant.api.seen().len(), 1, "it is not polled");
}

#[tokio::test]
async fn parameters_are_sent_with_the_start_and_kept_in_the_record() {
    let tenant = Tenant::start(vec![started()], vec![answer(200, FILE)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let parameters = BTreeMap::from([("p".to_owned(), "0*".to_owned())]);
    let order = ExportOrder { parameters: parameters.clone(), ..order() };
    let (mut journal, mut file) = (Journal::default(), Vec::new());
    tenant
        .client
        .run_export(&order, None, &mut journal, &mut file, |_| {})
        .await
        .expect("a whole export");
    let body = r##"{"queryId":"#j1_devices","parameters":{"p":"0*"},"compression":"ZSTD"}"##;
    assert_eq!(tenant.api.seen()[0].body, body);
    let record = journal.record().expect("a record");
    assert_eq!(record.parameters, parameters);
    assert!(record.fits(&order));
}

#[test]
fn a_record_is_read_as_it_was_written_and_a_broken_one_is_refused() {
    let whole = record(Some(file_record(Some(FILE.len() as u64))));
    let json = serde_json::to_string(&whole).expect("a record is JSON");
    assert_eq!(serde_json::from_str::<ExportRecord>(&json).expect("our own"), whole);
    for (what, broken) in [
        ("half of it", json[..json.len() / 2].to_owned()),
        ("a member more", json.replacen('{', "{\"more\":1,", 1)),
        ("an export id that is a path", json.replace("e-1", "../e-1")),
        ("a query id without #", json.replace("#j1_devices", "j1_devices")),
    ] {
        assert_ne!(broken, json, "{what}");
        assert!(serde_json::from_str::<ExportRecord>(&broken).is_err(), "{what}");
    }
}

#[tokio::test]
async fn a_file_on_disk_is_taken_up_at_its_end() {
    let tail = FILE.len() - 7;
    let range = format!("Content-Range: bytes 7-{}/{}", FILE.len() - 1, FILE.len());
    let head = http(206, &["ETag: \"a\"", &range, &format!("Content-Length: {tail}")]);
    let host = RawHost::start(vec![[head, FILE[7..].to_vec()].concat()]).await;
    let tenant = Tenant::start(vec![completed(&host.link(1))], Vec::new()).await;
    let client = client(&tenant.login.base, &tenant.api.base, &host.base, settings());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("download");
    std::fs::write(&path, &FILE[..7]).expect("a writable folder");
    let mut file = tokio::fs::File::options().write(true).open(&path).await.expect("a file");
    let left = Some(record(Some(file_record(None))));
    client
        .run_export(&order(), left, &mut Journal::default(), &mut file, |_| {})
        .await
        .expect("a whole file");
    assert_eq!(std::fs::read(&path).expect("a file"), FILE);
}
