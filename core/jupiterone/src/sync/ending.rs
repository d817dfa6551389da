//! The end of a job: it is finalized once and watched until it is done, or given up while it changes nothing
//! yet. Once it may have been finalized, only its state says what is true.

use std::time::Duration;

use core_http::Retry;
use tokio::time::Instant;

use super::answer::Meaning;
use super::client::{Progress, SyncClient};
use super::job::{Job, JobId, JobStatus};
use super::retry_cause::RetryCause;
use super::transport::{Abortion, Finalization, PartialDatasets, Request};
use crate::error::JupiterOneError;

/// The fate of a job of an earlier process.
#[derive(Debug, Clone)]
pub enum Settled {
    /// It is done: JupiterOne holds what it uploaded.
    Finished(Box<Job>),
    /// It was finalized or ended from elsewhere, without taking the graph over.
    Failed,
    /// It was finalized and is not done by the deadline. Nothing else is to be delivered until it is.
    Running,
    /// It still awaited uploads and was given up now: it has changed nothing.
    Dropped,
    /// JupiterOne knows no such job any more, so that it is not known what it changed.
    Gone,
}

impl SyncClient {
    /// Finds out what became of a job that an earlier process left behind, and gives it up if it was never
    /// finalized: what it uploaded is forgotten then, and nothing changes at JupiterOne. One that was
    /// finalized is watched until it is done, as the delivery itself would have done.
    ///
    /// # Errors
    /// As [`SyncClient::probe`]; [`JupiterOneError::JobEnded`] when the job awaits uploads and cannot be
    /// given up; [`JupiterOneError::JobGoesOn`] when it cannot be watched any longer.
    pub async fn settle(&self, job: &JobId) -> Result<Settled, JupiterOneError> {
        match self.settle_now(job).await? {
            Settled::Running => {}
            settled => return Ok(settled),
        }
        match self.wait_until_done(job, &|_| ()).await {
            Ok(job) => Ok(Settled::Finished(Box::new(job))),
            Err(JupiterOneError::JobFailed { .. }) => Ok(Settled::Failed),
            Err(JupiterOneError::JobDeadline { .. }) => Ok(Settled::Running),
            Err(error) => Err(error),
        }
    }

    /// Returns the fate of a job, as far as it is known now; gives it up if it was never finalized.
    async fn settle_now(&self, job: &JobId) -> Result<Settled, JupiterOneError> {
        let Some(found) = self.find(job).await? else { return Ok(Settled::Gone) };
        if found.status != JobStatus::AwaitingUploads {
            return Ok(settled(found));
        }
        let reason = Abortion { reason: "left behind by a run that was interrupted" };
        let answer = self.call(&Request::Abort(job, &reason)).await?;
        match answer.meaning() {
            Meaning::Done => return Ok(Settled::Dropped),
            Meaning::JobEnded => {}
            Meaning::Fatal(error) => return Err(error),
            _ => return Err(answer.unexpected()),
        }
        // It moved on in between.
        match self.find(job).await? {
            None => Ok(Settled::Gone),
            Some(found) if found.status == JobStatus::AwaitingUploads => {
                Err(JupiterOneError::JobEnded { job: job.clone() })
            }
            Some(found) => Ok(settled(found)),
        }
    }

    /// Gives up a job, unless it has moved on or is gone; does not wait for what becomes of it.
    ///
    /// # Errors
    /// As [`SyncClient::settle`].
    pub async fn abort(&self, job: &JobId) -> Result<(), JupiterOneError> {
        self.settle_now(job).await.map(|_| ())
    }

    /// The job, if there is one of this id.
    async fn find(&self, job: &JobId) -> Result<Option<Job>, JupiterOneError> {
        let answer = self.call(&Request::GetJob(job)).await?;
        if answer.is_not_found() {
            return Ok(None);
        }
        match answer.meaning() {
            Meaning::Done => answer.job().map(Some),
            Meaning::Fatal(error) => Err(error),
            _ => Err(answer.unexpected()),
        }
    }

    /// Finalizes once, whatever happens to the answers: whenever one is not what it should be, the job is
    /// asked where it stands, and only one that still awaits uploads is tried again or given up.
    pub(super) async fn finalize(
        &self,
        job: &JobId,
        types: Vec<&str>,
    ) -> Result<(), JupiterOneError> {
        let body = Finalization { partial_datasets: PartialDatasets { types } };
        let mut retry =
            Retry::new(&self.settings.retry, &self.random, self.settings.retry.max_attempts);
        loop {
            let error = match self.api.send(&Request::Finalize(job, &body)).await {
                Ok(answer) => match answer.meaning() {
                    Meaning::Done => return Ok(()),
                    Meaning::Retry(cause) => retry.pause(cause).await.err(),
                    Meaning::JobEnded => Some(JupiterOneError::JobEnded { job: job.clone() }),
                    Meaning::Fatal(error) => Some(error),
                    _ => Some(answer.unexpected()),
                },
                Err(error) => retry.pause(RetryCause::NoAnswer(error)).await.err(),
            };
            let status = match self.job(job).await {
                Ok(found) => found.status,
                Err(source) => return Err(goes_on(job, error.unwrap_or(source))),
            };
            match (status, error) {
                (JobStatus::AwaitingUploads, None) => {}
                (JobStatus::AwaitingUploads, Some(error)) => {
                    // If it cannot be given up, the last finalization may have got there after all.
                    let is_given_up = self.give_up(job).await;
                    return Err(if is_given_up { error } else { goes_on(job, error) });
                }
                (status, _) if status.is_failure() => {
                    return Err(JupiterOneError::JobFailed { job: job.clone(), status });
                }
                _ => return Ok(()),
            }
        }
    }

    /// Watches a finalized job until it is done.
    pub(super) async fn wait_until_done(
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
            let found = self.job(job).await.map_err(|source| goes_on(job, source))?;
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
                // One that never took the finalization in is not left to do so later.
                if found.status == JobStatus::AwaitingUploads && self.give_up(job).await {
                    let status = JobStatus::Aborted;
                    return Err(JupiterOneError::JobFailed { job: job.clone(), status });
                }
                let waited = schedule.deadline;
                return Err(JupiterOneError::JobDeadline { job: job.clone(), waited });
            }
        }
    }

    /// Tells JupiterOne to forget the job; whether it did. One that was never finalized runs out by itself,
    /// so a failure is only noted.
    pub(super) async fn give_up(&self, job: &JobId) -> bool {
        let reason = Abortion { reason: "the delivery failed" };
        let answer = self.api.send(&Request::Abort(job, &reason)).await;
        let is_done = answer.is_ok_and(|answer| matches!(answer.meaning(), Meaning::Done));
        if is_done {
            tracing::info!(job = job.as_str(), "synchronization job aborted");
        } else {
            tracing::warn!(job = job.as_str(), "the job could not be aborted");
        }
        is_done
    }
}

/// Returns the fate of a job that awaits no uploads.
fn settled(job: Job) -> Settled {
    match job.status {
        JobStatus::Finished => Settled::Finished(Box::new(job)),
        status if status.is_failure() => Settled::Failed,
        // A state that is not documented may still come to something.
        _ => Settled::Running,
    }
}

fn goes_on(job: &JobId, source: JupiterOneError) -> JupiterOneError {
    JupiterOneError::JobGoesOn { job: job.clone(), source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_awaits_nothing_is_finished_failed_or_still_running() {
        for (status, expected) in [
            (JobStatus::Finished, "Finished"),
            (JobStatus::Aborted, "Failed"),
            (JobStatus::AbortedDueToInvalidConfiguration, "Failed"),
            (JobStatus::ErrorBadData, "Failed"),
            (JobStatus::FinalizePending, "Running"),
            (JobStatus::FinalizingEntities, "Running"),
            (JobStatus::FinalizingRelationships, "Running"),
            // A state that is not documented may still come to something.
            (JobStatus::Unknown, "Running"),
        ] {
            let json = serde_json::json!({ "id": "a-1", "status": status });
            let job: Job = serde_json::from_value(json).expect("it is a job");
            let fate = match settled(job) {
                Settled::Finished(job) if job.id.as_str() == "a-1" => "Finished",
                Settled::Failed => "Failed",
                Settled::Running => "Running",
                other => panic!("{other:?}"),
            };
            assert_eq!(fate, expected, "{status}");
        }
    }

    #[test]
    fn a_job_that_goes_on_names_itself_and_keeps_its_cause() {
        let job = JobId::parse("a-1").expect("it is an ID");
        let error = goes_on(&job, JupiterOneError::AnotherJobActive);
        assert!(error.to_string().contains("job a-1 was finalized and may go on"), "{error}");
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert!(cause.is_some_and(|cause| cause.starts_with("another synchronization job")));
    }
}
