//! The file host: results files behind signed links, with S3's refusals.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State as Extract;
use axum::http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH,
    IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::link::BadLink;
use super::state::State;
use super::stream::produce;

pub(crate) async fn download(
    Extract(state): Extract<Arc<State>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if headers.contains_key(AUTHORIZATION) {
        state.shared().requests.authorized_downloads += 1;
        return refuse(
            StatusCode::BAD_REQUEST,
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature \
             query string parameter or the Authorization header should be specified",
        );
    }
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    match state.signer.check(target, state.now()) {
        Ok(()) => {}
        Err(BadLink::Expired) => {
            return refuse(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired");
        }
        Err(BadLink::Signature) => {
            return refuse(
                StatusCode::FORBIDDEN,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. \
                 Check your key and signing method.",
            );
        }
    }
    let export = uri
        .path()
        .split('/')
        .nth(2)
        .and_then(|export_id| state.shared().exports.get(export_id).cloned());
    let Some((export, file)) =
        export.and_then(|export| export.file.clone().map(|file| (export, file)))
    else {
        return refuse(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.");
    };
    if text(&headers, &IF_MATCH).is_some_and(|wanted| wanted != file.etag && wanted != "*") {
        return refuse(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
        );
    }
    let is_same = text(&headers, &IF_RANGE).is_none_or(|known| known == file.etag);
    let range = text(&headers, &RANGE).filter(|_| is_same);
    let Ok(range) = range.map_or(Ok(None), |range| parse_range(range, file.bytes)) else {
        return refuse(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "InvalidRange",
            "The requested range is not satisfiable",
        );
    };

    state.shared().requests.downloads += 1;
    let (start, length) = range.unwrap_or((0, file.bytes));
    let mut answer = Response::builder()
        .header(CONTENT_TYPE, "binary/octet-stream")
        .header(CONTENT_LENGTH, length)
        .header(ACCEPT_RANGES, "bytes")
        .header(ETAG, &file.etag);
    if range.is_some() {
        let content_range = format!("bytes {start}-{}/{}", start + length - 1, file.bytes);
        answer = answer.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, content_range);
    }
    let body = Body::from_stream(produce(state, export, start, length));
    answer.body(body).expect("every header is made of visible ASCII")
}

fn text<'a>(headers: &'a HeaderMap, name: &axum::http::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The range cannot be served since it starts after the end.
#[derive(Debug, PartialEq, Eq)]
struct Unsatisfiable;

/// Start and length of the one range asked for; `None` answers with the whole file, as a server may
/// for several ranges, a suffix, or what it does not understand (RFC 9110, section 14.2).
fn parse_range(header: &str, bytes: u64) -> Result<Option<(u64, u64)>, Unsatisfiable> {
    let Some((start, end)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Ok(None);
    };
    let Ok(start) = start.parse::<u64>() else {
        return Ok(None);
    };
    let end = match end {
        "" => u64::MAX,
        end => match end.parse::<u64>() {
            Ok(end) if end >= start => end,
            _ => return Ok(None),
        },
    };
    if start >= bytes {
        return Err(Unsatisfiable);
    }
    Ok(Some((start, end.min(bytes - 1) - start + 1)))
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>SIMULATED</RequestId></Error>"
    );
    (status, [(CONTENT_TYPE, "application/xml")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_and_anything_else_gives_the_whole_file() {
        for (header, expected) in [
            ("bytes=0-", Ok(Some((0, 100)))),
            ("bytes=40-", Ok(Some((40, 60)))),
            ("bytes=40-49", Ok(Some((40, 10)))),
            ("bytes=99-500", Ok(Some((99, 1)))),
            ("bytes=100-", Err(Unsatisfiable)),
            ("bytes=-10", Ok(None)),
            ("bytes=0-1,5-6", Ok(None)),
            ("bytes=9-8", Ok(None)),
            ("rows=1-2", Ok(None)),
        ] {
            assert_eq!(parse_range(header, 100), expected, "{header}");
        }
    }
}
