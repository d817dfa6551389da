//! `findings`: what the rules have found.

use core_engine::Moment;
use core_engine::ledger::{self, Event};
use core_engine::text::count;
use core_rules::book::Book;
use core_rules::finding::{Acknowledgement, Finding, HistoryEntry, State};
use core_rules::fingerprint::FindingId;
use core_rules::silence::{Matcher, Silence};
use core_store::TenantStore;
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
/// The characters of a remark.
const MAX_NOTE: usize = 500;

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

fn time(ms: u64) -> String {
    Moment(ms).to_rfc3339()
}

fn list(
    global: &Global,
    tenant: &TenantStore,
    arguments: &FindingsListArguments,
) -> Result<Exit, Failure> {
    let book = book(tenant)?;
    host::record_read(tenant, &Event::FindingsRead { what: "list" });
    let now = system::now().0;
    let is_wanted = |finding: &Finding| {
        let state = finding.state();
        let is_state = match &arguments.states[..] {
            [] => matches!(state, State::Open | State::Acknowledged | State::Clearing),
            states => states.iter().any(|wanted| state_of(*wanted) == state),
        };
        let severity = arguments.severity.is_none_or(|wanted| book.severity(finding) >= wanted.0);
        let matcher = Matcher { rule: arguments.rule.clone(), ..Matcher::default() };
        let is_rule = book
            .findings()
            .iter()
            .next()
            .is_some_and(|(id, _)| matcher.matches(*id, finding, None));
        is_state && severity && is_rule
    };
    let mut found: Vec<(&FindingId, &Finding)> =
        book.findings().iter().filter(|(_, finding)| is_wanted(finding)).collect();
    found.sort_by(|(_, one), (_, other)| {
        let order = book.severity(other).cmp(&book.severity(one));
        order.then_with(|| since(other).cmp(&since(one))).then_with(|| one.text.cmp(&other.text))
    });
    let format = arguments.output.output;
    if format != RowFormat::Table {
        let rows: Vec<Value> =
            found.iter().map(|(id, finding)| row(&book, **id, finding, now)).collect();
        return super::show::rows(&rows, format);
    }
    let rows = found.iter().map(|(id, finding)| {
        let mut state = finding.state().name().to_owned();
        if finding.life.is_unknown {
            state.push_str(", unknown");
        }
        if book.silence_of(**id, now).is_some() {
            state.push_str(", silenced");
        }
        [
            short(**id),
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
        output::note(&count(found.len(), "finding"));
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

/// When a finding came into its state, as far as people count.
fn since(finding: &Finding) -> u64 {
    match finding.state() {
        State::Resolved => finding.resolved.unwrap_or(finding.first_seen),
        _ => finding.opened.unwrap_or(finding.first_seen),
    }
}

/// A finding as one object with plain members.
fn row(book: &Book, id: FindingId, finding: &Finding, now: u64) -> Value {
    json!({
        "id": id,
        "rule": finding.rule,
        "title": book.rule(&finding.rule).map(|rule| rule.title.clone()),
        "severity": book.severity(finding),
        "state": finding.state(),
        "unknown": finding.life.is_unknown,
        "silenced": book.silence_of(id, now).is_some(),
        "text": finding.text,
        "entity": finding.entity,
        "firstSeen": time(finding.first_seen),
        "opened": finding.opened.map(time),
        "resolved": finding.resolved.map(time),
        "reason": finding.life.reason,
        "acknowledgedBy": finding.acknowledged.as_ref().map(|ack| ack.by.clone()),
    })
}

fn show(tenant: &TenantStore, text: &str, format: ReportFormat) -> Result<Exit, Failure> {
    let book = book(tenant)?;
    let id = named(&book, text)?;
    let Some(finding) = book.finding(id) else { unreachable!("it was just found") };
    host::record_read(tenant, &Event::FindingsRead { what: "show" });
    let now = system::now().0;
    let values: Value = serde_json::from_str(&finding.values).unwrap_or(Value::Null);
    let mut object = row(&book, id, finding, now);
    object["row"] = values;
    object["acknowledgement"] = finding
        .acknowledged
        .as_ref()
        .map_or(Value::Null, |ack| json!({ "by": ack.by, "at": time(ack.at), "note": ack.note }));
    object["silence"] = book.silence_of(id, now).map_or(Value::Null, |silence| {
        json!({ "id": silence.id, "until": time(silence.until), "by": silence.by, "why": silence.why })
    });
    object["history"] = finding.history.iter().map(|entry| entry_object(entry, None)).collect();
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
        lines.push(format!("taken on by {} at {}{note}", ack.by, time(ack.at)));
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

fn entry_object(entry: &HistoryEntry, of: Option<(FindingId, &Finding)>) -> Value {
    let mut object = json!({
        "at": time(entry.at),
        "what": entry.what,
        "by": entry.by,
        "reason": entry.reason.map(core_rules::lifecycle::Reason::text),
    });
    if let Some((id, finding)) = of {
        object["finding"] = json!(id);
        object["rule"] = json!(finding.rule);
        object["text"] = json!(finding.text);
    }
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
            let why = if undo { "nobody has taken it on" } else { "it is resolved" };
            return Err(Failure::usage(format!("finding {} stays as it is: {why}", short(id))));
        }
        done.push(id);
    }
    save(&lock, &book)?;
    let action = if undo { "unacknowledge" } else { "acknowledge" };
    ledger::record(host(), tenant, &Event::FindingsChanged { action, findings: done.len() })?;
    for id in done {
        let word = if undo { "given back" } else { "taken on" };
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
            &Event::FindingsChanged { action: "end-silence", findings: 0 },
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
    let matching = book
        .findings()
        .iter()
        .filter(|(id, finding)| {
            finding.life.is_active()
                && silence.matcher.matches(**id, finding, book.rule(&finding.rule))
        })
        .count();
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
        &Event::FindingsChanged { action: "silence", findings: matching },
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
        let rows = book.silences().iter().map(|silence| {
            json!({
                "id": silence.id,
                "matcher": silence.matcher.describe(),
                "inForce": silence.until > now,
                "until": time(silence.until),
                "by": silence.by,
                "why": silence.why,
            })
        });
        return super::show::rows(&rows.collect::<Vec<_>>(), format);
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
        let rows =
            entries.iter().map(|(id, finding, entry)| entry_object(entry, Some((*id, finding))));
        return super::show::rows(&rows.collect::<Vec<_>>(), format);
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
