//! A request to stop, seen by tasks and by work on other threads.

use std::sync::{Arc, OnceLock};

use core_store::StopFlag;
use tokio_util::sync::CancellationToken;

use crate::failure::{Ending, Failure, FailureKind, StopReason};

/// A request to stop, seen by tasks and by work on other threads.
#[derive(Debug, Clone, Default)]
pub struct Cancellation {
    token: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
    /// The same request for long work in the store, which knows no tasks.
    flag: StopFlag,
}

impl Cancellation {
    /// Requests a stop.
    pub fn request(&self, reason: StopReason) {
        self.reason.get_or_init(|| reason);
        self.flag.request();
        self.token.cancel();
    }

    /// Returns the same request for long work in a store.
    pub fn stop_flag(&self) -> StopFlag {
        self.flag.clone()
    }

    /// Returns a child: cancelled with its parent, or alone.
    pub(crate) fn child(&self) -> Self {
        Self { token: self.token.child_token(), ..Self::default() }
    }

    /// Cancels without a reason, for a child whose work is no longer wanted.
    pub(crate) fn cancel(&self) {
        self.token.cancel();
    }

    /// Returns the ending of failed work. Once a stop was requested, the stop is the reason.
    pub fn ending_after(&self, failure: &Failure) -> Ending {
        let stopped = self.reason.get().map(|reason| FailureKind::Stopped(*reason));
        Ending::Failed(stopped.unwrap_or(failure.kind))
    }

    /// Returns the reason for the stop; `None` if none was requested.
    pub fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }

    /// Waits until a stop is requested.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Fails if a stop was requested.
    ///
    /// # Errors
    /// A stop was requested.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.token.is_cancelled(), "the run was stopped");
        Ok(())
    }

    /// Awaits `work`, or returns nothing once a stop is requested.
    pub(crate) async fn run_until<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.token.run_until_cancelled(work).await
    }

    /// Awaits `work` until it is done or a stop is requested.
    ///
    /// # Errors
    /// Those of `work`, or a stop was requested.
    pub async fn or_stop<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let done = self.run_until(work).await;
        done.unwrap_or_else(|| Err(anyhow::anyhow!("the run was stopped").into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_sees_the_request_that_tasks_see() {
        let cancellation = Cancellation::default();
        let flag = cancellation.stop_flag();
        assert!(flag.check().is_ok() && cancellation.check().is_ok());
        cancellation.clone().request(StopReason::Terminated);
        assert!(flag.check().is_err() && cancellation.check().is_err());
        assert_eq!(cancellation.reason(), Some(StopReason::Terminated));
    }

    #[test]
    fn a_child_ends_with_its_parent_and_its_parent_goes_on_without_it() {
        let parent = Cancellation::default();
        let (first, second) = (parent.child(), parent.child());
        first.cancel();
        assert!(first.check().is_err() && second.check().is_ok() && parent.check().is_ok());
        parent.request(StopReason::Interrupted);
        assert!(second.check().is_err());
        assert_eq!(first.reason(), None, "its work was not wanted any more");
    }

    #[tokio::test]
    async fn work_that_never_ends_is_given_up_and_work_that_is_done_counts() {
        let cancellation = Cancellation::default();
        let done = cancellation.or_stop(async { Ok(7) }).await;
        assert_eq!(done.expect("no stop is requested"), 7);
        cancellation.request(StopReason::Interrupted);
        let stopped = cancellation.or_stop(std::future::pending::<Result<(), Failure>>()).await;
        let failure = stopped.expect_err("it is stopped");
        let expected = Ending::Failed(FailureKind::Stopped(StopReason::Interrupted));
        assert_eq!(cancellation.ending_after(&failure), expected);
    }
}
