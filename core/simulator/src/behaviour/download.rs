//! Misbehaviour of the file host with the results files of one query.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::scenario::{headers, seconds};

/// The delivery of one query's results files. `Default` behaves like S3.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Download {
    /// The results link that replaces the signed one.
    pub link: Option<String>,
    /// True if each status call returns the first link again, even an expired one.
    pub same_link_again: bool,
    /// True if a request without `Accept: text/csv` is answered with 406.
    pub accepts_only_csv: bool,
    /// The point at which the connection is closed in the middle of an answer.
    pub cut: Option<Cut>,
    /// The announced length.
    pub announced_length: AnnouncedLength,
    /// The announced version.
    pub etag: Etag,
    /// The answer to `Range`.
    pub range: RangeAnswer,
    /// The speed of the bytes.
    pub pace: Option<Pace>,
    /// `Content-Type` in place of `binary/octet-stream`.
    pub content_type: Option<String>,
    /// A false `Content-Encoding`; the bytes stay unchanged.
    pub content_encoding: Option<String>,
    /// Further headers.
    #[serde(deserialize_with = "headers")]
    pub headers: BTreeMap<String, String>,
}

/// A connection that closes too early.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// The number of bytes of the body that are sent before.
    pub at: u64,
    /// The number of downloads that end like this, after which they are complete. Counted from the
    /// last change of the behaviour of queries; `None` means all.
    pub times: Option<u64>,
}

/// The announced length of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnouncedLength {
    /// The right `Content-Length`.
    #[default]
    Right,
    /// No length: the body is sent in chunks.
    Chunked,
    /// No length: the body ends with the connection, as in HTTP/1.0.
    None,
    /// This `Content-Length`. If it is larger than the body, the connection closes too early; if it
    /// is smaller, the rest is not sent.
    Literal(u64),
}

/// The announced version of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Etag {
    /// The same for the same bytes.
    #[default]
    Strong,
    /// The same with `W/`, which never matches `If-Match`.
    Weak,
    /// Another one with each answer; conditions are ignored.
    Changing,
    /// No `ETag`; conditions are ignored.
    None,
}

/// The answer to `Range`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeAnswer {
    /// 206 with the bytes of one range.
    #[default]
    Honoured,
    /// The header is ignored: 200 with the whole file.
    Ignored,
    /// 206 with another range than requested: from the beginning.
    Wrong,
    /// 206 even for a request without the header.
    Unasked,
}

/// Pieces with pauses between them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// The most bytes in a piece; at least one.
    pub bytes: usize,
    /// The pause before each piece.
    #[serde(rename = "pause_seconds", deserialize_with = "seconds")]
    pub pause: Duration,
}
