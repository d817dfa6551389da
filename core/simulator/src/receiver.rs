//! Receivers of messages: anything that takes a POST request, such as a chat or an alert manager. They
//! remember what they get, and refuse it when they are told to.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Extract;
use axum::http::{HeaderMap, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request that a receiver got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// Path and query.
    pub path: String,
    /// The headers, in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// The status that it was answered with.
    pub status: u16,
}

#[derive(Default)]
struct Inbox {
    status: Option<u16>,
    delay: Duration,
    requests: Vec<ReceivedRequest>,
}

type Shared = Arc<Mutex<Inbox>>;

fn inbox(shared: &Shared) -> MutexGuard<'_, Inbox> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes any POST request with HTTP 202, unless it is told to answer otherwise.
pub struct Receiver {
    url: String,
    inbox: Shared,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// Starts it on a free port of this machine.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let inbox = Shared::default();
        let router = Router::new().fallback(take).with_state(Arc::clone(&inbox));
        let serving = tokio::spawn(async move {
            // It serves until it is dropped.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, inbox, serving })
    }

    /// Its address, `http://127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Answers with this status from now on.
    pub fn answer_with(&self, status: u16) {
        inbox(&self.inbox).status = Some(status);
    }

    /// Takes this long for each answer from now on.
    pub fn answer_after(&self, delay: Duration) {
        inbox(&self.inbox).delay = delay;
    }

    /// The requests that it got, refused ones included.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        inbox(&self.inbox).requests.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(
    Extract(shared): Extract<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let delay = inbox(&shared).delay;
    tokio::time::sleep(delay).await;
    let mut inbox = inbox(&shared);
    let status = inbox.status.unwrap_or(202);
    let text =
        |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    inbox.requests.push(ReceivedRequest {
        path: uri.to_string(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.to_vec(),
        status,
    });
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
