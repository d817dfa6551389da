//! The calls that find out whether the program could work, without running any query.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::{Endpoint, NexthinkError};
use crate::identity::ExportId;
use crate::transport::ApiCall;
use core_clock::ClockOffset;

/// The facts that the login host's acceptance of a credential tells besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialCheck {
    /// The time for which a token is used before the next one is fetched.
    pub token_used_for: Duration,
    /// The difference between the login host's clock and this machine's; none if it does not tell.
    pub clock_offset: Option<ClockOffset>,
}

impl Client {
    /// Checks that the login host can be reached and accepts the credential, and compares its
    /// clock with this machine's: `now_ms` reads it in milliseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// [`NexthinkError::Unauthorized`] if it does not, or why that could not be found out.
    pub async fn check_credentials(
        &self,
        now_ms: impl FnOnce() -> u64,
    ) -> Result<CredentialCheck, NexthinkError> {
        let issued = self.tokens.get().await?;
        // Both clocks are read here: the call may have waited for minutes between its attempts.
        let server_ms = issued.server_now_ms(Instant::now());
        let clock_offset =
            server_ms.and_then(|server_ms| ClockOffset::between(server_ms, now_ms()));
        Ok(CredentialCheck { token_used_for: issued.refresh_after(), clock_offset })
    }

    /// Checks that the API can be reached and takes the token, at the cost of nothing: it asks for
    /// the status of an export that does not exist, which Nexthink documents to answer with HTTP
    /// 404 (Nexthink NQL API 1.2.0, `status`).
    ///
    /// # Errors
    /// [`NexthinkError::Forbidden`] if the credential lacks the NQL API permission, or why the API
    /// cannot be used.
    pub async fn check_api(&self) -> Result<(), NexthinkError> {
        const AT: Endpoint = Endpoint::ExportStatus;
        let no_export: ExportId =
            "00000000-0000-0000-0000-000000000000".parse().expect("it is a path segment");
        let answer = self.call(ApiCall::ExportStatus(&no_export), AT).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(()),
            StatusCode::FORBIDDEN => {
                Err(NexthinkError::Forbidden { subject: "the NQL API".to_owned() })
            }
            _ => Err(answer.unexpected_status(AT)),
        }
    }
}
