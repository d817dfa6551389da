//! Delivers a generation by JupiterOne's synchronization interface.
//!
//! Source: integration SDK 17.4 (`synchronization/index.ts`) and JupiterOne's API documentation of
//! synchronization jobs.

mod base_url;
mod batch;
mod client;
mod delivered;
mod destination;
mod ending;
mod http;
pub(crate) mod job;
mod report;
mod retry;
mod settings;
mod transport;
mod upload;

pub use base_url::BaseUrl;
pub use client::{Progress, SyncClient};
pub use delivered::Delivered;
pub use destination::{ApiKey, Destination, DestinationIdentity, Source, SyncMode};
pub use ending::Settled;
pub use job::{Job, JobCounters, JobId, JobStatus};
pub use report::DeliveryReport;
pub use settings::{PollSchedule, ProxySettings, RetryPolicy, SyncSettings, Timeouts};
pub use transport::JobEvent;
pub use upload::{Loss, Uploads};
