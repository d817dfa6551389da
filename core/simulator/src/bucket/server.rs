//! A simulated bucket over HTTP, as S3 serves it: path-style addresses, XML, entity tags. Signatures are not checked.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::ops::Range;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State as Extract};
use axum::http::header::{CONTENT_LENGTH, ETAG, IF_MATCH, IF_NONE_MATCH, LAST_MODIFIED, RANGE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{BucketRefusal, PutCondition, SimulatedBucket, StoredObject, xml};

/// The date of every object: a simulated bucket has no clock.
const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

/// A server of one simulated bucket, which has any name. Dropping it closes its port.
#[derive(Debug)]
pub struct BucketServer {
    url: String,
    serving: JoinHandle<()>,
}

impl BucketServer {
    /// Serves a bucket on a free port of this machine.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn start(bucket: SimulatedBucket) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new()
            .route("/{bucket}", any(on_bucket))
            .route("/{bucket}/{*key}", any(on_object))
            .layer(DefaultBodyLimit::disable())
            .with_state(bucket);
        let serving = tokio::spawn(async move {
            // It serves until it is dropped.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, serving })
    }

    /// The endpoint, `http://127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for BucketServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Parameters = Query<HashMap<String, String>>;

async fn on_bucket(
    Extract(bucket): Extract<SimulatedBucket>,
    method: Method,
    Query(parameters): Parameters,
    body: Bytes,
) -> Response {
    if method == Method::POST && parameters.contains_key("delete") {
        let keys = xml::keys_to_delete(&String::from_utf8_lossy(&body));
        return answer(bucket.delete_all(&keys), |()| xml::deleted(&keys).into_response()).await;
    }
    let prefix = parameters.get("prefix").map_or("", String::as_str);
    let after = parameters.get("continuation-token").or_else(|| parameters.get("start-after"));
    let page = bucket.list(prefix, after.map(String::as_str));
    answer(page, |page| xml::listing(&page).into_response()).await
}

async fn on_object(
    Extract(bucket): Extract<SimulatedBucket>,
    method: Method,
    Path((_, key)): Path<(String, String)>,
    Query(parameters): Parameters,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let upload = parameters.get("uploadId");
    match (method, upload) {
        (Method::PUT, Some(id)) => {
            let number = parameters.get("partNumber").and_then(|number| number.parse().ok());
            let etag = bucket.put_part(id, number.unwrap_or(1), &body);
            answer(etag, |etag| [(ETAG, etag)].into_response()).await
        }
        (Method::POST, Some(id)) => {
            let done = bucket.complete_upload(id);
            let text = |object: StoredObject| xml::upload_completed(&object.key, &object.etag);
            answer(done, |object| text(object).into_response()).await
        }
        (Method::DELETE, Some(id)) => {
            let aborted = bucket.abort_upload(id);
            answer(aborted, |()| StatusCode::NO_CONTENT.into_response()).await
        }
        (Method::POST, None) => {
            let begun = bucket.begin_upload(&key);
            answer(begun, |id| xml::upload_begun(&key, &id).into_response()).await
        }
        (Method::PUT, None) => {
            let written = bucket.put(&key, &body, &condition(&headers));
            answer(written, |object| (head_of(&object), ()).into_response()).await
        }
        (Method::DELETE, None) => {
            answer(bucket.delete(&key), |()| StatusCode::NO_CONTENT.into_response()).await
        }
        (Method::HEAD, None) => {
            let found = bucket.head(&key);
            let length = |object: &StoredObject| [(CONTENT_LENGTH, object.bytes.len().to_string())];
            answer(found, |object| (head_of(&object), length(&object), ()).into_response()).await
        }
        (_, None) => {
            let range = range(&headers);
            let found = bucket.get(&key, range.clone());
            answer(found, |object| content(object, range)).await
        }
        (_, Some(_)) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn content(object: StoredObject, range: Option<Range<u64>>) -> Response {
    let headers = head_of(&object);
    let Some(range) = range else { return (headers, object.bytes).into_response() };
    let end = range.start + object.bytes.len() as u64;
    let place = format!("bytes {}-{}/{end}", range.start, end.saturating_sub(1));
    let status = StatusCode::PARTIAL_CONTENT;
    (status, headers, [("content-range", place)], object.bytes).into_response()
}

fn condition(headers: &HeaderMap) -> PutCondition {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(IF_NONE_MATCH), text(IF_MATCH)) {
        (Some(_), _) => PutCondition::IfAbsent,
        (None, Some(etag)) => PutCondition::IfMatch(etag.to_owned()),
        (None, None) => PutCondition::Always,
    }
}

/// The range of a request, `bytes=0-99`.
fn range(headers: &HeaderMap) -> Option<Range<u64>> {
    let text = headers.get(RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
    let (start, end) = text.split_once('-')?;
    Some(start.parse().ok()?..end.parse().map_or(u64::MAX, |end: u64| end + 1))
}

fn head_of(object: &StoredObject) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| {
        headers.insert(name, value.parse().expect("a tag or a date is a header's value"));
    };
    set(ETAG.as_str(), &object.etag);
    set(LAST_MODIFIED.as_str(), DATE);
    if let Some(version) = &object.version {
        set("x-amz-version-id", version);
    }
    headers
}

async fn answer<T>(
    result: Result<T, BucketRefusal>,
    success: impl FnOnce(T) -> Response,
) -> Response {
    let (status, code) = match result {
        Ok(value) => return success(value),
        Err(BucketRefusal::NoSuchKey) => (StatusCode::NOT_FOUND, "NoSuchKey"),
        Err(BucketRefusal::NoSuchUpload) => (StatusCode::NOT_FOUND, "NoSuchUpload"),
        Err(BucketRefusal::PreconditionFailed) => {
            (StatusCode::PRECONDITION_FAILED, "PreconditionFailed")
        }
        Err(BucketRefusal::Conflict) => (StatusCode::CONFLICT, "ConditionalRequestConflict"),
        Err(BucketRefusal::Unavailable) => (StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
        Err(BucketRefusal::AnswerLost) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        Err(BucketRefusal::Hang) => std::future::pending().await,
    };
    (status, xml::error(code)).into_response()
}
