//! The table `platform.audit_logs`: the rows of one export, with all events of the latest days.

use core_audit::{
    AnswerSource, Clocks, EventPrivacy, HOUR_MS, Intake, IntakeCounts, Span, TableRow, TrailKind,
    Window, WindowSettings,
};
use core_ingest::batch::Batch;
use core_ingest::decoder::Decoder;
use core_store::EventAppender;
use core_terminal::count;

use super::log_sink::LogSink;
use super::report::TrailReport;
use super::{Notes, commit, event_table};
use crate::cancellation::Cancellation;
use crate::failure::{Failure, joined};
use crate::run::{FetchedTable, for_each_chunk, is_local};
use crate::settings::{Audit, AuditTable};

/// The name of the trail in notes, reports and events.
pub(super) const NAME: &str = "table";

/// The table being read.
pub(super) struct Reading<'a> {
    pub(super) audit: &'a Audit,
    pub(super) table: &'a AuditTable,
    pub(super) cancellation: &'a Cancellation,
    pub(super) again: Option<Span>,
    pub(super) people: EventPrivacy,
}

/// The content of the file of an export.
struct File {
    counts: IntakeCounts,
    bytes: u64,
    /// The reason why rows may be missing.
    lacking: Option<String>,
}

impl Reading<'_> {
    /// Stores the new rows. Only a complete answer counts as read.
    pub(super) async fn read(
        &self,
        fetched: FetchedTable,
        mut appender: EventAppender,
        mut notes: Notes,
    ) -> Result<(EventAppender, TrailReport), Failure> {
        let mut report = TrailReport::new(NAME);
        let coverage = notes.trails.entry(NAME.to_owned()).or_default();
        let window = self.window(&fetched);
        // Only the login host's clock tells Nexthink's time, so nothing confirms it.
        let (local_ms, witness_ahead_ms) = (fetched.started_ms, fetched.login_ahead_ms());
        let clocks = Clocks { local_ms, server_ms: None, witness_ahead_ms };
        let windows = self.settings(&window, &clocks);
        coverage.begin(fetched.started_ms, &windows);
        if let Some(span) = self.again {
            coverage.want(span);
        }
        let started_ms = fetched.started_ms;
        let (downloads, name) = (fetched.files.downloads().clone(), fetched.name);
        let was_fetched = fetched.result.is_ok();
        let is_spent;
        match self.read_file(fetched, window, clocks, appender, &notes).await? {
            (read, Ok(file)) => {
                appender = read;
                let coverage = notes.trails.entry(NAME.to_owned()).or_default();
                if file.lacking.is_none() {
                    coverage.answered(&window, &clocks, &windows);
                }
                if let Some(newest_ms) = file.counts.newest_ms {
                    coverage.saw_event(newest_ms);
                }
                report.add(&file.counts, file.bytes);
                report.notice_clocks(&clocks);
                report.reason = file.lacking;
                is_spent = true;
            }
            (read, Err(failure)) => {
                appender = read;
                appender.discard()?;
                // A rejected file would be rejected again, so the next run must not resume it.
                is_spent =
                    was_fetched && self.cancellation.check().is_ok() && !is_local(&failure.error);
                report.fail(&failure.error);
                report.reason = Some(format!("{:#}", failure.error));
            }
        }
        let coverage = notes.trails.entry(NAME.to_owned()).or_default();
        report.describe(coverage, started_ms);
        commit(&mut appender, &notes)?;
        // Not earlier: until the events are committed, only the download has them.
        if is_spent && let Err(error) = downloads.remove(name) {
            tracing::warn!(%error, "the download of the audit trail's table was not removed");
        }
        Ok((appender, report))
    }

    /// The period that an answer certainly covers: from the latest moment at which its rows may begin to the earliest
    /// at which they may end. The query names no dates, so this is by Nexthink's own clock.
    fn window(&self, fetched: &FetchedTable) -> Window {
        // A clock that was set back in between does not lengthen the period.
        let ended_ms = fetched.ended_ms.max(fetched.started_ms);
        let from_ms = ended_ms - self.audit.windows.source_retention_ms;
        let to_ms = fetched.started_ms.max(from_ms + HOUR_MS);
        Window { span: Span { from_ms, to_ms }, is_newest: true, is_fixed: false }
    }

    /// The wanted period: no more than this answer covers, so that the seconds of the export are not a gap. If the
    /// clocks are so far apart that the answer proves nothing, the whole period stays wanted.
    fn settings(&self, window: &Window, clocks: &Clocks) -> WindowSettings {
        let windows = self.audit.windows;
        let (earliest_ms, latest_ms) = clocks.bounds();
        let shown_ms = window.span.length_ms() - (latest_ms - earliest_ms);
        if shown_ms <= 0 {
            return windows;
        }
        WindowSettings {
            since_ms: windows.since_ms.min(shown_ms),
            source_retention_ms: windows.source_retention_ms.min(shown_ms),
            ..windows
        }
    }

    async fn read_file(
        &self,
        fetched: FetchedTable,
        window: Window,
        clocks: Clocks,
        mut appender: EventAppender,
        notes: &Notes,
    ) -> Result<(EventAppender, Result<File, Failure>), Failure> {
        let (table, cancellation) = (self.table.clone(), self.cancellation.clone());
        let (zone, people) = (self.audit.time_zone.clone(), self.people.clone());
        let coverage = notes.trails.get(NAME).cloned().unwrap_or_default();
        let reading = tokio::task::spawn_blocking(move || {
            let events = event_table();
            let (kind, trail) = (TrailKind::Table, NAME);
            let source = AnswerSource { kind, trail, window: &window, coverage: &coverage };
            let mut intake = Intake::new(LogSink(&mut appender), &events, source, zone, people);
            intake.start(&clocks);
            let file = read_rows(fetched, &table, intake, &cancellation);
            (appender, file)
        });
        joined(reading.await)
    }
}

/// Reads every row of the file.
fn read_rows(
    fetched: FetchedTable,
    table: &AuditTable,
    mut intake: Intake<'_, LogSink<'_>>,
    cancellation: &Cancellation,
) -> Result<File, Failure> {
    let export = fetched.result?;
    let mut decoder = Decoder::default();
    let mut bytes = 0;
    for_each_chunk(&fetched.files, fetched.name, export.bytes, cancellation, |mut chunk| {
        bytes += chunk.len() as u64;
        while !chunk.is_empty() {
            let read = decoder.decode(chunk)?;
            chunk = &chunk[read..];
            if decoder.is_full() {
                take_rows(&mut decoder, table, &mut intake)?;
            }
        }
        Ok(())
    })?;
    decoder.finish().map_err(anyhow::Error::new)?;
    take_rows(&mut decoder, table, &mut intake)?;
    let counts = intake.finish(true).map_err(anyhow::Error::new)?;
    let refused = decoder.counts().quarantine.rows;
    let lacking = if export.truncated {
        Some(format!(
            "the answer is truncated, so it is not known which events are missing: save {} with fewer hours \
             than {} and set `audit.hours` to them",
            table.query, table.hours
        ))
    } else if refused > 0 {
        Some(format!("{refused} rows of the export cannot be read"))
    } else if !export.length_proven {
        Some("the file host did not say how long the export is".to_owned())
    } else if counts.untimed > 0 {
        // The export of each run begins at another time, so nothing tells which rows an earlier one had.
        Some(format!(
            "{} have no time that can be read, so that they may be missing or stored twice: is `{}`, of \
             `audit.columns.time`, the column of the time",
            count(counts.untimed, "row"),
            table.time
        ))
    } else {
        None
    };
    Ok(File { counts, bytes, lacking })
}

fn take_rows(
    decoder: &mut Decoder,
    table: &AuditTable,
    intake: &mut Intake<'_, LogSink<'_>>,
) -> anyhow::Result<()> {
    let batch = decoder.take_batch();
    let [time, account, code, message] = columns(table, decoder.header())?;
    let cells = |batch: &Batch, column, row| batch.column(Some(column)).cell(row).to_owned();
    for row in 0..batch.len() {
        let [time, account, code, message] =
            [time, account, code, message].map(|column| cells(&batch, column, row));
        let row = TableRow { time: &time, account: &account, code: &code, message: &message };
        intake.row(&row)?;
    }
    decoder.recycle(batch);
    Ok(())
}

/// The positions of the configured columns.
///
/// # Errors
/// One of them is not in the header. The error names this column and no other text: the supposed header of a file may
/// be a row with data.
pub fn columns(table: &AuditTable, header: &[String]) -> anyhow::Result<[usize; 4]> {
    let mut places = [0; 4];
    for (place, column) in places.iter_mut().zip(table.columns()) {
        let found = header.iter().position(|name| name.eq_ignore_ascii_case(column));
        *place = found.ok_or_else(|| {
            anyhow::anyhow!(
                "the export of {} has no column `{column}`: list it in the query, or say in \
                 `audit.columns` what it is called",
                table.query
            )
        })?;
    }
    Ok(places)
}

#[cfg(test)]
mod tests;
