//! The behaviour of a simulated bucket besides storing.

use std::collections::BTreeMap;

/// The most keys of a page of S3.
const KEYS_PER_PAGE: usize = 1_000;

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BucketCall {
    /// Writes an object.
    Put,
    /// Reads an object.
    Get,
    /// Reads the metadata of an object.
    Head,
    /// Lists a page of keys.
    List,
    /// Deletes objects.
    Delete,
    /// Begins an upload in parts.
    BeginUpload,
    /// Uploads a part.
    PutPart,
    /// Makes an object of parts.
    CompleteUpload,
    /// Discards parts.
    AbortUpload,
}

/// The fault of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketFault {
    /// It is answered with HTTP 503, and not carried out.
    Unavailable,
    /// It is answered with HTTP 409, and not carried out.
    Conflict,
    /// It is carried out, and answered with HTTP 500.
    AnswerLost,
    /// It is neither carried out nor answered, as if the client were killed before it.
    HangBefore,
    /// It is carried out and never answered, as if the client were killed after it.
    HangAfter,
}

/// The reason why a request has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketRefusal {
    /// HTTP 404: there is no object of this key.
    NoSuchKey,
    /// HTTP 404: there is no upload of this ID.
    NoSuchUpload,
    /// HTTP 412: the condition is not met.
    PreconditionFailed,
    /// HTTP 409: another write is in progress.
    Conflict,
    /// HTTP 503.
    Unavailable,
    /// HTTP 500, though the request was carried out.
    AnswerLost,
    /// There is no answer, ever.
    Hang,
}

/// Every switch of a simulated bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketBehaviour {
    /// Writes whatever the condition says, as servers do that do not know conditions.
    pub ignores_conditions: bool,
    /// Keeps replaced and deleted objects.
    pub is_versioned: bool,
    /// The most keys of a page of a listing.
    pub keys_per_page: usize,
    /// Faults by the number of the request, from 1.
    pub faults: BTreeMap<u64, BucketFault>,
    /// A fault of all requests of a kind.
    pub call_faults: BTreeMap<BucketCall, BucketFault>,
    /// A fault of every request.
    pub outage: Option<BucketFault>,
}

impl Default for BucketBehaviour {
    fn default() -> Self {
        Self {
            ignores_conditions: false,
            is_versioned: false,
            keys_per_page: KEYS_PER_PAGE,
            faults: BTreeMap::new(),
            call_faults: BTreeMap::new(),
            outage: None,
        }
    }
}

impl BucketBehaviour {
    pub(super) fn fault(&self, call: BucketCall, number: u64) -> Option<BucketFault> {
        let planned = self.faults.get(&number).or_else(|| self.call_faults.get(&call));
        planned.copied().or(self.outage)
    }
}

/// Requests and bytes, from which a bill is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketTraffic {
    /// The number of requests of each kind.
    pub requests: BTreeMap<BucketCall, u64>,
    /// The bytes of objects that were sent to the bucket.
    pub bytes_in: u64,
    /// The bytes of objects that the bucket sent.
    pub bytes_out: u64,
}

impl BucketTraffic {
    /// The number of requests of a kind.
    pub fn count(&self, call: BucketCall) -> u64 {
        self.requests.get(&call).copied().unwrap_or_default()
    }
}
