//! Erasures and retrievals. The order of an erasure is safe against crashes: find the subject, suppress it for good,
//! remove it from everything that is stored, search every byte, certify.
//!
//! The list of erased people is written before anything is removed, so that a crash in between reveals no one:
//! generations that have not been through all erasures are not opened, and the next run continues. The rules are in
//! [`core_erasure`]; this module has the parts that need the ledger, the clock and the findings of rules.

mod elsewhere;
mod findings;
mod recleansing;
mod stoppable;
mod unfinished;

use std::collections::BTreeSet;

use core_erasure::certificate::{self, Certificate};
use core_erasure::cleansing::{Cleansed, Cleanser};
use core_erasure::lists::erasure_ids;
use core_erasure::retrieval::{self, RetentionDays, Retrieval};
use core_erasure::search::Search;
use core_erasure::subject::{AllPseudonyms, Subject, SubjectKind, find};
use core_erasure::{Places, SearchReport, damage};
use core_model::column::IdentifierKind;
use core_model::step::Step;
use core_privacy::keys::KeyRing;
use core_privacy::suppression::{Erasure, SuppressionList, Suppressions};
use core_store::{DamagedGeneration, RunLock, Table, TenantStore};

pub use self::elsewhere::elsewhere;
pub use self::recleansing::{Recleansing, cleanse_what_came_back, remove_damaged_and_cleanse};
pub use self::stoppable::stoppable;
pub use self::unfinished::is_any as is_any_unfinished;
use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::host::Host;
use crate::ledger::{self, Event};
use crate::privacy::{all_suppressions, erased_people, load_keys, reusable_from, tenant_name};
use crate::{audit, run};

/// A request to erase a person or device.
pub struct Request<'a> {
    /// The kind of the subject: a person or a device.
    pub kind: SubjectKind,
    /// The identifiers that the operator typed, all of one and the same person or device.
    pub typed: &'a [String],
    /// The operator's reason, a word.
    pub reason: &'a str,
    /// True if generations that cannot be read may be removed.
    pub removes_damaged: bool,
}

/// The result of an erasure.
pub struct Erased {
    /// The certificate.
    pub certificate: Certificate,
    /// The keys of the removed entities, to look for them elsewhere.
    pub keys: BTreeSet<String>,
}

/// Finds the subject of a request. Generations that an earlier erasure has not reached are cleansed first, since they
/// could not be opened. Also returns the reasons why earlier erasures are not finished.
pub fn subject(
    engine: Engine<'_>,
    lock: &RunLock,
    keys: &KeyRing,
    request: &Request<'_>,
) -> Result<(Subject, Vec<String>), Failure> {
    let Recleansing { shortfalls, .. } = cleanse_what_came_back(engine, lock)?;
    let pseudonyms = AllPseudonyms::new(keys, &tenant_name(engine));
    Ok((find(lock.tenant(), request.kind, request.typed, &pseudonyms)?, shortfalls))
}

/// Returns what an erasure would remove, and the places that it would leave for a person to decide.
pub fn preview(
    engine: Engine<'_>,
    lock: &RunLock,
    keys: &KeyRing,
    subject: &Subject,
) -> Result<SearchReport, Failure> {
    let mut list = SuppressionList::new(keys);
    let tenant = tenant_name(engine);
    let erasure = Erasure { id: "preview", since: "", reason: "" };
    list.suppress(keys, &tenant, erasure, identifiers(subject)).map_err(refused)?;
    let suppressions = list.matcher(keys, &tenant, "").map_err(refused)?;
    let cleanser = Cleanser::new(&suppressions);
    let search = Search::new(subject)?;
    let mut found = search.preview(lock.tenant(), audit::LOG, subject, &cleanser)?;
    findings::add_possible(lock.tenant(), &search, subject, &mut found.possible)?;
    Ok(found)
}

/// Records the preview of an erasure in the ledger.
///
/// # Errors
///
/// The ledger cannot be written.
pub fn record_preview(
    host: &Host,
    lock: &RunLock,
    kind: SubjectKind,
    found: &SearchReport,
) -> Result<(), Failure> {
    let event = Event::ErasurePreview {
        kind: kind.name(),
        rows: found.rows.values().sum(),
        texts: found.texts,
        events: found.events,
        possible: found.possible.rows(),
    };
    ledger::record(host, lock.tenant(), &event)?;
    Ok(())
}

/// Removes erased people from the store again, by [`cleanse_what_came_back`], or by [`remove_damaged_and_cleanse`] if
/// generations that cannot be read may be removed. The ledger records it if anyone had come back. Also returns the
/// IDs of the removed generations.
///
/// # Errors
///
/// As these two functions.
pub fn apply_suppressions(
    engine: Engine<'_>,
    lock: &RunLock,
    removes_damaged: bool,
) -> Result<(Vec<String>, Recleansing), Failure> {
    let (removed, recleansing) = if removes_damaged {
        remove_damaged_and_cleanse(engine, lock)?
    } else {
        (Vec::new(), cleanse_what_came_back(engine, lock)?)
    };
    if recleansing.has_come_back {
        ledger::record(engine.host, lock.tenant(), &Event::SuppressionsApplied {})?;
    }
    Ok((removed, recleansing))
}

fn identifiers(subject: &Subject) -> impl Iterator<Item = (IdentifierKind, &str)> {
    subject.identifiers.iter().map(|(identifier_kind, text)| (*identifier_kind, text.as_str()))
}

/// Removes the generations that cannot be read, if the request allows it, and returns their IDs. Then finishes the
/// erasures that these generations had kept from being finished.
///
/// # Errors
/// [`FailureKind::DataRefused`] if the request does not allow it, or if the published one is among them.
fn remove_damaged(
    engine: Engine<'_>,
    lock: &RunLock,
    request: &Request<'_>,
    subject: &Subject,
) -> Result<Vec<String>, Failure> {
    damage::refuse_published(&engine.host.program, &subject.damaged)?;
    if subject.damaged.is_empty() {
        return Ok(Vec::new());
    }
    if request.removes_damaged {
        let removed = remove_generations(engine.host, lock, &subject.damaged)?;
        recleansing::cleanse_without_damaged(engine, lock, &removed)?;
        return Ok(removed);
    }
    let damaged: Vec<String> = subject.damaged.iter().map(damage::describe).collect();
    let error = anyhow::anyhow!(
        "nothing was erased, since these generations cannot be read, so no one can be removed \
         from them: {}; `--remove-damaged` removes them, with what they tell of the past, and goes on",
        damaged.join("; ")
    );
    Err(Failure::new(FailureKind::DataRefused, error))
}

/// Erases the subject.
///
/// # Errors
/// [`FailureKind::DataRefused`] with the names of files in which the subject was still found, or with the generations
/// that cannot be read.
pub fn erase(
    engine: Engine<'_>,
    lock: &RunLock,
    keys: &KeyRing,
    request: &Request<'_>,
    subject: &Subject,
) -> Result<Erased, Failure> {
    let damaged_generations_removed = remove_damaged(engine, lock, request, subject)?;
    let now = engine.host.now();
    let (id, at) = (format!("e-{}", engine.host.new_id(now)?), now.to_rfc3339());
    let tenant = tenant_name(engine);
    let mut list =
        all_suppressions(engine, lock.tenant())?.unwrap_or_else(|| SuppressionList::new(keys));
    let erasure = Erasure { id: &id, since: &at, reason: request.reason };
    let suppressed =
        list.suppress(keys, &tenant, erasure, identifiers(subject)).map_err(refused)?;
    let suppressions = list.matcher(keys, &tenant, &reusable_from(engine.host)).map_err(refused)?;
    erased_people(engine).save(lock, &list)?;
    lock.set_erasures(&erasure_ids(&list))?;
    let cleansed = cleanse(engine.host, lock, &suppressions)?;
    let rows = cleansed.rows();
    let search = Search::new(subject)?;
    let mut found = search.search_all(lock.tenant(), audit::LOG)?;
    findings::add_possible(lock.tenant(), &search, subject, &mut found.possible)?;
    let kind = request.kind.name();
    let ledger = ledger::record(
        engine.host,
        lock.tenant(),
        &Event::Erasure {
            erasure: &id,
            kind,
            reason: request.reason,
            rows,
            events: cleansed.events,
            found_afterwards: found.certain.0.len(),
        },
    )?;
    let certificate = Certificate {
        id,
        at,
        tenant,
        kind,
        reason: request.reason.to_owned(),
        was_interrupted: false,
        suppressed_identifiers: suppressed,
        shared_identifiers: Some(subject.shared.len()),
        rows_removed: rows,
        generations: cleansed.generations,
        texts_emptied: cleansed.texts,
        events_removed: cleansed.events,
        findings_removed: cleansed.findings,
        damaged_generations_removed,
        possible_mentions: found.possible.to_json(),
        raw_files_removed: cleansed.raw_files,
        files_scanned: found.scanned_files,
        tables_scanned: found.scanned_tables,
        acts_in_ledger: found.acts_in_ledger,
        also_kept: lock.tenant().also_kept(),
        delivered_to: elsewhere::delivered_to(engine, lock.tenant()),
        ledger,
    };
    certificate::record_end(lock, &certificate, &found)?;
    let places = found.certain.names();
    if !places.is_empty() {
        let id = certificate.id;
        return Err(Failure::new(
            FailureKind::DataRefused,
            anyhow::anyhow!(
                "erasure {id} has taken {rows} rows out, and there is still something in {}: erase what \
                 has the same name there, such as a device, and erase again; what names it beyond that \
                 goes with its generation",
                places.into_iter().collect::<Vec<_>>().join(", ")
            ),
        ));
    }
    Ok(Erased { certificate, keys: cleansed.keys })
}

/// The result of lifting an erasure.
#[derive(Debug)]
pub struct Lifted {
    /// The number of identifiers that are read again; 0 if there is no such erasure.
    pub identifiers: usize,
    /// The reasons why other erasures are not finished, a sentence each.
    pub shortfalls: Vec<String>,
}

/// Lifts an erasure: the next run reads the subject again. Removed data stays removed. Interrupted erasures are
/// finished first.
///
/// # Errors
///
/// As [`cleanse_what_came_back`], and a list or the ledger cannot be written.
pub fn lift(engine: Engine<'_>, lock: &RunLock, id: &str, reason: &str) -> Result<Lifted, Failure> {
    let Recleansing { shortfalls, .. } = cleanse_what_came_back(engine, lock)?;
    let Some(mut list) = all_suppressions(engine, lock.tenant())? else {
        return Ok(Lifted { identifiers: 0, shortfalls });
    };
    let identifiers = list.lift(id);
    if identifiers > 0 {
        let event = Event::SuppressionLifted { erasure: id, reason };
        ledger::record(engine.host, lock.tenant(), &event)?;
        // In this order, a crash in between leaves the erasure in force. In the other order, it could leave a store
        // that names an erasure whose subject is on no list.
        lock.set_erasures(&erasure_ids(&list))?;
        erased_people(engine).save(lock, &list)?;
    }
    Ok(Lifted { identifiers, shortfalls })
}

/// Removes the erased people from everything that is stored of a tenant.
fn cleanse(host: &Host, lock: &RunLock, suppressions: &Suppressions) -> Result<Cleansed, Failure> {
    let raw_files = lock.remove_raw()?;
    let cleanser = Cleanser::new(suppressions);
    // The generations come last: after a crash, a generation that has not been through all erasures is the sign that
    // this has to be done again.
    let findings = findings::cleanse(host, lock, suppressions)?;
    let events = cleanse_events(host, lock, &cleanser)?;
    let generations = cleanser.cleanse_generations(lock, &personal_columns)?;
    let texts = cleanser.emptied_texts();
    let keys = cleanser.into_removed_keys();
    Ok(Cleansed { generations, texts, events, findings, raw_files, keys })
}

fn cleanse_events(host: &Host, lock: &RunLock, cleanser: &Cleanser<'_>) -> Result<u64, Failure> {
    if lock.tenant().uncleansed_events(audit::LOG)?.files().is_empty() {
        return Ok(0);
    }
    Ok(cleanser.cleanse_events(&mut audit::appender(lock)?, &host.program)?)
}

/// The personal columns of a table; none for a type that no step makes any more.
pub(crate) fn personal_columns(table: &Table) -> Vec<String> {
    if let Some(entity) = core_erasure::identifiers::entity(&table.name) {
        return run::personal_columns(entity);
    }
    let steps = Step::all();
    let mut relationships = steps.iter().flat_map(|step| step.relationships);
    let found = relationships.find(|relationship| relationship.type_name == table.name);
    found.map_or_else(Vec::new, |relationship| run::personal_ends(relationship))
}

/// Removes damaged generations, each with an entry in the ledger. Returns their IDs.
///
/// # Errors
///
/// [`FailureKind::DataRefused`] if the published one is among them. Then none is removed.
fn remove_generations(
    host: &Host,
    lock: &RunLock,
    damaged: &[DamagedGeneration],
) -> Result<Vec<String>, Failure> {
    damage::refuse_published(&host.program, damaged)?;
    for generation in damaged {
        let id = generation.id.as_str();
        ledger::record(host, lock.tenant(), &Event::DamageRemoved { generation: id })?;
        lock.remove_damaged(generation)?;
    }
    Ok(damaged.iter().map(|generation| generation.id.to_string()).collect())
}

/// Collects everything that is stored about a subject, for an answer to a request for access.
///
/// # Errors
///
/// The store or the findings of rules cannot be read.
pub fn retrieve(
    engine: Engine<'_>,
    tenant: &TenantStore,
    kind: SubjectKind,
    subject: &Subject,
    at: String,
) -> Result<Retrieval, Failure> {
    let windows = &engine.settings.retention;
    let retention = RetentionDays {
        generations: windows.generations.keep_days,
        ledger: windows.ledger_days,
        events: engine.settings.audit.as_ref().map(|_| windows.events_days),
    };
    let request = retrieval::Request {
        tenant: engine.settings.tenant.as_str(),
        region: engine.settings.region.as_str(),
        log: audit::LOG,
        kind,
        at,
        retention,
    };
    let mut retrieval = retrieval::retrieve(tenant, request, subject)?;
    retrieval.add_findings(findings::of_subject(tenant, subject)?, subject);
    let mut possible = Places::default();
    findings::add_possible(tenant, &Search::new(subject)?, subject, &mut possible)?;
    retrieval.possible_findings = possible.ids().into_iter().map(str::to_owned).collect();
    Ok(retrieval)
}

/// Finds a subject as a person names it, collects everything that is known of it, and records the answer in the ledger
/// before it is shown.
///
/// # Errors
///
/// The words are no subject, the keys, the store or the findings cannot be read, or the ledger cannot be written.
pub fn answer(
    engine: Engine<'_>,
    tenant: &TenantStore,
    kind: SubjectKind,
    typed: &[String],
) -> Result<(Subject, Retrieval), Failure> {
    let pseudonyms = if engine.settings.privacy.key_file.exists() {
        AllPseudonyms::new(&load_keys(engine)?, &tenant_name(engine))
    } else {
        AllPseudonyms::none()
    };
    let subject = find(tenant, kind, typed, &pseudonyms)?;
    let now = engine.host.now().to_rfc3339();
    let retrieval = retrieve(engine, tenant, kind, &subject, now)?;
    let (rows, events) = (retrieval.rows(), retrieval.audit_events.len());
    let event = Event::Retrieval { kind: kind.name(), rows, events };
    ledger::record(engine.host, tenant, &event)?;
    Ok((subject, retrieval))
}

/// The failure if the keys do not fit the list.
fn refused(error: core_privacy::PrivacyError) -> Failure {
    Failure::new(FailureKind::Configuration, error)
}
