//! The life of a delivery: create a job, upload everything, finalize it, wait until it is done.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::time::Instant;

use super::destination::{ApiKey, Destination, Source};
use super::job::{Job, JobId, JobStatus};
use super::report::DeliveryReport;
use super::retry::{Random, Retry, Setback};
use super::settings::SyncSettings;
use super::transport::{
    Abortion, Answer, Api, Events, Finalization, JobEvent, Meaning, NewJob, PartialDatasets,
    Request,
};
use super::upload::{Uploader, Uploads};
use crate::contents::Contents;
use crate::error::{Call, JupiterOneError};
use crate::findings::Findings;
use crate::objects::ObjectKind;

/// How often a job is created when no answer comes. JupiterOne has no call that lists jobs, so a job whose
/// answer was lost cannot be found again. It is never finalized and so changes nothing.
const MAX_UNANSWERED_CREATIONS: u32 = 2;

/// Delivers generations to one destination.
pub struct SyncClient {
    api: Api,
    destination: Destination,
    settings: SyncSettings,
    random: Random,
}

/// A step of a delivery, as it happens.
#[derive(Debug, Clone)]
pub enum Progress {
    /// The job exists. Remember it: after a crash it is to be given up with [`SyncClient::abort`].
    Created(JobId),
    /// So much is uploaded.
    Uploaded {
        /// Objects.
        objects: u64,
        /// Bytes of JSON.
        json_bytes: u64,
    },
    /// The job is finalized; from now on it changes what JupiterOne holds.
    Finalized,
    /// The job reached this state.
    State(JobStatus),
}

impl SyncClient {
    /// Makes a client. The key is sent to the destination's host and to nobody else.
    ///
    /// # Errors
    /// [`JupiterOneError::InvalidSetting`], [`JupiterOneError::TlsSetup`].
    pub fn new(
        destination: Destination,
        key: ApiKey,
        settings: SyncSettings,
    ) -> Result<Self, JupiterOneError> {
        let api = Api::new(&destination, key, &settings)?;
        let random = Random::new(settings.seed);
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
        let answer = self.call(&Request::GetJob(&JobId::of_no_job())).await?;
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

    /// Gives up a job that an earlier run left behind, unless it has moved on or is gone. What a job that
    /// was never finalized uploaded is forgotten, so nothing changes at JupiterOne.
    ///
    /// # Errors
    /// As [`SyncClient::probe`].
    pub async fn abort(&self, job: &JobId) -> Result<(), JupiterOneError> {
        let answer = self.call(&Request::GetJob(job)).await?;
        if answer.is_not_found() {
            return Ok(());
        }
        match answer.meaning() {
            Meaning::Done if answer.job()?.status == JobStatus::AwaitingUploads => {}
            Meaning::Done => return Ok(()),
            Meaning::Fatal(error) => return Err(error),
            _ => return Err(answer.unexpected()),
        }
        let reason = Abortion { reason: "left behind by a run that was interrupted" };
        let answer = self.call(&Request::Abort(job, &reason)).await?;
        match answer.meaning() {
            Meaning::Done | Meaning::JobEnded => Ok(()),
            Meaning::Fatal(error) => Err(error),
            _ => Err(answer.unexpected()),
        }
    }

    /// Delivers: entities first, relationships when all of them are there, then the job is finalized with
    /// the partial datasets and watched until it is done. If anything fails before that, the job is given
    /// up and nothing changes at JupiterOne.
    ///
    /// `events` are written to the job's log if it has one.
    ///
    /// # Errors
    /// Every kind; [`JupiterOneError::JobFailed`] and [`JupiterOneError::JobDeadline`] when the job was
    /// finalized, so that it may have changed something.
    pub async fn deliver(
        &self,
        contents: Contents,
        events: &[JobEvent],
        on_progress: impl Fn(Progress),
    ) -> Result<DeliveryReport, JupiterOneError> {
        let contents = Arc::new(contents);
        let created = self.create().await?;
        let job = &created.id;
        tracing::info!(job = job.as_str(), "synchronization job created");
        on_progress(Progress::Created(job.clone()));
        let prepared = self.prepare(&created, &contents, events, &on_progress).await;
        let (uploads, findings, partial) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                // One that was ended from elsewhere needs no abort.
                if !matches!(
                    error,
                    JupiterOneError::JobEnded { .. } | JupiterOneError::JobFailed { .. }
                ) {
                    self.give_up(job).await;
                }
                return Err(error);
            }
        };
        on_progress(Progress::Finalized);
        let done = self.wait_until_done(job, &on_progress).await?;
        Ok(DeliveryReport {
            destination: self.destination.identity(),
            generation: contents.generation().id().clone(),
            job: done.id,
            status: done.status,
            counters: done.counters,
            partial_datasets: partial,
            uploads,
            findings: findings.entries().to_vec(),
        })
    }

    /// Everything up to the point where the job changes something.
    async fn prepare(
        &self,
        created: &Job,
        contents: &Arc<Contents>,
        events: &[JobEvent],
        on_progress: &impl Fn(Progress),
    ) -> Result<(Uploads, Findings, Vec<String>), JupiterOneError> {
        self.check(created)?;
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
        let (mut uploads, mut findings) = (Uploads::default(), Findings::default());
        for kind in [ObjectKind::Entities, ObjectKind::Relationships] {
            let on_upload = |uploads: &Uploads| {
                let (objects, json_bytes) = (uploads.objects, uploads.json_bytes);
                on_progress(Progress::Uploaded { objects, json_bytes });
            };
            uploader.upload(contents, kind, &mut uploads, &mut findings, on_upload).await?;
        }
        let losses = uploads.losses.keys().map(String::as_str);
        let partial = contents.partial_datasets_with(losses.chain(findings.types_with_losses()));
        self.finalize(job, partial.iter().map(String::as_str).collect()).await?;
        Ok((uploads, findings, partial.into_iter().collect()))
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
        let mut retry = Retry::new(&self.settings.retry, &self.random);
        let mut unanswered = 0;
        loop {
            let setback = match self.api.send(&Request::CreateJob(&new)).await {
                Ok(answer) => match answer.meaning() {
                    Meaning::Done => return answer.job(),
                    Meaning::Conflict => return Err(JupiterOneError::AnotherJobActive),
                    Meaning::Fatal(error) => return Err(error),
                    Meaning::Setback(setback) => setback,
                    _ => return Err(answer.unexpected()),
                },
                Err(error) => {
                    unanswered += 1;
                    if unanswered >= MAX_UNANSWERED_CREATIONS {
                        return Err(error);
                    }
                    Setback::NoAnswer(error)
                }
            };
            retry.pause(setback).await?;
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
        let differs =
            |found: &Option<String>, asked: &str| found.as_ref().is_some_and(|it| it != asked);
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
        if !answer.is_ok_and(|it| matches!(it.meaning(), Meaning::Done)) {
            tracing::warn!(job = job.as_str(), "the job's log could not be written");
        }
    }

    /// Finalizes once, whatever happens to the answers: before it is tried again, the job is asked whether
    /// it still awaits uploads.
    async fn finalize(&self, job: &JobId, types: Vec<&str>) -> Result<(), JupiterOneError> {
        let body = Finalization { partial_datasets: PartialDatasets { types } };
        let mut retry = Retry::new(&self.settings.retry, &self.random);
        loop {
            let setback = match self.api.send(&Request::Finalize(job, &body)).await {
                Ok(answer) => match answer.meaning() {
                    Meaning::Done => return Ok(()),
                    Meaning::JobEnded => None,
                    Meaning::Setback(setback) => Some(setback),
                    Meaning::Fatal(error) => return Err(error),
                    _ => return Err(answer.unexpected()),
                },
                Err(error) => Some(Setback::NoAnswer(error)),
            };
            let is_refused = setback.is_none();
            if let Some(setback) = setback {
                retry.pause(setback).await?;
            }
            match self.job(job).await?.status {
                JobStatus::AwaitingUploads if is_refused => {
                    return Err(JupiterOneError::JobEnded { job: job.clone() });
                }
                JobStatus::AwaitingUploads => {}
                status if status.is_failure() => {
                    return Err(JupiterOneError::JobFailed { job: job.clone(), status });
                }
                _ => return Ok(()),
            }
        }
    }

    async fn wait_until_done(
        &self,
        job: &JobId,
        on_progress: &impl Fn(Progress),
    ) -> Result<Job, JupiterOneError> {
        let schedule = &self.settings.poll;
        let started = Instant::now();
        let mut wait = schedule.first;
        let mut last = None;
        loop {
            tokio::time::sleep(wait).await;
            wait = wait.mul_f64(1.5).min(schedule.cap).max(Duration::from_millis(1));
            let found = self.job(job).await?;
            if last != Some(found.status) {
                tracing::info!(job = job.as_str(), status = found.status.name(), "job moves on");
                on_progress(Progress::State(found.status));
                last = Some(found.status);
            }
            if found.status == JobStatus::Finished {
                return Ok(found);
            }
            if found.status.is_failure() {
                return Err(JupiterOneError::JobFailed { job: job.clone(), status: found.status });
            }
            if started.elapsed() > schedule.deadline {
                let waited = schedule.deadline;
                return Err(JupiterOneError::JobDeadline { job: job.clone(), waited });
            }
        }
    }

    /// Tells JupiterOne to forget the job. It would do so by itself, so a failure is only noted.
    async fn give_up(&self, job: &JobId) {
        let reason = Abortion { reason: "the delivery failed" };
        let answer = self.api.send(&Request::Abort(job, &reason)).await;
        if answer.is_ok_and(|it| matches!(it.meaning(), Meaning::Done)) {
            tracing::info!(job = job.as_str(), "synchronization job aborted");
        } else {
            tracing::warn!(job = job.as_str(), "the job could not be aborted and runs out");
        }
    }

    /// Makes a call that may be repeated without harm, until there is an answer.
    async fn call(&self, request: &Request<'_>) -> Result<Answer, JupiterOneError> {
        debug_assert_ne!(request.call(), Call::CreateJob, "creating twice makes two jobs");
        let mut retry = Retry::new(&self.settings.retry, &self.random);
        loop {
            let setback = match self.api.send(request).await {
                Ok(answer) => match answer.meaning() {
                    Meaning::Setback(setback) => setback,
                    _ => return Ok(answer),
                },
                Err(error) => Setback::NoAnswer(error),
            };
            retry.pause(setback).await?;
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
