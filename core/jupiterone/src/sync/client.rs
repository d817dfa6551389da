//! The life of a delivery: create a job, upload everything, make sure that it was stored. How the job
//! ends then is in `ending`.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use core_http::{Jitter, Retry};

use super::answer::{Answer, Meaning};
use super::destination::{ApiKey, Destination, Source};
use super::job::{Job, JobId, JobStatus};
use super::report::DeliveryReport;
use super::retry_cause::RetryCause;
use super::settings::SyncSettings;
use super::transport::{Api, Events, JobEvent, NewJob, Request};
use super::upload::{Uploader, Uploads};
use crate::contents::Contents;
use crate::error::{Call, JupiterOneError};
use crate::objects::ObjectKind;
use crate::schema_violations::SchemaViolations;

/// The number of times that a job is created when no answer comes. JupiterOne has no call that lists jobs, so a job whose
/// answer was lost cannot be found again. It is never finalized and so changes nothing.
const MAX_UNANSWERED_CREATIONS: u32 = 2;

/// Delivers generations to one destination.
pub struct SyncClient {
    pub(super) api: Api,
    destination: Destination,
    pub(super) settings: SyncSettings,
    pub(super) random: Jitter,
}

/// A job that takes uploads and has changed nothing yet.
///
/// A type of its own, so that the caller records the job before anything is uploaded: a job without a
/// record must never be finalized, since the next delivery could not ask what it changed.
#[derive(Debug)]
#[must_use = "deliver with it, or abort it"]
pub struct OpenJob(Job);

impl OpenJob {
    /// Its id.
    pub fn id(&self) -> &JobId {
        &self.0.id
    }
}

/// A step of a delivery, as it happens.
#[derive(Debug, Clone)]
pub enum Progress {
    /// So much is uploaded.
    Uploaded {
        /// Objects.
        objects: u64,
        /// Bytes of JSON.
        json_bytes: u64,
    },
    /// Everything is uploaded, and the job is finalized as soon as the caller returns: from the next call on
    /// it may change what JupiterOne holds, whether or not this program gets to see it.
    Finalizing,
    /// The job is finalized; from now on it changes what JupiterOne holds.
    Finalized,
    /// The job reached this state.
    State(JobStatus),
}

impl SyncClient {
    /// Makes a client. The key is sent to the destination's host only.
    ///
    /// # Errors
    /// [`JupiterOneError::InvalidSetting`], [`JupiterOneError::Setup`].
    pub fn new(
        destination: Destination,
        key: ApiKey,
        settings: SyncSettings,
    ) -> Result<Self, JupiterOneError> {
        let api = Api::new(&destination, key, &settings)?;
        let random = Jitter::new(settings.seed);
        Ok(Self { api, destination, settings, random })
    }

    /// Where it delivers to.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Asks for a job that does not exist, to find out whether the key is accepted.
    ///
    /// # Errors
    /// [`JupiterOneError::Unauthorized`] when it is not; [`JupiterOneError::Unreachable`] and the like.
    pub async fn probe(&self) -> Result<(), JupiterOneError> {
        let answer = self.call(&Request::GetJob(&JobId::unused())).await?;
        match answer.meaning() {
            Meaning::Fatal(error @ JupiterOneError::Unauthorized { .. }) => Err(error),
            _ if answer.is_not_found() => Ok(()),
            Meaning::Done | Meaning::Refused => Ok(()),
            _ => Err(answer.unexpected()),
        }
    }

    /// Asks for a job.
    ///
    /// # Errors
    /// [`JupiterOneError::UnexpectedAnswer`] when there is none of this id.
    pub async fn job(&self, job: &JobId) -> Result<Job, JupiterOneError> {
        let answer = self.call(&Request::GetJob(job)).await?;
        match answer.meaning() {
            Meaning::Done => answer.job(),
            Meaning::Fatal(error) => Err(error),
            _ => Err(answer.unexpected()),
        }
    }

    /// Creates a job for [`SyncClient::deliver`]. Write its id down durably first, with
    /// [`Delivered::begin`](crate::Delivered::begin), or abort it.
    ///
    /// # Errors
    /// [`JupiterOneError::AnotherJobActive`], [`JupiterOneError::WrongJob`], and as [`SyncClient::probe`].
    pub async fn open_job(&self) -> Result<OpenJob, JupiterOneError> {
        let created = self.create().await?;
        tracing::info!(job = created.id.as_str(), "synchronization job created");
        if let Err(error) = self.check(&created) {
            self.give_up(&created.id).await;
            return Err(error);
        }
        Ok(OpenJob(created))
    }

    /// Delivers: entities first, relationships when all of them are there, then the job is finalized with
    /// the partial datasets and watched until it is done. If anything fails before that, or JupiterOne
    /// counts less than it took, the job is given up and nothing changes at JupiterOne.
    ///
    /// `events` are written to the job's log if it has one. `on_progress` is called in between, and
    /// nothing goes on until it returns.
    ///
    /// # Errors
    /// Every kind; [`JupiterOneError::JobFailed`], [`JupiterOneError::JobDeadline`] and
    /// [`JupiterOneError::JobGoesOn`] when the job was finalized, so that it may have changed something.
    pub async fn deliver(
        &self,
        job: OpenJob,
        contents: Contents,
        events: &[JobEvent],
        on_progress: impl Fn(Progress),
    ) -> Result<DeliveryReport, JupiterOneError> {
        let contents = Arc::new(contents);
        let OpenJob(created) = job;
        let job = &created.id;
        let uploaded = self.upload(&created, &contents, events, &on_progress).await;
        let (uploads, findings) = match uploaded {
            Ok(uploaded) => uploaded,
            Err(error) => {
                // One that was ended from elsewhere needs no abort.
                if !matches!(error, JupiterOneError::JobEnded { .. }) {
                    self.give_up(job).await;
                }
                return Err(error);
            }
        };
        let losses = uploads.losses.keys().map(String::as_str);
        let partial = contents.partial_datasets_with(losses.chain(findings.types_with_losses()));
        on_progress(Progress::Finalizing);
        self.finalize(job, partial.iter().map(String::as_str).collect()).await?;
        on_progress(Progress::Finalized);
        let done = self.wait_until_done(job, &on_progress).await?;
        Ok(DeliveryReport {
            destination: self.destination.identity(),
            generation: contents.generation().id().clone(),
            job: done.id,
            status: done.status,
            counters: done.counters,
            partial_datasets: partial.into_iter().collect(),
            uploads,
            findings: findings.entries().to_vec(),
            types: contents.delivered_types(),
            purged: contents.purged_types().clone(),
            extras: contents.extras(),
            events_through: contents.events_through().map(|(name, part)| (name.to_owned(), part)),
        })
    }

    /// Everything up to the point where the job changes something.
    async fn upload(
        &self,
        created: &Job,
        contents: &Arc<Contents>,
        events: &[JobEvent],
        on_progress: &impl Fn(Progress),
    ) -> Result<(Uploads, SchemaViolations), JupiterOneError> {
        let job = &created.id;
        if created.integration_job_id.is_some() && !events.is_empty() {
            self.log(job, events).await;
        }
        let uploader = Uploader {
            api: &self.api,
            settings: &self.settings,
            random: &self.random,
            job,
            limit: Arc::new(AtomicUsize::new(self.settings.batch_bytes)),
        };
        let (mut uploads, mut findings) = (Uploads::default(), SchemaViolations::default());
        let mut entities = 0;
        for kind in [ObjectKind::Entities, ObjectKind::Relationships] {
            let on_upload = |uploads: &Uploads| {
                let (objects, json_bytes) = (uploads.objects, uploads.json_bytes);
                on_progress(Progress::Uploaded { objects, json_bytes });
            };
            uploader.upload(contents, kind, &mut uploads, &mut findings, on_upload).await?;
            if kind == ObjectKind::Entities {
                entities = uploads.objects;
            }
        }
        self.check_stored(job, entities, uploads.objects - entities).await?;
        Ok((uploads, findings))
    }

    /// Makes sure that the job has what was uploaded, by its own count: what it does not have it would
    /// delete. It may have more, since an upload whose answer was lost is repeated.
    async fn check_stored(
        &self,
        job: &JobId,
        entities: u64,
        relationships: u64,
    ) -> Result<(), JupiterOneError> {
        let mut retry =
            Retry::new(&self.settings.retry, &self.random, self.settings.retry.max_attempts);
        loop {
            let found = self.job(job).await?;
            if found.status != JobStatus::AwaitingUploads {
                return Err(JupiterOneError::JobEnded { job: job.clone() });
            }
            let counters = &found.counters;
            let counts = [
                (ObjectKind::Entities, entities, counters.num_entities_uploaded),
                (ObjectKind::Relationships, relationships, counters.num_relationships_uploaded),
            ];
            let short = counts.into_iter().find_map(|(kind, sent, found)| {
                found.filter(|found| *found < sent).map(|found| (kind.name(), sent, found))
            });
            let Some((kind, sent, found)) = short else { return Ok(()) };
            let error = JupiterOneError::NotStored { job: job.clone(), kind, sent, found };
            // The count may lag behind the uploads.
            retry.pause(RetryCause::Behind(error)).await?;
        }
    }

    async fn create(&self) -> Result<Job, JupiterOneError> {
        let source = &self.destination.source;
        let (scope, instance) = match source {
            Source::Api { scope } => (Some(scope.as_str()), None),
            Source::IntegrationExternal { integration_instance_id: id }
            | Source::IntegrationManaged { integration_instance_id: id } => {
                (None, Some(id.as_str()))
            }
        };
        let new = NewJob {
            source: source.name(),
            scope,
            integration_instance_id: instance,
            sync_mode: "DIFF",
            // An upload whose answer was lost is repeated; without this its objects would be refused.
            ignore_duplicates: true,
        };
        let mut retry =
            Retry::new(&self.settings.retry, &self.random, self.settings.retry.max_attempts);
        let mut unanswered = 0;
        loop {
            let cause = match self.api.send(&Request::CreateJob(&new)).await {
                Ok(answer) => match answer.meaning() {
                    Meaning::Done => return answer.job(),
                    Meaning::Conflict => return Err(JupiterOneError::AnotherJobActive),
                    Meaning::Fatal(error) => return Err(error),
                    Meaning::Retry(cause) => cause,
                    _ => return Err(answer.unexpected()),
                },
                Err(error) => {
                    unanswered += 1;
                    if unanswered >= MAX_UNANSWERED_CREATIONS {
                        return Err(error);
                    }
                    RetryCause::NoAnswer(error)
                }
            };
            retry.pause(cause).await?;
        }
    }

    /// Refuses a job that is for another graph than was asked for.
    fn check(&self, job: &Job) -> Result<(), JupiterOneError> {
        let source = &self.destination.source;
        let id = match source {
            Source::Api { .. } => &job.scope,
            Source::IntegrationExternal { .. } | Source::IntegrationManaged { .. } => {
                &job.integration_instance_id
            }
        };
        let differs = |found: &Option<String>, asked: &str| {
            found.as_ref().is_some_and(|found| found != asked)
        };
        let what = match () {
            () if differs(&job.source, source.name()) => "source",
            () if differs(id, source.id()) => "scope or integration instance",
            () if job.status != JobStatus::AwaitingUploads => "state",
            () => return Ok(()),
        };
        Err(JupiterOneError::WrongJob { job: job.id.clone(), what })
    }

    /// Writes to the job's log. The graph is worth more than its log, so a failure is only noted.
    async fn log(&self, job: &JobId, events: &[JobEvent]) {
        let answer = self.call(&Request::PostEvents(job, &Events { events })).await;
        if !answer.is_ok_and(|answer| matches!(answer.meaning(), Meaning::Done)) {
            tracing::warn!(job = job.as_str(), "the job's log could not be written");
        }
    }

    /// Makes a call that may be repeated without harm, until there is an answer.
    pub(super) async fn call(&self, request: &Request<'_>) -> Result<Answer, JupiterOneError> {
        debug_assert_ne!(request.call(), Call::CreateJob, "creating twice makes two jobs");
        let mut retry =
            Retry::new(&self.settings.retry, &self.random, self.settings.retry.max_attempts);
        loop {
            let cause = match self.api.send(request).await {
                Ok(answer) => match answer.meaning() {
                    Meaning::Retry(cause) => cause,
                    _ => return Ok(answer),
                },
                Err(error) => RetryCause::NoAnswer(error),
            };
            retry.pause(cause).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::base_url::BaseUrl;

    #[test]
    fn k17_a_job_for_another_graph_than_was_asked_for_is_refused()
    -> Result<(), Box<dyn std::error::Error>> {
        let base = BaseUrl::parse("http://127.0.0.1:9")?;
        let destination = Destination::new(base, "demo", Source::Api { scope: "acme".to_owned() })?;
        let key = ApiKey::new("demo-key".to_owned())?;
        let client = SyncClient::new(destination, key, SyncSettings::new(1))?;
        for (members, expected) in [
            (r#""source":"api","scope":"acme","status":"AWAITING_UPLOADS""#, None),
            (r#""status":"AWAITING_UPLOADS""#, None),
            (
                r#""source":"api","scope":"other","status":"AWAITING_UPLOADS""#,
                Some("scope or integration instance"),
            ),
            (r#""source":"integration-managed","status":"AWAITING_UPLOADS""#, Some("source")),
            (r#""source":"api","scope":"acme","status":"FINISHED""#, Some("state")),
        ] {
            let job: Job = serde_json::from_str(&format!(r#"{{"id":"a-1",{members}}}"#))?;
            let found = match client.check(&job) {
                Err(JupiterOneError::WrongJob { what, .. }) => Some(what),
                _ => None,
            };
            assert_eq!(found, expected, "{members}");
        }
        Ok(())
    }
}
