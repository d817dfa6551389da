//! The calls to the NQL API: start an export, ask for its status.

use std::sync::Arc;
use std::time::Duration;

use core_http::{Jitter, Retry};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::endpoints::Endpoints;
use crate::error::{Endpoint, NexthinkError};
use crate::escape::{escaped, without_links};
use crate::export::ExportStatus;
use crate::identity::{ExportId, QueryId};
use crate::journal::ExportJournal;
use crate::order::ExportOrder;
use crate::pace::ExecutePace;
use crate::results_link::{FileHosts, check_results_link};
use crate::retry_cause::RetryCause;
use crate::secret::Credentials;
use crate::settings::Settings;
use crate::token::{INTEGRATION_SCOPE, TokenSource};
use crate::transport::{Answer, ApiCall, ApiClient, Clients, FileClient, StartExport};

/// The longest status of an export, in bytes.
const STATUS_CAP: usize = 64;

/// The longest description of a failed export that is kept, in characters.
const DESCRIPTION_CAP: usize = 300;

/// The time for all attempts to run a query at once. It covers the wait after one answer with HTTP 429.
const EXECUTE_BUDGET: Duration = Duration::from_secs(45);

/// A client of one tenant. All calls may run at the same time; they share one token.
pub struct Client {
    api: ApiClient,
    pub(crate) files: FileClient,
    file_hosts: FileHosts,
    pub(crate) tokens: TokenSource,
    pub(crate) settings: Settings,
    pub(crate) jitter: Arc<Jitter>,
    execute_pace: ExecutePace,
}

impl Client {
    /// Makes a client; nothing is called yet.
    ///
    /// # Errors
    /// [`NexthinkError::Setup`] if the system's trusted certificates cannot be loaded, or the settings for trust
    /// or proxy
    /// are of no use.
    pub fn new(
        endpoints: &Endpoints,
        credentials: Credentials,
        settings: Settings,
    ) -> Result<Self, NexthinkError> {
        let Clients { login, api, files } = Clients::new(endpoints, &settings)?;
        let jitter = Arc::new(Jitter::new(settings.jitter_seed));
        let policy = settings.retry.clone();
        let tokens =
            TokenSource::new(login, INTEGRATION_SCOPE, credentials, policy, Arc::clone(&jitter));
        let file_hosts = endpoints.files().clone();
        let execute_pace = ExecutePace::new(settings.execute_pause);
        Ok(Self { api, files, file_hosts, tokens, settings, jitter, execute_pace })
    }

    /// Starts an export of a saved query (Nexthink NQL API 1.2.0, `export-post`).
    ///
    /// Each start counts against the tenant's daily number of exports; `journal` learns of each.
    ///
    /// # Errors
    /// [`NexthinkError::Forbidden`] and [`NexthinkError::QueryNotFound`] concern the query; the
    /// others the journal, the credential, the network or the answer.
    pub(crate) async fn start_export(
        &self,
        order: &ExportOrder,
        journal: &mut dyn ExportJournal,
    ) -> Result<ExportId, NexthinkError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Started {
            export_id: String,
        }
        const AT: Endpoint = Endpoint::StartExport;

        let ExportOrder { query, parameters, compression, usual_time: _ } = order;
        let body = StartExport { query_id: query, parameters, compression: *compression };
        let answer = self.call_noted(ApiCall::StartExport(&body), AT, Some(journal)).await?;
        // Created or accepted, the export is paid for: the ID in the body counts.
        if !matches!(answer.status, StatusCode::CREATED | StatusCode::ACCEPTED) {
            check_query(&answer, query, AT)?;
        }
        let started: Started = answer.json(AT)?;
        let unusable = |_| answer.unexpected(AT, "an export id that cannot be used");
        let export_id: ExportId = started.export_id.parse().map_err(unusable)?;
        tracing::info!(query_id = %query, %export_id, "export started");
        Ok(export_id)
    }

    /// Asks for the status of an export (Nexthink NQL API 1.2.0, `status`).
    ///
    /// # Errors
    /// [`NexthinkError::ExportGone`] if Nexthink does not know the export,
    /// [`NexthinkError::LinkRefused`] if the results link must not be followed.
    pub async fn export_status(&self, export_id: &ExportId) -> Result<ExportStatus, NexthinkError> {
        const AT: Endpoint = Endpoint::ExportStatus;

        let answer = self.call(ApiCall::ExportStatus(export_id), AT).await?;
        let truncated = match answer.status {
            // Accepted, so it runs: never the end of it.
            StatusCode::OK | StatusCode::ACCEPTED => false,
            // The only sign that the licence's maximum number of rows was reached.
            StatusCode::PARTIAL_CONTENT => true,
            StatusCode::FORBIDDEN => {
                return Err(NexthinkError::Forbidden { subject: format!("export {export_id}") });
            }
            StatusCode::NOT_FOUND => {
                return Err(NexthinkError::ExportGone { export_id: export_id.clone() });
            }
            _ => return Err(answer.unexpected_status(AT)),
        };
        let status = self.read_status(&answer, truncated)?;
        if answer.status == StatusCode::ACCEPTED && matches!(status, ExportStatus::Completed { .. })
        {
            return Err(answer.unexpected(AT, "a completed export that it only accepts"));
        }
        Ok(status)
    }

    pub(crate) fn read_status(
        &self,
        answer: &Answer,
        truncated: bool,
    ) -> Result<ExportStatus, NexthinkError> {
        let body: StatusAnswer = answer.json(Endpoint::ExportStatus)?;
        let link = body.results_file_url.map(Zeroizing::new);
        let status = match &body.status {
            Value::String(status) => status.as_str(),
            Value::Null => "",
            _ => {
                let what = "a status that is not text";
                return Err(answer.unexpected(Endpoint::ExportStatus, what));
            }
        };
        if status.len() > STATUS_CAP {
            // An unknown word may mean that the export runs; this is not a word.
            let what = "a status that is longer than any word";
            return Err(answer.unexpected(Endpoint::ExportStatus, what));
        }
        // The interface writes capitals; a status means the same in any case.
        Ok(match status.to_ascii_uppercase().as_str() {
            "SUBMITTED" => ExportStatus::Submitted,
            "IN_PROGRESS" => ExportStatus::InProgress,
            // The interface says COMPLETED, the text that explains it COMPLETE.
            "COMPLETED" | "COMPLETE" => {
                let link = link
                    .filter(|link| !link.is_empty())
                    .map(|link| check_results_link(&link, &self.file_hosts))
                    .transpose()
                    .map_err(|reason| NexthinkError::LinkRefused { reason })?;
                ExportStatus::Completed { link, truncated }
            }
            "ERROR" => {
                let description = body.error_description.as_deref().unwrap_or_default();
                let description =
                    if description.is_empty() { "no reason given" } else { description };
                let description = escaped(&without_links(description), DESCRIPTION_CAP);
                ExportStatus::Failed { description }
            }
            _ => ExportStatus::Unknown,
        })
    }

    /// Makes one call with a token. It is repeated while the failure looks transient, and once more with a new token
    /// if the first one is refused.
    pub(crate) async fn call(
        &self,
        call: ApiCall<'_>,
        endpoint: Endpoint,
    ) -> Result<Answer, NexthinkError> {
        self.call_noted(call, endpoint, None).await
    }

    /// The same for a call that costs an export, each attempt of which `journal` learns of.
    async fn call_noted(
        &self,
        call: ApiCall<'_>,
        endpoint: Endpoint,
        mut journal: Option<&mut dyn ExportJournal>,
    ) -> Result<Answer, NexthinkError> {
        let policy = &self.settings.retry;
        let retry = |max_attempts| Retry::new(policy, &self.jitter, max_attempts);
        let mut retry = match call {
            ApiCall::StartExport(_) => {
                retry(self.settings.max_start_attempts.min(policy.max_attempts))
            }
            ApiCall::ExportStatus(_) => retry(policy.max_attempts),
            ApiCall::Execute(_) => retry(policy.max_attempts).within(EXECUTE_BUDGET),
        };
        let mut token_renewed = false;
        loop {
            let token = self.tokens.get().await?.token;
            if let Some(journal) = journal.as_deref_mut() {
                journal.starting()?;
            }
            let sending = self.api.send(call, &token);
            let answered = match call {
                ApiCall::Execute(_) => self.execute_pace.run(sending).await,
                ApiCall::StartExport(_) | ApiCall::ExportStatus(_) => sending.await,
            };
            if let Some(journal) = journal.as_deref_mut()
                && was_not_done(&answered)
            {
                journal.not_started();
            }
            let cause = match answered {
                Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => {
                    self.tokens.invalidate(&token).await;
                    if token_renewed {
                        return Err(self.unauthorized(endpoint));
                    }
                    token_renewed = true;
                    continue;
                }
                Ok(answer) => match answer.retry_cause(endpoint) {
                    Some(cause) => cause,
                    None => return Ok(answer),
                },
                Err(error) => RetryCause::NoAnswer(error),
            };
            retry.pause(cause).await?;
        }
    }

    fn unauthorized(&self, endpoint: Endpoint) -> NexthinkError {
        NexthinkError::Unauthorized {
            endpoint,
            scope: INTEGRATION_SCOPE,
            client_id: self.tokens.client_id().to_owned(),
            status: StatusCode::UNAUTHORIZED.as_u16(),
            reason: "a new token was refused too".into(),
        }
    }
}

/// Returns true if a call had no effect: it was refused, or never got there. HTTP 503 says that it was not handled; any
/// other server error, and a time-out, may come after it was.
fn was_not_done(answered: &Result<Answer, NexthinkError>) -> bool {
    match answered {
        Ok(Answer { status, .. }) => match *status {
            StatusCode::REQUEST_TIMEOUT => false,
            StatusCode::SERVICE_UNAVAILABLE => true,
            status => status.is_client_error() || status.is_redirection(),
        },
        Err(NexthinkError::Unreachable { cause, .. }) => cause.is_before_request(),
        Err(_) => false,
    }
}

/// Fails unless Nexthink runs the query.
pub(crate) fn check_query(
    answer: &Answer,
    query: &QueryId,
    endpoint: Endpoint,
) -> Result<(), NexthinkError> {
    Err(match answer.status {
        StatusCode::OK => return Ok(()),
        StatusCode::FORBIDDEN => NexthinkError::Forbidden { subject: format!("query {query}") },
        StatusCode::NOT_FOUND => NexthinkError::QueryNotFound { query: query.clone() },
        StatusCode::BAD_REQUEST => NexthinkError::QueryNotAccepted { query: query.clone() },
        _ => answer.unexpected_status(endpoint),
    })
}

/// The answer to a question for the status; members that are not named here do not matter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusAnswer {
    status: Value,
    results_file_url: Option<String>,
    error_description: Option<String>,
}
