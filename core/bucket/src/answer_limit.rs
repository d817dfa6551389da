//! Limits for the time until a service answers a request, and for the silence while it sends its answer. A client's own
//! limit is for a whole request with its content, which may take hours over a slow line.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService, ReqwestConnector,
};
use tokio::time::Sleep;

/// The time for an answer to a request without content.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest time without a byte of an answer that has begun.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// The slowest line for the content of a request, in bytes per second.
const SLOWEST_LINE: u64 = 64 * 1024;

/// Makes clients with the limit.
#[derive(Debug, Default)]
pub(crate) struct LimitedConnector;

#[derive(Debug)]
struct LimitedService(HttpClient);

/// The content of an answer, which fails after a long silence.
struct LimitedBody {
    content: HttpResponseBody,
    /// Runs while the content is waited for, and not while its reader is busy with what has arrived.
    silence: Option<Pin<Box<Sleep>>>,
}

/// The error of an answer of which nothing has arrived for long.
#[derive(Debug)]
struct Silent;

impl fmt::Display for Silent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "it sent nothing for {} s", SILENCE_TIMEOUT.as_secs())
    }
}

impl std::error::Error for Silent {}

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
            let answered = answered.unwrap_or_else(|_| {
                tracing::warn!("the bucket did not answer within {} s", limit.as_secs());
                Err(HttpError::new(HttpErrorKind::Timeout, NotAnswered(limit)))
            });
            let limited = |content| LimitedBody { content, silence: None };
            Ok(answered?.map(|content| HttpResponseBody::new(limited(content))))
        })
    }
}

impl Body for LimitedBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.content).poll_frame(context) {
            self.silence = None;
            return Poll::Ready(frame);
        }
        let begin = || Box::pin(tokio::time::sleep(SILENCE_TIMEOUT));
        ready!(self.silence.get_or_insert_with(begin).as_mut().poll(context));
        tracing::warn!("the bucket sent nothing for {} s", SILENCE_TIMEOUT.as_secs());
        Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Timeout, Silent))))
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::stream::{self, StreamExt as _};
    use tokio::time::{Instant, sleep};

    use super::*;

    /// A content of one byte after each of these times in seconds.
    struct Slow(Pin<Box<dyn futures::Stream<Item = ()> + Send + Sync>>);

    impl Slow {
        fn new(times: &'static [u64]) -> LimitedBody {
            let bytes = stream::iter(times).then(|seconds| sleep(Duration::from_secs(*seconds)));
            LimitedBody { content: HttpResponseBody::new(Self(Box::pin(bytes))), silence: None }
        }
    }

    impl Body for Slow {
        type Data = Bytes;
        type Error = HttpError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
            let next = ready!(self.0.poll_next_unpin(context));
            Poll::Ready(next.map(|()| Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    /// Reads a content to its end or to its failure; each byte takes its reader a time. Returns the number of bytes, the
    /// seconds, and true if it was whole.
    async fn read(mut body: LimitedBody, reader: u64) -> (usize, u64, bool) {
        let (started, mut bytes) = (Instant::now(), 0);
        loop {
            let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
            match frame {
                Some(Ok(_)) => bytes += 1,
                ended => return (bytes, started.elapsed().as_secs(), ended.is_none()),
            }
            sleep(Duration::from_secs(reader)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_any_time_but_not_be_silent_for_long() {
        assert_eq!(read(Slow::new(&[25; 100]), 0).await, (100, 2_500, true));
        assert_eq!(read(Slow::new(&[25, 25, 600, 1]), 0).await, (2, 80, false));
        // The pause is the reader's.
        assert_eq!(read(Slow::new(&[1, 1, 1]), 600).await, (3, 1_803, true));
    }
}
