//! Everything that can go wrong between a generation and JupiterOne, and what kind of trouble it is.
//!
//! Nothing of an answer's body and nothing of what is sent gets in here: texts are fixed, and of
//! JupiterOne's error codes only known ones are repeated.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use core_files::FileError;
use core_http::{Advice, SetupError, SharedError, UnreachableCause};
use core_store::StoreError;

use crate::sync::job::{JobId, JobStatus};

/// The advice if a host cannot be reached.
const ADVICE: Advice = Advice::new("check the base URL and DNS");

/// The reason why a generation could not be delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JupiterOneError {
    /// The generation cannot be read.
    #[error("cannot read the generation")]
    Store(#[from] StoreError),
    /// A column of a table holds what no table of a generation has.
    #[error("table {type_name}: column {column} holds {found}, which cannot be delivered")]
    Column {
        /// The table.
        type_name: String,
        /// The column.
        column: String,
        /// Its Arrow type, or "nothing" where it is missing.
        found: String,
    },
    /// A type that is to be purged does not exist.
    #[error("there is no type {name}: give one of {}", known.join(", "))]
    UnknownType {
        /// The given text.
        name: String,
        /// The types that there are.
        known: Vec<String>,
    },
    /// Something that the caller configured breaks a rule.
    #[error("the {name} cannot be used: {reason}")]
    InvalidSetting {
        /// Which setting, for example "base URL".
        name: &'static str,
        /// The problem and the remedy. It never repeats the value.
        reason: &'static str,
    },
    /// A way of synchronization that this program does not offer.
    #[error("synchronization mode {mode} is not offered: {reason}")]
    UnsupportedMode {
        /// The mode.
        mode: &'static str,
        /// The reason, and what to do instead.
        reason: &'static str,
    },
    /// The destination is another one than the last generation was delivered to.
    #[error("the {what} differs from that of the last delivery: it was {before} and is {now}")]
    DestinationChanged {
        /// The difference, for example "account" or "port".
        what: &'static str,
        /// The earlier value.
        before: String,
        /// The value now.
        now: String,
    },
    /// No HTTP client can be made with these settings on this machine.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// JupiterOne does not accept the API key, or the key may not do this.
    #[error(
        "{call} was refused (HTTP {status}): check the API key, that it belongs to the account id, and \
         that it may synchronize"
    )]
    Unauthorized {
        /// The call.
        call: Call,
        /// 401 or 403.
        status: u16,
    },
    /// No whole answer came.
    #[error("cannot reach {host}: {}", .cause.describe(&ADVICE))]
    Unreachable {
        /// The host that was called.
        host: String,
        /// At which point it failed.
        cause: UnreachableCause,
        /// The message of the HTTP client, without the URL.
        #[source]
        source: SharedError,
    },
    /// The host answers, but only with statuses that ask to try again (HTTP 5xx, 408 or 425).
    #[error("{call} was answered with HTTP {status} {attempts} times: try again later")]
    Unavailable {
        /// The call.
        call: Call,
        /// The last HTTP status.
        status: u16,
        /// The number of attempts.
        attempts: u32,
    },
    /// JupiterOne asks to wait (HTTP 429, or 503 with `Retry-After`) for longer than the retry policy allows.
    #[error(
        "{call} was answered with HTTP {status} and a request to wait: try again in {} s",
        .wait.as_secs()
    )]
    Deferred {
        /// The call.
        call: Call,
        /// The HTTP status.
        status: u16,
        /// The wait from now.
        wait: Duration,
    },
    /// An answer that the interface does not allow for.
    #[error("{call} was answered with HTTP {status} and {what}")]
    UnexpectedAnswer {
        /// The call.
        call: Call,
        /// The HTTP status.
        status: u16,
        /// The problem, in fixed words.
        what: &'static str,
    },
    /// Another synchronization of the same destination is under way.
    #[error(
        "another synchronization job of this destination is active: try again when it has ended; a job \
         that is never finalized ends by itself"
    )]
    AnotherJobActive,
    /// The job takes no more uploads: it was ended from elsewhere.
    #[error(
        "synchronization job {job} takes no more uploads: it was ended by JupiterOne or another run"
    )]
    JobEnded {
        /// The job.
        job: JobId,
    },
    /// The job that was created is not the one that was asked for.
    #[error("synchronization job {job} has another {what} than was asked for")]
    WrongJob {
        /// The job.
        job: JobId,
        /// The difference.
        what: &'static str,
    },
    /// The job ended without taking the graph over.
    #[error("synchronization job {job} ended as {status}: see its log in JupiterOne")]
    JobFailed {
        /// The job.
        job: JobId,
        /// The end of the job.
        status: JobStatus,
    },
    /// The job did not finish within the time allowed.
    #[error("synchronization job {job} did not finish within {} s and goes on", .waited.as_secs())]
    JobDeadline {
        /// The job.
        job: JobId,
        /// The time allowed.
        waited: Duration,
    },
    /// The job was finalized, and then JupiterOne could not be asked what became of it. It may change what
    /// JupiterOne holds; [`SyncClient::settle`](crate::SyncClient::settle) finds out later.
    #[error(
        "synchronization job {job} was finalized and may go on: what became of it could not be found out, \
         so ask for it later"
    )]
    JobGoesOn {
        /// The job.
        job: JobId,
        /// The reason why nothing more is known.
        #[source]
        source: Box<JupiterOneError>,
    },
    /// JupiterOne does not count as many objects as it took.
    #[error(
        "JupiterOne has {found} of the {sent} {kind} that it took for job {job}: nothing was changed, the \
         job was given up"
    )]
    NotStored {
        /// The job.
        job: JobId,
        /// Which objects: `entities` or `relationships`.
        kind: &'static str,
        /// The number of objects that it took.
        sent: u64,
        /// The number that it has by its own count.
        found: u64,
    },
    /// JupiterOne refused too many objects for the rest to be worth delivering.
    #[error(
        "JupiterOne refused {objects} objects of job {job}: nothing was changed, the job was given up"
    )]
    TooManyRefused {
        /// The job.
        job: JobId,
        /// The number of objects.
        objects: u64,
    },
    /// The folder holds something that this program did not write.
    #[error(
        "{} is not a folder that this program wrote: give another one, or empty it yourself",
        path.display()
    )]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operating system refused something; `source` says what.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The call.
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The upload could not be compressed in memory.
    #[error("cannot compress an upload")]
    Compression {
        /// The message of the compressor.
        #[source]
        source: io::Error,
    },
}

/// The kind of an error, by which a program picks its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The configuration is wrong.
    Configuration,
    /// The API key was refused.
    Credentials,
    /// JupiterOne cannot be reached or does not get done; try later.
    Unreachable,
    /// JupiterOne asks to come back later, or is busy with another job.
    Deferred,
    /// JupiterOne refused what was delivered, or what it answers cannot be trusted.
    Data,
    /// This machine could not read or write what it should.
    Local,
}

impl JupiterOneError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownType { .. }
            | Self::InvalidSetting { .. }
            | Self::UnsupportedMode { .. }
            | Self::DestinationChanged { .. }
            | Self::ForeignFolder { .. }
            | Self::Setup(_) => ErrorKind::Configuration,
            Self::Unauthorized { .. } => ErrorKind::Credentials,
            Self::Unreachable { .. }
            | Self::Unavailable { .. }
            | Self::JobDeadline { .. }
            | Self::JobGoesOn { .. } => ErrorKind::Unreachable,
            Self::Deferred { .. } | Self::AnotherJobActive => ErrorKind::Deferred,
            Self::UnexpectedAnswer { .. }
            | Self::JobEnded { .. }
            | Self::WrongJob { .. }
            | Self::JobFailed { .. }
            | Self::NotStored { .. }
            | Self::TooManyRefused { .. } => ErrorKind::Data,
            Self::Store(_)
            | Self::Column { .. }
            | Self::File(_)
            | Self::Io { .. }
            | Self::Compression { .. } => ErrorKind::Local,
        }
    }

    /// Makes the conversion for one `io::Error`: what was tried, and on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// The calls that this crate makes, as they are named in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the variants are the calls of JupiterOne's own interface")]
pub enum Call {
    CreateJob,
    GetJob,
    UploadEntities,
    UploadRelationships,
    PostEvents,
    Finalize,
    Abort,
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::CreateJob => "creating a synchronization job",
            Self::GetJob => "asking for a synchronization job",
            Self::UploadEntities => "uploading entities",
            Self::UploadRelationships => "uploading relationships",
            Self::PostEvents => "writing to the job's log",
            Self::Finalize => "finalizing the synchronization job",
            Self::Abort => "aborting the synchronization job",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> JobId {
        JobId::parse("a-1").expect("it is an ID")
    }

    #[test]
    fn each_error_has_the_kind_by_which_a_scheduler_decides() {
        let call = Call::UploadEntities;
        let again = || Box::new(JupiterOneError::AnotherJobActive);
        let table = [
            (
                JupiterOneError::UnknownType { name: "x".to_owned(), known: Vec::new() },
                ErrorKind::Configuration,
            ),
            (JupiterOneError::ForeignFolder { path: "f".into() }, ErrorKind::Configuration),
            (JupiterOneError::Unauthorized { call, status: 401 }, ErrorKind::Credentials),
            (
                JupiterOneError::Unavailable { call, status: 503, attempts: 5 },
                ErrorKind::Unreachable,
            ),
            (
                JupiterOneError::JobDeadline { job: job(), waited: Duration::from_secs(1) },
                ErrorKind::Unreachable,
            ),
            (JupiterOneError::JobGoesOn { job: job(), source: again() }, ErrorKind::Unreachable),
            (
                JupiterOneError::Deferred { call, status: 429, wait: Duration::from_mins(1) },
                ErrorKind::Deferred,
            ),
            (JupiterOneError::AnotherJobActive, ErrorKind::Deferred),
            (
                JupiterOneError::UnexpectedAnswer { call, status: 200, what: "no job" },
                ErrorKind::Data,
            ),
            (JupiterOneError::JobEnded { job: job() }, ErrorKind::Data),
            (
                JupiterOneError::JobFailed { job: job(), status: JobStatus::ErrorBadData },
                ErrorKind::Data,
            ),
            (
                JupiterOneError::NotStored { job: job(), kind: "entities", sent: 2, found: 1 },
                ErrorKind::Data,
            ),
            (JupiterOneError::TooManyRefused { job: job(), objects: 101 }, ErrorKind::Data),
            (
                JupiterOneError::io("write", Path::new("f"))(io::ErrorKind::StorageFull.into()),
                ErrorKind::Local,
            ),
        ];
        for (error, expected) in table {
            assert_eq!(error.kind(), expected, "{error}");
        }
    }

    #[test]
    fn a_message_says_what_was_tried_and_what_to_do() {
        for (error, expected) in [
            (
                JupiterOneError::Unauthorized { call: Call::CreateJob, status: 403 },
                "creating a synchronization job was refused (HTTP 403): check the API key",
            ),
            (
                JupiterOneError::Deferred {
                    call: Call::Finalize,
                    status: 429,
                    wait: Duration::from_secs(90),
                },
                "finalizing the synchronization job was answered with HTTP 429 and a request to wait: \
                 try again in 90 s",
            ),
            (
                JupiterOneError::NotStored { job: job(), kind: "entities", sent: 5, found: 3 },
                "JupiterOne has 3 of the 5 entities that it took for job a-1: nothing was changed",
            ),
            (
                JupiterOneError::UnknownType {
                    name: "device".to_owned(),
                    known: vec!["nexthink_device".to_owned(), "nexthink_user".to_owned()],
                },
                "there is no type device: give one of nexthink_device, nexthink_user",
            ),
        ] {
            let text = error.to_string();
            assert!(text.starts_with(expected), "{text}");
        }
    }
}
