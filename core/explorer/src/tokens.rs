//! The tokens that are accepted now. The servers of a process share them, so that a change holds for all at once.

use std::sync::Arc;

use tokio::sync::watch;

use crate::access::AccessToken;

/// The tokens that are accepted now.
#[derive(Debug, Clone)]
pub struct Tokens(Arc<watch::Sender<Vec<AccessToken>>>);

impl Tokens {
    /// Creates a list of tokens.
    pub fn new(tokens: Vec<AccessToken>) -> Self {
        Self(Arc::new(watch::Sender::new(tokens)))
    }

    /// Replaces all tokens. Sessions of tokens that are no longer there end.
    pub fn replace(&self, tokens: Vec<AccessToken>) {
        self.0.send_if_modified(|known| {
            let is_changed = *known != tokens;
            *known = tokens;
            is_changed
        });
    }

    /// Returns the token of a text; none if it is not accepted.
    pub fn find(&self, text: &str) -> Option<AccessToken> {
        AccessToken::find(&self.0.borrow(), text).cloned()
    }

    /// Returns true if a token is still accepted, with the same rights.
    pub fn has(&self, token: &AccessToken) -> bool {
        self.0.borrow().contains(token)
    }

    /// Returns true if no token is accepted.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Waits until a token is no longer accepted.
    pub async fn removed(&self, token: &AccessToken) {
        let mut tokens = self.0.subscribe();
        // The sender lives as long as `self`.
        let _ = tokens.wait_for(|tokens| !tokens.contains(token)).await;
    }
}
