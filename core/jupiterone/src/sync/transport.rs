//! The calls, and what comes back. The API key is bound to its host by type: [`Api`] holds both, makes
//! every URL from its own base, and hands neither out.

use bytes::Bytes;
use core_http::{CallFailure, ClientFactory, HttpClient, read_up_to, requested_wait};
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use super::answer::Answer;
use super::base_url::BaseUrl;
use super::destination::{ApiKey, Destination};
use super::job::JobId;
use super::settings::SyncSettings;
use crate::error::{Call, JupiterOneError};
use crate::objects::ObjectKind;

/// The largest answer that is read, in bytes.
const ANSWER_CAP: usize = 1 << 20;

/// One account at JupiterOne, and the key to it.
pub(super) struct Api {
    http: HttpClient,
    base: BaseUrl,
    account: HeaderValue,
    key: ApiKey,
}

/// One request.
pub(super) enum Request<'a> {
    CreateJob(&'a NewJob<'a>),
    GetJob(&'a JobId),
    Upload { job: &'a JobId, kind: ObjectKind, body: Bytes, correlation_id: &'a str },
    PostEvents(&'a JobId, &'a Events<'a>),
    Finalize(&'a JobId, &'a Finalization<'a>),
    Abort(&'a JobId, &'a Abortion),
}

/// The body that creates a job.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewJob<'a> {
    pub(super) source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) integration_instance_id: Option<&'a str>,
    pub(super) sync_mode: &'static str,
    pub(super) ignore_duplicates: bool,
}

/// The body that writes to a job's log.
#[derive(Serialize)]
pub(super) struct Events<'a> {
    pub(super) events: &'a [JobEvent],
}

/// One line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobEvent {
    /// The kind of event, by the names of the integration SDK, for example `step_end`. JupiterOne takes a job
    /// for failed when a name has `error` in it.
    pub name: String,
    /// One sentence for people. It must hold nothing that was collected.
    pub description: String,
}

/// The body that finalizes a job.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finalization<'a> {
    pub(super) partial_datasets: PartialDatasets<'a>,
}

/// The types of which nothing may be deleted.
#[derive(Serialize)]
pub(super) struct PartialDatasets<'a> {
    pub(super) types: Vec<&'a str>,
}

/// The body that gives a job up.
#[derive(Serialize)]
pub(super) struct Abortion {
    pub(super) reason: &'static str,
}

impl Request<'_> {
    pub(super) fn call(&self) -> Call {
        match self {
            Self::CreateJob(_) => Call::CreateJob,
            Self::GetJob(_) => Call::GetJob,
            Self::Upload { kind: ObjectKind::Entities, .. } => Call::UploadEntities,
            Self::Upload { kind: ObjectKind::Relationships, .. } => Call::UploadRelationships,
            Self::PostEvents(..) => Call::PostEvents,
            Self::Finalize(..) => Call::Finalize,
            Self::Abort(..) => Call::Abort,
        }
    }

    /// The job that a successful answer has to name. An answer about the log names none.
    fn expected_job(&self) -> Option<JobId> {
        match self {
            Self::CreateJob(_) | Self::PostEvents(..) => None,
            Self::GetJob(job)
            | Self::Upload { job, .. }
            | Self::Finalize(job, _)
            | Self::Abort(job, _) => Some((*job).clone()),
        }
    }
}

impl Api {
    pub(super) fn new(
        destination: &Destination,
        key: ApiKey,
        settings: &SyncSettings,
    ) -> Result<Self, JupiterOneError> {
        let base = destination.base.clone();
        let account = HeaderValue::from_str(&destination.account).expect("an account is ASCII");
        let (trust, proxy) = (&settings.trust, settings.proxy.as_ref());
        let factory = ClientFactory::new(base.uses_tls(), trust, proxy, settings.timeouts.connect)?;
        // No bound between bytes: JupiterOne may be silent while it takes an upload of megabytes.
        let http = factory.client(None, Some(settings.timeouts.answer))?;
        Ok(Self { http, base, account, key })
    }

    /// Makes one call, once.
    ///
    /// # Errors
    /// [`JupiterOneError::Unreachable`] when no whole answer came.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Answer, JupiterOneError> {
        let builder = match request {
            Request::CreateJob(body) => self.http.post(self.base.jobs()).json(body),
            Request::GetJob(job) => self.http.get(self.base.job(job)),
            Request::Upload { job, kind, body, correlation_id } => self
                .http
                .post(self.base.objects(job, *kind))
                .header(CONTENT_TYPE, "application/json")
                .header(CONTENT_ENCODING, "gzip")
                .header("JupiterOne-Correlation-Id", *correlation_id)
                .body(body.clone()),
            Request::PostEvents(job, body) => self.http.post(self.base.events(job)).json(body),
            Request::Finalize(job, body) => self.http.post(self.base.finalize(job)).json(body),
            Request::Abort(job, body) => self.http.post(self.base.abort(job)).json(body),
        };
        let builder = builder
            .header(AUTHORIZATION, self.key.header())
            .header("JupiterOne-Account", &self.account);
        self.answer(builder, request.call(), request.expected_job()).await
    }

    async fn answer(
        &self,
        builder: RequestBuilder,
        call: Call,
        expected_job: Option<JobId>,
    ) -> Result<Answer, JupiterOneError> {
        let no_answer = |error| no_answer(self.base.host(), self.http.failure(error));
        let mut response = builder.send().await.map_err(no_answer)?;
        let status = response.status();
        let retry_after = requested_wait(response.headers());
        let body = read_up_to(&mut response, ANSWER_CAP).await.map_err(no_answer)?;
        if body.is_over_cap {
            let what = "more bytes than any valid answer has";
            return Err(JupiterOneError::UnexpectedAnswer { call, status: status.as_u16(), what });
        }
        Ok(Answer { call, expected_job, status, retry_after, body: body.bytes.to_vec() })
    }
}

/// The error for a call that got no whole answer.
fn no_answer(host: &str, failure: CallFailure) -> JupiterOneError {
    let CallFailure { cause, source } = failure;
    JupiterOneError::Unreachable { host: host.to_owned(), cause, source }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job() -> JobId {
        JobId::parse("0a1b-2c3d").expect("it is an ID")
    }

    /// The call and the expected job of each request about a job, and of the one that creates one.
    fn expected(request: &Request<'_>) -> (Call, Option<JobId>) {
        (request.call(), request.expected_job())
    }

    fn new_job() -> NewJob<'static> {
        NewJob {
            source: "api",
            scope: None,
            integration_instance_id: None,
            sync_mode: "DIFF",
            ignore_duplicates: false,
        }
    }

    #[test]
    fn an_answer_has_to_name_the_job_of_its_request() {
        let (job, body, correlation_id) = (job(), Bytes::new(), "a-1");
        let abortion = Abortion { reason: "stopped" };
        let finalization = Finalization { partial_datasets: PartialDatasets { types: vec![] } };
        let upload = |kind| Request::Upload { job: &job, kind, body: body.clone(), correlation_id };
        for (request, call) in [
            (Request::GetJob(&job), Call::GetJob),
            (upload(ObjectKind::Entities), Call::UploadEntities),
            (upload(ObjectKind::Relationships), Call::UploadRelationships),
            (Request::Finalize(&job, &finalization), Call::Finalize),
            (Request::Abort(&job, &abortion), Call::Abort),
        ] {
            assert_eq!(expected(&request), (call, Some(job.clone())));
        }
    }

    #[test]
    fn an_answer_about_a_new_job_or_about_the_log_names_no_job_that_is_known() {
        let (job, new, events) = (job(), new_job(), Events { events: &[] });
        assert_eq!(expected(&Request::CreateJob(&new)), (Call::CreateJob, None));
        assert_eq!(expected(&Request::PostEvents(&job, &events)), (Call::PostEvents, None));
    }

    #[test]
    fn a_new_job_has_a_scope_or_an_instance_and_no_member_for_the_other() {
        let scoped = NewJob { scope: Some("nexthink-acme"), ..new_job() };
        let expected = json!({
            "source": "api",
            "scope": "nexthink-acme",
            "syncMode": "DIFF",
            "ignoreDuplicates": false,
        });
        assert_eq!(serde_json::to_value(scoped).expect("it is plain data"), expected);
        let instance = NewJob { integration_instance_id: Some("0a1b"), ..new_job() };
        let body = serde_json::to_value(instance).expect("it is plain data");
        assert_eq!(body["integrationInstanceId"], "0a1b");
        assert!(body.get("scope").is_none(), "{body}");
    }

    #[test]
    fn the_types_of_which_nothing_may_be_deleted_are_named_also_if_there_are_none() {
        for types in [vec![], vec!["nexthink_device", "nexthink_user"]] {
            let body = Finalization { partial_datasets: PartialDatasets { types: types.clone() } };
            let body = serde_json::to_value(body).expect("it is plain data");
            assert_eq!(body, json!({ "partialDatasets": { "types": types } }));
        }
    }
}
