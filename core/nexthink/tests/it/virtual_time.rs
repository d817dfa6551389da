//! Waits as long as they are with a real tenant, on a clock that jumps from one to the next.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{DATE, ETAG, HeaderName, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use core_nexthink::{Client, ExportOrder, NexthinkError, Settings};
use tokio::time::Instant;

use crate::support::*;

/// A client of `tenant` with the times that a real tenant needs.
fn patient_client(tenant: &Tenant) -> Client {
    client(&tenant.login.base, &tenant.api.base, &tenant.files.base, Settings::new(42))
}

/// A tenant whose tokens live for 15 minutes and whose exports take 40.
#[derive(Clone)]
struct SlowTenant {
    base: String,
    began: Instant,
    /// When each token was issued; a token is its number.
    issued: Arc<Mutex<Vec<Instant>>>,
    n_refused: Arc<AtomicU32>,
    /// The time of the login host's clock when it issues each token, in turns.
    dates: &'static [&'static str],
    /// The time that its exports take.
    preparation: Duration,
    n_questions: Arc<AtomicU32>,
}

impl SlowTenant {
    async fn start() -> Self {
        Self::with_dates(&["Sun, 01 Mar 2026 10:00:00 GMT"]).await
    }

    async fn with_dates(dates: &'static [&'static str]) -> Self {
        Self::new(dates, Duration::from_mins(40)).await
    }

    async fn new(dates: &'static [&'static str], preparation: Duration) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let (issued, n_refused, n_questions) = Default::default();
        let began = Instant::now();
        let tenant = Self { base, began, issued, n_refused, dates, preparation, n_questions };
        let router = Router::new()
            .route("/oauth2/default/v1/token", post(issue))
            .route("/api/v1/nql/export", post(async || r#"{"exportId":"e-1"}"#))
            .route("/api/v1/nql/status/{export}", get(tell_status))
            .route("/file", get(async || FILE))
            .with_state(tenant.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        tenant
    }
}

async fn issue(State(tenant): State<SlowTenant>) -> ([(HeaderName, &'static str); 1], String) {
    let mut issued = tenant.issued.lock().expect("no test panics in here");
    let number = issued.len();
    issued.push(Instant::now());
    let date = tenant.dates[number % tenant.dates.len()];
    ([(DATE, date)], format!(r#"{{"access_token":"{number}","expires_in":900}}"#))
}

async fn tell_status(
    State(tenant): State<SlowTenant>,
    Path(_): Path<String>,
    headers: HeaderMap,
) -> Result<String, StatusCode> {
    let bearer = headers["authorization"].to_str().expect("text");
    let token: usize = bearer.trim_start_matches("Bearer ").parse().expect("a number");
    let issued = tenant.issued.lock().expect("no test panics in here")[token];
    if issued.elapsed() >= Duration::from_mins(15) {
        tenant.n_refused.fetch_add(1, Ordering::Relaxed);
        return Err(StatusCode::UNAUTHORIZED);
    }
    tenant.n_questions.fetch_add(1, Ordering::Relaxed);
    let done = tenant.began.elapsed() >= tenant.preparation;
    let status = if done { "COMPLETED" } else { "IN_PROGRESS" };
    Ok(format!(r#"{{"status":"{status}","resultsFileUrl":"{}/file"}}"#, tenant.base))
}

#[tokio::test(start_paused = true)]
async fn a1_forty_minutes_of_polling_take_four_tokens_and_no_refusal() {
    let tenant = SlowTenant::start().await;
    let client = client(&tenant.base, &tenant.base, &tenant.base, Settings::new(42));
    let (mut a, mut b, mut c, mut d) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let finished = tokio::join!(
        run_export(&client, &mut a),
        run_export(&client, &mut b),
        run_export(&client, &mut c),
        run_export(&client, &mut d),
    );
    for result in [finished.0, finished.1, finished.2, finished.3] {
        result.expect("a whole export");
    }
    assert_eq!([a, b, c, d], [FILE; 4]);
    let issued = tenant.issued.lock().expect("no test panics in here");
    let minutes = issued.iter().map(|at| (*at - tenant.began).as_secs() / 60);
    assert_eq!(minutes.collect::<Vec<_>>(), [0, 12, 24, 36]);
    assert_eq!(tenant.n_refused.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a1_j24_no_clock_that_jumps_changes_how_long_a_token_is_used() {
    const RIGHT: &str = "Sun, 01 Mar 2026 10:00:00 GMT";
    // Twenty and one years behind, an hour either way as where summer time begins or ends, a year ahead; at first,
    // in mid-life, and from then on.
    for dates in [
        &["Wed, 01 Mar 2006 10:00:00 GMT", RIGHT, RIGHT, RIGHT][..],
        &[RIGHT, RIGHT, "Wed, 01 Mar 2006 10:00:00 GMT", RIGHT],
        &[RIGHT, "Sat, 01 Mar 2025 10:00:00 GMT"],
        &[RIGHT, "Sun, 01 Mar 2026 09:00:00 GMT"],
        &[RIGHT, "Sun, 01 Mar 2026 11:00:00 GMT"],
        &[RIGHT, "Mon, 01 Mar 2027 10:00:00 GMT", RIGHT],
        &["Mon, 01 Mar 2027 10:00:00 GMT"],
    ] {
        let tenant = SlowTenant::with_dates(dates).await;
        let client = client(&tenant.base, &tenant.base, &tenant.base, Settings::new(42));
        run_export(&client, &mut Vec::new()).await.expect("a whole export");
        let issued = tenant.issued.lock().expect("no test panics in here");
        let minutes = issued.iter().map(|at| (*at - tenant.began).as_secs() / 60);
        assert_eq!(minutes.collect::<Vec<_>>(), [0, 12, 24, 36], "{dates:?}");
        assert_eq!(tenant.n_refused.load(Ordering::Relaxed), 0, "{dates:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_export_whose_usual_time_is_known_is_asked_about_seldom_and_measured_again() {
    // The preparation, the usual time in seconds, and the bounds of the questions.
    for (preparation, usual, least, most) in [
        (300, None, 150, 180),
        (300, Some(300), 20, 30),
        // It has become slower, or faster: then it is noticed after 70 % of the usual time.
        (300, Some(200), 45, 60),
        (60, Some(300), 1, 1),
        (1, Some(0), 1, 2),
    ] {
        let preparation = Duration::from_secs(preparation);
        let tenant = SlowTenant::new(&["Sun, 01 Mar 2026 10:00:00 GMT"], preparation).await;
        let client = client(&tenant.base, &tenant.base, &tenant.base, Settings::new(42));
        let order = ExportOrder { usual_time: usual.map(Duration::from_secs), ..order() };
        let (mut journal, mut file) = (Journal::default(), Vec::new());
        let done = client.run_export(&order, None, &mut journal, &mut file, |_| {}).await;
        let prepared = done.expect("a whole export").prepared.expect("it was started here");
        let usual_time = Duration::from_secs(usual.unwrap_or(0));
        let expected = preparation.max(usual_time.mul_f64(0.63));
        assert!((expected..expected.mul_f64(1.25) + Duration::from_secs(2)).contains(&prepared));
        let questions = tenant.n_questions.load(Ordering::Relaxed);
        assert!((least..=most).contains(&questions), "{usual:?}: {questions} questions");
    }
}

#[tokio::test(start_paused = true)]
async fn a3_four_exports_wait_for_one_slow_token() {
    let slow = token_answer().after(Duration::from_secs(5));
    let api = (0..4).map(|_| answer(404, "")).collect();
    let tenant = Tenant::with_logins(vec![slow], api, Vec::new()).await;
    let client = patient_client(&tenant);
    let run = async || run_export(&client, &mut Vec::new()).await.expect_err("no such query");
    let all = Box::pin(async { tokio::join!(run(), run(), run(), run()) });
    let errors = tokio::time::timeout(Duration::from_secs(30), all).await.expect("no deadlock");
    for error in [errors.0, errors.1, errors.2, errors.3] {
        assert!(matches!(error, NexthinkError::QueryNotFound { .. }), "{error}");
    }
    assert_eq!(tenant.login.seen().len(), 1);
}

/// Returns the time for which a client waits when `throttled` is the answer to its first start.
async fn wait_after(throttled: Answer) -> Duration {
    let tenant = Tenant::start(vec![throttled, answer(404, "")], Vec::new()).await;
    let began = Instant::now();
    let client = patient_client(&tenant);
    let error = run_export(&client, &mut Vec::new()).await.expect_err("no such query");
    assert!(matches!(error, NexthinkError::QueryNotFound { .. }), "{error}");
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn b1_a_wait_in_seconds_is_kept() {
    let waited = wait_after(answer(429, "").with(RETRY_AFTER, "7")).await;
    assert!((7.0..8.1).contains(&waited.as_secs_f64()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn b1_a_wait_that_an_unavailable_service_asks_for_is_kept_and_costs_no_export() {
    let waited = wait_after(answer(503, "").with(RETRY_AFTER, "120")).await;
    assert!((120.0..121.1).contains(&waited.as_secs_f64()), "{waited:?}");
    let waited = wait_after(answer(502, "").with(RETRY_AFTER, "120")).await;
    assert!(waited.as_secs_f64() < 1.1, "only HTTP 503 has it: {waited:?}");

    let unavailable = (0..99).map(|_| answer(503, "").with(RETRY_AFTER, "120")).collect();
    let logins = vec![token_answer(), token_answer()];
    let tenant = Tenant::with_logins(logins, unavailable, Vec::new()).await;
    let mut journal = Journal::default();
    let error = patient_client(&tenant)
        .run_export(&order(), None, &mut journal, &mut Vec::new(), |_| {})
        .await
        .expect_err("it never ends");
    assert!(matches!(error, NexthinkError::Deferred { status: 503, .. }), "{error}");
    assert_eq!((tenant.api.seen().len(), journal.paid()), (8, 0));
}

#[tokio::test(start_paused = true)]
async fn b2_a_wait_until_a_time_counts_from_the_clock_of_the_server() {
    // The dates are years away from this machine's clock, and a day before and after each other.
    for (date, forms) in [
        (
            "Sat, 28 Feb 2026 10:00:00 GMT",
            [
                "Sat, 28 Feb 2026 10:00:07 GMT",
                "Saturday, 28-Feb-26 10:00:07 GMT",
                "Sat Feb 28 10:00:07 2026",
                "2026-02-28T10:00:07Z",
            ],
        ),
        (
            "Mon, 02 Mar 2026 10:00:00 GMT",
            [
                "Mon, 02 Mar 2026 10:00:07 GMT",
                "Monday, 02-Mar-26 10:00:07 GMT",
                "Mon Mar  2 10:00:07 2026",
                "2026-03-02T11:00:07+01:00",
            ],
        ),
    ] {
        for form in forms {
            let throttled = answer(429, "").with(DATE, date).with(RETRY_AFTER, form);
            let waited = wait_after(throttled).await;
            assert!((7.0..8.1).contains(&waited.as_secs_f64()), "{form}: {waited:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn b3_b5_without_a_usable_wait_half_a_minute_is_waited() {
    let mut throttled = vec![answer(429, "")];
    for garbage in ["soon", "-5", "1000000000000000000", "0", "Sun, 01 Mar 2020 10:00:00 GMT"] {
        throttled.push(answer(429, "").with(RETRY_AFTER, garbage));
    }
    for answer in throttled {
        let waited = wait_after(answer).await;
        assert!((30.0..31.1).contains(&waited.as_secs_f64()), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn b4_throttling_without_an_end_is_deferred_when_the_budget_is_spent() {
    let throttled = (0..99).map(|_| answer(429, "")).collect();
    let logins = vec![token_answer(), token_answer()];
    let tenant = Tenant::with_logins(logins, throttled, Vec::new()).await;
    let began = Instant::now();
    let mut journal = Journal::default();
    let error = patient_client(&tenant)
        .run_export(&order(), None, &mut journal, &mut Vec::new(), |_| {})
        .await
        .expect_err("it never ends");
    assert!(matches!(error, NexthinkError::Deferred { .. }), "{error}");
    assert!(began.elapsed() <= Duration::from_mins(15), "{:?}", began.elapsed());
    assert_eq!((tenant.api.seen().len(), journal.paid()), (6, 0));
}

#[tokio::test(start_paused = true)]
async fn d9_a_start_whose_answer_does_not_come_in_time_is_made_again_twice_at_most() {
    let late = || started().after(Duration::from_mins(5));
    let script = vec![late(), late(), started()];
    let tenant = Tenant::start(script, vec![answer(200, FILE)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let (client, mut journal) = (patient_client(&tenant), Journal::default());
    let mut file = Vec::new();
    let done = client.run_export(&order(), None, &mut journal, &mut file, |_| {}).await;
    done.expect("the third start is answered");
    assert_eq!(journal.paid(), 3, "each of them may have been taken");

    let tenant = Tenant::start((0..9).map(|_| late()).collect(), Vec::new()).await;
    let (client, mut journal) = (patient_client(&tenant), Journal::default());
    let done = client.run_export(&order(), None, &mut journal, &mut file, |_| {}).await;
    assert!(done.expect_err("no answer comes").is_unreachable());
    assert_eq!(journal.paid(), 3);
}

#[tokio::test(start_paused = true)]
async fn d1_an_export_is_started_anew_a_minute_after_a_passing_failure() {
    let failed = answer(200, r#"{"status":"ERROR","errorDescription":"timed out"}"#);
    let script = vec![started(), failed, started()];
    let tenant = Tenant::start(script, vec![answer(200, FILE)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let began = Instant::now();
    run_export(&patient_client(&tenant), &mut Vec::new()).await.expect("a whole export");
    // Two polls of a second each besides.
    assert!((61.0..63.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn d2_an_export_is_waited_for_an_hour_and_no_longer() {
    let mut script = vec![started()];
    script.extend((0..2_000).map(|_| status("IN_PROGRESS")));
    let logins = (0..6).map(|_| token_answer()).collect();
    let tenant = Tenant::with_logins(logins, script, Vec::new()).await;
    let began = Instant::now();
    let mut journal = Journal::default();
    let error = patient_client(&tenant)
        .run_export(&order(), None, &mut journal, &mut Vec::new(), |_| {})
        .await
        .expect_err("it never ends");
    assert!(matches!(error, NexthinkError::Deadline { .. }), "{error}");
    let waited = began.elapsed().as_secs();
    assert!((59 * 60..=60 * 60).contains(&waited), "{waited} s");
    let n_polls = tenant.api.seen().len() - 1;
    assert!((330..370).contains(&n_polls), "{n_polls} polls, the later the less often");
    assert!(journal.record().is_some(), "a later process goes on waiting");
}

#[tokio::test(start_paused = true)]
async fn d13_an_export_is_gone_only_once_it_was_unknown_for_a_minute_without_a_break() {
    let unknown = || answer(404, r#"{"message":"no export with this id","code":100}"#);
    let forbidden = || answer(403, "");
    for script in [
        vec![unknown()],
        vec![unknown(), unknown(), unknown(), forbidden(), unknown()],
        // Some of the servers that answer know it.
        vec![status("IN_PROGRESS"), unknown(), status("IN_PROGRESS"), unknown(), unknown()],
    ] {
        let tenant = Tenant::start(vec![started()], vec![answer(200, FILE)]).await;
        for answer in script {
            tenant.api.then(answer);
        }
        tenant.api.then(completed(&tenant.files.link()));
        let (mut journal, mut file) = (Journal::default(), Vec::new());
        let client = patient_client(&tenant);
        client.run_export(&order(), None, &mut journal, &mut file, |_| {}).await.expect("a file");
        assert_eq!((file.as_slice(), journal.paid()), (FILE, 1));
    }

    let tenant = Tenant::start(vec![started()], vec![answer(200, FILE)]).await;
    (0..11).for_each(|_| tenant.api.then(unknown()));
    tenant.api.then(started());
    tenant.api.then(completed(&tenant.files.link()));
    let (began, mut journal, mut file) = (Instant::now(), Journal::default(), Vec::new());
    let client = patient_client(&tenant);
    client.run_export(&order(), None, &mut journal, &mut file, |_| {}).await.expect("a file");
    assert_eq!((file.as_slice(), journal.paid()), (FILE, 2));
    assert!((60..75).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn d5_a_completed_export_is_given_up_only_once_its_link_was_missing_for_a_minute() {
    // 2 + 4 + 8 + 16 + 16 s, and as long again.
    let without_link = || (0..6).map(|_| status("COMPLETED"));
    let mut script = vec![started()];
    script.extend(without_link().chain([status("IN_PROGRESS")]).chain(without_link()));
    let tenant = Tenant::start(script, vec![answer(200, FILE)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let (mut journal, mut file) = (Journal::default(), Vec::new());
    let client = patient_client(&tenant);
    client.run_export(&order(), None, &mut journal, &mut file, |_| {}).await.expect("a file");
    assert_eq!((file.as_slice(), journal.paid()), (FILE, 1));

    let mut script = vec![started()];
    script.extend((0..99).map(|_| status("COMPLETED")));
    let tenant = Tenant::start(script, Vec::new()).await;
    let (began, mut journal) = (Instant::now(), Journal::default());
    let client = patient_client(&tenant);
    let done = client.run_export(&order(), None, &mut journal, &mut Vec::new(), |_| {}).await;
    let error = done.expect_err("it never has a link");
    assert!(matches!(error, NexthinkError::ExportFailed { .. }), "{error}");
    assert!((60..75).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!((journal.paid(), journal.record()), (1, None));
}

#[tokio::test(start_paused = true)]
async fn d13_a_file_that_appears_late_costs_no_second_export() {
    let missing = || answer(404, "<Error><Code>NoSuchKey</Code></Error>");
    let refusals = [missing, link_expired, || answer(403, ""), || answer(410, "")];
    for (refusal, same_link) in
        refusals.iter().flat_map(|refusal| [(refusal, true), (refusal, false)])
    {
        let files = (0..4).map(|_| refusal()).chain([answer(200, FILE)]).collect();
        let tenant = Tenant::start(vec![started()], files).await;
        for n in 0..5 {
            let again = if same_link { 0 } else { n };
            tenant.api.then(completed(&format!("{}&again={again}", tenant.files.link())));
        }
        let (mut journal, mut file) = (Journal::default(), Vec::new());
        let client = patient_client(&tenant);
        client.run_export(&order(), None, &mut journal, &mut file, |_| {}).await.expect("a file");
        assert_eq!((file.as_slice(), journal.paid()), (FILE, 1));
    }
}

/// A body that sends `piece` every `pause`, `times` times.
fn dripping(piece: &'static [u8], pause: Duration, times: u32) -> Body {
    Body::from_stream(futures::stream::unfold(0, move |n| async move {
        if n == times {
            return None;
        }
        tokio::time::sleep(pause).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(piece)), n + 1))
    }))
}

#[tokio::test(start_paused = true)]
async fn c8_a_byte_every_twenty_seconds_is_too_slow() {
    let files = (0..9).map(|_| answer(200, dripping(b"x", Duration::from_secs(20), 9_999)));
    let tenant = Tenant::start(vec![started()], files.collect()).await;
    tenant.api.then(completed(&tenant.files.link()));
    let began = Instant::now();
    let error = run_export(&patient_client(&tenant), &mut Vec::new()).await.expect_err("too slow");
    assert!(matches!(error, NexthinkError::DownloadTooSlow { .. }), "{error}");
    assert_eq!(tenant.files.seen().len(), 6);
    assert!(began.elapsed() < Duration::from_mins(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn c8_a_refusal_that_never_ends_is_given_up_in_time() {
    let endless = || answer(403, dripping(b"x", Duration::from_secs(5), 8_000));
    let tenant = Tenant::start(vec![started()], (0..9).map(|_| endless()).collect()).await;
    (0..9).for_each(|n| tenant.api.then(completed(&format!("{}&n={n}", tenant.files.link()))));
    let (began, mut journal) = (Instant::now(), Journal::default());
    let client = patient_client(&tenant);
    let done = client.run_export(&order(), None, &mut journal, &mut Vec::new(), |_| {}).await;
    let error = done.expect_err("the download is refused");
    assert!(matches!(error, NexthinkError::FilesBlocked { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_mins(5), "{:?}", began.elapsed());
    assert!(journal.record().is_some(), "a later process can download it");
}

#[tokio::test(start_paused = true)]
async fn c10_a_connection_that_falls_silent_is_given_up_and_the_download_goes_on() {
    let silent = futures::StreamExt::chain(
        futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(&FILE[..9]))]),
        futures::stream::pending(),
    );
    let length = |bytes: usize| bytes.to_string();
    let range = format!("bytes 9-{}/{}", FILE.len() - 1, FILE.len());
    let whole = answer(200, Body::from_stream(silent)).with(ETAG, "\"a\"");
    let rest = answer(206, &FILE[9..]).with(ETAG, "\"a\"");
    let files = vec![
        whole.with(axum::http::header::CONTENT_LENGTH, length(FILE.len())),
        rest.with(axum::http::header::CONTENT_RANGE, range),
    ];
    let tenant = Tenant::start(vec![started()], files).await;
    tenant.api.then(completed(&tenant.files.link()));
    let (began, mut file) = (Instant::now(), Vec::new());
    run_export(&patient_client(&tenant), &mut file).await.expect("a whole file");
    assert_eq!(file, FILE);
    assert!((30.0..40.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn c15_ten_kilobytes_a_second_take_long_and_get_done() {
    static PIECE: [u8; 10_000] = [b'x'; 10_000];
    let slow = answer(200, dripping(&PIECE, Duration::from_secs(1), 600));
    let tenant = Tenant::start(vec![started()], vec![slow]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let began = Instant::now();
    let finished = run_export(&patient_client(&tenant), &mut Vec::new()).await.expect("a file");
    assert_eq!(finished.bytes, 6_000_000);
    assert!(began.elapsed() >= Duration::from_mins(10), "{:?}", began.elapsed());
}
