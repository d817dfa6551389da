//! `audit` and `backfill`: the events of the audit trail that the runs have kept.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use core_audit::{Coverage, HOUR_MS, Span};
use core_engine::Cancellation;
use core_engine::audit::{self, AuditReport, Collection, Gap, LOG, Notes};
use core_engine::ledger::{self, Event};
use core_engine::run::{self, FetchedTable};
use core_engine::settings::Audit;
use core_engine::suggestion;
use core_query::{EventOwner, EventTables, Format, QueryError, QuerySession, QuerySettings};
use core_store::{EventLog, RunLock, TenantStore};
use core_terminal::count;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::json;
use step_account::ACCOUNT;
use step_audit::{ACCOUNT_HAS_AUDIT_EVENT, AUDIT_EVENT};

use super::query::{Progress, Question, retried};
use super::run::{RUN, interruptible};
use crate::cli::{
    AuditCommand, BackfillArguments, BackfillSource, Global, ReportFormat, RowFormat, TailArguments,
};
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::host;
use crate::host::{engine, host};
use crate::output;
use crate::system;

/// How often `--follow` looks for new events.
const LOOK: Duration = Duration::from_secs(2);

/// How many days back `--follow` notices late events.
const FOLLOWED_MS: i64 = 48 * HOUR_MS;

/// The ready reports: a name, and the SQL that begins with what it is about.
const REPORTS: [(&str, &str); 4] = [
    ("failed-logins", include_str!("audit/failed-logins.sql")),
    ("new-power", include_str!("audit/new-power.sql")),
    ("support-access", include_str!("audit/support-access.sql")),
    ("outside-hours", include_str!("audit/outside-hours.sql")),
];

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

/// Makes the events a table of a session, if there are any.
pub(super) async fn add_events(
    global: &Global,
    session: &mut QuerySession,
    tenant: &TenantStore,
) -> Result<(), Failure> {
    let log = tenant.events(LOG)?;
    if log.files().is_empty() {
        return Ok(());
    }
    let tables = tables(global, tenant.name(), &log)?;
    let added = session.add_events(&tables).await;
    added.map_err(|error| super::query::failure(error, Exit::Internal))
}

/// The events as tables.
fn tables(global: &Global, tenant: &str, log: &EventLog) -> Result<EventTables, Failure> {
    let now_ms = system::now_ms();
    let notes = Notes::of(log)?;
    let partial = notes.trails.values().any(|coverage| lacks_events(coverage, now_ms));
    let mut from_key = String::new();
    ACCOUNT.write_key(tenant, &mut from_key);
    let [class] = AUDIT_EVENT.class else { unreachable!("an event has one class") };
    let config = config::find(global.config.as_deref()).map(|source| config::load(&source));
    let tags = config.transpose()?.map(|config| config.tags()).unwrap_or_default();
    Ok(EventTables {
        name: AUDIT_EVENT.type_name.to_owned(),
        class: class.name().to_owned(),
        log: log.clone(),
        partial,
        tags: tags.into_iter().map(|tag| (tag.name, tag.value)).collect(),
        from: Some(EventOwner {
            name: ACCOUNT_HAS_AUDIT_EVENT.type_name.to_owned(),
            class: ACCOUNT_HAS_AUDIT_EVENT.class.name().to_owned(),
            from_type: ACCOUNT.type_name.to_owned(),
            from_key,
        }),
    })
}

/// Says whether events of a trail are missing, other than those since it was last read.
fn lacks_events(coverage: &Coverage, now_ms: i64) -> bool {
    let server_ms = coverage.server_ms(now_ms);
    let is_since_last_read =
        |gap: &Span| gap.to_ms >= server_ms && coverage.has_read(gap.from_ms.saturating_sub(1));
    !coverage.lost().is_empty() || !coverage.gaps(now_ms).iter().all(is_since_last_read)
}

/// A session on the events alone, which need no generation.
async fn session(global: &Global, tenant: &TenantStore) -> Result<QuerySession, Failure> {
    if tenant.events(LOG)?.files().is_empty() {
        return Err(Failure::usage(
            "there are no events of the audit trail yet: add `[audit]` to the configuration, and `run` \
             reads them",
        ));
    }
    let session = QuerySession::empty(QuerySettings::default());
    let mut session = session.map_err(|error| Failure::new(Exit::Internal, error))?;
    add_events(global, &mut session, tenant).await?;
    Ok(session)
}

/// Prints the latest events, and with `--follow` those that come.
async fn tail(global: &Global, arguments: &TailArguments) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    let filter = filter(arguments);
    let sql = format!(
        "select * from (select _key, \"occurredOn\", code, action, account, source, message, \
         \"observedOn\" from {} where {filter} order by \"observedOn\" desc, _key limit {}) \
         order by \"observedOn\", _key",
        AUDIT_EVENT.type_name, arguments.lines
    );
    let format: Format = arguments.output.output.into();
    let mut seen = HashSet::new();
    let has_events = !tenant.events(LOG)?.files().is_empty();
    if has_events || arguments.follow {
        host::record_read(&tenant, &Event::AuditRead { question: "tail" });
    }
    if has_events || !arguments.follow {
        let ask = || async {
            let session = session(global, &tenant).await?;
            let latest = rows(&session, &sql).await?;
            if !arguments.follow {
                return Ok((latest, HashSet::new()));
            }
            let recent = rows(&session, &recent(&filter)).await?;
            Ok((latest, keys(&recent)))
        };
        let latest;
        (latest, seen) = retried(&tenant, &Progress::default(), ask).await?;
        if !print(&latest, format)? {
            return Ok(Exit::Complete);
        }
    }
    if !arguments.follow {
        return Ok(Exit::Complete);
    }
    let following = follow(global, &tenant, &filter, format, seen);
    tokio::select! {
        // One wait for all looks: a signal between two of them would be lost.
        _ = super::run::signal() => Ok(Exit::Complete),
        followed = following => followed,
    }
}

/// Prints events as they come, until the reader goes away.
async fn follow(
    global: &Global,
    tenant: &TenantStore,
    filter: &str,
    format: Format,
    mut seen: HashSet<String>,
) -> Result<Exit, Failure> {
    let mut files = tenant.events(LOG)?.files().to_vec();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = tenant.events(LOG)?.files().to_vec();
        if now == files || now.is_empty() {
            continue;
        }
        let came = match latest_rows(global, tenant, &recent(filter)).await {
            Ok(came) => came,
            // A run has made these files into others in the meantime: they are read with the next look.
            Err(_) if tenant.events(LOG)?.files() != now => continue,
            Err(failure) => return Err(failure),
        };
        files = now;
        if !print(&unseen(came, &mut seen), format)? {
            return Ok(Exit::Complete);
        }
    }
}

/// The events of the last days that match.
fn recent(filter: &str) -> String {
    let from = jiff::Timestamp::from_millisecond(system::now_ms() - FOLLOWED_MS);
    let from = from.unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!(
        "select _key, \"occurredOn\", code, action, account, source, message, \"observedOn\" from {} \
         where {filter} and \"observedOn\" >= timestamp '{from:.0}' order by \"observedOn\", _key",
        AUDIT_EVENT.type_name
    )
}

/// What the flags ask for, as SQL.
fn filter(arguments: &TailArguments) -> String {
    let quoted = |text: &String| format!("'{}'", text.replace('\'', "''"));
    let list = |texts: &[String]| texts.iter().map(quoted).collect::<Vec<_>>().join(", ");
    let mut conditions = vec!["true".to_owned()];
    if !arguments.codes.is_empty() {
        let codes: Vec<String> = arguments.codes.iter().map(u32::to_string).collect();
        conditions.push(format!("code in ({})", codes.join(", ")));
    }
    if !arguments.accounts.is_empty() {
        conditions.push(format!("account in ({})", list(&arguments.accounts)));
    }
    if !arguments.actions.is_empty() {
        conditions.push(format!("action in ({})", list(&arguments.actions)));
    }
    conditions.join(" and ")
}

async fn latest_rows(
    global: &Global,
    tenant: &TenantStore,
    sql: &str,
) -> Result<Vec<RecordBatch>, Failure> {
    rows(&session(global, tenant).await?, sql).await
}

async fn rows(session: &QuerySession, sql: &str) -> Result<Vec<RecordBatch>, Failure> {
    let answer = async { session.sql(sql)?.collect().await };
    answer.await.map_err(|error: QueryError| super::query::failure(error, Exit::Internal))
}

fn keys(batches: &[RecordBatch]) -> HashSet<String> {
    batches.iter().flat_map(keys_of).collect()
}

fn keys_of(batch: &RecordBatch) -> Vec<String> {
    let column = batch.column(0);
    match column.as_string_view_opt() {
        Some(keys) => keys.iter().flatten().map(str::to_owned).collect(),
        None => column.as_string::<i32>().iter().flatten().map(str::to_owned).collect(),
    }
}

/// The rows whose keys were not seen. What was seen are these rows from now on: others of before are out of the
/// period that is looked at, so that the keys do not become more and more.
fn unseen(batches: Vec<RecordBatch>, seen: &mut HashSet<String>) -> Vec<RecordBatch> {
    let mut new = Vec::new();
    let mut now = HashSet::new();
    for batch in batches {
        for (row, key) in keys_of(&batch).into_iter().enumerate() {
            if now.insert(key.clone()) && !seen.contains(&key) {
                new.push(batch.slice(row, 1));
            }
        }
    }
    *seen = now;
    new
}

/// Prints events without the columns that only order them. Says whether anybody still reads.
fn print(batches: &[RecordBatch], format: Format) -> Result<bool, Failure> {
    let Some(first) = batches.first() else { return Ok(true) };
    let shown: Vec<usize> = (1..first.num_columns() - 1).collect();
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
    let Some((_, sql)) = REPORTS.iter().find(|(known, _)| *known == name) else {
        let names: Vec<_> = REPORTS.iter().map(|(name, _)| *name).collect();
        return Err(Failure::usage(suggestion::unknown("report", name, &names)));
    };
    let tenant = super::tenant(global)?;
    let progress = Progress::default();
    let ask = || async {
        let session = session(global, &tenant).await?;
        if !progress.is_recorded.replace(true) {
            host::record_read(&tenant, &Event::AuditRead { question: name });
        }
        let question = Question::Sql(sql, BTreeMap::new());
        super::query::answered(global, &session, &question, &format.into(), &progress).await
    };
    retried(&tenant, &progress, ask).await
}

/// Lists the ready reports.
fn reports(format: RowFormat) -> Result<Exit, Failure> {
    let about = |sql: &str| sql.lines().next().unwrap_or("").trim_start_matches("-- ").to_owned();
    if format != RowFormat::Table {
        let rows =
            REPORTS.map(|(name, sql)| json!({ "name": name, "about": about(sql), "sql": sql }));
        return super::show::rows(&rows, format);
    }
    let rows = REPORTS.map(|(name, sql)| [name.to_owned(), about(sql)]);
    output::result(&output::table(["report", "about"], rows, 2));
    Ok(Exit::Complete)
}

/// Tells what of each trail was read.
fn status(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    let log = tenant.events(LOG)?;
    let notes = Notes::of(&log)?;
    let now_ms = system::now_ms();
    let time = |ms: i64| Gap::of(&Span { from_ms: ms, to_ms: ms }).from;
    let spans = |spans: &[Span]| -> Vec<String> {
        let gaps = spans.iter().map(Gap::of);
        gaps.map(|gap| format!("{} to {}", gap.from, gap.to)).collect()
    };
    if format != RowFormat::Table {
        let rows = notes.trails.iter().map(|(name, coverage)| {
            json!({
                "trail": name,
                "newestEvent": coverage.newest_event_ms().map(time),
                "notRead": spans(&coverage.gaps(now_ms)),
                "lost": spans(coverage.lost()),
            })
        });
        return super::show::rows(&rows.collect::<Vec<_>>(), format);
    }
    let rows = notes.trails.iter().map(|(name, coverage)| {
        [
            name.clone(),
            coverage.newest_event_ms().map_or_else(String::new, time),
            spans(&coverage.gaps(now_ms)).join("\n"),
            spans(coverage.lost()).join("\n"),
        ]
    });
    let header = ["trail", "newest event", "not read yet", "never read, and gone"];
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
    let span = span(settings, config.retention.events_days, arguments)?;
    let stop = Cancellation::default();
    let lock = engine(config).lock()?;
    let mut removed = None;
    let reading =
        read_again(config, settings, &lock, (arguments.start_over, span), &stop, &mut removed);
    let read = interruptible(Box::pin(reading), &stop, RUN).await;
    let (exit, added) = match &read {
        Ok(report) => (Exit::from(report.ending()), report.added()),
        Err(failure) => (failure.exit, 0),
    };
    let Gap { from, to } = Gap::of(&span);
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

/// Reads a period again; to start over, it removes all events first, once there is something to take their
/// place. `removed` then says how many they were, whatever comes after.
async fn read_again(
    config: &Config,
    audit: &Audit,
    lock: &RunLock,
    (starts_over, span): (bool, Span),
    stop: &Cancellation,
    removed: &mut Option<u64>,
) -> Result<AuditReport, Failure> {
    if starts_over {
        core_engine::check::require_audit(engine(config)).await?;
    }
    let fetched = match audit.table() {
        None => None,
        Some(table) => {
            let fetched = run::fetch_table(engine(config), table, lock).await?;
            match fetched.result {
                Err(error) if starts_over => return Err(error.into()),
                result => Some(FetchedTable { result, ..fetched }),
            }
        }
    };
    if starts_over {
        let events = audit::start_over(lock)?;
        *removed = Some(events);
        output::note(&format!("{} removed", count(events, "event")));
    }
    let login_ahead_ms = fetched.as_ref().and_then(FetchedTable::login_ahead_ms);
    let engine = engine(config);
    let (again, cancellation) = (Some(span), stop);
    let reading = Collection { engine, audit, lock, again, login_ahead_ms, cancellation };
    Ok(reading.read(fetched).await)
}

fn span(settings: &Audit, kept_days: u64, arguments: &BackfillArguments) -> Result<Span, Failure> {
    let from_ms = time(&arguments.from, &settings.time_zone)?;
    let to_ms = match &arguments.to {
        Some(to) => time(to, &settings.time_zone)?,
        None => system::now_ms(),
    };
    if from_ms >= to_ms {
        return Err(Failure::usage("--from must be before --to, and before now"));
    }
    let kept_ms = 24 * HOUR_MS * i64::try_from(kept_days).unwrap_or(i64::MAX / 1000);
    let oldest_ms = system::now_ms().saturating_sub(kept_ms);
    if to_ms <= oldest_ms {
        return Err(Failure::usage(format!(
            "--to is more than {kept_days} days ago: such events would be removed at once \
             (`retention.audit_days`)"
        )));
    }
    let span = Span { from_ms: from_ms.max(oldest_ms), to_ms: to_ms.min(system::now_ms()) };
    if from_ms < oldest_ms {
        let from = Gap::of(&span).from;
        output::note(&format!(
            "events are kept for {kept_days} days (`retention.audit_days`), so that it begins at {from}"
        ));
    }
    Ok(span)
}

/// A date, a time by the clock of a zone, or a time with its zone.
pub(super) fn time(text: &str, zone: &TimeZone) -> Result<i64, Failure> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_millisecond());
    }
    if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u16>().ok()) {
        return Ok(system::now_ms() - i64::from(days) * 24 * HOUR_MS);
    }
    let date = || text.parse::<Date>().map(|date| date.to_datetime(jiff::civil::Time::midnight()));
    let local = text.parse::<DateTime>().or_else(|_| date());
    let time = local.and_then(|local| zone.to_timestamp(local));
    time.map(jiff::Timestamp::as_millisecond).map_err(|_| {
        Failure::usage(format!(
            "{text} is no time: write 2026-03-01, 2026-03-01T10:00:00, 2026-03-01T10:00:00Z, or 7d for 7 \
             days ago"
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};

    use super::*;

    #[test]
    fn each_event_is_followed_once_and_keys_of_past_periods_are_let_go_of() {
        let mut seen = HashSet::new();
        for (window, expected) in [
            (vec!["a", "b"], vec!["a", "b"]),
            (vec!["a", "b", "c"], vec!["c"]),
            (vec!["b", "c", "d", "d"], vec!["d"]),
            (vec!["d"], vec![]),
        ] {
            let column: ArrayRef = Arc::new(StringArray::from(window.clone()));
            let batch = RecordBatch::try_from_iter([("_key", column)]).expect("one column");
            let new: Vec<String> =
                unseen(vec![batch], &mut seen).iter().flat_map(keys_of).collect();
            assert_eq!(new, expected);
            assert_eq!(seen, window.into_iter().map(str::to_owned).collect());
        }
    }
}
