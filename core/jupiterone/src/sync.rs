//! Delivers a generation by JupiterOne's synchronization interface.
//!
//! Source: integration SDK 17.4 (`synchronization/index.ts`) and JupiterOne's API documentation of
//! synchronization jobs.

mod answer;
mod base_url;
mod batch;
mod client;
mod correlation_id;
mod delivered;
mod destination;
mod ending;
pub(crate) mod job;
mod report;
mod retry_cause;
mod settings;
mod transport;
mod upload;

pub use base_url::BaseUrl;
pub use client::{OpenJob, Progress, SyncClient};
pub use delivered::{Delivered, Unfinished};
pub use destination::{ApiKey, Destination, DestinationIdentity, Source, SyncMode};
pub use ending::Settled;
pub use job::{Job, JobCounters, JobId, JobStatus};
pub use report::DeliveryReport;
pub use settings::{PollSchedule, SyncSettings, Timeouts};
pub use transport::JobEvent;
pub use upload::{Loss, Uploads};
