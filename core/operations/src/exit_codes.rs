//! The exit codes of the program's processes, with their meaning.
//!
//! The ledger and the metrics have only the exit code of a run. The program has the table of their meanings, and
//! passes it in.

/// The end of a run, by its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    /// It has published and delivered, completely or partially, or there was nothing new.
    Published,
    /// It has published, and a destination failed.
    NotDelivered,
    /// The source could not be reached.
    Unreachable,
    /// The source refused the credentials.
    CredentialsRefused,
    /// The source or the destination asked to wait.
    Deferred,
    /// Another run held the lock.
    Locked,
    /// A signal stopped it.
    Stopped,
    /// It failed otherwise.
    Failed,
}

impl RunOutcome {
    /// Returns true if the run has published everything that it could, or found nothing new to publish.
    pub fn has_published(self) -> bool {
        matches!(self, Self::Published | Self::NotDelivered)
    }
}

/// The program's table of exit codes.
#[derive(Debug, Clone, Copy)]
pub struct ExitCodes {
    /// Returns the outcome of a run that ended with a code.
    pub outcome: fn(u8) -> RunOutcome,
    /// Returns the meaning of a code in words; none if the program has no such code.
    pub meaning: fn(u8) -> Option<&'static str>,
    /// Returns the exit code of a process: its own, or that of a defect if the program has no such code or a signal
    /// ended the process.
    pub of_process: fn(Option<i32>) -> u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_whose_delivery_failed_has_published_all_the_same() {
        for (outcome, expected) in [
            (RunOutcome::Published, true),
            (RunOutcome::NotDelivered, true),
            (RunOutcome::Unreachable, false),
            (RunOutcome::CredentialsRefused, false),
            (RunOutcome::Deferred, false),
            (RunOutcome::Locked, false),
            (RunOutcome::Stopped, false),
            (RunOutcome::Failed, false),
        ] {
            assert_eq!(outcome.has_published(), expected, "{outcome:?}");
        }
    }
}
