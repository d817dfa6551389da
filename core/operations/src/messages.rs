//! The receiver of messages for operators.

/// Receives the messages for an operator while tenants run.
pub trait Messages: Send + Sync {
    /// Receives a message about normal operation.
    fn note(&self, text: &str);

    /// Receives a message that is shown with `--quiet` too.
    fn warn(&self, text: &str);

    /// Receives an error message.
    fn error(&self, text: &str);
}
