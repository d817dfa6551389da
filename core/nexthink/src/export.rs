//! The life of an export, from its start to the last byte of its results file.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::NexthinkError;
use crate::identity::{ExportId, QueryId};
use crate::passing_failure;
use crate::results_link::ResultsLink;
use crate::results_sink::{ResultsSink, sink_failed};
use crate::settings::PollSchedule;
use crate::transfer::{Resumptions, Transfer, can_go_on};

/// How often a completed export without a results link is asked again.
const ASK_AGAIN_FOR_LINK: u32 = 3;

/// How Nexthink compresses a results file (Nexthink NQL API 1.2.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Compression {
    /// Zstandard.
    Zstd,
    /// Gzip.
    Gzip,
    /// As it is.
    None,
}

/// What Nexthink says about an export.
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
        /// Whether the licence's maximum number of rows cut the results (HTTP 206).
        truncated: bool,
    },
    /// `ERROR`.
    Failed {
        /// Nexthink's description, escaped and cut to 300 characters.
        description: String,
    },
    /// A status that the interface does not name; it is not taken for done.
    Unknown,
}

/// The state of an export, as far as an observer needs it.
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

/// What an observer of [`Client::run_export`] gets to know. No event holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportEvent {
    /// Nexthink took the export.
    Started {
        /// Its handle.
        export_id: ExportId,
    },
    /// The state is another one than before.
    StateChanged {
        /// The new state.
        state: ExportState,
        /// How often Nexthink was asked so far.
        polls: u32,
    },
    /// More of the results file is here.
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
    /// Whether the licence's maximum number of rows cut the results: they are then no proof that
    /// anything is gone.
    pub truncated: bool,
    /// The size of the results file in bytes, as transferred.
    pub bytes: u64,
    /// Whether the file host announced this size.
    pub length_proven: bool,
}

impl Client {
    /// Runs a saved query as an export and writes its results file to `sink` as transferred.
    ///
    /// An export that Nexthink forgets, or that fails for a reason that may pass, is started anew
    /// once; a results link that is not accepted is asked for anew.
    ///
    /// A download that breaks goes on where it was if the file host vouches that the file is still
    /// the same, else from zero, so [`ExportEvent::Downloading`] may tell fewer bytes than before.
    /// It is given up when five resumptions in a row bring no progress of 64 KiB. On an error,
    /// `sink` may hold part of a file.
    ///
    /// # Errors
    /// Those of [`Client::start_export`], [`Client::export_status`] and [`Client::download`];
    /// [`NexthinkError::ExportFailed`] if Nexthink cannot run the query,
    /// [`NexthinkError::Deadline`] if it does not get done.
    pub async fn run_export(
        &self,
        query: &QueryId,
        compression: Compression,
        sink: &mut impl ResultsSink,
        mut observer: impl FnMut(ExportEvent),
    ) -> Result<FinishedExport, NexthinkError> {
        let mut started_again = false;
        loop {
            let export_id = self.start_export(query, compression).await?;
            observer(ExportEvent::Started { export_id: export_id.clone() });
            let finished = self.finish_export(export_id, sink, &mut observer).await;
            let wait = match &finished {
                Err(error) if !started_again => self.wait_to_start_again(error),
                _ => None,
            };
            let (Some(wait), Err(error)) = (wait, &finished) else {
                return finished;
            };
            started_again = true;
            tracing::warn!(query_id = %query, %error, "export will be started anew");
            tokio::time::sleep(wait).await;
            // It may have gone while its file was half here.
            sink.restart().await.map_err(sink_failed)?;
        }
    }

    /// How long to wait before an export that failed like this is started anew, if that may help.
    fn wait_to_start_again(&self, error: &NexthinkError) -> Option<Duration> {
        match error {
            NexthinkError::ExportGone { .. } => Some(Duration::ZERO),
            NexthinkError::ExportFailed { description, .. } => {
                passing_failure::may_pass(description).then_some(self.settings.wait_for_new_export)
            }
            _ => None,
        }
    }

    async fn finish_export(
        &self,
        export_id: ExportId,
        sink: &mut impl ResultsSink,
        observer: &mut impl FnMut(ExportEvent),
    ) -> Result<FinishedExport, NexthinkError> {
        let mut watch = Watch { started: Instant::now(), polls: 0, state: None, truncated: false };
        let mut link_renewed = false;
        let mut transfer = Transfer::default();
        let mut resumptions = Resumptions::new(&self.settings.retry, &self.jitter);
        let mut link = self.await_link(&export_id, &mut watch, observer).await?;
        loop {
            let on_progress = |bytes, total| observer(ExportEvent::Downloading { bytes, total });
            match self.download_rest(&link, sink, &mut transfer, on_progress).await {
                Ok(download) => {
                    let bytes = download.bytes;
                    observer(ExportEvent::Downloaded { bytes });
                    tracing::info!(%export_id, bytes, "export downloaded");
                    return Ok(FinishedExport {
                        export_id,
                        truncated: watch.truncated,
                        bytes,
                        length_proven: download.length_proven,
                    });
                }
                Err(error) if can_go_on(&error) => {
                    // The link was accepted, so when it expires a new one may help again.
                    link_renewed = false;
                    resumptions.pause(transfer.received, error).await?;
                }
                Err(error) if !link_renewed && new_link_may_help(&error) => {
                    link_renewed = true;
                    tracing::info!(%export_id, %error, "asking for a new results link");
                    link = self.await_link(&export_id, &mut watch, observer).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Polls until the export is completed and has a results link.
    async fn await_link(
        &self,
        export_id: &ExportId,
        watch: &mut Watch,
        observer: &mut impl FnMut(ExportEvent),
    ) -> Result<ResultsLink, NexthinkError> {
        let schedule = &self.settings.poll;
        let mut wait = schedule.first.min(schedule.cap);
        let mut without_link = 0;
        // An export that is known to be completed is asked for its new link at once.
        if watch.state != Some(ExportState::Completed) {
            self.wait_to_poll(export_id, watch, wait).await?;
        }
        loop {
            let status = self.export_status(export_id).await?;
            watch.saw(export_id, &status, observer);
            match status {
                ExportStatus::Completed { link: Some(link), .. } => return Ok(link),
                ExportStatus::Failed { description } => {
                    let export_id = export_id.clone();
                    return Err(NexthinkError::ExportFailed { export_id, description });
                }
                ExportStatus::Completed { link: None, .. }
                    if without_link == ASK_AGAIN_FOR_LINK =>
                {
                    let description = "completed, but without a results link".to_owned();
                    let export_id = export_id.clone();
                    return Err(NexthinkError::ExportFailed { export_id, description });
                }
                ExportStatus::Completed { link: None, .. } => without_link += 1,
                ExportStatus::Submitted | ExportStatus::InProgress | ExportStatus::Unknown => {}
            }
            wait = schedule.after(wait);
            self.wait_to_poll(export_id, watch, wait).await?;
        }
    }

    /// Sleeps for about `wait`, unless the deadline comes before its end.
    async fn wait_to_poll(
        &self,
        export_id: &ExportId,
        watch: &Watch,
        wait: Duration,
    ) -> Result<(), NexthinkError> {
        let deadline = self.settings.poll.deadline;
        let wait = PollSchedule::spread(wait, self.jitter.next());
        if watch.started.elapsed().saturating_add(wait) > deadline {
            let export_id = export_id.clone();
            return Err(NexthinkError::Deadline { export_id, waited: deadline });
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// What was seen of one export so far.
struct Watch {
    started: Instant,
    polls: u32,
    state: Option<ExportState>,
    /// Stays set once seen: a later answer must not make cut results look whole.
    truncated: bool,
}

impl Watch {
    fn saw(
        &mut self,
        export_id: &ExportId,
        status: &ExportStatus,
        observer: &mut impl FnMut(ExportEvent),
    ) {
        self.polls += 1;
        if let ExportStatus::Completed { truncated: true, .. } = status
            && !self.truncated
        {
            self.truncated = true;
            tracing::warn!(%export_id, "export is truncated by the maximum of the licence");
        }
        let state = status.state();
        if self.state == Some(state) {
            return;
        }
        self.state = Some(state);
        let polls = self.polls;
        observer(ExportEvent::StateChanged { state, polls });
        if state == ExportState::Unknown {
            tracing::warn!(%export_id, polls, "export has a status that is not known");
        } else {
            tracing::info!(%export_id, status = %state, polls, "export changed its state");
        }
    }
}

/// Whether a refused download may work with a new link.
fn new_link_may_help(error: &NexthinkError) -> bool {
    match error {
        NexthinkError::LinkExpired { .. } => true,
        // A signature that does not match means that the link was changed on its way: a new one
        // would be changed too.
        NexthinkError::DownloadRefused { status, code } => {
            matches!(status, 403 | 404 | 410) && *code != Some("SignatureDoesNotMatch")
        }
        _ => false,
    }
}
