#![doc = include_str!("../README.md")]

mod client;
mod download;
mod endpoints;
mod error;
mod escape;
mod export;
mod identity;
mod public_address;
mod results_link;
mod retry;
mod retry_after;
mod secret;
mod settings;
mod token;
mod transport;

pub use client::Client;
pub use download::Download;
pub use endpoints::{EndpointOverrides, Endpoints};
pub use error::{Endpoint, ErrorKind, NexthinkError, SharedError, UnreachableCause};
pub use export::{Compression, ExportEvent, ExportState, ExportStatus, FinishedExport};
pub use identity::{ExportId, QueryId, Region, TenantId};
pub use results_link::{LinkRefusal, ResultsLink};
pub use secret::{Credentials, Secret};
pub use settings::{PollSchedule, RetryPolicy, Settings, Timeouts};
