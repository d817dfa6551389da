//! A scripted tenant: it answers each call with the next answer of its script, and remembers what
//! it was asked.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, Response, Uri};
use core_nexthink::{
    Client, Compression, Credentials, EndpointOverrides, Endpoints, ExportEvent, ExportJournal,
    ExportOrder, ExportRecord, FinishedExport, NexthinkError, ResultsSink, RetryPolicy, Secret,
    Settings,
};

pub(crate) const CLIENT_ID: &str = "client-0a1b2c";
pub(crate) const CLIENT_SECRET: &str = "canary-client-secret";
pub(crate) const TOKEN: &str = "canary-access-token";
pub(crate) const SIGNATURE: &str = "X-Amz-Signature=canary%2Fsignature+~";
pub(crate) const EXPORT_ID: &str = "e-1";
pub(crate) const FILE: &[u8] = b"device.uid,device.name\r\n1,pc-1.example\r\n";

/// Everything that must never be seen.
const CANARIES: [&str; 4] = [CLIENT_SECRET, TOKEN, "canary%2Fsignature", "canary"];

/// One answer of the script.
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(HeaderName, String)>,
    body: Body,
    delay: Duration,
}

/// The answer of this status and body.
pub(crate) fn answer(status: u16, body: impl Into<Body>) -> Answer {
    Answer { status, headers: Vec::new(), body: body.into(), delay: Duration::ZERO }
}

impl Answer {
    pub(crate) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same, but it takes `delay` to come.
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// A request as the server saw it.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header is text here"))
    }
}

/// A server with a script; past its end it answers 418.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) base: String,
    script: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) async fn start(script: Vec<Answer>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let server = Self {
            base: format!("http://{address}"),
            script: Arc::new(Mutex::new(script.into())),
            seen: Arc::default(),
        };
        let router = Router::new().fallback(reply).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(crate) fn then(&self, answer: Answer) {
        self.script.lock().expect("no test panics in here").push_back(answer);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics in here").clone()
    }

    pub(crate) fn link(&self) -> String {
        format!("{}/results/a%2Fb.csv?{SIGNATURE}", self.base)
    }
}

async fn reply(
    State(server): State<Server>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    server.seen.lock().expect("no test panics in here").push(Seen { method, uri, headers, body });
    let next = server.script.lock().expect("no test panics in here").pop_front();
    let next = next.unwrap_or_else(|| answer(418, "the script is at its end"));
    tokio::time::sleep(next.delay).await;
    let mut response = Response::builder().status(next.status);
    for (name, value) in next.headers {
        response = response.header(name, value);
    }
    response.body(next.body).expect("scripted answers are well formed")
}

/// The three hosts of a tenant.
pub(crate) struct Tenant {
    pub(crate) login: Server,
    pub(crate) api: Server,
    pub(crate) files: Server,
    pub(crate) client: Client,
}

impl Tenant {
    /// A tenant that gives out one token and then follows the scripts.
    pub(crate) async fn start(api: Vec<Answer>, files: Vec<Answer>) -> Self {
        Self::with_logins(vec![token_answer()], api, files).await
    }

    pub(crate) async fn with_logins(
        login: Vec<Answer>,
        api: Vec<Answer>,
        files: Vec<Answer>,
    ) -> Self {
        let login = Server::start(login).await;
        let api = Server::start(api).await;
        let files = Server::start(files).await;
        let client = client(&login.base, &api.base, &files.base, settings());
        Self { login, api, files, client }
    }

    /// Runs an export of `#j1_devices` into memory.
    pub(crate) async fn run(&self) -> Outcome {
        self.resume(None, Vec::new(), &mut Journal::default()).await
    }

    /// Goes on with an export of which an earlier process left `record` and `file`.
    pub(crate) async fn resume(
        &self,
        record: Option<ExportRecord>,
        mut file: Vec<u8>,
        journal: &mut Journal,
    ) -> Outcome {
        let mut events = Vec::new();
        let observer = |event| events.push(event);
        let result = self.client.run_export(&order(), record, journal, &mut file, observer).await;
        let outcome = Outcome { result, file, events };
        assert_nothing_leaks(&format!("{:?} {journal:?}", outcome.events));
        if let Err(error) = &outcome.result {
            assert_no_canary_in(error);
        }
        for seen in self.files.seen() {
            assert_eq!(seen.header("authorization"), None, "the file host gets no credential");
        }
        outcome
    }
}

/// A journal that remembers all it was told.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) notes: Vec<Note>,
    /// The number of starts that it allows; all if none.
    pub(crate) allows: Option<usize>,
    /// True if its disk is full.
    pub(crate) full: bool,
}

/// The notes that a journal was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    Starting,
    NotStarted,
    Record(ExportRecord),
    Forget,
}

impl Journal {
    /// Returns the number of exports that may have been paid for.
    pub(crate) fn paid(&self) -> usize {
        let count = |note| self.notes.iter().filter(|other| **other == note).count();
        count(Note::Starting) - count(Note::NotStarted)
    }

    /// Returns the note that a later process would go on from.
    pub(crate) fn record(&self) -> Option<ExportRecord> {
        let last = self.notes.iter().rev().find_map(|note| match note {
            Note::Record(record) => Some(Some(record.clone())),
            Note::Forget => Some(None),
            Note::Starting | Note::NotStarted => None,
        });
        last.flatten()
    }
}

impl ExportJournal for Journal {
    fn starting(&mut self) -> Result<(), NexthinkError> {
        if self.allows.is_some_and(|allows| self.paid() >= allows) {
            return Err(NexthinkError::QuotaExhausted { limit: 50, not_before_ms: NOW_MS });
        }
        self.notes.push(Note::Starting);
        Ok(())
    }

    fn not_started(&mut self) {
        self.notes.push(Note::NotStarted);
    }

    fn record(&mut self, record: &ExportRecord) -> io::Result<()> {
        if self.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.notes.push(Note::Record(record.clone()));
        Ok(())
    }

    fn forget(&mut self) -> io::Result<()> {
        self.notes.push(Note::Forget);
        Ok(())
    }
}

/// The result of an export.
pub(crate) struct Outcome {
    pub(crate) result: Result<FinishedExport, NexthinkError>,
    pub(crate) file: Vec<u8>,
    pub(crate) events: Vec<ExportEvent>,
}

impl Outcome {
    pub(crate) fn error(self) -> NexthinkError {
        self.result.expect_err("this export fails")
    }
}

pub(crate) fn client(login: &str, api: &str, files: &str, settings: Settings) -> Client {
    let overrides =
        EndpointOverrides { login: login.to_owned(), api: api.to_owned(), files: files.to_owned() };
    let endpoints = Endpoints::overridden(&overrides).expect("loopback is allowed");
    let credentials = Credentials::new(CLIENT_ID, Secret::new(CLIENT_SECRET.to_owned()))
        .expect("valid credentials");
    Client::new(&endpoints, credentials, settings).expect("a client")
}

/// The default settings, in milliseconds where they are seconds.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::new(42);
    settings.retry = RetryPolicy {
        max_attempts: 4,
        first_wait: Duration::from_millis(1),
        max_wait: Duration::from_millis(4),
        first_throttled_wait: Duration::from_millis(1),
        max_throttled_wait: Duration::from_millis(4),
        budget: Duration::from_secs(10),
        ..settings.retry
    };
    settings.poll.first = Duration::from_millis(1);
    settings.poll.cap = Duration::from_millis(4);
    settings.poll.deadline = Duration::from_secs(30);
    // What is missing once is gone, but where a test is about that.
    settings.poll.gone_after = Duration::ZERO;
    settings.wait_for_new_export = Duration::from_millis(1);
    settings
}

pub(crate) fn order() -> ExportOrder {
    ExportOrder::new("#j1_devices".parse().expect("a query id"), Compression::Zstd)
}

/// Runs the export of [`order`] with a journal of its own.
pub(crate) async fn run_export(
    client: &Client,
    sink: &mut impl ResultsSink,
) -> Result<FinishedExport, NexthinkError> {
    client.run_export(&order(), None, &mut Journal::default(), sink, |_| {}).await
}

/// Returns the time of this machine's clock, in milliseconds since 1970-01-01 UTC.
pub(crate) const NOW_MS: u64 = 1_772_359_200_000;

pub(crate) fn token_answer() -> Answer {
    let body = format!(
        r#"{{"token_type":"Bearer","expires_in":900,"access_token":"{TOKEN}","scope":"service:integration"}}"#
    );
    answer(200, body)
}

pub(crate) fn started() -> Answer {
    answer(200, format!(r#"{{"exportId":"{EXPORT_ID}"}}"#))
}

pub(crate) fn status(status: &str) -> Answer {
    answer(200, format!(r#"{{"status":"{status}","resultsFileUrl":null,"errorDescription":null}}"#))
}

pub(crate) fn completed(link: &str) -> Answer {
    completed_with(200, link)
}

pub(crate) fn completed_with(http_status: u16, link: &str) -> Answer {
    answer(http_status, format!(r#"{{"status":"COMPLETED","resultsFileUrl":"{link}"}}"#))
}

/// The refusal of an expired link, as S3 words it.
pub(crate) fn link_expired() -> Answer {
    answer(
        403,
        "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>\
         <Message>Request has expired canary</Message></Error>",
    )
}

/// Fails if an error, any of its causes or its debug form shows a canary.
pub(crate) fn assert_no_canary_in(error: &NexthinkError) {
    assert_nothing_leaks(&format!("{error:?} {error:#?}"));
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        assert_nothing_leaks(&format!("{error} {error:?}"));
        next = error.source();
    }
}

pub(crate) fn assert_nothing_leaks(text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} in {text}");
    }
}
