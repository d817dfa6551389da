//! The one error type of this crate.

/// The reason why a file of the user cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SoftwareError {
    /// It does not have the expected form.
    #[error("is not {expected}: {reason}")]
    Form {
        /// The form that it should have.
        expected: &'static str,
        /// The problem, with its place if that is known.
        reason: String,
    },
}

impl SoftwareError {
    pub(crate) fn new(expected: &'static str, reason: &impl ToString) -> Self {
        // One line, since it becomes part of a message.
        Self::Form { expected, reason: reason.to_string().trim().replace('\n', " ") }
    }
}
