//! `privacy erase` and `privacy suppression`: takes a person or device out for good, and back in.

use std::collections::BTreeSet;

use core_privacy::suppression::SuppressionList;
use serde_json::{Value, json};

use crate::cli::{EraseArguments, Global, ReportFormat, RowFormat, SubjectArguments};
use crate::commands;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::ledger::{self, Event};
use crate::privacy::erasure::{self, Certificate, Request};
use crate::privacy::subject::{Kind, Subject};
use crate::{output, privacy, run, system};

/// Erases, or only shows what would go.
pub(super) fn erase(global: &Global, arguments: &EraseArguments) -> Result<Exit, Failure> {
    check_reason(&arguments.reason)?;
    let config = commands::configured(global)?;
    let (kind, typed) = subject_of(&arguments.subject);
    let keys = privacy::load_keys(&config.privacy.key_file)?;
    let lock = run::lock(&config)?;
    let request = Request { kind, typed, reason: &arguments.reason };
    let subject = erasure::subject(&config, &lock, &keys, &request)?;
    if arguments.dry_run {
        return show(&subject, arguments.output);
    }
    if !arguments.yes {
        show(&subject, arguments.output)?;
        return Err(Failure::usage(
            "nothing was erased: it cannot be undone, so that it takes `--yes`",
        ));
    }
    let erased = erasure::erase(&config, &lock, &keys, &request, &subject)?;
    match arguments.output {
        ReportFormat::Json => output::result(&pretty(&json!(erased.certificate))?),
        ReportFormat::Table => print(&erased.certificate),
    }
    if !global.quiet {
        note_elsewhere(&config, &erased.keys);
    }
    Ok(Exit::Complete)
}

/// Says how what was given away goes too.
fn note_elsewhere(config: &Config, keys: &BTreeSet<String>) {
    if config.jupiterone.is_some() {
        output::note(&format!(
            "JupiterOne has it still: the next run or `{} sync jupiterone` removes it there",
            system::own_command()
        ));
    } else if !keys.is_empty() {
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
pub(super) fn subject_of(arguments: &SubjectArguments) -> (Kind, &[String]) {
    if arguments.user.is_empty() {
        (Kind::Device, &arguments.device)
    } else {
        (Kind::User, &arguments.user)
    }
}

fn show(subject: &Subject, format: ReportFormat) -> Result<Exit, Failure> {
    if format == ReportFormat::Json {
        let report = json!({
            "dryRun": true,
            "rows": subject.rows,
            "identifiers": subject.texts,
            "sharedIdentifiers": subject.shared,
        });
        output::result(&pretty(&report)?);
        return Ok(Exit::Complete);
    }
    let rows = subject.rows.iter().map(|(id, rows)| [id.clone(), rows.to_string()]);
    output::result(&output::table(["generation", "objects"], rows, 1));
    let texts = subject.texts.iter().map(|text| [text.clone()]);
    output::result(&output::table(["known by"], texts, 1));
    note_shared(subject.shared);
    if subject.keys.is_empty() {
        output::note("nothing of it is stored; to erase it keeps it from being read later");
    }
    Ok(Exit::Complete)
}

fn print(certificate: &Certificate) {
    let Certificate { id, rows_removed, generations, events_removed, .. } = certificate;
    output::result(&format!(
        "erasure {id}: {rows_removed} entities and relationships taken out of {} generations, and \
         {events_removed} events; {} files and {} tables looked through, and nothing found",
        generations.len(),
        certificate.files_scanned,
        certificate.tables_scanned
    ));
    note_shared(certificate.shared_identifiers.unwrap_or_default());
    if *rows_removed == 0 && *events_removed == 0 {
        output::note(&format!(
            "nothing of it was stored: if that is a surprise, `{} privacy suppression lift {id}` takes \
             it back",
            system::own_command()
        ));
    }
    output::note(&format!("certificate-{id}.json in the store says so, without a name"));
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
    let list = privacy::all_suppressions(&config, &tenant)?;
    let erasures = list.iter().flat_map(by_erasure).collect::<Vec<_>>();
    if format != RowFormat::Table {
        return commands::show::rows(&erasures, format);
    }
    let rows = erasures.iter().map(|it| {
        ["erasure", "since", "reason", "identifiers"]
            .map(|name| it[name].as_str().map_or_else(|| it[name].to_string(), str::to_owned))
    });
    output::result(&output::table(["erasure", "since", "reason", "identifiers"], rows, 3));
    Ok(Exit::Complete)
}

fn by_erasure(list: &SuppressionList) -> Vec<Value> {
    let erasures = privacy::erasure_ids(list).into_iter().map(|id| {
        let entries: Vec<_> = list.entries().iter().filter(|it| it.erasure == id).collect();
        json!({
            "erasure": id,
            "since": entries[0].since,
            "reason": entries[0].reason,
            "identifiers": entries.len(),
        })
    });
    erasures.collect()
}

/// Lifts an erasure: the next run reads the subject again. What was removed stays removed.
pub(super) fn lift(global: &Global, id: &str, reason: &str) -> Result<Exit, Failure> {
    check_reason(reason)?;
    let config = commands::configured(global)?;
    let lock = run::lock(&config)?;
    privacy::cleanse_what_came_back(&config, &lock)?;
    let list = privacy::all_suppressions(&config, lock.tenant())?;
    let lifted = list.map(|mut list| (list.lift(id), list)).filter(|(lifted, _)| *lifted > 0);
    let Some((lifted, list)) = lifted else {
        return Err(Failure::usage(format!(
            "there is no erasure `{id}`: `{} privacy suppression list` shows those in force",
            system::own_command()
        )));
    };
    ledger::record(lock.tenant(), &Event::SuppressionLifted { erasure: id, reason })?;
    // In this order a crash in between leaves the erasure in force, and not a store that names an erasure of
    // which no list knows whom it was about.
    lock.set_erasures(&privacy::erasure_ids(&list))?;
    privacy::save_suppressions(&config, &lock, &list)?;
    output::result(&format!(
        "erasure {id} is lifted: {lifted} identifiers are read again from the next run on"
    ));
    Ok(Exit::Complete)
}

/// Takes out again who came back with an older store.
pub(super) fn apply(global: &Global) -> Result<Exit, Failure> {
    let config: Config = commands::configured(global)?;
    let lock = run::lock(&config)?;
    let has_come_back = privacy::cleanse_what_came_back(&config, &lock)?;
    if has_come_back {
        ledger::record(lock.tenant(), &Event::SuppressionsApplied {})?;
    }
    output::result(if has_come_back {
        "everybody who was erased is taken out again"
    } else {
        "nobody who was erased has come back"
    });
    Ok(Exit::Complete)
}

/// A word, so that nobody writes a name into it.
fn check_reason(reason: &str) -> Result<(), Failure> {
    let is_word = reason.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it));
    if is_word && (1..=40).contains(&reason.len()) {
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
