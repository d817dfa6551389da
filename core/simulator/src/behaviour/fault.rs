//! Scripted faults: which requests are answered otherwise than by the tenant, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::content::Content;
use super::scenario::{headers, seconds};

/// Something that happens to some requests. Every fault counts the requests that it is about for
/// itself, from the last change of the list on, whether or not another fault took them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The kind of request.
    pub at: FaultPoint,
    /// Only those about the query with this ID. `None` is any, and a request of which the query is
    /// not known.
    #[serde(default)]
    pub query: Option<String>,
    /// So many of them are left alone first.
    #[serde(default)]
    pub after: u64,
    /// So many then meet the fault; `None` is all.
    #[serde(default)]
    pub times: Option<u64>,
    /// How long it takes until it happens.
    #[serde(default, rename = "delay_seconds", deserialize_with = "seconds")]
    pub delay: Duration,
    /// What happens.
    #[serde(default, rename = "does")]
    pub action: FaultAction,
}

impl Fault {
    /// A fault of every such request.
    pub const fn new(at: FaultPoint, action: FaultAction) -> Self {
        Self { at, query: None, after: 0, times: None, delay: Duration::ZERO, action }
    }

    /// Whether it happens at the request before which it had seen so many.
    pub(crate) fn happens_after(&self, n_seen: u64) -> bool {
        let end = self.times.map_or(u64::MAX, |times| self.after.saturating_add(times));
        (self.after..end).contains(&n_seen)
    }
}

/// The kinds of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultPoint {
    /// For a token.
    Token,
    /// That start an export.
    Start,
    /// For the status of an export.
    Status,
    /// That execute a query without an export.
    Execute,
    /// For a results file.
    File,
    /// For a part of the audit trail.
    Audit,
}

/// What happens to a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultAction {
    /// The tenant handles it; its answer comes after the delay.
    #[default]
    Pass,
    /// The tenant handles it and the connection is closed in place of the answer.
    Lose,
    /// The connection is closed without an answer.
    Close,
    /// The connection is reset (TCP RST) without an answer.
    Reset,
    /// There is never an answer, and the connection stays open.
    Hang,
    /// An answer is made up.
    Answer(Answer),
    /// 307 with this `Location`.
    Redirect(String),
    /// These bytes are sent as they are, no HTTP added, and the connection is closed.
    Raw(Content),
    /// These bytes are sent as they are, no HTTP added, and nothing follows.
    RawThenHang(Content),
}

/// A made-up answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// From 200 to 999; what is below needs [`FaultAction::Raw`].
    #[serde(deserialize_with = "status")]
    pub status: u16,
    /// Its headers; there is no `Content-Type` unless it is here.
    #[serde(default, deserialize_with = "headers")]
    pub headers: BTreeMap<String, String>,
    /// Its body.
    #[serde(default)]
    pub body: Content,
}

impl Answer {
    /// An empty answer.
    pub const fn of_status(status: u16) -> Self {
        Self { status, headers: BTreeMap::new(), body: Content(bytes::Bytes::new()) }
    }

    /// The same with a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same with a body.
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
    fn a_fault_happens_after_so_many_and_so_many_times() {
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
