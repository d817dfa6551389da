//! Errors of a configuration that cannot be used.

use std::io;

use core_engine::{Failure, FailureKind};
use core_settings::Problem;

/// A configuration that cannot be used. The messages are for its owner and name its texts.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// A file or folder cannot be read.
    #[error("{message}")]
    Unreadable {
        /// The message.
        message: String,
        /// The kind of the system's error.
        kind: io::ErrorKind,
    },
    /// A file was read and has mistakes.
    #[error("{message}")]
    Invalid {
        /// The message, with all mistakes.
        message: String,
        /// The mistakes.
        problems: Vec<Problem>,
    },
}

impl ConfigurationError {
    /// Returns the failure to read a file or folder.
    pub(crate) fn unreadable(message: String, error: &io::Error) -> Failure {
        Self::Unreadable { message, kind: error.kind() }.into_failure()
    }

    /// Returns the failure for mistakes in a file.
    pub(crate) fn invalid(message: String, problems: &[Problem]) -> Failure {
        Self::Invalid { message, problems: problems.to_vec() }.into_failure()
    }

    fn into_failure(self) -> Failure {
        Failure::new(FailureKind::Configuration, self)
    }
}
