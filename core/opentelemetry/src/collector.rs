//! The HTTP client for a collector.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use core_http::{Advice, ClientFactory, Trust, read_up_to};
use http::{Request, Response};
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use tokio::runtime::Handle;

/// The time that a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// The time that an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// The bytes of an answer that are read; an answer is a few fields.
const ANSWER_BYTES: usize = 64 * 1024;

/// The advice if the collector cannot be reached. `nexthink.ca_file` does not count here: the variables name a collector
/// without any configuration file.
const ADVICE: Advice = Advice {
    name: "check the host in OTEL_EXPORTER_OTLP_ENDPOINT",
    authority: "add the authority to those that this system trusts",
};

/// Calls a collector, with the certificates that the rest of the program trusts.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    client: core_http::HttpClient,
    /// The runtime of the calls: the threads that batch spans have none.
    runtime: Handle,
    failure: Arc<Mutex<Option<String>>>,
}

impl Collector {
    pub(crate) fn new(uses_tls: bool, runtime: Handle) -> Result<Self, String> {
        let factory = ClientFactory::new(uses_tls, &Trust::default(), None, CONNECT);
        let client = factory.and_then(|factory| factory.client(Some(ANSWER), Some(ANSWER)));
        let client = client.map_err(|error| error.to_string())?;
        Ok(Self { client, runtime, failure: Arc::default() })
    }

    /// The reason why the last call failed; none if it did not.
    pub(crate) fn last_failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let (parts, body) = request.into_parts();
        let calling = self.client.request(parts.method, parts.uri.to_string());
        let calling = calling.headers(parts.headers).body(body);
        let explain = |error| self.client.failure(error).cause.describe(&ADVICE);
        let mut answer = calling.send().await.map_err(explain)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("it answered HTTP {}", status.as_u16()));
        }
        let body = read_up_to(&mut answer, ANSWER_BYTES).await.map_err(explain)?;
        let mut response = Response::new(Bytes::copy_from_slice(&body.bytes));
        *response.status_mut() = status;
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let this = self.clone();
        let called = self.runtime.spawn(async move { this.call(request).await }).await;
        let called = called.unwrap_or_else(|_| Err("the program has ended".to_owned()));
        let failure = called.as_ref().err().cloned();
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&failure);
        called.map_err(Into::into)
    }
}
