//! `audit` and `backfill`: the events of the audit trail that the runs have kept.

use std::collections::BTreeMap;
use std::io;

use arrow_array::RecordBatch;
use core_cli::{
    AuditCommand, BackfillArguments, BackfillSource, Global, ReportFormat, RowFormat, TailArguments,
};
use core_engine::audit::{Backfill, LOG, Notes, Period, TrailStatus};
use core_engine::ledger::Event;
use core_engine::settings::Audit;
use core_engine::suggestion;
use core_query::{Format, QueryError};
use core_reading::audit_tail::Tail;
use core_reading::audit_trail::{self, Filter, REPORTS};
use core_reading::{Progress, Question, parse_time};
use core_terminal::count;
use serde_json::json;

use super::opened::Opened;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::signals::{ProcessSignals, signal};
use crate::{output, system, typed};

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
    let TailArguments { codes, accounts, actions, lines, follow, output } = arguments;
    let filter = Filter { codes, accounts, actions };
    let tail = Tail { reader: &opened.reader(), filter, lines: *lines, follows: *follow };
    let format = typed::format(output.output);
    if let Some(seen) = tail.show_latest(|events| print(events, format)).await? {
        tokio::select! {
            // One wait for all looks: a signal between two of them would be lost.
            _ = signal() => {}
            followed = tail.follow(seen, |events| print(events, format)) => followed?,
        }
    }
    Ok(Exit::Complete)
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
    let objects = REPORTS
        .map(|report| json!({ "name": report.name, "about": report.about(), "sql": report.sql }));
    let cells = REPORTS.map(|report| [report.name.to_owned(), report.about().to_owned()]);
    super::show::list(format, objects, ["report", "about"], cells, 2)
}

/// Tells what of each trail was read.
fn status(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    let log = tenant.events(LOG)?;
    let notes = Notes::of(&log)?;
    let trails = TrailStatus::all(&notes, system::now_ms());
    let (objects, cells) =
        (trails.iter().map(TrailStatus::to_json), trails.iter().map(TrailStatus::cells));
    let header = TrailStatus::HEADER;
    super::show::list(format, objects, header, cells, header.len())?;
    if format != RowFormat::Table {
        return Ok(Exit::Complete);
    }
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
    let backfill = Backfill {
        engine: engine(config),
        audit: settings,
        period,
        starts_over: arguments.start_over,
    };
    let note_removed = |events| output::note(&format!("{} removed", count(events, "event")));
    let report = Box::pin(backfill.run(&ProcessSignals, note_removed)).await?;
    match arguments.output {
        ReportFormat::Json => output::json(&report)?,
        ReportFormat::Table => output::notes(&report.remarks()),
    }
    Ok(report.ending().into())
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
