//! Downloads that break: what is kept, what is fetched again, and when it is given up.

use std::io::{Read as _, Seek as _};
use std::time::Duration;

use axum::body::{Body, Bytes};
use core_nexthink::{Client, DownloadSpeed, Endpoint, NexthinkError};

use crate::raw_host::{RawHost, http};
use crate::support::*;

/// The same length as [`FILE`], so that mixing the two would not show in the length.
const OTHER_FILE: &[u8] = b"device.uid,device.name\r\n2,pc-2.example\r\n";

#[tokio::test]
async fn c5_a_download_continues_at_the_byte_where_it_broke() {
    for cut in 1..FILE.len() {
        let run = Run::of(vec![begin(FILE, cut), rest(FILE, cut)]).await;
        assert_eq!(run.outcome.file, FILE, "cut at {cut}");
        let finished = run.outcome.result.expect("a whole file");
        assert_eq!(finished.bytes, FILE.len() as u64);
        assert!(finished.length_proven);
        assert_eq!(header(&run.requests[0], "range"), None);
        assert_eq!(header(&run.requests[1], "range"), Some(format!("bytes={cut}-")));
        assert_eq!(header(&run.requests[1], "if-match").as_deref(), Some("\"a\""));
        assert_eq!(header(&run.requests[1], "authorization"), None);
        assert_eq!(run.asked_for_status, 1);
    }
}

#[tokio::test]
async fn c5_a_download_that_broke_before_its_first_byte_just_starts() {
    let run = Run::of(vec![begin(FILE, 0), begin(FILE, FILE.len())]).await;
    assert_eq!(run.outcome.file, FILE);
    assert_eq!(header(&run.requests[1], "range"), None);
}

#[tokio::test]
async fn c5_a_rest_that_breaks_too_is_continued() {
    let again = part(FILE, 5, 9);
    let run = Run::of(vec![begin(FILE, 5), again, rest(FILE, 9)]).await;
    assert_eq!(run.outcome.file, FILE);
}

#[tokio::test]
async fn e2_links_that_expire_in_mid_download_are_asked_for_anew() {
    let expired = || {
        let body = b"<Error><Code>AccessDenied</Code><A>canary</A></Error>".to_vec();
        [http(403, &["Content-Length: 53"]), body].concat()
    };
    let middle = part(FILE, 5, 9);
    let run = Run::of(vec![begin(FILE, 5), expired(), middle, expired(), rest(FILE, 9)]).await;
    assert_eq!(run.outcome.file, FILE);
    assert_eq!(run.asked_for_status, 3);
    assert!(run.requests[4].starts_with("GET /a?again=2&"), "{}", run.requests[4]);

    // A new link that is not accepted either: only a new export can help.
    let script = vec![begin(FILE, 5), expired(), expired(), begin(OTHER_FILE, OTHER_FILE.len())];
    let (host, tenant, client) = set_up(script).await;
    tenant.api.then(started());
    tenant.api.then(completed(&host.link(1)));
    tenant.api.then(completed(&host.link(2)));
    tenant.api.then(started());
    tenant.api.then(completed(&host.link(3)));
    let mut file = Vec::new();
    run_export(&client, &mut file).await.expect("a file");
    assert_eq!(file, OTHER_FILE);
}

#[tokio::test]
async fn e7_e8_a_file_that_cannot_be_continued_starts_from_zero() {
    let whole = || begin(OTHER_FILE, OTHER_FILE.len());
    let length = format!("Content-Length: {}", FILE.len());
    let weak = [http(200, &[&length, "ETag: W/\"a\""]), FILE[..7].to_vec()].concat();
    let untagged = [http(200, &[&length]), FILE[..7].to_vec()].concat();
    let endless = http(200, &["ETag: \"a\"", "Transfer-Encoding: chunked"]);
    let endless = [endless, b"7\r\ndevice.\r\n".to_vec()].concat();
    let changed = String::from_utf8(rest(OTHER_FILE, 7)).expect("ASCII");
    let changed = changed.replace("\"a\"", "\"b\"").into_bytes();
    for (what, script, asks_for_range) in [
        ("a whole file instead of the rest", vec![begin(FILE, 7), whole()], true),
        ("a failed precondition", vec![begin(FILE, 7), http(412, &[]), whole()], true),
        ("another entity tag", vec![begin(FILE, 7), changed, whole()], true),
        ("a weak entity tag", vec![weak, whole()], false),
        ("no entity tag", vec![untagged, whole()], false),
        ("no length", vec![endless, whole()], false),
    ] {
        let run = Run::of(script).await;
        let text = String::from_utf8_lossy(&run.outcome.file);
        assert_eq!(run.outcome.file, OTHER_FILE, "{what}: {text}");
        assert!(run.outcome.result.expect("a whole file").length_proven, "{what}");
        assert_eq!(header(&run.requests[1], "range").is_some(), asks_for_range, "{what}");
        let last = run.requests.last().expect("requests");
        assert!(run.requests.len() == 2 || header(last, "range").is_none(), "{what}");
    }
}

#[tokio::test]
async fn e7_a_part_that_was_not_asked_for_is_refused() {
    let part = String::from_utf8(rest(FILE, 7)).expect("ASCII");
    let part = part.replace("bytes 7-", "bytes 6-").into_bytes();
    let run = Run::of(vec![begin(FILE, 7), part, rest(FILE, 7)]).await;
    let error = run.outcome.error();
    assert!(
        matches!(
            error,
            NexthinkError::UnexpectedAnswer { endpoint: Endpoint::ResultsFile, status: 206, .. }
        ),
        "{error}"
    );
    assert_eq!((run.outcome_len, run.requests.len()), (7, 2));
}

#[tokio::test]
async fn e7_a_rest_with_more_bytes_than_announced_is_refused() {
    let head = http(206, &["ETag: \"a\"", "Content-Range: bytes 7-39/40"]);
    let run = Run::of(vec![begin(FILE, 7), [head, vec![b'x'; 34]].concat()]).await;
    let error = run.outcome.error();
    assert!(
        matches!(error, NexthinkError::LengthMismatch { received: 41, expected: 40 }),
        "{error}"
    );
}

#[tokio::test]
async fn a_rest_that_ends_early_without_a_length_is_continued() {
    let head = http(206, &["ETag: \"a\"", "Content-Range: bytes 7-39/40"]);
    let early = [head, FILE[7..20].to_vec()].concat();
    let run = Run::of(vec![begin(FILE, 7), early, rest(FILE, 20)]).await;
    assert_eq!(run.outcome.file, FILE);
}

#[tokio::test]
async fn c5_a_download_without_progress_is_given_up_after_five_resumptions() {
    let run = Run::of((0..20).map(|_| begin(FILE, 5)).collect()).await;
    let error = run.outcome.error();
    assert!(matches!(error, NexthinkError::DownloadBroken { received: 5, .. }), "{error}");
    assert_eq!(run.requests.len(), 1 + 5);

    let changes = (0..20).flat_map(|_| [begin(FILE, 5), http(412, &[])]).collect();
    let run = Run::of(changes).await;
    let error = run.outcome.error();
    assert!(matches!(error, NexthinkError::DownloadChanged { .. }), "{error}");
    assert_eq!(run.requests.len(), 1 + 5);
}

/// More than the least progress, in bytes.
const STEP: usize = 70_000;

/// A file of 12 steps.
fn long_file() -> Vec<u8> {
    (0..STEP * 12).map(|at| u8::try_from(at % 251).expect("small")).collect()
}

#[tokio::test]
async fn c5_a_file_that_starts_from_zero_each_time_makes_no_progress() {
    let file = long_file();
    let length = format!("Content-Length: {}", file.len());
    let untagged = |n: usize| [http(200, &[&length]), file[..n.min(12) * STEP].to_vec()].concat();
    let run = Run::of((1..20).map(untagged).collect()).await;
    let error = run.outcome.error();
    assert!(matches!(error, NexthinkError::DownloadBroken { .. }), "{error}");
    assert_eq!(run.requests.len(), 1 + 5);
}

#[tokio::test]
async fn c5_the_progress_of_a_new_export_is_its_own() {
    let file = long_file();
    let expired = || http(403, &["Content-Length: 0"]);
    let mut script = vec![begin(&file, 11 * STEP), expired(), begin(&file, STEP)];
    script.extend((1..12).map(|n| part(&file, n * STEP, (n + 1) * STEP)));
    let (host, tenant, client) = set_up(script).await;
    tenant.api.then(started());
    tenant.api.then(completed(&host.link(1)));
    tenant.api.then(answer(404, ""));
    tenant.api.then(started());
    tenant.api.then(completed(&host.link(2)));
    let mut fetched = Vec::new();
    run_export(&client, &mut fetched).await.expect("a whole file");
    assert!(fetched == file);
}

#[tokio::test]
async fn a_download_with_progress_goes_on() {
    let file = long_file();
    let mut script = vec![begin(&file, STEP)];
    for n in 1..12 {
        script.push(part(&file, n * STEP, (n + 1) * STEP));
    }
    let run = Run::of(script).await;
    assert_eq!(run.outcome.result.expect("a whole file").bytes, file.len() as u64);
    assert!(run.outcome.file == file);
    assert_eq!(run.requests.len(), 12);
}

#[tokio::test]
async fn c8_a_host_that_trickles_is_too_slow_even_if_it_is_never_idle() {
    let trickle = || {
        let bytes = futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        });
        answer(200, Body::from_stream(bytes))
    };
    let tenant = Tenant::start(vec![started()], (0..20).map(|_| trickle()).collect()).await;
    tenant.api.then(completed(&tenant.files.link()));
    let mut strict = settings();
    strict.slowest_download = DownloadSpeed { bytes: 1 << 20, within: Duration::from_millis(20) };
    let client = client(&tenant.login.base, &tenant.api.base, &tenant.files.base, strict);
    let mut file = Vec::new();
    let error = run_export(&client, &mut file).await.expect_err("it never ends");
    assert!(matches!(error, NexthinkError::DownloadTooSlow { .. }), "{error}");
    assert!(error.is_unreachable());
    assert_eq!(tenant.files.seen().len(), 1 + 5, "a slow connection may be a bad one");
}

#[tokio::test]
async fn a_file_on_disk_is_emptied_before_it_starts_anew() {
    let (host, tenant, client) =
        set_up(vec![begin(FILE, 30), begin(OTHER_FILE, OTHER_FILE.len())]).await;
    tenant.api.then(started());
    tenant.api.then(completed(&host.link(1)));
    let mut copy = tempfile::tempfile().expect("a temporary file");
    let mut file = tokio::fs::File::from_std(copy.try_clone().expect("a second handle"));
    let task = tokio::spawn(async move { run_export(&client, &mut file).await });
    task.await.expect("the task does not panic").expect("a file");
    let mut content = Vec::new();
    copy.rewind().expect("a file can be rewound");
    copy.read_to_end(&mut content).expect("a file can be read");
    assert_eq!(content, OTHER_FILE);
}

#[tokio::test]
async fn an_export_that_goes_in_mid_download_leaves_nothing_behind() {
    let expired = http(403, &["Content-Length: 0"]);
    let script = vec![begin(FILE, 30), expired, begin(OTHER_FILE, OTHER_FILE.len())];
    let (host, tenant, client) = set_up(script).await;
    tenant.api.then(started());
    tenant.api.then(completed(&host.link(1)));
    tenant.api.then(answer(404, ""));
    tenant.api.then(started());
    tenant.api.then(completed(&host.link(2)));
    let mut file = Vec::new();
    run_export(&client, &mut file).await.expect("a file");
    assert_eq!(file, OTHER_FILE);
}

/// The first `cut` bytes of an answer that announces the whole `file`.
fn begin(file: &[u8], cut: usize) -> Vec<u8> {
    let head = http(200, &["ETag: \"a\"", &format!("Content-Length: {}", file.len())]);
    [head, file[..cut].to_vec()].concat()
}

/// The answer with all that follows byte `first` of `file`.
fn rest(file: &[u8], first: usize) -> Vec<u8> {
    part(file, first, file.len())
}

/// The same answer, but it breaks before byte `end`.
fn part(file: &[u8], first: usize, end: usize) -> Vec<u8> {
    let (length, last) = (file.len(), file.len() - 1);
    let range = format!("Content-Range: bytes {first}-{last}/{length}");
    let length = format!("Content-Length: {}", length - first);
    [http(206, &["ETag: \"a\"", &range, &length]), file[first..end].to_vec()].concat()
}

/// The value of a header of a request.
fn header(request: &str, name: &str) -> Option<String> {
    let mut lines = request.lines();
    let (_, value) =
        lines.find_map(|line| line.split_once(": ").filter(|(key, _)| *key == name))?;
    Some(value.to_owned())
}

async fn set_up(script: Vec<Vec<u8>>) -> (RawHost, Tenant, Client) {
    let host = RawHost::start(script).await;
    let tenant = Tenant::start(Vec::new(), Vec::new()).await;
    let client = client(&tenant.login.base, &tenant.api.base, &host.base, settings());
    (host, tenant, client)
}

/// An export whose file host follows a script.
struct Run {
    outcome: Outcome,
    outcome_len: usize,
    requests: Vec<String>,
    asked_for_status: usize,
}

impl Run {
    async fn of(script: Vec<Vec<u8>>) -> Self {
        let (host, mut tenant, client) = set_up(script).await;
        tenant.client = client;
        tenant.api.then(started());
        for n in 0..9 {
            tenant.api.then(completed(&host.link(n)));
        }
        let outcome = tenant.run().await;
        let requests = host.requests.lock().expect("no test panics in here").clone();
        let asked_for_status = tenant.api.seen().len() - 1;
        Self { outcome_len: outcome.file.len(), outcome, requests, asked_for_status }
    }
}
