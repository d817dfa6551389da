#![doc = include_str!("../README.md")]

mod absence;
mod audit;
mod check;
mod client;
mod download;
mod endpoints;
mod error;
mod escape;
mod execute;
mod export;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod identity;
mod journal;
mod lifecycle;
mod nql;
mod order;
mod pace;
mod quota;
mod results_link;
mod results_sink;
mod retry_cause;
mod secret;
mod settings;
mod speed;
mod token;
mod transfer;
mod transient;
mod transport;

pub use audit::{
    AuditAccess, AuditAnswer, AuditClient, AuditHost, AuditPiece, AuditRequest, EngineName, Trail,
};
pub use check::CredentialCheck;
pub use client::Client;
pub use core_clock::ClockOffset;
pub use core_http::{
    ProxyProblem, ProxySettings, RetryPolicy, Secret, TlsProblem, Trust, UnreachableCause,
};
pub use download::Download;
pub use endpoints::{EndpointOverrides, Endpoints};
pub use error::{Endpoint, ErrorKind, NexthinkError};
pub use execute::ExecuteAnswer;
pub use export::{ExportEvent, ExportState, ExportStatus, FinishedExport};
pub use identity::{ExportId, QueryId, Region, TenantAddress, TenantId};
pub use journal::{ExportJournal, ExportRecord, FileRecord};
pub use nql::QueryLimits;
pub use order::{Compression, ExportOrder};
pub use quota::QuotaState;
pub use results_link::{LinkRefusal, ResultsLink};
pub use results_sink::ResultsSink;
pub use secret::{Credentials, SecretSource};
pub use settings::{DownloadSpeed, PollSchedule, Settings, Timeouts};
