//! The cost of waiting: exports that take minutes, on a clock that jumps from one wait to the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use core_nexthink::{Compression, ExportOrder, Settings};
use serde_json::Value;
use tokio::time::Instant;

use crate::support::*;

/// A tenant whose exports take as many seconds as the number in the ID of their query says.
#[derive(Clone)]
struct TimedTenant {
    base: String,
    began: Instant,
    seen: Arc<Mutex<BTreeMap<u64, Times>>>,
}

/// When something was asked of one export, since the beginning.
#[derive(Debug, Clone, Default)]
struct Times {
    started: Vec<Duration>,
    n_polls: u32,
    downloaded: Vec<Duration>,
}

impl TimedTenant {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let tenant = Self { base, began: Instant::now(), seen: Arc::default() };
        let router = Router::new()
            .route("/oauth2/default/v1/token", post(async || TOKEN))
            .route("/api/v1/nql/export", post(start))
            .route("/api/v1/nql/status/{seconds}", get(tell_status))
            .route("/file/{seconds}", get(download))
            .with_state(tenant.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        tenant
    }

    fn saw(&self, seconds: u64, note: impl FnOnce(&mut Times, Duration)) {
        let mut seen = self.seen.lock().expect("no test panics in here");
        note(seen.entry(seconds).or_default(), self.began.elapsed());
    }
}

const TOKEN: &str = r#"{"access_token":"t","expires_in":900}"#;

async fn start(State(tenant): State<TimedTenant>, Json(order): Json<Value>) -> String {
    let query = order["queryId"].as_str().expect("a query ID");
    let seconds = query.trim_start_matches("#after_").parse().expect("a number");
    tenant.saw(seconds, |times, now| times.started.push(now));
    format!(r#"{{"exportId":"{seconds}"}}"#)
}

async fn tell_status(State(tenant): State<TimedTenant>, Path(seconds): Path<u64>) -> String {
    tenant.saw(seconds, |times, _| times.n_polls += 1);
    let done = tenant.began.elapsed() >= Duration::from_secs(seconds);
    let status = if done { "COMPLETED" } else { "IN_PROGRESS" };
    format!(r#"{{"status":"{status}","resultsFileUrl":"{}/file/{seconds}"}}"#, tenant.base)
}

async fn download(State(tenant): State<TimedTenant>, Path(seconds): Path<u64>) -> &'static [u8] {
    tenant.saw(seconds, |times, now| times.downloaded.push(now));
    FILE
}

#[tokio::test(start_paused = true)]
async fn exports_start_at_once_and_each_is_had_within_two_seconds_of_its_end() {
    let tenant = TimedTenant::start().await;
    let client = client(&tenant.base, &tenant.base, &tenant.base, Settings::new(7));
    let run = async |seconds: u64| {
        let query = format!("#after_{seconds}").parse().expect("a query ID");
        let order = ExportOrder::new(query, Compression::Zstd);
        let (mut journal, mut file) = (Journal::default(), Vec::new());
        let done = client.run_export(&order, None, &mut journal, &mut file, |_| {}).await;
        done.expect("a whole export");
    };
    tokio::join!(run(60), run(40), run(90), run(30));
    let whole = tenant.began.elapsed();
    assert!(whole < Duration::from_secs(92), "{whole:?} for the slowest of 90 s");

    let seen = tenant.seen.lock().expect("no test panics in here").clone();
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [30, 40, 60, 90]);
    for (seconds, times) in seen {
        let end = Duration::from_secs(seconds);
        assert_eq!((times.started.len(), times.downloaded.len()), (1, 1), "{seconds} s");
        assert!(times.started[0] < Duration::from_secs(1), "{times:?}");
        let wait_in_vain = times.downloaded[0].checked_sub(end).expect("not before its end");
        assert!(wait_in_vain < Duration::from_secs(2), "{seconds} s: {wait_in_vain:?}");
        assert!(u64::from(times.n_polls) <= seconds * 10 / 9 + 1, "{times:?}");
    }
}
