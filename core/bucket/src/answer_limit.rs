//! A limit for the time until a service answers a request. A client's own limit is for a whole request with its content,
//! so it is long, and a service that accepts connections and never answers would take all of it.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

/// The time for an answer to a request without content.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The slowest line for the content of a request, in bytes per second.
const SLOWEST_LINE: u64 = 64 * 1024;

/// Makes clients with the limit.
#[derive(Debug, Default)]
pub(crate) struct LimitedConnector;

#[derive(Debug)]
struct LimitedService(HttpClient);

/// The error of a request that was not answered in time.
#[derive(Debug)]
struct NotAnswered(Duration);

impl fmt::Display for NotAnswered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "it did not answer within {} s", self.0.as_secs())
    }
}

impl std::error::Error for NotAnswered {}

impl HttpConnector for LimitedConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(LimitedService(client)))
    }
}

impl HttpService for LimitedService {
    fn call<'service, 'answer>(
        &'service self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'answer>>
    where
        'service: 'answer,
        Self: 'answer,
    {
        let bytes = request.body().content_length() as u64;
        let limit = ANSWER_TIMEOUT + Duration::from_secs(bytes / SLOWEST_LINE);
        Box::pin(async move {
            let answered = tokio::time::timeout(limit, self.0.execute(request)).await;
            answered.unwrap_or_else(|_| {
                tracing::warn!("the bucket did not answer within {} s", limit.as_secs());
                Err(HttpError::new(HttpErrorKind::Timeout, NotAnswered(limit)))
            })
        })
    }
}
