//! The life of an export as one state machine: start, wait, fetch, done.
//!
//! Every step that costs something is written to a journal before the next one begins, so that after a process has
//! ended anywhere, another one can resume from there.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::absence::Absence;
use crate::client::Client;
use crate::error::NexthinkError;
use crate::export::{ExportEvent, ExportState, ExportStatus, FinishedExport};
use crate::identity::ExportId;
use crate::journal::{ExportJournal, ExportRecord, FileRecord};
use crate::order::ExportOrder;
use crate::results_link::ResultsLink;
use crate::results_sink::{ResultsSink, sink_failed};
use crate::settings::PollSchedule;
use crate::transfer::{Answered, Resumptions, Transfer, can_go_on};
use crate::transient;

impl Client {
    /// Runs a saved query as an export and writes its results file to `sink` as transferred.
    ///
    /// `resume` is the record of an earlier process for the same order: an export that Nexthink still knows is
    /// resumed instead of being paid for again, and so is a partial file in `sink`. A record that does not fit
    /// `order` is ignored.
    ///
    /// An export is started again once if Nexthink forgets it, if it fails for a transient reason, or if its file
    /// cannot be downloaded even with a new results link. An export, its link or its file counts as gone only after it
    /// was missing for [`PollSchedule::gone_after`] without a break: several servers may answer and learn of it one after
    /// the other, and a new export costs one of the day's.
    ///
    /// A broken download resumes where it was if the file host proves that the file is still the same, otherwise from
    /// zero, so [`ExportEvent::Downloading`] may report fewer bytes than before. It is given up after five
    /// resumptions in a row without a progress of 64 KiB; a download from zero makes none. On an error, `sink` may hold
    /// a part of a file; the record says whether it can be resumed.
    ///
    /// # Errors
    /// Those of [`Client::export_status`] and [`Client::download`]; [`NexthinkError::Forbidden`] and
    /// [`NexthinkError::QueryNotFound`] concern the query, [`NexthinkError::QuotaExhausted`] and
    /// [`NexthinkError::Deferred`] say when to try again, [`NexthinkError::ExportFailed`] means that Nexthink cannot
    /// run the query, [`NexthinkError::Deadline`] that it takes too long, and [`NexthinkError::Journal`] concerns
    /// `journal`.
    pub async fn run_export(
        &self,
        order: &ExportOrder,
        resume: Option<ExportRecord>,
        journal: &mut impl ExportJournal,
        sink: &mut impl ResultsSink,
        observer: impl FnMut(ExportEvent),
    ) -> Result<FinishedExport, NexthinkError> {
        let lifecycle = Lifecycle {
            client: self,
            order,
            journal,
            sink,
            observer,
            resumptions: Resumptions::new(&self.settings.retry, &self.jitter),
            started_again: false,
        };
        lifecycle.run(resume).await
    }
}

/// Where an export is in its life.
enum Phase {
    /// Not started.
    Start,
    /// Started, without a results link.
    Wait(RunningExport),
    /// Completed, with a results link.
    Fetch(RunningExport, ResultsLink),
    /// Its results file is in the sink.
    Done(FinishedExport),
}

/// One export from its start on.
struct RunningExport {
    record: ExportRecord,
    /// When this process began to wait for it.
    since: Instant,
    /// True if this process started it then.
    is_own: bool,
    /// The time that Nexthink took to complete it, if that is known.
    prepared: Option<Duration>,
    polls: u32,
    state: Option<ExportState>,
    transfer: Transfer,
    /// The link that was not accepted last, and how, until a download begins.
    refused: Option<(ResultsLink, NexthinkError)>,
    /// True if it was told that Nexthink gave it a status that this program does not know.
    has_told_of_unknown: bool,
    /// Nexthink does not know the export.
    unknown: Absence,
    /// It is completed, and its results link is missing.
    without_link: Absence,
    /// The file host does not give out the file.
    without_file: Absence,
}

impl RunningExport {
    fn new(record: ExportRecord, transfer: Transfer) -> Self {
        Self {
            record,
            since: Instant::now(),
            is_own: false,
            prepared: None,
            polls: 0,
            state: None,
            transfer,
            refused: None,
            has_told_of_unknown: false,
            unknown: Absence::default(),
            without_link: Absence::default(),
            without_file: Absence::default(),
        }
    }

    fn export_id(&self) -> &ExportId {
        &self.record.export_id
    }

    fn failed(&self, description: String) -> NexthinkError {
        NexthinkError::ExportFailed { export_id: self.export_id().clone(), description }
    }

    /// Sleeps for about `wait`, unless the deadline comes before its end.
    async fn pause_to_poll(&self, client: &Client, wait: Duration) -> Result<(), NexthinkError> {
        let deadline = client.settings.poll.deadline;
        let wait = PollSchedule::spread(wait, client.jitter.fraction());
        if self.since.elapsed().saturating_add(wait) > deadline {
            let export_id = self.export_id().clone();
            return Err(NexthinkError::Deadline { export_id, waited: deadline });
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// The parts that an export needs all its life.
struct Lifecycle<'a, J, S, O> {
    client: &'a Client,
    order: &'a ExportOrder,
    journal: &'a mut J,
    sink: &'a mut S,
    observer: O,
    resumptions: Resumptions<'a>,
    started_again: bool,
}

impl<J: ExportJournal, S: ResultsSink, O: FnMut(ExportEvent)> Lifecycle<'_, J, S, O> {
    async fn run(mut self, resume: Option<ExportRecord>) -> Result<FinishedExport, NexthinkError> {
        let mut phase = self.enter(resume).await?;
        loop {
            let next = match phase {
                Phase::Start => self.start().await,
                Phase::Wait(running) => self.wait(running).await,
                Phase::Fetch(running, link) => self.fetch(running, link).await,
                Phase::Done(finished) => return Ok(finished),
            };
            phase = match next {
                Ok(next) => next,
                Err(error) => self.start_again(error).await?,
            };
        }
    }

    /// Finds out where an earlier process left off.
    async fn enter(&mut self, resume: Option<ExportRecord>) -> Result<Phase, NexthinkError> {
        let in_sink = self.sink.resume().await.map_err(sink_failed)?;
        let Some(mut record) = resume.filter(|record| record.fits(self.order)) else {
            self.clear(in_sink).await?;
            return Ok(Phase::Start);
        };
        let export_id = record.export_id.clone();
        tracing::info!(query_id = %self.order.query, %export_id, "export is gone on with");
        (self.observer)(ExportEvent::Resumed { export_id });
        if let Some(file) = &record.file
            && file.whole == Some(in_sink)
        {
            return Ok(Phase::Done(self.finished(&record, None, file.total, in_sink)));
        }
        let transfer = match &record.file {
            Some(file) if file.total.is_none_or(|total| in_sink < total) => {
                Transfer::resumed(file, in_sink)
            }
            // The content of the sink belongs to no known file.
            _ => {
                self.clear(in_sink).await?;
                record.file = None;
                Transfer::default()
            }
        };
        Ok(Phase::Wait(RunningExport::new(record, transfer)))
    }

    async fn start(&mut self) -> Result<Phase, NexthinkError> {
        let export_id = self.client.start_export(self.order, self.journal).await?;
        let record = ExportRecord::new(self.order, export_id.clone());
        self.remember(&record)?;
        (self.observer)(ExportEvent::Started { export_id });
        let running =
            RunningExport { is_own: true, ..RunningExport::new(record, Transfer::default()) };
        let wait = self.client.settings.poll.until_first_question(self.order.usual_time);
        running.pause_to_poll(self.client, wait).await?;
        Ok(Phase::Wait(running))
    }

    /// Polls until the export is completed and has a results link.
    async fn wait(&mut self, mut running: RunningExport) -> Result<Phase, NexthinkError> {
        let schedule = &self.client.settings.poll;
        loop {
            let status = match self.client.export_status(running.export_id()).await {
                Err(error) if is_unknown(&error) && !running.unknown.lasts(schedule.gone_after) => {
                    let wait = running.unknown.next_wait(schedule.first_wait());
                    tracing::info!(export_id = %running.export_id(), "export is not known yet");
                    running.pause_to_poll(self.client, wait.min(schedule.cap)).await?;
                    continue;
                }
                answered => answered?,
            };
            running.unknown.end();
            self.saw(&mut running, &status)?;
            match status {
                ExportStatus::Completed { link: Some(link), .. } => {
                    running.without_link.end();
                    if running.is_own {
                        running.prepared.get_or_insert_with(|| running.since.elapsed());
                    }
                    return match running.refused.take() {
                        // It would be refused again.
                        Some((refused, error))
                            if refused == link
                                && running.without_file.lasts(schedule.gone_after) =>
                        {
                            Err(error)
                        }
                        refused => Ok(Phase::Fetch(RunningExport { refused, ..running }, link)),
                    };
                }
                ExportStatus::Failed { description } => return Err(running.failed(description)),
                ExportStatus::Completed { link: None, .. } => {
                    if running.without_link.lasts(schedule.gone_after) {
                        let description = "completed, but without a results link";
                        return Err(running.failed(description.to_owned()));
                    }
                    let wait = running.without_link.next_wait(schedule.first_wait() * 2);
                    running.pause_to_poll(self.client, wait.min(schedule.cap)).await?;
                }
                ExportStatus::Submitted | ExportStatus::InProgress | ExportStatus::Unknown => {
                    running.without_link.end();
                    let wait = schedule.after(running.since.elapsed());
                    running.pause_to_poll(self.client, wait).await?;
                }
            }
        }
    }

    /// Downloads the part that the sink still lacks.
    async fn fetch(
        &mut self,
        mut running: RunningExport,
        link: ResultsLink,
    ) -> Result<Phase, NexthinkError> {
        match self.download(&mut running, &link).await {
            Ok(finished) => Ok(Phase::Done(finished)),
            Err(error) if can_go_on(&error) => {
                // The link was accepted, so when it expires a new one may help again.
                running.refused = None;
                running.without_file.end();
                self.resumptions.pause(&running.transfer, error).await?;
                Ok(Phase::Fetch(running, link))
            }
            Err(error) if new_link_may_help(&error) => {
                let schedule = &self.client.settings.poll;
                let lasts = running.without_file.lasts(schedule.gone_after);
                if lasts && running.refused.is_some() {
                    return Err(error);
                }
                let export_id = running.export_id();
                tracing::info!(%export_id, %error, "asking for a new results link");
                running.refused = Some((link, error));
                // Links are signed by the second: asked for within it, a new one would be the same.
                let wait = running.without_file.next_wait(schedule.first_wait() * 2);
                running.pause_to_poll(self.client, wait.min(schedule.cap)).await?;
                Ok(Phase::Wait(running))
            }
            Err(error) => Err(error),
        }
    }

    async fn download(
        &mut self,
        running: &mut RunningExport,
        link: &ResultsLink,
    ) -> Result<FinishedExport, NexthinkError> {
        let RunningExport { record, transfer, prepared, .. } = running;
        let (response, answered) = self.client.open_rest(link, self.sink, transfer).await?;
        if answered == Answered::Whole {
            record.file = Some(transfer.record());
            self.remember(record)?;
        }
        let observer = &mut self.observer;
        let on_progress = |bytes, total| observer(ExportEvent::Downloading { bytes, total });
        let download = self.client.receive(response, transfer, self.sink, on_progress).await?;
        // Not made to outlive a loss of power: the file is mostly gone again within seconds. The journal must forget
        // a file that was written before the system was started again.
        self.sink.flush().await.map_err(sink_failed)?;
        record.file = Some(FileRecord { whole: Some(download.bytes), ..transfer.record() });
        self.remember(record)?;
        Ok(self.finished(record, *prepared, transfer.total, download.bytes))
    }

    /// Forgets an export that failed like this and is of no use any more, and goes back to the
    /// start if that may help and was not done before.
    async fn start_again(&mut self, error: NexthinkError) -> Result<Phase, NexthinkError> {
        let wait = match &error {
            NexthinkError::ExportFailed { description, .. } => transient::is_transient(description)
                .then_some(self.client.settings.wait_for_new_export),
            NexthinkError::ExportGone { .. } => Some(Duration::ZERO),
            // A new export would be refused too, and this one can be downloaded once the host is reachable.
            NexthinkError::FilesBlocked { .. } => return Err(error),
            error if new_link_may_help(error) => Some(Duration::ZERO),
            _ => return Err(error),
        };
        self.journal.forget().map_err(journal_failed)?;
        let Some(wait) = wait.filter(|_| !self.started_again) else {
            return Err(error);
        };
        self.started_again = true;
        tracing::warn!(query_id = %self.order.query, %error, "export will be started anew");
        tokio::time::sleep(wait).await;
        // It may have gone while its file was half here.
        self.sink.restart().await.map_err(sink_failed)?;
        self.resumptions = Resumptions::new(&self.client.settings.retry, &self.client.jitter);
        Ok(Phase::Start)
    }

    /// Empties a sink that holds `in_sink` bytes of no use.
    async fn clear(&mut self, in_sink: u64) -> Result<(), NexthinkError> {
        if in_sink == 0 {
            return Ok(());
        }
        self.sink.restart().await.map_err(sink_failed)
    }

    fn remember(&mut self, record: &ExportRecord) -> Result<(), NexthinkError> {
        self.journal.record(record).map_err(journal_failed)
    }

    /// Records Nexthink's status of the export.
    fn saw(
        &mut self,
        running: &mut RunningExport,
        status: &ExportStatus,
    ) -> Result<(), NexthinkError> {
        running.polls += 1;
        let polls = running.polls;
        let export_id = running.record.export_id.clone();
        if let ExportStatus::Completed { truncated: true, .. } = status
            && !running.record.truncated
        {
            tracing::warn!(%export_id, "export is truncated by the maximum of the licence");
            // Stays set: a later answer must not make cut results look whole.
            running.record.truncated = true;
            self.remember(&running.record)?;
        }
        let state = status.state();
        if running.state.replace(state) == Some(state) {
            return Ok(());
        }
        (self.observer)(ExportEvent::StateChanged { state, polls });
        if state == ExportState::Unknown {
            // Once: between such answers there may be others.
            if !std::mem::replace(&mut running.has_told_of_unknown, true) {
                tracing::warn!(%export_id, polls, "export has a status that is not known");
            }
        } else {
            tracing::info!(%export_id, status = %state, polls, "export changed its state");
        }
        Ok(())
    }

    fn finished(
        &mut self,
        record: &ExportRecord,
        prepared: Option<Duration>,
        total: Option<u64>,
        bytes: u64,
    ) -> FinishedExport {
        let export_id = record.export_id.clone();
        (self.observer)(ExportEvent::Downloaded { bytes });
        tracing::info!(%export_id, bytes, "export downloaded");
        let (truncated, length_proven) = (record.truncated, total.is_some());
        FinishedExport { export_id, truncated, bytes, length_proven, prepared }
    }
}

/// Returns true if Nexthink says that there is no such export. An integrator has seen that a missing object is
/// answered like a forbidden one.
fn is_unknown(error: &NexthinkError) -> bool {
    matches!(error, NexthinkError::ExportGone { .. } | NexthinkError::Forbidden { .. })
}

/// Returns whether a refused download may work with a new link.
fn new_link_may_help(error: &NexthinkError) -> bool {
    match error {
        NexthinkError::LinkExpired { .. } | NexthinkError::FilesBlocked { .. } => true,
        // A signature that does not match means that the link was changed on its way: a new one
        // would be changed too.
        NexthinkError::DownloadRefused { status, code } => {
            matches!(status, 403 | 404 | 410) && *code != Some("SignatureDoesNotMatch")
        }
        _ => false,
    }
}

fn journal_failed(error: std::io::Error) -> NexthinkError {
    NexthinkError::Journal { source: Arc::new(error) }
}
