//! The exit codes, and which failure has which. Schedulers rely on them.

use std::{fmt, io};

use core_nexthink::{ErrorKind, NexthinkError};
use core_store::StoreError;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Complete = 0,
    Internal = 1,
    Configuration = 2,
    Credentials = 3,
    Unreachable = 4,
    DataRefused = 5,
    DestinationFailed = 6,
    Partial = 7,
    RuleFired = 8,
    Locked = 9,
    Different = 10,
    Deferred = 75,
    Interrupted = 130,
    Terminated = 143,
}

impl Exit {
    /// All of them.
    const ALL: [Self; 14] = [
        Self::Complete,
        Self::Internal,
        Self::Configuration,
        Self::Credentials,
        Self::Unreachable,
        Self::DataRefused,
        Self::DestinationFailed,
        Self::Partial,
        Self::RuleFired,
        Self::Locked,
        Self::Different,
        Self::Deferred,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The exit with a code, such as a process of this program ends with.
    pub(crate) fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| *exit as i32 == code)
    }

    /// The meaning of the code, for a command that has said nothing else about it.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Internal => "the program failed",
            Self::Configuration => "wrong usage or configuration",
            Self::Credentials => "the credentials were refused",
            Self::Unreachable => "Nexthink cannot be reached; try later",
            Self::DataRefused => "data was refused",
            Self::DestinationFailed => "a destination failed; what was published is safe",
            Self::Partial => "what was read is not complete",
            Self::RuleFired => "a finding is as grave as --fail-on says",
            Self::Locked => "another run holds the lock",
            Self::Different => "the generations differ",
            Self::Deferred => "deferred; try later",
            Self::Interrupted | Self::Terminated => "stopped by a signal",
        }
    }
}

/// The exit codes for people, printed by `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    complete
  1    internal error
  2    wrong usage or configuration
  3    credentials refused
  4    Nexthink cannot be reached, try later
  5    data refused, nothing published; or what is stored is damaged
  6    a destination failed; what was published is safe
  7    published, but partial
  8    a finding is as grave as --fail-on says
  9    another run holds the lock
  10   the generations differ (diff --exit-code)
  75   deferred: Nexthink's quota, or another job at the destination
  130  stopped by Ctrl-C (143: by a termination signal)";

/// Why a command failed: an exit code, and an error whose chain says what, why and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
}

impl Failure {
    /// The failure as one JSON object, for programs that read the output.
    pub(crate) fn to_json(&self) -> String {
        failure_json(self.exit as u8, &format!("{:#}", self.error))
    }

    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit, error: error.into() }
    }

    /// A failure of use or configuration.
    pub(crate) fn usage(
        message: impl fmt::Display + fmt::Debug + Send + Sync + 'static,
    ) -> Failure {
        Failure { exit: Exit::Configuration, error: anyhow::Error::msg(message) }
    }
}

/// The failure that a panic stands for. What the panic says stays unsaid, since it may show a cell.
pub(crate) fn defect() -> Failure {
    anyhow::anyhow!("the program has a defect and stopped; please report this").into()
}

/// The JSON object for a command that ended before it had a result.
pub(crate) fn failure_json(exit_code: u8, error: &str) -> String {
    let report = serde_json::json!({ "outcome": "failed", "exitCode": exit_code, "error": error });
    format!("{report:#}")
}

/// The exit code for an error at Nexthink that ends a run.
pub(crate) fn exit_for(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::Configuration | ErrorKind::Query => Exit::Configuration,
        ErrorKind::Credentials => Exit::Credentials,
        ErrorKind::Unreachable => Exit::Unreachable,
        ErrorKind::Data => Exit::DataRefused,
        ErrorKind::Deferred => Exit::Deferred,
        ErrorKind::Local => Exit::Internal,
    }
}

impl From<NexthinkError> for Failure {
    fn from(error: NexthinkError) -> Failure {
        Failure::new(exit_for(error.kind()), error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let exit = match &error {
            StoreError::Locked { .. } | StoreError::Delivering { .. } => Exit::Locked,
            StoreError::Damaged { .. } => Exit::DataRefused,
            StoreError::UnsupportedLocation { .. }
            | StoreError::InvalidLocation
            | StoreError::InvalidName { .. }
            | StoreError::NewerFormat { .. }
            | StoreError::UnsafePlace { .. }
            | StoreError::GenerationNotFound { .. } => Exit::Configuration,
            StoreError::NotCleansed { .. } | StoreError::EventsNotCleansed { .. } => {
                Exit::DataRefused
            }
            _ => Exit::Internal,
        };
        Failure::new(exit, error)
    }
}

/// The failure to lock a store or to tidy it up. A place that is missing, forbidden or no folder is configured
/// wrong; a full disk and one that fails are not.
pub(crate) fn failure_of_place(error: StoreError) -> Failure {
    let is_wrong = match &error {
        StoreError::Io { source, .. } => is_wrong_place(source.kind()),
        _ => false,
    };
    if is_wrong { Failure::new(Exit::Configuration, error) } else { error.into() }
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

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure { exit: Exit::Internal, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fails_is_no_wrong_configuration() {
        let table = [
            (libc_error(2), Exit::Configuration, "no such folder"),
            (libc_error(13), Exit::Configuration, "no permission"),
            (libc_error(20), Exit::Configuration, "no folder"),
            (libc_error(30), Exit::Configuration, "read-only"),
            (libc_error(5), Exit::Internal, "the disk fails"),
            (libc_error(28), Exit::Internal, "the disk is full"),
            (libc_error(24), Exit::Internal, "too many open files"),
        ];
        for (source, expected, case) in table {
            let error = StoreError::Io { action: "write", path: "store".into(), source };
            assert_eq!(failure_of_place(error).exit, expected, "{case}");
        }
    }

    /// The error with a number that every Unix gives it.
    fn libc_error(number: i32) -> io::Error {
        io::Error::from_raw_os_error(number)
    }
}
