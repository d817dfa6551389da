//! The file host: results files behind signed links, with S3's errors.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, State as Extract};
use axum::http::header::{
    ACCEPT, ACCEPT_RANGES, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, IF_MATCH, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version};
use axum::response::{IntoResponse, Response};

use super::body::{Pieces, cut, pieces, slow_down};
use super::link::BadLink;
use super::state::{Export, ResultsFile, State};
use super::stream::produce;
use super::wire::Wire;
use crate::behaviour::{AnnouncedLength, Download, Etag, RangeAnswer};

pub(crate) async fn download(
    Extract(state): Extract<Arc<State>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
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
    if let Err(bad_link) = state.signer.check(target, state.now()) {
        return refuse_link(bad_link);
    }
    let Some((export, file)) = find(&state, &uri) else {
        return refuse(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.");
    };
    let behaviour = state.shared().behaviour.query(&export.query_id).download;
    if behaviour.accepts_only_csv && text(&headers, &ACCEPT) != Some("text/csv") {
        return StatusCode::NOT_ACCEPTABLE.into_response();
    }
    let range = match asked_range(&headers, &file, &behaviour) {
        Ok(range) => range,
        Err(refusal) => return refusal,
    };
    let (number, number_of_query) = {
        let mut shared = state.shared();
        shared.requests.downloads += 1;
        let of_query = shared.downloads.entry(export.query_id.clone()).or_default();
        *of_query += 1;
        let of_query = *of_query;
        (shared.requests.downloads, of_query)
    };
    let mut answer = head(&file, &behaviour, range, number);
    let (start, length) = range.unwrap_or((0, file.bytes));
    let mut body = pieces(produce(state, export, start, length));
    if let Some(pace) = &behaviour.pace {
        body = slow_down(body, pace);
    }
    body = shorten(body, &behaviour, length, number_of_query, wire);
    *answer.body_mut() = Body::from_stream(body);
    answer
}

/// The export of a link, once its file is measured.
fn find(state: &State, uri: &Uri) -> Option<(Export, ResultsFile)> {
    let name = uri.path().split('/').nth(2)?;
    let export = state.shared().exports.get(name)?.clone();
    let file = export.file.clone()?;
    Some((export, file))
}

/// The start and length of the requested range; `None` is the whole file.
#[expect(clippy::result_large_err, reason = "the error is the answer, made once per request")]
fn asked_range(
    headers: &HeaderMap,
    file: &ResultsFile,
    behaviour: &Download,
) -> Result<Option<(u64, u64)>, Response> {
    // Strong and weak ETags never compare equal here (RFC 9110, section 8.8.3.2).
    let known = match behaviour.etag {
        Etag::Strong => Some(file.etag.as_str()),
        Etag::Weak => Some(""),
        Etag::Changing | Etag::None => None,
    };
    let matches = |wanted: &str| known.is_none_or(|known| wanted == known);
    if text(headers, &IF_MATCH).is_some_and(|wanted| wanted != "*" && !matches(wanted)) {
        return Err(refuse(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
        ));
    }
    let is_same = text(headers, &IF_RANGE).is_none_or(matches);
    let range = text(headers, &RANGE).filter(|_| is_same);
    let range = range.map_or(Ok(None), |range| parse_range(range, file.bytes));
    let range = range.map_err(|Unsatisfiable| {
        let message = "The requested range is not satisfiable";
        refuse(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", message)
    });
    let whole = (file.bytes > 0).then_some((0, file.bytes));
    Ok(match behaviour.range {
        RangeAnswer::Honoured => range?,
        RangeAnswer::Ignored => None,
        RangeAnswer::Wrong => range?.and(whole),
        RangeAnswer::Unasked => range?.or(whole),
    })
}

/// The status and headers. `number` counts the downloads.
fn head(
    file: &ResultsFile,
    behaviour: &Download,
    range: Option<(u64, u64)>,
    number: u64,
) -> Response {
    let mut answer = StatusCode::OK.into_response();
    // Invalid header values are left out; a scenario file has been checked for them.
    let mut insert = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            answer.headers_mut().insert(name, value);
        }
    };
    insert(CONTENT_TYPE, behaviour.content_type.as_deref().unwrap_or("binary/octet-stream"));
    insert(ACCEPT_RANGES, "bytes");
    if let Some(encoding) = &behaviour.content_encoding {
        insert(CONTENT_ENCODING, encoding);
    }
    match behaviour.etag {
        Etag::Strong => insert(ETAG, &file.etag),
        Etag::Weak => insert(ETAG, &format!("W/{}", file.etag)),
        Etag::Changing => insert(ETAG, &format!("\"{number}-{}", &file.etag[1..])),
        Etag::None => {}
    }
    let (start, length) = range.unwrap_or((0, file.bytes));
    match behaviour.announced_length {
        AnnouncedLength::Right => insert(CONTENT_LENGTH, &length.to_string()),
        AnnouncedLength::Literal(bytes) => insert(CONTENT_LENGTH, &bytes.to_string()),
        AnnouncedLength::Chunked | AnnouncedLength::None => {}
    }
    if range.is_some() {
        let end = start + length - 1;
        insert(CONTENT_RANGE, &format!("bytes {start}-{end}/{}", file.bytes));
    }
    for (name, value) in &behaviour.headers {
        if let Ok(name) = HeaderName::try_from(name) {
            insert(name, value);
        }
    }
    if range.is_some() {
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    if behaviour.announced_length == AnnouncedLength::None {
        // An HTTP/1.0 server ends a body of unknown length with the connection.
        *answer.version_mut() = Version::HTTP_10;
    }
    answer
}

/// Cuts the body at the point where the connection is to close early, if it is.
fn shorten(body: Pieces, behaviour: &Download, length: u64, number: u64, wire: Wire) -> Pieces {
    let cut_at = behaviour.cut.as_ref().filter(|cut| cut.times.is_none_or(|times| number <= times));
    let cut_at = cut_at.map(|cut| cut.at);
    match (cut_at, &behaviour.announced_length) {
        (Some(at), _) if at < length => cut(body, at, wire),
        // The body is complete, though a larger length was announced.
        (_, AnnouncedLength::Literal(bytes)) if *bytes > length => cut(body, length, wire),
        _ => body,
    }
}

fn refuse_link(bad_link: BadLink) -> Response {
    match bad_link {
        BadLink::Expired => refuse(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired"),
        BadLink::Signature => refuse(
            StatusCode::FORBIDDEN,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. \
             Check your key and signing method.",
        ),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The range starts after the end of the file.
#[derive(Debug, PartialEq, Eq)]
struct Unsatisfiable;

/// The start and length of a single range; `None` answers with the whole file, as a server may for
/// several ranges, a suffix, or an unknown form (RFC 9110, section 14.2).
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
    fn one_range_is_served_and_any_other_form_gets_the_whole_file() {
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
