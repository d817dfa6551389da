//! `privacy erase` and `privacy suppression`: takes a person or device out for good, and back in.

use std::collections::BTreeSet;
use std::time::Duration;

use core_engine::Cancellation;
use core_engine::erasure::{self, Lifted, Recleansing, Request};
use core_engine::privacy;
use core_erasure::certificate::{Certificate, ErasureRecord};
use core_erasure::lists::erasure_ids;
use core_erasure::subject::{Subject, SubjectKind};
use core_erasure::summary::{certificate_text, is_reason, known_by};
use core_erasure::{SearchReport, damage};
use core_privacy::keys::KeyRing;
use core_privacy::suppression::SuppressionList;
use core_store::RunLock;
use serde_json::{Value, json};

use crate::cli::{EraseArguments, Global, ReportFormat, RowFormat, SubjectArguments};
use crate::commands;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::host::{engine, host};
use crate::signals::StopOnSignal;
use crate::{output, system};

/// The time that work on the store has to end by itself after a signal.
const GRACE: Duration = Duration::from_secs(1);

/// The message about work that did not end by itself.
const CUT_OFF: &str =
    "an erasure that has begun is finished by the next run before it reads anything";

/// Erases, or only shows what would go or stay.
pub(super) fn erase(global: &Global, arguments: &EraseArguments) -> Result<Exit, Failure> {
    let reason = arguments.reason.as_deref();
    reason.map_or(Ok(()), check_reason)?;
    let config = commands::configured(global)?;
    let (kind, typed) = subject_of(&arguments.subject);
    let keys = privacy::load_keys(engine(&config))?;
    let reason = reason.unwrap_or_default();
    let request = Request { kind, typed, reason, removes_damaged: arguments.remove_damaged };
    stoppable(&config, |lock| erase_locked(global, arguments, &config, &keys, &request, lock))
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
    for shortfall in &shortfalls {
        output::note(shortfall);
    }
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
            "nothing was erased: it cannot be undone, so that it takes `--yes`",
        ));
    }
    if arguments.dry_run {
        return Err(Failure::usage("`--dry-run` and `--yes` contradict each other"));
    }
    let erased = erasure::erase(engine(config), lock, keys, request, &subject)?;
    match arguments.output {
        ReportFormat::Json => output::result(&pretty(&json!(erased.certificate))?),
        ReportFormat::Table => print(&erased.certificate),
    }
    if !global.quiet {
        note_elsewhere(config, &erased.keys);
    }
    Ok(Exit::Complete)
}

/// Works on the locked store until it is done, or until a signal asks it to stop. An erasure that had begun then is
/// finished by the next command that takes the lock.
fn stoppable<T>(
    config: &Config,
    work: impl FnOnce(&RunLock) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let stop = Cancellation::default();
    let _listener = StopOnSignal::start(&stop, GRACE, CUT_OFF);
    let lock = engine(config).lock_until(&stop)?;
    let done = work(&lock);
    let (Err(_), Some(reason)) = (&done, stop.reason()) else { return done };
    let ended = erasure::stopped_text(engine(config), &lock)?;
    let error = anyhow::anyhow!("stopped by a signal; {ended}");
    Err(Failure { exit: reason.into(), error })
}

fn note_damaged(subject: &Subject) {
    for damaged in &subject.damaged {
        output::note(&format!(
            "generation {} cannot be read: an erasure takes `--remove-damaged`, which removes it",
            damage::describe(damaged)
        ));
    }
}

/// Says how what was given away goes too.
fn note_elsewhere(config: &Config, keys: &BTreeSet<String>) {
    let postgres = config.postgres.iter().map(|postgres| ("postgres", postgres.settings.place()));
    let delta = config.delta.iter().map(|delta| ("delta", delta.settings.place()));
    let mirrors: Vec<_> = postgres.chain(delta).collect();
    for (name, place) in &mirrors {
        output::note(&format!(
            "{place} has it still: the next run or `{} sync {name}` removes it there",
            system::own_command()
        ));
    }
    if config.jupiterone.is_some() {
        output::note(&format!(
            "JupiterOne has it still: the next run or `{} sync jupiterone` removes it there",
            system::own_command()
        ));
    } else if !keys.is_empty() && mirrors.is_empty() {
        output::note(
            "no destination is configured: where this was exported to, delete the objects with these \
             keys by hand",
        );
        for key in keys {
            output::note(key);
        }
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
    let identifiers = known_by(subject);
    if format == ReportFormat::Json {
        let report = json!({
            "dryRun": true,
            "rows": findings.rows,
            "texts": findings.texts,
            "events": findings.events,
            "possibleMentions": findings.possible.rows(),
            "identifiers": subject.texts,
            "identifierKinds": identifiers,
            "sharedIdentifiers": subject.shared.len(),
        });
        output::result(&pretty(&report)?);
        return Ok(());
    }
    let rows = findings.rows.iter().map(|(id, rows)| [id.clone(), rows.to_string()]);
    let texts = ["texts of others".to_owned(), findings.texts.to_string()];
    let events = ["events of the audit trail".to_owned(), findings.events.to_string()];
    let rows = rows.chain([texts, events]);
    output::result(&output::table(["what would go", "count"], rows, 1));
    let header = ["known by", "kind", "suppressed"];
    let rows = identifiers
        .into_iter()
        .map(|known| [known.identifier, known.kind.to_owned(), known.suppressed]);
    output::result(&output::table(header, rows, 3));
    note_shared(subject.shared.len());
    note_possible(findings.possible.rows());
    if subject.keys.is_empty() {
        output::note(if findings.events + findings.texts > 0 {
            "no generation has it: it is known from texts and the audit trail alone"
        } else {
            "nothing of it is stored; to erase it keeps it from being read later"
        });
    }
    Ok(())
}

/// The places that may name the subject and stay.
fn review(findings: &SearchReport, format: ReportFormat) -> Result<Exit, Failure> {
    if format == ReportFormat::Json {
        let report = json!({ "possibleMentions": findings.possible.to_json() });
        output::result(&pretty(&report)?);
        return Ok(Exit::Complete);
    }
    let rows = findings.possible.0.iter().map(|((place, column), possible)| {
        let keys: Vec<&str> = possible.keys.iter().map(String::as_str).collect();
        [place.clone(), column.clone(), keys.join("\n"), possible.rows.to_string()]
    });
    output::result(&output::table(["place", "column", "objects", "rows"], rows, 3));
    output::note(if findings.possible.0.is_empty() {
        "no other text has a word of it"
    } else {
        "these texts have a word that may be a name of it or mean something else: an erasure leaves them"
    });
    Ok(Exit::Complete)
}

fn print(certificate: &Certificate) {
    let Certificate { id, rows_removed, events_removed, .. } = certificate;
    output::result(&certificate_text(certificate));
    note_shared(certificate.shared_identifiers.unwrap_or_default());
    note_possible(certificate.possible_mentions());
    if *rows_removed == 0 && *events_removed == 0 {
        output::note(&format!(
            "nothing of it was stored: if that is a surprise, `{} privacy suppression lift {id}` takes \
             it back",
            system::own_command()
        ));
    }
    for generation in &certificate.damaged_generations_removed {
        output::note(&format!("generation {generation} could not be read and is removed"));
    }
    output::note(&format!("certificate-{id}.json in the store says so, without a name"));
}

fn note_possible(rows: u64) {
    if rows > 0 {
        output::note(&format!(
            "{rows} other cells have a word that may be a name of it or mean something else; they stay: \
             `{} privacy erase --review` lists them before an erasure, and its certificate after it",
            system::own_command()
        ));
    }
}

fn note_shared(shared: usize) {
    if shared > 0 {
        output::note(&format!(
            "{shared} identifiers are those of others too, so nothing is looked for by them"
        ));
    }
}

/// Lists the erasures that are in force.
pub(super) fn list(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let config = commands::configured(global)?;
    let tenant = commands::tenant(global)?;
    let list = privacy::all_suppressions(engine(&config), &tenant)?;
    let erasures = list.iter().flat_map(by_erasure).collect::<Vec<_>>();
    if format != RowFormat::Table {
        return commands::show::rows(erasures, format);
    }
    let rows = erasures.iter().map(|erasure| {
        ["erasure", "since", "reason", "identifiers"].map(|name| {
            erasure[name].as_str().map_or_else(|| erasure[name].to_string(), str::to_owned)
        })
    });
    output::result(&output::table(["erasure", "since", "reason", "identifiers"], rows, 3));
    Ok(Exit::Complete)
}

fn by_erasure(list: &SuppressionList) -> Vec<Value> {
    let erasures = erasure_ids(list).into_iter().map(|id| {
        let ErasureRecord { at, reason, identifiers, .. } = ErasureRecord::new(list, &id);
        json!({ "erasure": id, "since": at, "reason": reason, "identifiers": identifiers })
    });
    erasures.collect()
}

/// Lifts an erasure: the next run reads the subject again. What was removed stays removed.
pub(super) fn lift(global: &Global, id: &str, reason: &str) -> Result<Exit, Failure> {
    check_reason(reason)?;
    let config = commands::configured(global)?;
    let Lifted { identifiers, shortfalls } =
        stoppable(&config, |lock| Ok(erasure::lift(engine(&config), lock, id, reason)?))?;
    for shortfall in &shortfalls {
        output::note(shortfall);
    }
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

/// Takes out again who came back with an older store, and finishes erasures that were interrupted.
pub(super) fn apply(global: &Global, removes_damaged: bool) -> Result<Exit, Failure> {
    let config: Config = commands::configured(global)?;
    let (removed, recleansing) = stoppable(&config, |lock| {
        Ok(erasure::apply_suppressions(engine(&config), lock, removes_damaged)?)
    })?;
    for generation in &removed {
        output::note(&format!("generation {generation} could not be read and is removed"));
    }
    let Recleansing { has_come_back, shortfalls } = recleansing;
    output::result(if has_come_back {
        "everybody who was erased is taken out again"
    } else {
        "nobody who was erased has come back"
    });
    if shortfalls.is_empty() {
        return Ok(Exit::Complete);
    }
    Err(Failure::new(Exit::DataRefused, anyhow::Error::msg(shortfalls.join("\n"))))
}

/// A word, so that nobody writes a name into it.
fn check_reason(reason: &str) -> Result<(), Failure> {
    if is_reason(reason) {
        return Ok(());
    }
    Err(Failure::usage(
        "a reason is a word of at most 40 letters, digits and hyphens, such as gdpr-request: it is \
         kept for as long as the erasure, so that no name belongs into it",
    ))
}

fn pretty(value: &Value) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value).map_err(anyhow::Error::new)?)
}
