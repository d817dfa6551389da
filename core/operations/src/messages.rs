//! The receiver of messages for operators.

/// Receives what an operator is told while runs of tenants go on.
pub trait Messages: Send + Sync {
    /// Takes a message about something that goes as it should.
    fn note(&self, text: &str);

    /// Takes a message that an operator who wants silence gets too.
    fn warn(&self, text: &str);

    /// Takes the message of an error.
    fn error(&self, text: &str);
}
