//! Working copies that a process reads for as long as it lives, such as the explorer's.
//!
//! It looks at the head from time to time, makes the folder what a changed head says, and sends the records of its reads.
//! A bucket that does not answer for long ends it: what the folder has may show a person who was erased since.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::BucketError;
use crate::head::Content;
use crate::reader::published;
use crate::working_copy::{WorkingCopyRequest, refresh, send_reads};

/// The time between two looks at a bucket, within which a reader has what another machine published or erased.
pub const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The time for which a reader goes on without an answer of the bucket.
pub const PATIENCE: Duration = Duration::from_mins(10);

/// The working copies of one process.
#[derive(Debug)]
pub struct Following {
    copies: Vec<Followed>,
}

#[derive(Debug)]
struct Followed {
    request: WorkingCopyRequest,
    /// The content of the head that the folder is, unless another process wrote in it.
    seen: Option<Content>,
    answered: Instant,
}

impl Following {
    /// Makes each folder what its head says.
    ///
    /// # Errors
    ///
    /// Those of [`refresh`].
    pub async fn open(requests: Vec<WorkingCopyRequest>) -> Result<Self, BucketError> {
        let mut copies = Vec::with_capacity(requests.len());
        for request in requests {
            refresh(&request).await?;
            copies.push(Followed { request, seen: None, answered: Instant::now() });
        }
        Ok(Self { copies })
    }

    /// Keeps the folders up to date. Returns only when a bucket has not answered for [`PATIENCE`].
    pub async fn follow(&mut self) -> BucketError {
        loop {
            sleep(LOOK_EVERY).await;
            for copy in &mut self.copies {
                if let Err(error) = copy.look().await {
                    return error;
                }
            }
        }
    }

    /// Sends the records of reads. Those that cannot be sent are sent by the next command on this machine.
    pub async fn close(self) {
        for copy in self.copies {
            if let Err(error) = send_reads(&copy.request).await {
                tracing::warn!(%error, "these reads are not in the ledger of the bucket yet");
            }
        }
    }
}

impl Followed {
    /// Looks at the head. An error is returned only after a long time without an answer.
    async fn look(&mut self) -> Result<(), BucketError> {
        match self.catch_up().await {
            Ok(()) => self.answered = Instant::now(),
            Err(error) if self.answered.elapsed() >= PATIENCE => return Err(error),
            Err(error) => tracing::warn!(
                tenant = self.request.tenant, %error, "the working copy is not known to be up to date"
            ),
        }
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<(), BucketError> {
        let content = published(&self.request.bucket()?).await?;
        if self.seen.as_ref() == Some(&content) {
            return send_reads(&self.request).await;
        }
        let is_brought = refresh(&self.request).await?;
        self.seen = is_brought.then_some(content);
        Ok(())
    }
}
