//! Failures to make a client, and the errors of libraries, shared and without URLs.

use std::fmt;
use std::io;
use std::sync::Arc;

/// The reason why no HTTP client can be made with these settings on this machine.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SetupError {
    /// The file of further authorities cannot be used.
    #[error("the certificates of the extra authority cannot be used: {reason}")]
    InvalidTrust {
        /// The problem and its remedy.
        reason: &'static str,
    },
    /// The URL of the proxy breaks a rule. It is not shown because it may carry a password.
    #[error("the proxy URL cannot be used: {reason}")]
    InvalidProxy {
        /// The problem and its remedy.
        reason: &'static str,
    },
    /// TLS cannot be set up on this machine.
    #[error("cannot set up HTTPS: the certificates this system trusts could not be loaded")]
    Tls {
        /// The error of the TLS library or the HTTP client.
        #[source]
        source: SharedError,
    },
}

/// An error of a library below, shared between clones. Its URL, if it had one, is gone.
#[derive(Debug, Clone)]
pub struct SharedError(Arc<dyn std::error::Error + Send + Sync>);

impl SharedError {
    /// Keeps `error`. Remove the URL from an error of the HTTP client first.
    pub fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// Keeps the message of the root cause: the layers above say only that a request failed, each in its own
    /// words.
    pub fn root_of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut root = error;
        loop {
            // An I/O error does not count what it wraps as its source.
            let wrapped = root.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let wrapped = wrapped.map(|inner| inner as &(dyn std::error::Error + 'static));
            match wrapped.or_else(|| root.source()) {
                Some(next) => root = next,
                None => return Self::new(Root(root.to_string())),
            }
        }
    }
}

/// The message of an error of a library.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Root(String);

impl fmt::Display for SharedError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for SharedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
