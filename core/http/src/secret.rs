//! A text that must not be seen: it is wiped when dropped and cannot be printed.

use zeroize::Zeroizing;

/// A secret text, such as a client secret or an access token.
///
/// It has no `Debug`, `Display` or `Serialize`, so it cannot end up in a log by accident. Wiping on
/// drop covers this copy; the HTTP and TLS buffers it passes through keep their own for a while.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the secret over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
