//! The endings of work, in kinds that a caller can decide by.

use std::{fmt, io};

use core_destination::DeliveryError;
use core_erasure::ErasureError;
use core_nexthink::{ErrorKind, NexthinkError};
use core_rules::book::BookError;
use core_store::{PublishingFailure, StoreError};

/// The end of a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything is done.
    Complete,
    /// Something was published, but not everything that was wanted.
    Partial,
    /// It failed.
    Failed(FailureKind),
}

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// This program or this machine failed.
    Internal,
    /// The settings or the request cannot be used.
    Configuration,
    /// The credentials were refused.
    Credentials,
    /// The source cannot be reached; try later.
    Unreachable,
    /// Data was refused: nothing was published, or stored data is damaged.
    DataRefused,
    /// A destination failed; the published generation is safe.
    DestinationFailed,
    /// Another process holds the lock.
    Locked,
    /// The source or the destination asked to wait.
    Deferred,
    /// The caller asked to stop.
    Stopped(StopReason),
}

/// The reason why the caller asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// A person interrupted it.
    Interrupted,
    /// The system asked the process to end.
    Terminated,
}

/// A failure: its kind, and an error chain that says what happened, why, and what to do.
#[derive(Debug)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// The chain of causes.
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, error: impl Into<anyhow::Error>) -> Self {
        Self { kind, error: error.into() }
    }

    /// A failure because of the settings or the request.
    pub fn configuration(message: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Self {
        Self { kind: FailureKind::Configuration, error: anyhow::Error::msg(message) }
    }

    /// The same failure, with what it means for the caller in front of its causes.
    #[must_use]
    pub fn context(self, meaning: String) -> Self {
        Self { error: self.error.context(meaning), ..self }
    }

    /// The failure for a panic. It does not repeat the panic's message, which may show a cell.
    pub fn defect() -> Self {
        anyhow::anyhow!("the program has a defect and stopped; please report this").into()
    }
}

impl From<ErrorKind> for FailureKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Configuration | ErrorKind::Query => Self::Configuration,
            ErrorKind::Credentials => Self::Credentials,
            ErrorKind::Unreachable => Self::Unreachable,
            ErrorKind::Data => Self::DataRefused,
            ErrorKind::Deferred => Self::Deferred,
            ErrorKind::Local => Self::Internal,
        }
    }
}

impl From<&StoreError> for FailureKind {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Locked { .. }
            | StoreError::Delivering { .. }
            | StoreError::NotFetched { .. } => Self::Locked,
            StoreError::UnsupportedLocation { .. }
            | StoreError::InvalidLocation
            | StoreError::InvalidName { .. }
            | StoreError::NewerFormat { .. }
            | StoreError::UnsafePlace { .. }
            | StoreError::GenerationNotFound { .. } => Self::Configuration,
            StoreError::Damaged { .. }
            | StoreError::BrokenPointer { .. }
            | StoreError::BrokenManifest { .. }
            | StoreError::ForeignManifest { .. }
            | StoreError::NotCleansed { .. }
            | StoreError::EventsNotCleansed { .. } => Self::DataRefused,
            StoreError::NotPublished { failure, .. } => match failure {
                PublishingFailure::Locked => Self::Locked,
                PublishingFailure::Unreachable => Self::Unreachable,
                PublishingFailure::Credentials => Self::Credentials,
                PublishingFailure::DataRefused => Self::DataRefused,
                PublishingFailure::Configuration => Self::Configuration,
                PublishingFailure::Other => Self::Internal,
            },
            _ => Self::Internal,
        }
    }
}

impl From<NexthinkError> for Failure {
    fn from(error: NexthinkError) -> Self {
        Self::new(error.kind().into(), error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new((&error).into(), error)
    }
}

impl From<ErasureError> for Failure {
    fn from(error: ErasureError) -> Self {
        let kind = match error {
            ErasureError::Store(error) => return error.into(),
            // A failing disk is not a wrong setting.
            ErasureError::ListCopy(ref error) if !is_wrong_place(error.source.kind()) => {
                FailureKind::Internal
            }
            _ => match error.kind() {
                core_erasure::ErrorKind::Configuration => FailureKind::Configuration,
                core_erasure::ErrorKind::Data => FailureKind::DataRefused,
                core_erasure::ErrorKind::Local => FailureKind::Internal,
            },
        };
        Self::new(kind, error)
    }
}

impl From<DeliveryError> for Failure {
    fn from(error: DeliveryError) -> Self {
        let (kind, error) = match error {
            DeliveryError::Configuration(error) => (FailureKind::Configuration, error),
            DeliveryError::Deferred(error) => (FailureKind::Deferred, error),
            DeliveryError::Failed(error) => (FailureKind::DestinationFailed, error),
            DeliveryError::Store(error) => return error.into(),
            error => (FailureKind::Internal, error.into()),
        };
        Self { kind, error }
    }
}

impl From<BookError> for Failure {
    fn from(error: BookError) -> Self {
        let kind = match error {
            BookError::Store(error) => return error.into(),
            BookError::Newer { .. } => FailureKind::Configuration,
            BookError::Busy { .. } => FailureKind::Locked,
            _ => FailureKind::DataRefused,
        };
        Self::new(kind, error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { kind: FailureKind::Internal, error }
    }
}

/// Returns the result of work on another thread. A panic there is a defect.
pub(crate) fn joined<T>(result: Result<T, tokio::task::JoinError>) -> Result<T, Failure> {
    result.map_err(|_| Failure::defect())
}

/// Returns the failure to lock a store or to clean it up. If a place is missing, forbidden or not a folder, the
/// configuration is wrong; a full or failing disk is an internal failure.
pub(crate) fn failure_of_place(error: StoreError) -> Failure {
    let is_wrong = match &error {
        StoreError::Io { source, .. } => is_wrong_place(source.kind()),
        _ => false,
    };
    if is_wrong { Failure::new(FailureKind::Configuration, error) } else { error.into() }
}

/// The error of a write that an export depends on. It has the kind of a host that cannot be reached if the store is in a
/// bucket that does not answer.
pub(crate) fn journal_error(error: StoreError) -> io::Error {
    let is_unreachable = FailureKind::from(&error) == FailureKind::Unreachable;
    let kind = if is_unreachable { io::ErrorKind::HostUnreachable } else { io::ErrorKind::Other };
    io::Error::new(kind, error)
}

fn is_wrong_place(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        AlreadyExists, InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound,
        PermissionDenied, ReadOnlyFilesystem, Unsupported,
    };
    matches!(
        kind,
        AlreadyExists
            | InvalidFilename
            | InvalidInput
            | IsADirectory
            | NotADirectory
            | NotFound
            | PermissionDenied
            | ReadOnlyFilesystem
            | Unsupported
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fails_is_no_wrong_configuration() {
        let table = [
            (libc_error(2), FailureKind::Configuration, "no such folder"),
            (libc_error(13), FailureKind::Configuration, "no permission"),
            (libc_error(20), FailureKind::Configuration, "no folder"),
            (libc_error(30), FailureKind::Configuration, "read-only"),
            (libc_error(5), FailureKind::Internal, "the disk fails"),
            (libc_error(28), FailureKind::Internal, "the disk is full"),
            (libc_error(24), FailureKind::Internal, "too many open files"),
        ];
        for (source, expected, case) in table {
            let error = StoreError::Io { action: "write", path: "store".into(), source };
            assert_eq!(failure_of_place(error).kind, expected, "{case}");
        }
    }

    /// The system error with this number, which is the same on every Unix.
    fn libc_error(number: i32) -> io::Error {
        io::Error::from_raw_os_error(number)
    }

    #[test]
    fn each_error_of_an_erasure_has_the_kind_that_a_caller_decides_by() {
        let listed =
            ErasureError::LostLists { named: 1, file: "a".to_owned(), copy: "b".to_owned() };
        let copy = |number| {
            let (path, source) = ("copy".into(), libc_error(number));
            ErasureError::ListCopy(core_files::FileError { action: "read", path, source })
        };
        let table = [
            (copy(13), FailureKind::Configuration),
            (copy(5), FailureKind::Internal),
            (ErasureError::Reused { owners: 2 }, FailureKind::Configuration),
            (ErasureError::KeyFile(anyhow::anyhow!("it is missing")), FailureKind::Configuration),
            (listed, FailureKind::DataRefused),
            (ErasureError::OlderStore { program: "p".to_owned() }, FailureKind::DataRefused),
            (ErasureError::TooManyIdentifiers, FailureKind::Internal),
            (
                ErasureError::Store(StoreError::Locked { owner: "p".to_owned() }),
                FailureKind::Locked,
            ),
            (ErasureError::Store(StoreError::InvalidLocation), FailureKind::Configuration),
        ];
        for (error, expected) in table {
            let text = error.to_string();
            assert_eq!(Failure::from(error).kind, expected, "{text}");
        }
    }

    #[test]
    fn each_error_of_a_delivery_has_the_kind_that_a_caller_decides_by() {
        let cause = || anyhow::anyhow!("the cause");
        let table = [
            (DeliveryError::Configuration(cause()), FailureKind::Configuration),
            (DeliveryError::Deferred(cause()), FailureKind::Deferred),
            (DeliveryError::Failed(cause()), FailureKind::DestinationFailed),
            (DeliveryError::Local(cause()), FailureKind::Internal),
            (
                DeliveryError::Store(StoreError::Delivering { owner: "p".to_owned() }),
                FailureKind::Locked,
            ),
        ];
        for (error, expected) in table {
            let failure = Failure::from(error);
            assert_eq!(failure.kind, expected, "{:#}", failure.error);
        }
    }

    #[test]
    fn findings_that_cannot_be_used_have_the_kind_that_a_caller_decides_by() {
        let broken = serde_json::from_str::<u8>("{").expect_err("it is no number");
        let table = [
            (BookError::Store(StoreError::InvalidLocation), FailureKind::Configuration),
            (BookError::Newer { found: 9 }, FailureKind::Configuration),
            (BookError::Busy { owner: "p".to_owned() }, FailureKind::Locked),
            (BookError::NotCleansed, FailureKind::DataRefused),
            (BookError::Broken { source: broken }, FailureKind::DataRefused),
        ];
        for (error, expected) in table {
            let text = error.to_string();
            assert_eq!(Failure::from(error).kind, expected, "{text}");
        }
    }

    #[test]
    fn what_nexthink_answers_decides_when_to_try_again() {
        let table = [
            (ErrorKind::Configuration, FailureKind::Configuration),
            (ErrorKind::Query, FailureKind::Configuration),
            (ErrorKind::Credentials, FailureKind::Credentials),
            (ErrorKind::Unreachable, FailureKind::Unreachable),
            (ErrorKind::Data, FailureKind::DataRefused),
            (ErrorKind::Deferred, FailureKind::Deferred),
            (ErrorKind::Local, FailureKind::Internal),
        ];
        for (kind, expected) in table {
            assert_eq!(FailureKind::from(kind), expected);
        }
    }

    #[test]
    fn a_store_that_cannot_be_opened_is_no_wrong_configuration_unless_it_names_one() {
        let table = [
            (StoreError::Stopped, FailureKind::Internal),
            (StoreError::Locked { owner: "p".to_owned() }, FailureKind::Locked),
            (StoreError::NotCleansed { id: "g".to_owned() }, FailureKind::DataRefused),
            (StoreError::GenerationNotFound { id: "g".to_owned() }, FailureKind::Configuration),
            (StoreError::GenerationExists { id: "g".to_owned() }, FailureKind::Internal),
        ];
        for (error, expected) in table {
            assert_eq!(FailureKind::from(&error), expected, "{error}");
        }
    }
}
