//! Entry points for fuzzing the parsers of answers, without a server.

use reqwest::StatusCode;
use tokio::time::Instant;

use crate::client::Client;
use crate::endpoints::Endpoints;
use crate::error::NexthinkError;
use crate::export::ExportStatus;
use crate::results_link::{FileHosts, LinkRefusal, ResultsLink, check_results_link};
use crate::secret::Credentials;
use crate::settings::Settings;
use crate::transport::Answer;

/// The readers of the answers of the login host and of the API.
pub struct Readers {
    client: Client,
}

impl Readers {
    /// Readers of a tenant at Nexthink's own hosts.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn new(endpoints: &Endpoints, credentials: Credentials) -> Result<Self, NexthinkError> {
        Ok(Self { client: Client::new(endpoints, credentials, Settings::new(1))? })
    }

    /// Reads the answer to a request for a token; returns how many seconds the token is used.
    ///
    /// # Errors
    /// It has no token that can be used.
    pub fn token(&self, body: &[u8]) -> Result<f64, NexthinkError> {
        let issued = self.client.tokens.read(&answer(body), Instant::now())?;
        Ok(issued.refresh_after().as_secs_f64())
    }

    /// Reads the answer to a question for the status of an export.
    ///
    /// # Errors
    /// It has no status, or a link that is not followed.
    pub fn status(&self, body: &[u8]) -> Result<ExportStatus, NexthinkError> {
        self.client.read_status(&answer(body), false)
    }
}

/// Checks a results link as one of Nexthink's own hosts sends it; returns it with its text.
///
/// # Errors
/// It is not followed.
pub fn results_link(text: &str) -> Result<(ResultsLink, String), LinkRefusal> {
    let link = check_results_link(text, &FileHosts::Nexthink)?;
    let exposed = link.expose().to_owned();
    Ok((link, exposed))
}

fn answer(body: &[u8]) -> Answer {
    Answer::from_parts(StatusCode::OK, body)
}
