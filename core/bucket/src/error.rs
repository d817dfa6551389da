//! The error type of this crate. It names objects and files, and never contains a credential or any part of the body
//! of a server's answer.

use std::error::Error as _;

use core_store::StoreError;

/// The length limit for the text of a network error in a message.
const MAX_REASON: usize = 160;

/// An error of working with a bucket or of copying a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// The address of a place is invalid.
    #[error("{text} is no address in a bucket: {rule}")]
    InvalidAddress {
        /// The address, without any part that may be a credential.
        text: String,
        /// The rule.
        rule: &'static str,
    },
    /// The program was built without clients for buckets.
    #[error(
        "this program was built without buckets, so it cannot reach {scheme}://: use one that was built with \
         `--features bucket`"
    )]
    NotBuilt {
        /// The scheme of the address.
        scheme: String,
    },
    /// The client for the bucket cannot be made.
    #[error("the bucket is not configured: {reason}")]
    Configuration {
        /// The missing or wrong part.
        reason: String,
    },
    /// The bucket refused a request, or did not answer.
    #[error("the bucket cannot {action} {key}: {reason}")]
    Request {
        /// The operation, for example "read".
        action: &'static str,
        /// The key of the object.
        key: String,
        /// The kind of the failure.
        reason: String,
        /// The kind, for callers that decide by it.
        kind: RequestErrorKind,
    },
    /// A head or a listing cannot be parsed.
    #[error("{key} in the bucket is damaged or no file of this program: {reason}")]
    Damaged {
        /// The key of the object.
        key: String,
        /// The defect.
        reason: String,
    },
    /// The bucket has no head of a tenant that this machine has a working copy of.
    #[error(
        "the bucket has nothing of this tenant any more: check the address of the bucket and the variables AWS_… or \
         AZURE_…; if the tenant was removed there on purpose, remove {}",
        folder.display()
    )]
    HeadMissing {
        /// The folder of the working copy.
        folder: std::path::PathBuf,
    },
    /// The bucket holds another store of a tenant than the one that this machine has a working copy of.
    #[error(
        "the bucket holds another store of this tenant than the one that this machine has a working copy of, so nothing was \
         changed: either it was emptied and begun anew, or its address leads elsewhere now; check the address and the \
         variables AWS_… or AZURE_…; if the store in the bucket is the right one, remove {}",
        folder.display()
    )]
    OtherStore {
        /// The folder of the working copy.
        folder: std::path::PathBuf,
    },
    /// A process of this machine works in the folder of the working copy, but another machine has taken its lease.
    #[error(
        "a process of this machine is at work in the store and has lost its lease to another machine, so what is here may \
         be out of date: try again when that process has ended"
    )]
    OutOfDate,
    /// The bucket was written by a newer version of the program.
    #[error("{key} in the bucket has format version {found}: use a newer version")]
    NewerFormat {
        /// The key of the object.
        key: String,
        /// The format version in it.
        found: u32,
    },
    /// Another process holds the lease.
    #[error(
        "another process holds the lease of this tenant in the bucket: {owner}; try again when it has ended"
    )]
    Held {
        /// The other process's own description.
        owner: String,
    },
    /// Another process has taken the lease, since this one did not renew it in time.
    #[error(
        "another process has taken the lease of this tenant in the bucket ({owner}), so nothing was published: run \
         this again when it has ended"
    )]
    LeaseLost {
        /// The other process's own description.
        owner: String,
    },
    /// A write was neither confirmed nor refused.
    #[error(
        "the bucket does not say whether {key} was written ({reason}): run this again, which finds out"
    )]
    Unconfirmed {
        /// The key of the object.
        key: String,
        /// The failure of the last attempt.
        reason: String,
    },
    /// The bucket lacks a property that a store in it relies on.
    #[error("the bucket cannot hold a store: {reason}; {fix}")]
    Unsuitable {
        /// The missing property.
        reason: &'static str,
        /// The remedy.
        fix: &'static str,
    },
    /// The bytes that were read differ from those that were written.
    #[error(
        "{place} is not what it was when it was written ({what}), so nothing was replaced: run `store verify` where it \
         came from"
    )]
    Corrupt {
        /// The file or object.
        place: String,
        /// The difference.
        what: String,
    },
    /// The source changed during the copy.
    #[error("the source changed while it was copied: run this again")]
    SourceChanged,
    /// The source has nothing to copy.
    #[error("there is no generation of tenant {tenant} in {place}")]
    Empty {
        /// The tenant.
        tenant: String,
        /// The place.
        place: String,
    },
    /// The target must not be replaced by the source.
    #[error("nothing was copied, since {reason}: {fix}")]
    Refused {
        /// The reason.
        reason: String,
        /// The remedy.
        fix: &'static str,
    },
    /// The thread that renews the lease has ended.
    #[error(
        "the connection to the bucket has ended, so nothing more was published: run this again"
    )]
    SessionEnded,
    /// A folder cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A local file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// The operation.
        action: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// The kind of a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestErrorKind {
    /// There is no such object.
    NotFound,
    /// There is no such bucket.
    NoBucket,
    /// A condition was not met, or another write was in progress.
    Conflict,
    /// The credentials were refused, or there are none.
    Refused,
    /// The service rejected the request, and would again.
    Rejected,
    /// Anything else; the request may have been carried out.
    Unknown,
}

impl BucketError {
    /// Returns a function for `map_err` that adds the operation and the key to an error of a request.
    pub(crate) fn request(
        action: &'static str,
        key: &str,
    ) -> impl FnOnce(object_store::Error) -> Self {
        let key = key.to_owned();
        move |error| Self::Request { action, key, reason: reason(&error), kind: kind(&error) }
    }

    /// Returns true if the requested object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Request { kind: RequestErrorKind::NotFound, .. })
    }
}

impl From<core_files::FileError> for BucketError {
    fn from(error: core_files::FileError) -> Self {
        Self::Store(error.into())
    }
}

/// The codes of services for a bucket that does not exist, in the body of HTTP 404.
const NO_BUCKET: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];

/// The texts of services about a request whose time differs too much from theirs.
const CLOCK_REFUSED: [&str; 2] = ["RequestTimeTooSkewed", "Request date header too old"];

/// The codes of S3 for temporary credentials that are not valid any more, in the body of HTTP 400.
const EXPIRED: [&str; 3] = ["ExpiredToken", "InvalidToken", "TokenRefreshRequired"];

/// The code of S3 for a request that took too long, in the body of HTTP 400.
const TIMED_OUT: &str = "RequestTimeout";

/// The address at which a machine of a cloud gives credentials. Without any in variables, the clients ask there.
const MACHINE_CREDENTIALS: &str = "169.254.169.254";

pub(crate) fn kind(error: &object_store::Error) -> RequestErrorKind {
    use object_store::Error;
    match error {
        Error::NotFound { .. } if says(error, &NO_BUCKET) => RequestErrorKind::NoBucket,
        Error::NotFound { .. } => RequestErrorKind::NotFound,
        Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. } => {
            RequestErrorKind::Conflict
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => RequestErrorKind::Refused,
        _ if says(error, &[MACHINE_CREDENTIALS]) => RequestErrorKind::Refused,
        _ if says(error, &EXPIRED) => RequestErrorKind::Refused,
        _ if says(error, &[TIMED_OUT]) => RequestErrorKind::Unknown,
        // A time-out, and too many requests.
        _ => match status(error) {
            Some(408 | 425 | 429) => RequestErrorKind::Unknown,
            Some(300..=499) => RequestErrorKind::Rejected,
            _ => RequestErrorKind::Unknown,
        },
    }
}

/// The status of the answer, if there was one.
fn status(error: &object_store::Error) -> Option<u16> {
    let text = error.to_string();
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// Returns true if an error has one of these texts.
fn says(error: &object_store::Error, texts: &[&str]) -> bool {
    let all = error.to_string();
    texts.iter().any(|text| all.contains(text))
}

/// Describes the failure of a request and its remedy, without the body of the answer, which may repeat parts of the
/// request.
pub(crate) fn reason(error: &object_store::Error) -> String {
    let text = match kind(error) {
        RequestErrorKind::NotFound => "there is no such object",
        RequestErrorKind::NoBucket => "there is no such bucket; create it, or correct the address",
        RequestErrorKind::Conflict => "it was changed by another process",
        RequestErrorKind::Refused if says(error, &[MACHINE_CREDENTIALS]) => {
            "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AZURE_STORAGE_ACCOUNT_KEY"
        }
        RequestErrorKind::Refused if says(error, &EXPIRED) => {
            "the credentials have expired or belong to another account; get new ones, and set AWS_SESSION_TOKEN with them"
        }
        RequestErrorKind::Refused if says(error, &CLOCK_REFUSED) => {
            "the clock of this machine differs too much from that of the service; set the clock"
        }
        RequestErrorKind::Refused => {
            "the credentials are refused or lack this right; check the variables AWS_… or AZURE_…, and the policy of \
             the bucket"
        }
        RequestErrorKind::Rejected | RequestErrorKind::Unknown => return other_reason(error),
    };
    text.to_owned()
}

fn other_reason(error: &object_store::Error) -> String {
    match (status(error), kind(error)) {
        (Some(status), RequestErrorKind::Rejected) => {
            format!(
                "it answered with HTTP {status}; check the address of the bucket and its region"
            )
        }
        (Some(status), _) => format!("it answered with HTTP {status}; try again later"),
        (None, _) => format!("{}; check the network, and try again", root_cause(error)),
    }
}

/// The innermost error, which describes the network failure, for example "connection refused".
fn root_cause(error: &object_store::Error) -> String {
    let mut cause = error.source();
    let mut text = String::new();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    let line = text.lines().next().unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
    if line.is_empty() { "it gave no reason".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_request_is_told_from_one_that_may_be_sent_again() {
        for (text, expected) in [
            (
                "Server returned non-2xx status code: 400 Bad Request: secret",
                RequestErrorKind::Rejected,
            ),
            ("Server returned non-2xx status code: 301 Moved: secret", RequestErrorKind::Rejected),
            (
                "Server returned non-2xx status code: 400 : <Code>RequestTimeout</Code> secret",
                RequestErrorKind::Unknown,
            ),
            (
                "Server returned non-2xx status code: 400 : <Code>ExpiredToken</Code> secret",
                RequestErrorKind::Refused,
            ),
            ("Server returned non-2xx status code: 408 : secret", RequestErrorKind::Unknown),
            ("Server returned non-2xx status code: 429 : secret", RequestErrorKind::Unknown),
            ("Server returned non-2xx status code: 503 : secret", RequestErrorKind::Unknown),
            ("connection reset", RequestErrorKind::Unknown),
            ("status code: x", RequestErrorKind::Unknown),
        ] {
            let source = Box::new(std::io::Error::other(text));
            let error = object_store::Error::Generic { store: "S3", source };
            assert_eq!(kind(&error), expected, "{text}");
            assert!(!reason(&error).contains("secret"), "{}", reason(&error));
        }
    }
}
