//! The exit codes, and which failure has which. Schedulers rely on them.

use std::fmt;

use core_bucket::BucketError;
use core_destination::DeliveryError;
use core_engine::{Ending, FailureKind, StopReason};
use core_erasure::ErasureError;
use core_jupiterone::JupiterOneError;
use core_nexthink::NexthinkError;
use core_operations::{ExitCodes, RunOutcome};
use core_store::StoreError;

/// The end of the program.
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
    Stale = 11,
    Deferred = 75,
    Interrupted = 130,
    Terminated = 143,
}

impl Exit {
    /// All of them.
    const ALL: [Self; 15] = [
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
        Self::Stale,
        Self::Deferred,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The exit with a code, such as a process of this program ends with.
    pub(crate) fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| *exit as i32 == code)
    }

    /// Returns the outcome of a run that ends like this.
    fn run_outcome(self) -> RunOutcome {
        match self {
            Self::Complete | Self::Partial | Self::RuleFired => RunOutcome::Published,
            Self::DestinationFailed => RunOutcome::NotDelivered,
            Self::Unreachable => RunOutcome::Unreachable,
            Self::Credentials => RunOutcome::CredentialsRefused,
            Self::Deferred => RunOutcome::Deferred,
            Self::Locked => RunOutcome::Locked,
            Self::Interrupted | Self::Terminated => RunOutcome::Stopped,
            Self::Internal
            | Self::Configuration
            | Self::DataRefused
            | Self::Different
            | Self::Stale => RunOutcome::Failed,
        }
    }

    /// Returns true if a run that ends like this has published everything that it could get, and delivered it.
    pub(crate) fn is_fresh(self) -> bool {
        self.run_outcome() == RunOutcome::Published
    }

    /// Returns the one of two exits that says more urgently that someone has to do something.
    pub(crate) fn worse(self, other: Self) -> Self {
        const WORST_FIRST: [Exit; 9] = [
            Exit::Internal,
            Exit::Configuration,
            Exit::Credentials,
            Exit::DataRefused,
            Exit::DestinationFailed,
            Exit::Unreachable,
            Exit::RuleFired,
            Exit::Partial,
            Exit::Stale,
        ];
        let rank = |exit| match exit {
            Self::Complete => usize::MAX,
            _ => WORST_FIRST.iter().position(|known| *known == exit).unwrap_or(WORST_FIRST.len()),
        };
        if rank(other) < rank(self) { other } else { self }
    }

    /// The meaning of the code, for a command that has said nothing else about it.
    pub(crate) fn meaning(self) -> &'static str {
        core_cli::exit_code_meaning(self as u8).unwrap_or_default()
    }
}

/// The exit codes for the crates below, which know them by this table alone.
pub(crate) const EXIT_CODE_TABLE: ExitCodes = ExitCodes {
    outcome: |code| Exit::from_code(code.into()).map_or(RunOutcome::Failed, Exit::run_outcome),
    meaning: |code| Exit::from_code(code.into()).map(Exit::meaning),
    of_process: |code| code.and_then(Exit::from_code).unwrap_or(Exit::Internal) as u8,
};

/// The failure of a command: an exit code, and an error whose chain says what, why and what to do.
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

impl From<Ending> for Exit {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Complete => Self::Complete,
            Ending::Partial => Self::Partial,
            Ending::Failed(kind) => kind.into(),
        }
    }
}

impl From<FailureKind> for Exit {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Internal => Self::Internal,
            FailureKind::Configuration => Self::Configuration,
            FailureKind::Credentials => Self::Credentials,
            FailureKind::Unreachable => Self::Unreachable,
            FailureKind::DataRefused => Self::DataRefused,
            FailureKind::DestinationFailed => Self::DestinationFailed,
            FailureKind::Locked => Self::Locked,
            FailureKind::Deferred => Self::Deferred,
            FailureKind::Stopped(StopReason::Interrupted) => Self::Interrupted,
            FailureKind::Stopped(StopReason::Terminated) => Self::Terminated,
        }
    }
}

impl From<StopReason> for Exit {
    fn from(reason: StopReason) -> Self {
        FailureKind::Stopped(reason).into()
    }
}

impl From<core_engine::Failure> for Failure {
    fn from(failure: core_engine::Failure) -> Self {
        Self { exit: failure.kind.into(), error: failure.error }
    }
}

impl From<NexthinkError> for Failure {
    fn from(error: NexthinkError) -> Self {
        core_engine::Failure::from(error).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        core_engine::Failure::from(error).into()
    }
}

impl From<BucketError> for Failure {
    fn from(error: BucketError) -> Self {
        error.into_store().into()
    }
}

impl From<DeliveryError> for Failure {
    fn from(error: DeliveryError) -> Self {
        core_engine::Failure::from(error).into()
    }
}

impl From<JupiterOneError> for Failure {
    fn from(error: JupiterOneError) -> Self {
        DeliveryError::from(error).into()
    }
}

impl From<ErasureError> for Failure {
    fn from(error: ErasureError) -> Self {
        core_engine::Failure::from(error).into()
    }
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
    fn every_exit_is_in_the_list_of_the_help_and_the_list_has_no_other() {
        let codes: Vec<u8> = Exit::ALL.into_iter().map(|exit| exit as u8).collect();
        let listed: Vec<u8> = core_cli::EXIT_CODES.iter().map(|exit| exit.code).collect();
        assert_eq!(codes, listed);
        assert_eq!(Exit::Partial.meaning(), "partial: what was read is not complete");
    }
}
