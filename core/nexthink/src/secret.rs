//! The credential of an API client.

use std::error::Error as StdError;
use std::sync::Arc;

use core_http::Secret;

use crate::error::NexthinkError;
use crate::escape::escaped;

/// Reads the client secret again from its source. It may block, since it runs on a separate thread.
/// Its error is logged, so it must not show the secret.
pub type SecretSource =
    Arc<dyn Fn() -> Result<Secret, Box<dyn StdError + Send + Sync>> + Send + Sync>;

/// The credential of an API client: a client id and its secret.
#[derive(Clone)]
pub struct Credentials {
    client_id: String,
    client_secret: Secret,
    source: Option<SecretSource>,
}

impl Credentials {
    /// Checks that both halves can be sent with HTTP Basic authentication.
    ///
    /// # Errors
    /// [`NexthinkError::InvalidIdentity`] for the client id, or [`NexthinkError::InvalidSecret`],
    /// which never shows the secret.
    pub fn new(client_id: &str, client_secret: Secret) -> Result<Self, NexthinkError> {
        // A colon would end the user name in HTTP Basic (RFC 7617, section 2).
        let id_is_sendable = (1..=256).contains(&client_id.len())
            && client_id.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        if !id_is_sendable {
            return Err(NexthinkError::InvalidIdentity {
                name: "client id",
                value: escaped(client_id, 80),
                rule: "a client id is 1 to 256 visible ASCII characters without a colon; copy it \
                       from Administration > API credentials",
            });
        }
        check_sendable(&client_secret)?;
        Ok(Self { client_id: client_id.to_owned(), client_secret, source: None })
    }

    /// The same, but when the login host refuses the secret, it is read again, since it may have
    /// been replaced while the program runs.
    #[must_use]
    pub fn with_source(self, source: SecretSource) -> Self {
        Self { source: Some(source), ..self }
    }

    /// The client id, which is not secret.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(crate) fn client_secret(&self) -> &Secret {
        &self.client_secret
    }

    /// The same client with the secret that is kept now, if it is another one and can be sent.
    pub(crate) async fn read_again(&self) -> Option<Self> {
        let source = Arc::clone(self.source.as_ref()?);
        let read = tokio::task::spawn_blocking(move || source()).await;
        let client_secret = match read.expect("a secret source does not panic") {
            Ok(secret) => secret,
            Err(error) => {
                tracing::warn!(%error, "the client secret cannot be read again");
                return None;
            }
        };
        if client_secret.expose() == self.client_secret.expose() {
            return None;
        }
        if let Err(error) = check_sendable(&client_secret) {
            tracing::warn!(%error, "the client secret was replaced by one that cannot be used");
            return None;
        }
        tracing::info!("the client secret was replaced");
        Some(Self { client_secret, ..self.clone() })
    }
}

/// Checks that a text can be the secret of a client.
fn check_sendable(secret: &Secret) -> Result<(), NexthinkError> {
    if secret.expose().is_empty() {
        return Err(NexthinkError::InvalidSecret { reason: "it is empty" });
    }
    if secret.expose().chars().any(char::is_control) {
        return Err(NexthinkError::InvalidSecret {
            reason: "it holds a control character; store it without a line break",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_basic_authentication_cannot_carry_are_refused() {
        for (client_id, secret, accepted) in [
            ("0a1b2c", "s3cret", true),
            ("0a1b2c", "with: colon", true),
            ("", "s3cret", false),
            ("a:b", "s3cret", false),
            ("a b", "s3cret", false),
            ("a\n", "s3cret", false),
            ("0a1b2c", "", false),
            ("0a1b2c", "s3cret\n", false),
            ("0a1b2c", "s3\0cret", false),
        ] {
            let made = Credentials::new(client_id, Secret::new(secret.to_owned()));
            assert_eq!(made.is_ok(), accepted, "{client_id:?}");
        }
    }

    #[test]
    fn a_refused_secret_is_not_shown() {
        let error = Credentials::new("0a1b2c", Secret::new("s3cret\n".to_owned()))
            .err()
            .expect("a line break is refused");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
