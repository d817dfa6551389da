//! A record of the received requests, for tests that search them for secrets and names in the wrong
//! place.

use std::collections::VecDeque;
use std::fmt;

use axum::http::request::Parts;
use bytes::Bytes;

/// The most bytes that are kept.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A request as it arrived.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// True if the file host received it, false for the API.
    pub is_for_files: bool,
    /// The method.
    pub method: String,
    /// The raw path and query.
    pub target: String,
    /// Names in lower case and values, in the order of arrival if a name occurs once.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for RecordedRequest {
    /// Omits everything that may be a credential: the query of a signed link, headers, body.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        formatter
            .debug_struct("RecordedRequest")
            .field("is_for_files", &self.is_for_files)
            .field("method", &self.method)
            .field("path", &path)
            .finish_non_exhaustive()
    }
}

impl RecordedRequest {
    pub(crate) fn new(is_for_files: bool, parts: &Parts, body: &Bytes) -> Self {
        let headers = parts.headers.iter();
        Self {
            is_for_files,
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            headers: headers
                .map(|header| (header.0.to_string(), header.1.as_bytes().to_vec()))
                .collect(),
            body: body.to_vec(),
        }
    }

    fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.method.len() + self.target.len() + self.body.len() + headers.sum::<usize>()
    }
}

/// The latest requests.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    requests: VecDeque<RecordedRequest>,
    bytes: usize,
}

impl Recording {
    pub(crate) fn add(&mut self, request: RecordedRequest) {
        self.bytes += request.bytes();
        self.requests.push_back(request);
        while self.bytes > MAX_BYTES {
            let Some(oldest) = self.requests.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_requests_are_dropped_for_the_latest() {
        let mut recording = Recording::default();
        for number in 0..20_u8 {
            recording.add(RecordedRequest {
                is_for_files: false,
                method: "POST".to_owned(),
                target: format!("/{number}"),
                headers: Vec::new(),
                body: vec![number; 1024 * 1024],
            });
        }
        let kept = recording.requests();
        assert_eq!(kept.len(), 15);
        assert_eq!(kept[14].target, "/19");
    }
}
