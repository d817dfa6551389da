//! How the file host misbehaves with the results files of one query.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::scenario::{headers, seconds};

/// How results files of one query are handed out. `Default` is as S3 does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Download {
    /// The results link to give in place of the signed one.
    pub link: Option<String>,
    /// Whether each status call gives the first link again, expired or not.
    pub same_link_again: bool,
    /// Where the connection is closed in the middle of an answer.
    pub cut: Option<Cut>,
    /// What is said about the length.
    pub announced_length: AnnouncedLength,
    /// What is said about the version.
    pub etag: Etag,
    /// What `Range` does.
    pub range: RangeAnswer,
    /// How slowly the bytes come.
    pub pace: Option<Pace>,
    /// `Content-Type` in place of `binary/octet-stream`.
    pub content_type: Option<String>,
    /// A `Content-Encoding` to claim; the bytes stay as they are.
    pub content_encoding: Option<String>,
    /// Further headers.
    #[serde(deserialize_with = "headers")]
    pub headers: BTreeMap<String, String>,
}

/// A connection that closes too early.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Bytes of the body that are sent before.
    pub at: u64,
    /// How many downloads end so, after which they are whole. Counted from the last change of the
    /// behaviour of queries; `None` is all.
    pub times: Option<u64>,
}

/// What an answer says about the length of its body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnouncedLength {
    /// The right `Content-Length`.
    #[default]
    Right,
    /// Nothing: the body is sent in chunks.
    Chunked,
    /// Nothing: the body ends with the connection, as in HTTP/1.0.
    None,
    /// This `Content-Length`. With a larger one than the body has, the connection closes too early;
    /// with a smaller one, the rest is not sent.
    Literal(u64),
}

/// What an answer says about the version of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Etag {
    /// The same for the same bytes.
    #[default]
    Strong,
    /// The same with `W/`, which no `If-Match` matches.
    Weak,
    /// Another with each answer, and conditions are ignored.
    Changing,
    /// No `ETag`, and conditions are ignored.
    None,
}

/// What `Range` does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeAnswer {
    /// One range is answered with 206 and those bytes.
    #[default]
    Honoured,
    /// It is ignored: 200 with the whole file.
    Ignored,
    /// It is answered with 206 and a range that was not asked: from the beginning.
    Wrong,
    /// Even a request without it is answered with 206.
    Unasked,
}

/// Pieces with pauses between them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Most bytes of a piece; at least one.
    pub bytes: usize,
    /// The pause before each piece.
    #[serde(rename = "pause_seconds", deserialize_with = "seconds")]
    pub pause: Duration,
}
