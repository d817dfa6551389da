//! The trait of a destination, and what goes in and comes out of a delivery.

use std::collections::BTreeSet;

use core_store::{DeliveryLock, Generation, StoreError, TenantStore};
use serde::Serialize;

use crate::plan::TypeChanges;

/// A place that generations are delivered to.
///
/// An implementation keeps the state of the last delivery in the tenant's part of the store. It must be durable
/// before the destination can change, so that the next delivery can find out what became of an interrupted one.
pub trait Destination {
    /// The report of one delivery.
    type Report: DeliveryReport;
    /// The decision about a delivery, with its reason.
    type Decision;

    /// The name of the destination in its lock and in the ledger.
    fn name(&self) -> &'static str;

    /// The account at the destination.
    fn account(&self) -> &str;

    /// Refuses another place than that of the last delivery, unless the request accepts it.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Configuration`] if it is another one; the state of the last delivery cannot be read.
    fn check(&self, tenant: &TenantStore, request: &DeliveryRequest) -> Result<(), DeliveryError>;

    /// Decides what a delivery would do now, without a request. Reads two generations and blocks.
    ///
    /// # Errors
    ///
    /// A generation or the state of the last delivery cannot be read, or a type to purge does not exist.
    fn plan(
        &self,
        tenant: &TenantStore,
        generation: Generation,
        request: &DeliveryRequest,
    ) -> Result<Self::Decision, DeliveryError>;

    /// Delivers a generation, unless the destination has it already, and removes the types to purge. The
    /// caller holds the lock of the destination. `tell` takes sentences about the progress; once `stop`
    /// completes, the delivery is given up if it has not changed the destination yet.
    ///
    /// # Errors
    ///
    /// The destination failed or refused, or its state cannot be read or written.
    fn deliver(
        &self,
        lock: &DeliveryLock,
        generation: Generation,
        request: &DeliveryRequest,
        tell: &dyn Fn(&str),
        stop: impl Future<Output = ()>,
    ) -> impl Future<Output = Result<DeliveryResult<Self::Report>, DeliveryError>>;
}

/// The options of a delivery.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct DeliveryRequest {
    /// Types to remove at the destination.
    pub purge: Vec<String>,
    /// Deliver although the destination is another one than last time.
    pub accept_destination: bool,
    /// Deliver although nothing has changed here.
    pub full: bool,
}

/// The report of one delivery.
pub trait DeliveryReport: Serialize {
    /// The ID of the job there.
    fn job(&self) -> String;

    /// Returns true if the destination took everything.
    fn is_whole(&self) -> bool;
}

/// The result of a delivery.
#[derive(Debug, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum DeliveryResult<R> {
    /// The destination has it already.
    NothingChanged {
        /// The generation that it has.
        generation: String,
    },
    /// A job brought it there.
    Delivered {
        /// The reason for the job.
        reason: &'static str,
        /// The expected changes, by comparison with the delivery before.
        changes: Vec<TypeChanges>,
        /// The changes of the job.
        #[serde(flatten)]
        report: Box<R>,
        /// The number of objects that the destination deleted beyond the expected ones: something else may
        /// write there too.
        #[serde(rename = "unexpectedDeletes")]
        unexpected_deletes: u64,
        /// Types in which erased people may remain, because none of their objects could be deleted.
        #[serde(rename = "stillHeldAfterErasure", skip_serializing_if = "BTreeSet::is_empty")]
        still_held: BTreeSet<String>,
    },
}

impl<R: DeliveryReport> DeliveryResult<R> {
    /// Returns true if the destination has exactly what was delivered: it took every object and deleted none
    /// unasked.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::NothingChanged { .. } => true,
            Self::Delivered { report, unexpected_deletes, .. } => {
                report.is_whole() && *unexpected_deletes == 0
            }
        }
    }

    /// The ID of the job; `None` if nothing changed.
    pub fn job(&self) -> Option<String> {
        match self {
            Self::NothingChanged { .. } => None,
            Self::Delivered { report, .. } => Some(report.job()),
        }
    }
}

/// The outcome of a step for a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepEnd {
    /// The ID of the step.
    pub id: String,
    /// The outcome.
    pub ending: StepEnding,
    /// The word for it.
    pub word: String,
}

/// The outcome of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEnding {
    /// All of its data was read.
    Complete,
    /// It was not to run.
    Skipped,
    /// It lacks something.
    Incomplete,
}

/// The failure of a delivery. The generation is safe whatever it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The settings or the request must be corrected.
    #[error(transparent)]
    Configuration(anyhow::Error),
    /// The destination asks to wait.
    #[error(transparent)]
    Deferred(anyhow::Error),
    /// The destination failed or refused.
    #[error(transparent)]
    Failed(anyhow::Error),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This program or this machine failed, or the delivery was stopped.
    #[error(transparent)]
    Local(anyhow::Error),
}

impl DeliveryError {
    /// Returns a failure of the destination with the same cause and a sentence about what it means.
    #[must_use]
    pub fn failed_with(self, context: &'static str) -> Self {
        let error = match self {
            Self::Configuration(error)
            | Self::Deferred(error)
            | Self::Failed(error)
            | Self::Local(error) => error,
            Self::Store(error) => error.into(),
        };
        Self::Failed(error.context(context))
    }
}

/// The kind of an error at a server that is a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerErrorKind {
    /// The settings must be corrected, here or at the server.
    Configuration,
    /// The login was refused.
    Credentials,
    /// The server cannot be reached, or asks to try later.
    Unreachable,
    /// The server refused what was sent.
    Refused,
}

impl ServerErrorKind {
    /// Returns the failure of a delivery by an error of this kind.
    pub fn of_delivery(self, error: anyhow::Error) -> DeliveryError {
        match self {
            Self::Configuration => DeliveryError::Configuration(error),
            Self::Credentials | Self::Unreachable | Self::Refused => DeliveryError::Failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize)]
    struct Report {
        job: &'static str,
        lost: u64,
    }

    impl DeliveryReport for Report {
        fn job(&self) -> String {
            self.job.to_owned()
        }

        fn is_whole(&self) -> bool {
            self.lost == 0
        }
    }

    fn delivered(lost: u64, unexpected_deletes: u64) -> DeliveryResult<Report> {
        DeliveryResult::Delivered {
            reason: "the graph has changed",
            changes: Vec::new(),
            report: Box::new(Report { job: "j-1", lost }),
            unexpected_deletes,
            still_held: BTreeSet::new(),
        }
    }

    #[test]
    fn a_delivery_is_whole_if_nothing_was_lost_and_nothing_deleted_unasked() {
        for (lost, unexpected, is_whole) in
            [(0, 0, true), (1, 0, false), (0, 1, false), (2, 3, false)]
        {
            assert_eq!(delivered(lost, unexpected).is_whole(), is_whole, "{lost} {unexpected}");
        }
        let nothing = DeliveryResult::<Report>::NothingChanged { generation: "g".to_owned() };
        assert!(nothing.is_whole());
        assert_eq!((nothing.job(), delivered(0, 0).job()), (None, Some("j-1".to_owned())));
    }

    #[test]
    fn a_result_is_one_object_with_the_report_in_it() {
        let json = serde_json::to_value(delivered(0, 2)).expect("it is plain data");
        let expected = serde_json::json!({
            "result": "delivered",
            "reason": "the graph has changed",
            "changes": [],
            "job": "j-1",
            "lost": 0,
            "unexpectedDeletes": 2,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn a_failure_keeps_its_cause_and_says_what_it_means() {
        let causes = [
            DeliveryError::Configuration(anyhow::anyhow!("the cause")),
            DeliveryError::Deferred(anyhow::anyhow!("the cause")),
            DeliveryError::Local(anyhow::anyhow!("the cause")),
        ];
        for cause in causes {
            let DeliveryError::Failed(error) = cause.failed_with("the meaning") else {
                panic!("it is a failure of the destination")
            };
            assert_eq!(format!("{error:#}"), "the meaning: the cause");
        }
    }
}
