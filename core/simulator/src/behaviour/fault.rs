//! Scripted faults: the requests that the tenant does not answer normally, and what they get
//! instead.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::content::Content;
use super::scenario::{headers, seconds};

/// A fault of some requests. Each fault counts the requests that match it, from the last change of
/// the list on, even those that another fault has taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The kind of request.
    pub at: FaultPoint,
    /// Only requests for the query with this ID. `None` matches any query, and requests whose query
    /// is unknown.
    #[serde(default)]
    pub query: Option<String>,
    /// The number of matching requests that are left alone first.
    #[serde(default)]
    pub after: u64,
    /// The number of requests that then meet the fault; `None` means all.
    #[serde(default)]
    pub times: Option<u64>,
    /// The delay before the fault happens.
    #[serde(default, rename = "delay_seconds", deserialize_with = "seconds")]
    pub delay: Duration,
    /// The effect.
    #[serde(default, rename = "does")]
    pub action: FaultAction,
}

impl Fault {
    /// Makes a fault of every matching request.
    pub const fn new(at: FaultPoint, action: FaultAction) -> Self {
        Self { at, query: None, after: 0, times: None, delay: Duration::ZERO, action }
    }

    /// Returns true if the fault happens at the request after this many.
    pub(crate) fn happens_after(&self, n_seen: u64) -> bool {
        let end = self.times.map_or(u64::MAX, |times| self.after.saturating_add(times));
        (self.after..end).contains(&n_seen)
    }
}

/// The kinds of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultPoint {
    /// Requests for a token.
    Token,
    /// Requests that start an export.
    Start,
    /// Requests for the status of an export.
    Status,
    /// Requests that execute a query without an export.
    Execute,
    /// Requests for a results file.
    File,
    /// Requests for a part of the audit trail.
    Audit,
}

/// The effect of a fault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultAction {
    /// The tenant handles the request; its answer comes after the delay.
    #[default]
    Pass,
    /// The tenant handles the request, and the connection is closed without the answer.
    Lose,
    /// The connection is closed without an answer.
    Close,
    /// The connection is reset (TCP RST) without an answer.
    Reset,
    /// No answer ever comes, and the connection stays open.
    Hang,
    /// This answer.
    Answer(Answer),
    /// 307 with this `Location`.
    Redirect(String),
    /// These bytes, without any HTTP around them; then the connection is closed.
    Raw(Content),
    /// These bytes, without any HTTP around them; then nothing follows.
    RawThenHang(Content),
}

/// A scripted answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The status, from 200 to 999; lower ones need [`FaultAction::Raw`].
    #[serde(deserialize_with = "status")]
    pub status: u16,
    /// The headers; there is no `Content-Type` unless it is here.
    #[serde(default, deserialize_with = "headers")]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub body: Content,
}

impl Answer {
    /// Makes an empty answer.
    pub const fn from_status(status: u16) -> Self {
        Self { status, headers: BTreeMap::new(), body: Content(bytes::Bytes::new()) }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Content>) -> Self {
        self.body = body.into();
        self
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let status = u16::deserialize(deserializer)?;
    if !(200..1_000).contains(&status) {
        return Err(de::Error::custom("a status is from 200 to 999"));
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_after_a_number_of_requests_for_a_number_of_times() {
        for (after, times, expected) in [
            (0, None, [true, true, true, true]),
            (2, None, [false, false, true, true]),
            (1, Some(2), [false, true, true, false]),
            (0, Some(0), [false, false, false, false]),
        ] {
            let mut fault = Fault::new(FaultPoint::Token, FaultAction::Close);
            (fault.after, fault.times) = (after, times);
            let happens = [0, 1, 2, 3].map(|n_seen| fault.happens_after(n_seen));
            assert_eq!(happens, expected, "{after} {times:?}");
        }
    }
}
