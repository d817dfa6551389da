//! `audit` and `backfill`: the events of the audit trail that the runs have kept.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use arrow_array::RecordBatch;
use core_engine::Cancellation;
use core_engine::audit::{Backfill, Gap, LOG, Notes, Period, TrailStatus};
use core_engine::ledger::{self, Event};
use core_engine::settings::Audit;
use core_engine::suggestion;
use core_query::{Format, QueryError};
use core_reading::audit_trail::{self, Filter, REPORTS, Seen};
use core_reading::{Progress, Question, Reader, parse_time};
use core_terminal::count;
use serde_json::json;

use super::opened::Opened;
use super::run::{RUN, interruptible};
use crate::cli::{
    AuditCommand, BackfillArguments, BackfillSource, Global, ReportFormat, RowFormat, TailArguments,
};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::host::{engine, host};
use crate::output;
use crate::system;

/// The interval at which `--follow` looks for new events.
const LOOK: Duration = Duration::from_secs(2);

/// Does what the command line says.
pub(super) async fn audit(global: &Global, command: AuditCommand) -> Result<Exit, Failure> {
    match command {
        AuditCommand::Tail(arguments) => tail(global, &arguments).await,
        AuditCommand::Report { name: Some(name), output } => {
            report(global, &name, output.output).await
        }
        AuditCommand::Report { name: None, output } => reports(output.output),
        AuditCommand::Status { output } => status(global, output.output),
    }
}

/// Prints the latest events, and with `--follow` those that come.
async fn tail(global: &Global, arguments: &TailArguments) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let TailArguments { codes, accounts, actions, lines, follow, output } = arguments;
    let filter = Filter { codes, accounts, actions };
    let format: Format = output.output.into();
    let mut seen = Seen::default();
    let has_events = !reader.tenant.events(LOG)?.files().is_empty();
    if has_events || *follow {
        reader.record(&Event::AuditRead { question: "tail" });
    }
    if has_events || !follow {
        let ask = || async {
            let session = reader.open_events().await?;
            let latest = audit_trail::rows(&session, &filter.latest(*lines)).await?;
            if !follow {
                return Ok((latest, Seen::default()));
            }
            let recent = audit_trail::rows(&session, &filter.recent(reader.host.now_ms())).await?;
            Ok::<_, Failure>((latest, Seen::new(&recent)))
        };
        let latest;
        (latest, seen) = Progress::default().retried(&reader, ask).await?;
        if !print(&latest, format)? {
            return Ok(Exit::Complete);
        }
    }
    if !follow {
        return Ok(Exit::Complete);
    }
    tokio::select! {
        // One wait for all looks: a signal between two of them would be lost.
        _ = super::run::signal() => Ok(Exit::Complete),
        followed = follow_events(&reader, &filter, format, seen) => followed,
    }
}

/// Prints events as they come, until the reader goes away.
async fn follow_events(
    reader: &Reader<'_>,
    filter: &Filter<'_>,
    format: Format,
    mut seen: Seen,
) -> Result<Exit, Failure> {
    let mut files = reader.tenant.events(LOG)?.files().to_vec();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = reader.tenant.events(LOG)?.files().to_vec();
        if now == files || now.is_empty() {
            continue;
        }
        let came = async {
            let session = reader.open_events().await?;
            audit_trail::rows(&session, &filter.recent(reader.host.now_ms())).await
        };
        let came = match came.await {
            Ok(came) => came,
            // A run has made these files into others in the meantime: they are read with the next look.
            Err(_) if reader.tenant.events(LOG)?.files() != now => continue,
            Err(failure) => return Err(failure.into()),
        };
        files = now;
        if !print(&seen.unseen(&came), format)? {
            return Ok(Exit::Complete);
        }
    }
}

/// Prints events without the columns that only order them. Returns false once the reader is gone.
fn print(batches: &[RecordBatch], format: Format) -> Result<bool, Failure> {
    let Some(first) = batches.first() else { return Ok(true) };
    let shown = audit_trail::shown_columns(first);
    let project = |batch: &RecordBatch| batch.project(&shown).map_err(anyhow::Error::new);
    let write = || -> Result<(), QueryError> {
        let schema = first.schema().project(&shown);
        let schema = schema.expect("the columns are there");
        let mut writer = super::query::writer(format, &schema)?;
        for batch in batches {
            writer.write(&project(batch).expect("the columns are there"))?;
        }
        writer.finish().map(drop)
    };
    match write() {
        Ok(()) => Ok(true),
        Err(QueryError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(Exit::Internal, error)),
    }
}

/// Prints a ready report.
async fn report(global: &Global, name: &str, format: RowFormat) -> Result<Exit, Failure> {
    let Some(report) = REPORTS.iter().find(|report| report.name == name) else {
        let names = REPORTS.each_ref().map(|report| report.name);
        return Err(Failure::usage(suggestion::unknown("report", name, &names)));
    };
    let opened = Opened::new(global)?;
    let (reader, progress) = (opened.reader(), Progress::default());
    let ask = || async {
        let session = reader.open_events().await?;
        progress.record(&reader, &Event::AuditRead { question: name });
        let question = Question::Sql(report.sql, BTreeMap::new());
        super::query::answered(&reader, &session, &question, &format.into(), &progress).await
    };
    progress.retried(&reader, ask).await
}

/// Lists the ready reports.
fn reports(format: RowFormat) -> Result<Exit, Failure> {
    if format != RowFormat::Table {
        let rows = REPORTS.map(
            |report| json!({ "name": report.name, "about": report.about(), "sql": report.sql }),
        );
        return super::show::rows(rows, format);
    }
    let rows = REPORTS.map(|report| [report.name.to_owned(), report.about().to_owned()]);
    output::result(&output::table(["report", "about"], rows, 2));
    Ok(Exit::Complete)
}

/// Tells what of each trail was read.
fn status(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    let log = tenant.events(LOG)?;
    let notes = Notes::of(&log)?;
    let trails = TrailStatus::all(&notes, system::now_ms());
    if format != RowFormat::Table {
        return super::show::rows(trails.iter().map(TrailStatus::to_json), format);
    }
    let rows = trails.iter().map(TrailStatus::cells);
    let header = TrailStatus::HEADER;
    output::result(&output::table(header, rows, header.len()));
    let files = count(log.files().len(), "file");
    output::note(&format!("{} in {files}", count(log.rows(), "event")));
    Ok(Exit::Complete)
}

/// Re-reads a period of the audit trail.
pub(super) async fn backfill(
    config: &Config,
    arguments: &BackfillArguments,
) -> Result<Exit, Failure> {
    let BackfillSource::Audit = arguments.source;
    let Some(settings) = &config.audit else {
        return Err(Failure::usage("there is no audit trail to read: `[audit]` configures it"));
    };
    let period = period(settings, config.retention.events_days, arguments)?;
    if let Some(remark) = period.remark() {
        output::note(&remark);
    }
    let stop = Cancellation::default();
    let lock = engine(config).lock()?;
    let mut removed = None;
    let backfill = Backfill {
        engine: engine(config),
        audit: settings,
        lock: &lock,
        period,
        starts_over: arguments.start_over,
        cancellation: &stop,
    };
    let reading = backfill.run(&mut removed);
    let read = interruptible(Box::pin(reading), &stop, RUN).await;
    if let Some(events) = removed {
        output::note(&format!("{} removed", count(events, "event")));
    }
    let (exit, added) = match &read {
        Ok(report) => (Exit::from(report.ending()), report.added()),
        Err(failure) => (failure.exit, 0),
    };
    let Gap { from, to } = Gap::of(&period.span);
    let (from, to) = (from.as_str(), to.as_str());
    let event = Event::Backfill { source: LOG, from, to, removed, added, exit_code: exit as u8 };
    let recorded = ledger::record(host(), lock.tenant(), &event);
    let report = read?;
    recorded?;
    match arguments.output {
        ReportFormat::Json => {
            let text = serde_json::to_string_pretty(&report);
            output::result(&text.map_err(anyhow::Error::new)?);
        }
        ReportFormat::Table => report.remarks().iter().for_each(|remark| output::note(remark)),
    }
    Ok(exit)
}

/// The period that the command line names, in the zone of the audit trail.
fn period(
    settings: &Audit,
    kept_days: u64,
    arguments: &BackfillArguments,
) -> Result<Period, Failure> {
    let now_ms = system::now_ms();
    let time = |text: &String| parse_time(text, &settings.time_zone, now_ms);
    let from_ms = time(&arguments.from)?;
    let to_ms = arguments.to.as_ref().map_or(Ok(now_ms), time)?;
    Ok(Period::new(from_ms, to_ms, kept_days, now_ms)?)
}
