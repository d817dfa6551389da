//! `privacy erase` and `privacy suppression`: takes a person or device out for good, and back in.

use core_cli::{EraseArguments, Global, ReportFormat, RowFormat, SubjectArguments};
use core_engine::erasure::{self, Lifted, Recleansing, Request};
use core_engine::privacy;
use core_erasure::certificate::Certificate;
use core_erasure::subject::{Subject, SubjectKind};
use core_erasure::summary::{self, certificate_text, check_reason, known_by};
use core_erasure::{SearchReport, damage};
use core_privacy::keys::KeyRing;
use core_store::RunLock;
use serde_json::json;

use crate::commands;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::host::{engine, host};
use crate::signals::ProcessSignals;
use crate::{output, system};

/// Erases, or only shows what would go or stay.
pub(super) fn erase(global: &Global, arguments: &EraseArguments) -> Result<Exit, Failure> {
    let reason = arguments.reason.as_deref();
    reason.map_or(Ok(()), check_reason).map_err(Failure::usage)?;
    let config = commands::configured(global)?;
    let (kind, typed) = subject_of(&arguments.subject);
    let keys = privacy::load_keys(engine(&config))?;
    let reason = reason.unwrap_or_default();
    let request = Request { kind, typed, reason, removes_damaged: arguments.remove_damaged };
    erasure::stoppable(engine(&config), &ProcessSignals, |lock| {
        erase_locked(global, arguments, &config, &keys, &request, lock)
    })
}

fn erase_locked(
    global: &Global,
    arguments: &EraseArguments,
    config: &Config,
    keys: &KeyRing,
    request: &Request<'_>,
    lock: &RunLock,
) -> Result<Exit, Failure> {
    let (subject, shortfalls) = erasure::subject(engine(config), lock, keys, request)?;
    output::notes(&shortfalls);
    if arguments.review || !arguments.yes {
        let findings = erasure::preview(engine(config), lock, keys, &subject)?;
        erasure::record_preview(host(), lock, request.kind, &findings)?;
        note_damaged(&subject);
        if arguments.review {
            return review(&findings, arguments.output);
        }
        show(&subject, &findings, arguments.output)?;
        if arguments.dry_run {
            return Ok(Exit::Complete);
        }
        return Err(Failure::usage(
            "nothing was erased: an erasure cannot be undone, so confirm it with `--yes`",
        ));
    }
    if arguments.dry_run {
        return Err(Failure::usage("`--dry-run` and `--yes` contradict each other"));
    }
    let erased = erasure::erase(engine(config), lock, keys, request, &subject)?;
    match arguments.output {
        ReportFormat::Json => output::json(&json!(erased.certificate))?,
        ReportFormat::Table => print(&erased.certificate),
    }
    if !global.quiet {
        output::notes(&erasure::elsewhere(engine(config), lock.tenant(), &erased));
    }
    Ok(Exit::Complete)
}

fn note_damaged(subject: &Subject) {
    for damaged in &subject.damaged {
        output::note(&format!(
            "generation {} cannot be read: an erasure takes `--remove-damaged`, which removes it",
            damage::describe(damaged)
        ));
    }
}

/// Whom the flags name.
pub(super) fn subject_of(arguments: &SubjectArguments) -> (SubjectKind, &[String]) {
    if arguments.user.is_empty() {
        (SubjectKind::Device, &arguments.device)
    } else {
        (SubjectKind::User, &arguments.user)
    }
}

/// Prints the identifiers of the subject, and the rows, texts and events that would go.
fn show(subject: &Subject, findings: &SearchReport, format: ReportFormat) -> Result<(), Failure> {
    if format == ReportFormat::Json {
        return Ok(output::json(&summary::preview_json(subject, findings))?);
    }
    output::result(&output::table(["what would go", "count"], summary::preview_rows(findings), 1));
    let header = ["known by", "kind", "suppressed"];
    let rows = known_by(subject)
        .into_iter()
        .map(|known| [known.identifier, known.kind.to_owned(), known.suppressed]);
    output::result(&output::table(header, rows, 3));
    output::notes(&summary::preview_remarks(subject, findings, system::own_command()));
    Ok(())
}

/// The places that may name the subject and stay.
fn review(findings: &SearchReport, format: ReportFormat) -> Result<Exit, Failure> {
    if format == ReportFormat::Json {
        output::json(&json!({ "possibleMentions": findings.possible.to_json() }))?;
        return Ok(Exit::Complete);
    }
    let rows = summary::possible_rows(findings);
    output::result(&output::table(["place", "column", "objects", "rows"], rows, 3));
    output::note(summary::possible_remark(findings));
    Ok(Exit::Complete)
}

fn print(certificate: &Certificate) {
    output::result(&certificate_text(certificate));
    output::notes(&summary::certificate_remarks(certificate, system::own_command()));
}

/// Lists the erasures that are in force.
pub(super) fn list(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let config = commands::configured(global)?;
    let tenant = commands::tenant(global)?;
    let list = privacy::all_suppressions(engine(&config), &tenant)?;
    let erasures = list.iter().flat_map(summary::in_force).collect::<Vec<_>>();
    let header = ["erasure", "since", "reason", "identifiers"];
    let cells = erasures.iter().map(summary::in_force_cells);
    commands::show::list(format, &erasures, header, cells, 3)
}

/// Lifts an erasure: the next run reads the subject again. What was removed stays removed.
pub(super) fn lift(global: &Global, id: &str, reason: &str) -> Result<Exit, Failure> {
    check_reason(reason).map_err(Failure::usage)?;
    let config = commands::configured(global)?;
    let Lifted { identifiers, shortfalls } =
        erasure::stoppable(engine(&config), &ProcessSignals, |lock| {
            erasure::lift(engine(&config), lock, id, reason)
        })?;
    output::notes(&shortfalls);
    if identifiers == 0 {
        return Err(Failure::usage(format!(
            "there is no erasure `{id}`: `{} privacy suppression list` shows those in force",
            system::own_command()
        )));
    }
    output::result(&format!(
        "erasure {id} is lifted: {identifiers} identifiers are read again from the next run on"
    ));
    Ok(Exit::Complete)
}

/// Removes erased people who came back with an older store, and finishes erasures that were interrupted.
pub(super) fn apply(global: &Global, removes_damaged: bool) -> Result<Exit, Failure> {
    let config: Config = commands::configured(global)?;
    let (removed, recleansing) = erasure::stoppable(engine(&config), &ProcessSignals, |lock| {
        erasure::apply_suppressions(engine(&config), lock, removes_damaged)
    })?;
    for generation in &removed {
        output::note(&format!("generation {generation} could not be read and was removed"));
    }
    let Recleansing { has_come_back, shortfalls } = recleansing;
    output::result(if has_come_back {
        "erased people who had come back are removed again"
    } else {
        "no erased person has come back"
    });
    if shortfalls.is_empty() {
        return Ok(Exit::Complete);
    }
    Err(Failure::new(Exit::DataRefused, anyhow::Error::msg(shortfalls.join("\n"))))
}
