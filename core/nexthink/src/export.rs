//! The states of an export, and its result.

use std::fmt;
use std::time::Duration;

use crate::identity::ExportId;
use crate::results_link::ResultsLink;

/// Nexthink's answer about an export.
#[derive(Debug, Clone)]
pub enum ExportStatus {
    /// `SUBMITTED`: not begun.
    Submitted,
    /// `IN_PROGRESS`.
    InProgress,
    /// `COMPLETED`.
    Completed {
        /// The results link, which may be missing for a moment.
        link: Option<ResultsLink>,
        /// True if the licence's maximum number of rows cut the results (HTTP 206).
        truncated: bool,
    },
    /// `ERROR`.
    Failed {
        /// Nexthink's description, escaped and cut to 300 characters.
        description: String,
    },
    /// A status that the interface does not document; it does not count as completed.
    Unknown,
}

/// The state of an export for an observer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportState {
    /// Not begun.
    Submitted,
    /// Running.
    InProgress,
    /// Done, with results.
    Completed,
    /// Done, without results.
    Failed,
    /// Something that the interface does not name.
    Unknown,
}

impl fmt::Display for ExportState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Submitted => "submitted",
            Self::InProgress => "in progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        })
    }
}

impl ExportStatus {
    /// The state without its particulars.
    pub fn state(&self) -> ExportState {
        match self {
            Self::Submitted => ExportState::Submitted,
            Self::InProgress => ExportState::InProgress,
            Self::Completed { .. } => ExportState::Completed,
            Self::Failed { .. } => ExportState::Failed,
            Self::Unknown => ExportState::Unknown,
        }
    }
}

/// An event for the observer of [`Client::run_export`](crate::Client::run_export). No event holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportEvent {
    /// Nexthink took the export.
    Started {
        /// Its handle.
        export_id: ExportId,
    },
    /// An export that was started earlier is resumed, at no cost.
    Resumed {
        /// Its handle.
        export_id: ExportId,
    },
    /// The state is another one than before.
    StateChanged {
        /// The new state.
        state: ExportState,
        /// The number of questions to Nexthink so far.
        polls: u32,
    },
    /// The results file begins to come (the first such event of an answer), or more of it is here.
    Downloading {
        /// Bytes so far.
        bytes: u64,
        /// Bytes of the whole file, if the file host says so.
        total: Option<u64>,
    },
    /// The results file is here.
    Downloaded {
        /// Its size in bytes.
        bytes: u64,
    },
}

/// An export whose results file was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedExport {
    /// The export that delivered.
    pub export_id: ExportId,
    /// True if the licence's maximum number of rows cut the results: they are then no proof that
    /// anything is gone.
    pub truncated: bool,
    /// The size of the results file in bytes, as transferred.
    pub bytes: u64,
    /// True if the file host announced this size.
    pub length_proven: bool,
    /// The time from its start until Nexthink said that it is completed; none if an earlier process started it.
    pub prepared: Option<Duration>,
}
