//! A simulated JupiterOne: the synchronization interface over real HTTP, with the graph behind it.
//!
//! It checks uploads by the rules of the interface, not by the data model. It supports only the
//! mode `DIFF`, and keeps everything in memory.

mod behaviour;
mod graph;
mod state;

use std::fmt;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State as Extract};
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, RETRY_AFTER};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use behaviour::{JobCall, JobFault, JobFaultKind, JupiterOneBehaviour, Silence};
pub use graph::KeptGraph;
pub use state::{JobRequest, JobView};
use state::{Refusal, State};

/// The address and the credentials of the simulated JupiterOne.
#[derive(Clone)]
pub struct JupiterOneConfig {
    /// The address to listen on; port 0 takes a free one.
    pub address: SocketAddr,
    /// The only known account.
    pub account: String,
    /// Its API key.
    pub api_key: String,
    /// The initial behaviour.
    pub behaviour: JupiterOneBehaviour,
}

impl Default for JupiterOneConfig {
    /// A free loopback port, account `demo` with the key `demo-key`, healthy.
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            account: "demo".to_owned(),
            api_key: "demo-key".to_owned(),
            behaviour: JupiterOneBehaviour::default(),
        }
    }
}

impl fmt::Debug for JupiterOneConfig {
    /// Leaves the key out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JupiterOneConfig")
            .field("address", &self.address)
            .field("account", &self.account)
            .field("behaviour", &self.behaviour)
            .finish_non_exhaustive()
    }
}

/// A running simulated JupiterOne. Dropping it closes its port.
pub struct JupiterOne {
    state: Arc<State>,
    url: String,
    listener: JoinHandle<()>,
}

impl JupiterOne {
    /// Listens until it is dropped.
    ///
    /// # Errors
    ///
    /// The address is not available.
    pub async fn start(config: JupiterOneConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.address).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(State::new(config.account, config.api_key, config.behaviour));
        let router = router(Arc::clone(&state));
        let listener = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "simulated JupiterOne stopped listening");
            }
        });
        Ok(Self { state, url, listener })
    }

    /// The base URL, `http://address:port` without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes the behaviour from the next request on.
    pub fn update(&self, change: impl FnOnce(&mut JupiterOneBehaviour)) {
        change(&mut self.state.shared().behaviour);
    }

    /// The graph of a source, such as `api`, and its scope or integration instance.
    pub fn graph(&self, source: &str, scope: &str) -> KeptGraph {
        self.state.shared().graphs.get(&format!("{source} {scope}")).cloned().unwrap_or_default()
    }

    /// Deletes all graphs, as an administrator could.
    pub fn clear(&self) {
        self.state.shared().graphs.clear();
    }

    /// Ends every job that was finalized, as time would, whether or not its status is asked for.
    pub fn end_finalized_jobs(&self) {
        self.state.shared().end_finalized();
    }

    /// All jobs, oldest first.
    pub fn jobs(&self) -> Vec<JobView> {
        self.state.shared().views()
    }

    /// All authorized requests, oldest first.
    pub fn requests(&self) -> Vec<JobRequest> {
        self.state.shared().requests.clone()
    }

    /// The number of requests that will never be answered. Those of them that are carried out have
    /// been.
    pub fn unanswered(&self) -> usize {
        self.state.shared().unanswered
    }

    /// The most uploads that were in flight at the same time.
    pub fn max_uploads_in_flight(&self) -> usize {
        self.state.shared().most_in_flight
    }
}

impl Drop for JupiterOne {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

fn router(state: Arc<State>) -> Router {
    const JOBS: &str = "/persister/synchronization/jobs";
    Router::new()
        .route(JOBS, post(create))
        .route(&format!("{JOBS}/{{id}}"), get(call_job))
        .route(&format!("{JOBS}/{{id}}/{{call}}"), post(call_job))
        .layer(DefaultBodyLimit::disable())
        .with_state(state)
}

async fn create(Extract(state): Extract<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    answer(&state, JobCall::Create, "", &headers, &body).await
}

async fn call_job(
    Extract(state): Extract<Arc<State>>,
    method: Method,
    Path(path): Path<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let part = |name: &str| path.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
    let call = match (method, part("call")) {
        (Method::GET, _) => JobCall::Get,
        (_, "entities") => JobCall::Entities,
        (_, "relationships") => JobCall::Relationships,
        (_, "events") => JobCall::Events,
        (_, "finalize") => JobCall::Finalize,
        (_, "abort") => JobCall::Abort,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    answer(&state, call, part("id"), &headers, &body).await
}

/// Checks the credentials, applies the fault, and carries out the call.
async fn answer(
    state: &State,
    call: JobCall,
    id: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    if let Some(refusal) = refuse_stranger(state, headers) {
        return refuse(refusal);
    }
    let Some(json) = decompressed(headers, body) else {
        return refuse((400, "BAD_REQUEST", "the body is not what its encoding says"));
    };
    let is_upload = matches!(call, JobCall::Entities | JobCall::Relationships);
    let (fault, latency) = {
        let mut shared = state.shared();
        let correlation_id = headers.get("JupiterOne-Correlation-Id");
        shared.requests.push(JobRequest {
            call,
            correlation_id: correlation_id
                .and_then(|value| value.to_str().ok())
                .map(ToOwned::to_owned),
            sent_bytes: body.len(),
            json_bytes: json.len(),
        });
        shared.in_flight += usize::from(is_upload);
        shared.most_in_flight = shared.most_in_flight.max(shared.in_flight);
        (shared.strike(call), shared.behaviour.latency)
    };
    let _leaving = Leaving { state, is_upload };
    tokio::time::sleep(latency).await;
    match fault {
        Some(JobFaultKind::Status(status)) => refuse((status, "SIMULATED", "a simulated fault")),
        Some(JobFaultKind::Throttled(seconds)) => {
            let header = [(RETRY_AFTER, seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, header).into_response()
        }
        Some(JobFaultKind::Unheard) => never_answer(state).await,
        Some(JobFaultKind::LostAnswer) => {
            drop(carry_out(state, call, id, &json));
            never_answer(state).await
        }
        Some(JobFaultKind::AnswersOk) => Json(json!({ "status": "ok" })).into_response(),
        Some(JobFaultKind::WebPage(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            (status, Html("<!DOCTYPE html><title>Sign in</title>")).into_response()
        }
        Some(JobFaultKind::StoresNothing) => carry_out(state, JobCall::Get, id, &json),
        Some(JobFaultKind::JobEnded) => {
            // The call itself fails if the job does not exist.
            drop(state.shared().abort(id));
            carry_out(state, call, id, &json)
        }
        None => carry_out(state, call, id, &json),
    }
}

async fn never_answer(state: &State) -> Response {
    state.shared().unanswered += 1;
    std::future::pending().await
}

/// Counts an upload as finished, even when its connection broke.
struct Leaving<'a> {
    state: &'a State,
    is_upload: bool,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.state.shared().in_flight -= usize::from(self.is_upload);
    }
}

fn carry_out(state: &State, call: JobCall, id: &str, json: &[u8]) -> Response {
    let mut shared = state.shared();
    if json.len() > shared.behaviour.max_upload_bytes {
        return refuse((413, "RequestEntityTooLargeException", "the body is too large"));
    }
    let is_upload = matches!(call, JobCall::Entities | JobCall::Relationships);
    if is_upload && shared.behaviour.only_counts {
        return match shared.count(id, call, graph::count_keys(json)) {
            Ok(job) => Json(job).into_response(),
            Err(refusal) => refuse(refusal),
        };
    }
    let body: Value = serde_json::from_slice(json).unwrap_or(Value::Null);
    let done = match call {
        JobCall::Create => shared.create(&body),
        JobCall::Get => shared.ask(id),
        JobCall::Entities => {
            objects(&body, "entities").and_then(|objects| shared.upload(id, call, objects))
        }
        JobCall::Relationships => {
            objects(&body, "relationships").and_then(|objects| shared.upload(id, call, objects))
        }
        JobCall::Events => shared.log(id, &body),
        JobCall::Finalize => shared.finalize(id, &body),
        JobCall::Abort => shared.abort(id),
    };
    match done {
        Ok(job) => Json(job).into_response(),
        Err(refusal) => refuse(refusal),
    }
}

fn objects(body: &Value, name: &str) -> Result<Vec<Value>, Refusal> {
    let Some(objects) = body[name].as_array() else {
        return Err((400, "ENTITY_IS_NOT_ARRAY", "an array is expected"));
    };
    match objects.iter().find_map(graph::object_defect) {
        Some(fault) => Err((400, "VALIDATION_FAILED", fault)),
        None => Ok(objects.clone()),
    }
}

fn refuse_stranger(state: &State, headers: &HeaderMap) -> Option<Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if header(AUTHORIZATION.as_str()) != Some(&format!("Bearer {}", state.api_key)) {
        return Some((401, "UNAUTHORIZED", "the API key is not known"));
    }
    // Older versions of JupiterOne's own command line still send the second name (8.41).
    let account = header("JupiterOne-Account").or(header("LifeOmic-Account"));
    if account != Some(&state.account) {
        return Some((403, "FORBIDDEN", "the API key is of another account"));
    }
    None
}

fn decompressed(headers: &HeaderMap, body: &Bytes) -> Option<Vec<u8>> {
    if headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding != "gzip") {
        return Some(body.to_vec());
    }
    let mut json = Vec::new();
    GzDecoder::new(&**body).read_to_end(&mut json).ok()?;
    Some(json)
}

fn refuse((status, code, message): Refusal) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({ "error": { "code": code, "message": message } }))).into_response()
}
