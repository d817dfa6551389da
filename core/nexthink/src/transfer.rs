//! The progress of a download, and the answers that continue it: `Range`, `If-Match` and their
//! answers (RFC 9110, sections 13 and 14).

use core_http::{Jitter, Retry, RetryPolicy};
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};

use crate::error::{Endpoint, NexthinkError};
use crate::journal::FileRecord;
use crate::retry_cause::RetryCause;

/// The number of times that a broken download is taken up again without progress in between.
const MAX_FRUITLESS: u32 = 5;

/// The least progress, in bytes: less would let a host that sends a byte at a time keep a
/// download alive for ever.
const PROGRESS: u64 = 64 << 10;

/// One results file on its way, over as many answers as it takes.
#[derive(Debug, Default)]
pub(crate) struct Transfer {
    /// Bytes in the sink.
    pub(crate) received: u64,
    /// Bytes of the whole file, as its first answer announced.
    pub(crate) total: Option<u64>,
    /// The strong entity tag of the first answer.
    pub(crate) validator: Option<HeaderValue>,
}

impl Transfer {
    /// Takes `response` as the whole file, from its first byte on.
    pub(crate) fn begin(&mut self, response: &Response) {
        *self = Self {
            received: 0,
            total: response.content_length(),
            validator: strong_entity_tag(response.headers()).cloned(),
        };
    }

    /// Goes on with a file of which the sink holds `received` bytes.
    pub(crate) fn resumed(file: &FileRecord, received: u64) -> Self {
        // An entity tag that cannot be sent is dropped; the file then starts again.
        let validator = file.validator.as_deref().and_then(|tag| HeaderValue::from_str(tag).ok());
        Self { received, total: file.total, validator }
    }

    /// The facts about the file that are worth remembering.
    pub(crate) fn record(&self) -> FileRecord {
        let validator = self.validator.as_ref().and_then(|tag| tag.to_str().ok());
        FileRecord { total: self.total, validator: validator.map(str::to_owned), whole: None }
    }

    /// Returns the range to ask for to continue; none if only the whole file will do.
    pub(crate) fn rest(&self) -> Option<Rest> {
        let total = self.total.filter(|total| (1..*total).contains(&self.received))?;
        Some(Rest { first: self.received, total, validator: self.validator.clone()? })
    }
}

/// The end of a file that is still missing.
#[derive(Debug)]
pub(crate) struct Rest {
    first: u64,
    total: u64,
    /// The strong entity tag of the file.
    pub(crate) validator: HeaderValue,
}

/// The answer of a file host that was asked for the rest of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// Just that.
    Rest,
    /// The whole file.
    Whole,
}

impl Rest {
    /// The value of the `Range` header.
    pub(crate) fn range(&self) -> String {
        format!("bytes={}-", self.first)
    }

    /// The answer of the file host.
    ///
    /// # Errors
    /// [`NexthinkError::DownloadChanged`] if it is for another file, or for a file that ends before
    /// the rest begins; [`NexthinkError::UnexpectedAnswer`] if it is another part.
    pub(crate) fn check(&self, response: &Response) -> Result<Answered, NexthinkError> {
        self.check_parts(response.status(), response.headers())
    }

    fn check_parts(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Answered, NexthinkError> {
        if status == StatusCode::OK {
            return Ok(Answered::Whole);
        }
        let same = strong_entity_tag(headers) == Some(&self.validator);
        let is_other =
            matches!(status, StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE);
        if is_other || !same {
            return Err(NexthinkError::DownloadChanged { received: self.first });
        }
        // Compared as text: there is one way to write it, and anything else was not asked for.
        let expected = format!("bytes {}-{}/{}", self.first, self.total - 1, self.total);
        let mut ranges = headers.get_all(CONTENT_RANGE).iter();
        let (range, more) = (ranges.next(), ranges.next());
        if more.is_none() && range.is_some_and(|range| range.as_bytes() == expected.as_bytes()) {
            return Ok(Answered::Rest);
        }
        Err(NexthinkError::UnexpectedAnswer {
            endpoint: Endpoint::ResultsFile,
            status: status.as_u16(),
            what: "a part of the file that was not asked for",
        })
    }
}

/// The entity tag, if it vouches for the same bytes; a weak one (`W/"…"`) does not.
fn strong_entity_tag(headers: &HeaderMap) -> Option<&HeaderValue> {
    let tag = headers.get(ETAG)?;
    let bytes = tag.as_bytes();
    (bytes.len() > 2 && bytes.starts_with(b"\"") && bytes.ends_with(b"\"")).then_some(tag)
}

/// Returns true if a download that failed like this may resume.
pub(crate) fn can_go_on(error: &NexthinkError) -> bool {
    match error {
        NexthinkError::DownloadBroken { .. }
        | NexthinkError::DownloadChanged { .. }
        | NexthinkError::DownloadTooSlow { .. } => true,
        NexthinkError::LengthMismatch { received, expected } => received < expected,
        _ => false,
    }
}

/// Bounds how often a download is taken up again.
pub(crate) struct Resumptions<'a> {
    policy: &'a RetryPolicy,
    jitter: &'a Jitter,
    fruitless: Option<Retry<'a>>,
    /// The furthest position at which the download broke.
    furthest: u64,
}

impl<'a> Resumptions<'a> {
    pub(crate) fn new(policy: &'a RetryPolicy, jitter: &'a Jitter) -> Self {
        Self { policy, jitter, fruitless: None, furthest: 0 }
    }

    /// Waits until a download that broke may be taken up again.
    ///
    /// # Errors
    /// `error` if that has been tried often enough.
    pub(crate) async fn pause(
        &mut self,
        transfer: &Transfer,
        error: NexthinkError,
    ) -> Result<(), NexthinkError> {
        // Bytes that were here before are no progress, and neither are those of a file that cannot be continued: they
        // are fetched again. Otherwise a file that breaks a little later each time would be fetched thousands of times.
        let reached = self.furthest.saturating_add(PROGRESS);
        if transfer.received >= reached && transfer.rest().is_some() {
            self.furthest = transfer.received;
            self.fruitless = None;
        }
        let (policy, jitter) = (self.policy, self.jitter);
        let retry =
            self.fruitless.get_or_insert_with(|| Retry::new(policy, jitter, MAX_FRUITLESS + 1));
        retry.pause(RetryCause::NoAnswer(error)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(rows: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in rows {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_a_strong_entity_tag_vouches_for_bytes() {
        for (tag, strong) in [
            ("\"0a1b\"", true),
            ("\"0a1b-2\"", true),
            ("W/\"0a1b\"", false),
            ("\"\"", false),
            ("\"", false),
            ("0a1b", false),
            ("", false),
        ] {
            let headers = headers(&[("etag", tag)]);
            assert_eq!(strong_entity_tag(&headers).is_some(), strong, "{tag:?}");
        }
    }

    #[test]
    fn a_download_continues_only_where_that_can_be_proven() {
        let tag = || Some(HeaderValue::from_static("\"a\""));
        for (received, total, validator, continues) in [
            (1, Some(10), tag(), true),
            (9, Some(10), tag(), true),
            (0, Some(10), tag(), false),
            (10, Some(10), tag(), false),
            (5, None, tag(), false),
            (5, Some(10), None, false),
        ] {
            let transfer = Transfer { received, total, validator };
            assert_eq!(transfer.rest().is_some(), continues, "{transfer:?}");
        }
    }

    #[test]
    fn only_exactly_the_rest_of_the_same_file_continues_it() {
        const RIGHT: (&str, &str) = ("content-range", "bytes 4-9/10");
        const TAG: (&str, &str) = ("etag", "\"a\"");
        let rest = Rest { first: 4, total: 10, validator: HeaderValue::from_static("\"a\"") };
        assert_eq!(rest.range(), "bytes=4-");
        let check = |status, rows: &[_]| rest.check_parts(status, &headers(rows));
        let part = StatusCode::PARTIAL_CONTENT;
        assert!(matches!(check(part, &[TAG, RIGHT]), Ok(Answered::Rest)));
        assert!(matches!(check(StatusCode::OK, &[("etag", "\"b\"")]), Ok(Answered::Whole)));

        let changed = |checked| matches!(checked, Err(NexthinkError::DownloadChanged { .. }));
        assert!(changed(check(StatusCode::PRECONDITION_FAILED, &[])));
        assert!(changed(check(StatusCode::RANGE_NOT_SATISFIABLE, &[])));
        for tag in ["\"b\"", "W/\"a\"", ""] {
            assert!(changed(check(part, &[("etag", tag), RIGHT])), "{tag:?}");
        }
        assert!(changed(check(part, &[RIGHT])));

        let refused = |checked| matches!(checked, Err(NexthinkError::UnexpectedAnswer { .. }));
        for range in
            ["bytes 3-9/10", "bytes 4-8/10", "bytes 4-9/11", "bytes 4-9/*", "bytes */10", "4-9", ""]
        {
            assert!(refused(check(part, &[TAG, ("content-range", range)])), "{range:?}");
        }
        assert!(refused(check(part, &[TAG])));
        assert!(refused(check(part, &[TAG, RIGHT, RIGHT])));
    }
}
