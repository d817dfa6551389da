//! The findings of rules in erasures and retrievals.

use std::time::Duration;

use core_erasure::Places;
use core_erasure::identifiers;
use core_erasure::search::Search;
use core_erasure::subject::Subject;
use core_model::column::IdentifierKind;
use core_privacy::canonical::canonical;
use core_privacy::mentions::{Position, each_mention};
use core_privacy::suppression::{MentionCache, Suppressions};
use core_rules::book::{Book, BookError, FILE};
use core_rules::finding::Finding;
use core_store::{DeliveryLock, RunLock, StoreError, TenantStore};
use serde_json::{Value, json};

use crate::failure::{Failure, FailureKind};
use crate::host::Host;
use crate::moment::Moment;

/// The longest wait for a command that changes findings.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);
/// The kinds of the identifiers in keys of entities.
const KEY_IDENTIFIER_KINDS: [IdentifierKind; 2] =
    [IdentifierKind::UserUid, IdentifierKind::DeviceUid];

/// Removes the findings about erased people, with their texts and waiting messages. Returns their number.
///
/// # Errors
/// [`FailureKind::DataRefused`] if the findings cannot be read.
pub(super) fn cleanse(
    host: &Host,
    lock: &RunLock,
    suppressions: &Suppressions,
) -> Result<u64, Failure> {
    let tenant = lock.tenant();
    if tenant.state(FILE)?.is_none() {
        return Ok(0);
    }
    // Otherwise a command that has read them could write them back.
    let _lock = lock_findings(host, tenant)?;
    let Some(mut book) = Book::read_uncleansed(tenant).map_err(failure)? else { return Ok(0) };
    let cache = std::cell::RefCell::new(MentionCache::default());
    let is_named = |text: &str| {
        suppressions.are_named_in(Position::Text, text, &mut cache.borrow_mut())
            || uid(text).is_some_and(|uid| {
                KEY_IDENTIFIER_KINDS
                    .iter()
                    .any(|identifier_kind| suppressions.has(*identifier_kind, uid))
            })
    };
    let gone = book.erase(&is_named, tenant.erasures()?);
    lock.set_state(FILE, &book.to_bytes())?;
    Ok(gone as u64)
}

/// Returns true if the findings have not been through every erasure in force.
pub(super) fn is_uncleansed(tenant: &TenantStore) -> bool {
    matches!(Book::read(tenant), Err(BookError::NotCleansed))
}

/// Adds what may name a subject by a word that may mean something else, and stays in an erasure: texts of findings, of
/// messages about them, and of silences.
///
/// # Errors
/// [`FailureKind::DataRefused`] if the findings cannot be read.
pub(super) fn add_possible(
    tenant: &TenantStore,
    search: &Search,
    subject: &Subject,
    possible: &mut Places,
) -> Result<(), Failure> {
    let Some(book) = Book::read(tenant).map_err(failure)? else { return Ok(()) };
    book.each_text(&mut |part, id, texts| {
        if !name(subject, texts) && texts.iter().any(|text| search.may_name(text)) {
            possible.add_finding(part.name(), id);
        }
    });
    Ok(())
}

/// Returns true if some texts name a subject beyond doubt.
fn name(subject: &Subject, texts: &[String]) -> bool {
    let mut is_named = false;
    for text in texts {
        is_named |= subject.keys.contains(text);
        each_mention(Position::Text, text, &mut |identifier_kind, mention| {
            let form = canonical(identifier_kind, mention);
            is_named |= form.is_some_and(|form| subject.identifiers.contains(&form));
        });
    }
    is_named
}

/// The findings about a subject, for an answer to a request for access.
pub(super) fn of_subject(tenant: &TenantStore, subject: &Subject) -> Result<Vec<Value>, Failure> {
    let Some(book) = Book::read(tenant).map_err(failure)? else { return Ok(Vec::new()) };
    let is_theirs = |finding: &&Finding| name(subject, &finding.texts());
    let found = book.findings().values().filter(is_theirs);
    let object = |finding: &Finding| {
        let values: Value = serde_json::from_str(&finding.values).unwrap_or(Value::Null);
        json!({
            "rule": finding.rule,
            "state": finding.state(),
            "text": finding.text,
            "entity": finding.entity,
            "row": values,
            "firstSeen": Moment(finding.first_seen).to_rfc3339(),
        })
    };
    Ok(found.map(object).collect())
}

/// The uid in the key of an entity.
fn uid(text: &str) -> Option<&str> {
    let (type_name, uid) = text.split_once(':')?;
    (identifiers::entity(type_name).is_some() && !uid.is_empty()).then_some(uid)
}

fn failure(error: BookError) -> Failure {
    match error {
        BookError::Store(error) => error.into(),
        error => Failure::new(FailureKind::DataRefused, error),
    }
}

/// Waits for commands that change findings.
fn lock_findings(host: &Host, tenant: &TenantStore) -> Result<DeliveryLock, Failure> {
    let mut waited = Duration::ZERO;
    loop {
        match tenant.lock_delivery(FILE, &host.lock_owner()) {
            Err(StoreError::Delivering { .. }) if waited < PATIENCE => {
                std::thread::sleep(LOOK);
                waited += LOOK;
            }
            locked => return Ok(locked?),
        }
    }
}
