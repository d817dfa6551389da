//! One job of a delivery: its record is durable before anything is uploaded, and a job that is stopped before it is
//! finalized is given up.

use std::cell::{Cell, OnceCell};

use core_destination::DeliveryError;
use core_store::DeliveryLock;

use super::record;
use crate::contents::Contents;
use crate::sync::{Delivered, DeliveryReport, JobEvent, JobId, OpenJob, Progress, SyncClient};

/// One job, from its creation to its end.
pub(super) struct JobRun<'a> {
    pub(super) client: &'a SyncClient,
    pub(super) lock: &'a DeliveryLock,
    pub(super) before: Option<&'a Delivered>,
    /// Takes sentences about the progress.
    pub(super) tell: &'a dyn Fn(&str),
}

impl JobRun<'_> {
    /// Delivers, unless `stop` completes before the job is finalized: then the job is given up.
    pub(super) async fn deliver(
        &self,
        contents: Contents,
        events: &[JobEvent],
        stop: impl Future<Output = ()>,
    ) -> Result<DeliveryReport, DeliveryError> {
        let job: OnceCell<JobId> = OnceCell::new();
        let is_final = Cell::new(false);
        let observer = |event: Progress| match event {
            Progress::Finalizing => is_final.set(true),
            Progress::Uploaded { objects, .. } => {
                (self.tell)(&format!("{objects} objects uploaded"));
            }
            Progress::Finalized => {
                (self.tell)("finalized, waiting for the job");
            }
            Progress::State(_) => {}
        };
        let delivering = async {
            let open = self.open(&contents).await?;
            job.get_or_init(|| open.id().clone());
            Ok(self.client.deliver(open, contents, events, observer).await?)
        };
        let mut delivering = std::pin::pin!(delivering);
        let delivered = tokio::select! {
            delivered = &mut delivering => Some(delivered),
            // Once it is finalized it changes JupiterOne: what comes of it is worth the wait that is
            // left.
            () = stop => {
                if is_final.get() { Some(delivering.await) } else { None }
            }
        };
        match delivered {
            Some(delivered) => delivered,
            None => Err(stopped(self.client, job.get()).await),
        }
    }

    /// Creates a job and makes its record durable. A job that cannot be written down is given up: the next
    /// delivery could not ask what it changed, and would take JupiterOne to be as it was before.
    async fn open(&self, contents: &Contents) -> Result<OpenJob, DeliveryError> {
        let open = self.client.open_job().await?;
        let begun = Delivered::begin(self.before, self.client.destination(), contents, open.id());
        let Err(failure) = record::write(self.lock, &begun) else { return Ok(open) };
        if let Err(error) = self.client.abort(open.id()).await {
            tracing::warn!(%error, "the unrecorded job could not be aborted; JupiterOne drops it later");
        }
        Err(failure.failed_with(
            "the delivery could not be written down, so its job was given up and nothing was changed at \
             JupiterOne",
        ))
    }
}

/// The failure of a delivery whose job is done and whose record could not be written.
pub(super) fn not_recorded(failure: DeliveryError) -> DeliveryError {
    failure.failed_with(
        "JupiterOne took the delivery over, but this could not be written down: the next delivery asks \
         JupiterOne for the job and uploads everything again",
    )
}

/// Gives up a job that was not finalized, since the delivery was asked to stop.
async fn stopped(client: &SyncClient, job: Option<&JobId>) -> DeliveryError {
    if let Some(job) = job
        && let Err(error) = client.abort(job).await
    {
        tracing::warn!(%error, "the job could not be aborted; the next delivery does that");
    }
    DeliveryError::Local(anyhow::anyhow!("the delivery was stopped"))
}
