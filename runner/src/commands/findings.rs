//! `findings`: what the rules have found.

use core_engine::ledger::{self, Event};
use core_rules::book::Book;
use core_rules::finding::{Acknowledgement, Finding, HistoryEntry, State};
use core_rules::fingerprint::FindingId;
use core_rules::silence::{MAX_NOTE, Matcher, Silence};
use core_rules::view::{HappeningView, SilenceView, Wanted, since, time};
use core_store::TenantStore;
use core_terminal::count;
use serde_json::{Value, json};

use super::rules::{self, lock_findings, save};
use crate::cli::{
    FindingsCommand, FindingsListArguments, Global, ReportFormat, RowFormat, SilenceArguments,
    StateName,
};
use crate::exit::{Exit, Failure};
use crate::host;
use crate::host::host;
use crate::output;
use crate::system;

/// The characters of an id in lists.
const SHORT_ID: usize = 12;
/// The fewest characters of an id that are taken for one.
const MIN_PREFIX: usize = 4;
/// The findings of a table, unless the user says otherwise.
const TABLE_LINES: usize = 50;

/// Does what the command line says.
pub(super) async fn dispatch(global: &Global, command: FindingsCommand) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    match command {
        FindingsCommand::List(arguments) => list(global, &tenant, &arguments),
        FindingsCommand::Show { id, output } => show(&tenant, &id, output),
        FindingsCommand::Ack { ids, note, undo } => {
            acknowledge(&tenant, &ids, note.as_deref(), undo).await
        }
        FindingsCommand::Silence(arguments) => silence(&tenant, &arguments).await,
        FindingsCommand::History { id, lines, output } => {
            history(&tenant, id.as_deref(), lines, output.output)
        }
    }
}

/// The findings, which must be there.
fn book(tenant: &TenantStore) -> Result<Book, Failure> {
    rules::read_book(tenant)?.ok_or_else(|| {
        let program = system::own_command();
        Failure::usage(format!(
            "no rule was evaluated yet: `{program} rules enable ID` switches one on, and `{program} rules \
             run` evaluates it"
        ))
    })
}

/// The one finding whose id begins with a text.
fn named(book: &Book, text: &str) -> Result<FindingId, Failure> {
    let text = text.trim();
    let text = text.strip_prefix("nexthink_finding:").unwrap_or(text).to_lowercase();
    if text.len() < MIN_PREFIX {
        return Err(Failure::usage(format!(
            "`{text}` is too short for an ID: write at least {MIN_PREFIX} of its characters"
        )));
    }
    match book.ids(&text)[..] {
        [id] => Ok(id),
        [] => Err(Failure::usage(format!(
            "there is no finding whose ID begins with `{text}`; `{} findings list` shows them",
            system::own_command()
        ))),
        ref several => Err(Failure::usage(format!(
            "the IDs of {} findings begin with `{text}`: write more of it",
            several.len()
        ))),
    }
}

fn short(id: FindingId) -> String {
    id.to_string()[..SHORT_ID].to_owned()
}

fn list(
    global: &Global,
    tenant: &TenantStore,
    arguments: &FindingsListArguments,
) -> Result<Exit, Failure> {
    let book = book(tenant)?;
    host::record_read(tenant, &Event::FindingsRead { what: "list" });
    let now = system::now().0;
    let found = book.wanted(&Wanted {
        states: arguments.states.iter().copied().map(state_of).collect(),
        severity: arguments.severity.map(|severity| severity.0),
        matcher: Matcher { rule: arguments.rule.clone(), ..Matcher::default() },
    });
    let format = arguments.output.output;
    let lines = arguments.lines.unwrap_or(match format {
        RowFormat::Table => TABLE_LINES,
        _ => found.len(),
    });
    let shown = found.iter().take(lines);
    if format != RowFormat::Table {
        let rows = shown.map(|(id, finding)| json!(book.row(*id, finding, now)));
        return super::show::rows(rows, format);
    }
    let rows = shown.map(|(id, finding)| {
        let mut state = finding.state().name().to_owned();
        if finding.life.is_unknown {
            state.push_str(", unknown");
        }
        if book.silence_of(*id, now).is_some() {
            state.push_str(", silenced");
        }
        [
            short(*id),
            book.severity(finding).name().to_owned(),
            state,
            time(since(finding)),
            finding.rule.clone(),
            finding.text.clone(),
        ]
    });
    let header = ["finding", "severity", "state", "since", "rule", "what"];
    output::result(&output::table(header, rows, header.len()));
    if !global.quiet {
        let all = count(found.len(), "finding");
        output::note(&if found.len() > lines {
            format!(
                "{all}, of which the first {lines} are shown: --lines or --output csv shows more"
            )
        } else {
            all
        });
    }
    Ok(Exit::Complete)
}

fn state_of(name: StateName) -> State {
    match name {
        StateName::Pending => State::Pending,
        StateName::Open => State::Open,
        StateName::Acknowledged => State::Acknowledged,
        StateName::Clearing => State::Clearing,
        StateName::Resolved => State::Resolved,
    }
}

fn show(tenant: &TenantStore, text: &str, format: ReportFormat) -> Result<Exit, Failure> {
    let book = book(tenant)?;
    let id = named(&book, text)?;
    let Some(finding) = book.finding(id) else { unreachable!("it was just found") };
    host::record_read(tenant, &Event::FindingsRead { what: "show" });
    let now = system::now().0;
    let object = json!(book.detail(id, finding, now));
    if format == ReportFormat::Json {
        output::result(&serde_json::to_string_pretty(&object).map_err(anyhow::Error::new)?);
        return Ok(Exit::Complete);
    }
    let title = object["title"].as_str().unwrap_or_default();
    let mut lines = vec![
        format!("{} ({}, {})", finding.text, book.severity(finding), finding.state().name()),
        format!("finding  {id}"),
        format!("rule     {}: {title}", finding.rule),
    ];
    lines.extend(finding.entity.as_ref().map(|entity| format!("entity   {entity}")));
    if finding.life.is_unknown {
        lines.push("unknown  the last evaluation could not tell whether it still holds".to_owned());
    }
    if let Some(ack) = &finding.acknowledged {
        let note = ack.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        lines.push(format!("acknowledged by {} at {}{note}", ack.by, time(ack.at)));
    }
    if let Some(silence) = book.silence_of(id, now) {
        lines.push(format!("silenced until {}: {}", time(silence.until), silence.why));
    }
    lines.push(String::new());
    for (name, value) in object["row"].as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        lines.push(format!("  {name}  {value}"));
    }
    lines.push(String::new());
    lines.extend(finding.history.iter().map(|entry| format!("  {}", entry_text(entry))));
    output::result(&lines.join("\n"));
    Ok(Exit::Complete)
}

fn entry_object(entry: &HistoryEntry, id: FindingId, finding: &Finding) -> Value {
    let mut object = json!(HappeningView::new(entry));
    object["finding"] = json!(id);
    object["rule"] = json!(finding.rule);
    object["text"] = json!(finding.text);
    object
}

fn entry_text(entry: &HistoryEntry) -> String {
    let what = serde_json::to_value(entry.what).unwrap_or_default();
    let reason = entry.reason.map(|reason| format!(": {}", reason.text())).unwrap_or_default();
    format!("{}  {}  ({}){reason}", time(entry.at), what.as_str().unwrap_or_default(), entry.by)
}

async fn acknowledge(
    tenant: &TenantStore,
    texts: &[String],
    note: Option<&str>,
    undo: bool,
) -> Result<Exit, Failure> {
    let lock = lock_findings(tenant).await?;
    let mut book = book(tenant)?;
    let (now, by) = (system::now().0, system::user());
    let note = note.map(|note| core_rules::template::one_line(note, MAX_NOTE));
    let mut done = Vec::new();
    for text in texts {
        let id = named(&book, text)?;
        let changed = if undo {
            book.unacknowledge(id, now, &by)
        } else {
            book.acknowledge(id, Acknowledgement { by: by.clone(), at: now, note: note.clone() })
        };
        if !changed {
            let why = if undo { "it is not acknowledged" } else { "it is resolved" };
            return Err(Failure::usage(format!("finding {} stays as it is: {why}", short(id))));
        }
        done.push(id);
    }
    save(&lock, &book)?;
    let action = if undo { "unacknowledge" } else { "acknowledge" };
    ledger::record(
        host(),
        tenant,
        &Event::FindingsChanged { action, findings: done.len(), user: None },
    )?;
    for id in done {
        let word = if undo { "acknowledgement withdrawn" } else { "acknowledged" };
        output::result(&format!("{word}: {}", short(id)));
    }
    Ok(Exit::Complete)
}

async fn silence(tenant: &TenantStore, arguments: &SilenceArguments) -> Result<Exit, Failure> {
    let lock = lock_findings(tenant).await?;
    let mut book = book(tenant)?;
    let now = system::now();
    if let Some(id) = &arguments.end {
        if !book.end_silence(id, now.0) {
            return Err(Failure::usage(format!("there is no silence `{id}` in force")));
        }
        save(&lock, &book)?;
        ledger::record(
            host(),
            tenant,
            &Event::FindingsChanged { action: "end-silence", findings: 0, user: None },
        )?;
        output::result(&format!("ended: {id}"));
        return Ok(Exit::Complete);
    }
    let matcher = matcher(&book, arguments)?;
    if matcher.is_empty() {
        return silences(&book, now.0, arguments.output.output);
    }
    let (Some(duration), Some(why)) = (arguments.duration, &arguments.why) else {
        return Err(Failure::usage(
            "a silence needs its end and a reason: add --for 7d --why TEXT",
        ));
    };
    let silence = Silence {
        id: format!("s-{}", host().new_id(now)?).to_lowercase(),
        matcher,
        until: now.0.saturating_add(duration.0),
        at: now.0,
        by: system::user(),
        why: core_rules::template::one_line(why, MAX_NOTE),
    };
    let matching = book.active_matching(&silence.matcher);
    let text = format!(
        "silenced until {}: {}, {} ({} now)",
        time(silence.until),
        silence.id,
        silence.matcher.describe(),
        count(matching, "open finding")
    );
    book.silence(silence);
    save(&lock, &book)?;
    ledger::record(
        host(),
        tenant,
        &Event::FindingsChanged { action: "silence", findings: matching, user: None },
    )?;
    output::result(&text);
    Ok(Exit::Complete)
}

fn matcher(book: &Book, arguments: &SilenceArguments) -> Result<Matcher, Failure> {
    let label = arguments.label.as_ref().map(|text| {
        let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        pair.ok_or_else(|| Failure::usage("write a label as NAME=VALUE"))
    });
    Ok(Matcher {
        finding: arguments.finding.as_ref().map(|text| named(book, text)).transpose()?,
        rule: arguments.rule.clone(),
        entity: arguments.entity.clone(),
        label: label.transpose()?,
    })
}

fn silences(book: &Book, now: u64, format: RowFormat) -> Result<Exit, Failure> {
    if format != RowFormat::Table {
        let rows = book.silences().iter().map(|silence| json!(SilenceView::new(silence, now)));
        return super::show::rows(rows, format);
    }
    let rows = book.silences().iter().map(|silence| {
        [
            silence.id.clone(),
            silence.matcher.describe(),
            time(silence.until) + if silence.until > now { "" } else { " (over)" },
            silence.by.clone(),
            silence.why.clone(),
        ]
    });
    let header = ["silence", "of", "until", "by", "why"];
    output::result(&output::table(header, rows, header.len()));
    Ok(Exit::Complete)
}

fn history(
    tenant: &TenantStore,
    text: Option<&str>,
    lines: usize,
    format: RowFormat,
) -> Result<Exit, Failure> {
    let book = book(tenant)?;
    let only = text.map(|text| named(&book, text)).transpose()?;
    host::record_read(tenant, &Event::FindingsRead { what: "history" });
    let mut entries: Vec<(FindingId, &Finding, &HistoryEntry)> = Vec::new();
    for (id, finding) in book.findings() {
        if only.is_none_or(|only| only == *id) {
            entries.extend(finding.history.iter().map(|entry| (*id, finding, entry)));
        }
    }
    entries.sort_by_key(|(id, _, entry)| (std::cmp::Reverse(entry.at), *id));
    entries.truncate(lines);
    if format != RowFormat::Table {
        let rows = entries.iter().map(|(id, finding, entry)| entry_object(entry, *id, finding));
        return super::show::rows(rows, format);
    }
    let rows = entries.iter().map(|(id, finding, entry)| {
        let what = serde_json::to_value(entry.what).unwrap_or_default();
        let reason = entry.reason.map(|reason| format!(": {}", reason.text())).unwrap_or_default();
        [
            time(entry.at),
            short(*id),
            format!("{}{reason}", what.as_str().unwrap_or_default()),
            finding.rule.clone(),
            finding.text.clone(),
        ]
    });
    let header = ["when", "finding", "what happened", "rule", "text"];
    output::result(&output::table(header, rows, header.len()));
    Ok(Exit::Complete)
}
