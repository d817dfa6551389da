//! Removes erased people from a store again: after an interruption, or after an older copy was restored.

use core_erasure::damage;
use core_erasure::lists::erasure_ids;
use core_store::RunLock;

use super::{cleanse, findings, remove_generations, unfinished};
use crate::audit;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::privacy::{all_suppressions, erased_people};

/// The result of removing erased people from a store again.
#[derive(Debug, Default)]
pub struct Recleansing {
    /// True if any readable part had not been through every erasure.
    pub has_come_back: bool,
    /// The reasons why erasures are not finished, a sentence each.
    pub shortfalls: Vec<String>,
}

/// Removes erased people from generations and events that have not been through their erasure: because it was
/// interrupted, or because an older copy was restored. Restores a missing list, and finishes erasures that have no
/// certificate.
///
/// # Errors
///
/// [`FailureKind::DataRefused`](crate::FailureKind::DataRefused) if the published generation or the events cannot be
/// read while a person is being removed from them.
pub fn cleanse_what_came_back(engine: Engine<'_>, lock: &RunLock) -> Result<Recleansing, Failure> {
    cleanse_without_damaged(engine, lock, &[])
}

/// Removes the generations that cannot be read, then does the same. Returns their IDs too.
///
/// # Errors
///
/// As [`cleanse_what_came_back`].
pub fn remove_damaged_and_cleanse(
    engine: Engine<'_>,
    lock: &RunLock,
) -> Result<(Vec<String>, Recleansing), Failure> {
    if all_suppressions(engine, lock.tenant())?.is_none() {
        return Ok((Vec::new(), Recleansing::default()));
    }
    let damaged = lock.tenant().damaged_generations()?;
    let removed = remove_generations(engine.host, lock, &damaged)?;
    let recleansing = cleanse_without_damaged(engine, lock, &removed)?;
    Ok((removed, recleansing))
}

/// Does the same as [`cleanse_what_came_back`]. `removed` are the damaged generations that were removed just now, for
/// the certificates.
pub(super) fn cleanse_without_damaged(
    engine: Engine<'_>,
    lock: &RunLock,
    removed: &[String],
) -> Result<Recleansing, Failure> {
    let people = erased_people(engine);
    people.remove_leftovers();
    let Some(list) = all_suppressions(engine, lock.tenant())? else {
        return Ok(Recleansing::default());
    };
    let ids = erasure_ids(&list);
    people.restore(lock, &list)?;
    let is_known = lock.tenant().erasures()? == ids;
    if !is_known {
        lock.set_erasures(&ids)?;
    }
    let closed = lock.tenant().closed_by_damage()?;
    damage::refuse_published(&engine.host.program, &closed)?;
    let has_come_back = !is_known
        || lock.tenant().is_anything_uncleansed(audit::LOG)?
        || findings::is_uncleansed(lock.tenant());
    let cleansed = if has_come_back {
        // Restored data is from before the erasures, so every identifier counts, whatever its age.
        let suppressions = people.matcher(Some(&list), "")?;
        Some(cleanse(engine.host, lock, &suppressions)?)
    } else {
        None
    };
    if let Some(cleansed) = &cleansed {
        tracing::warn!(
            generations = cleansed.generations.len(),
            events = cleansed.events,
            "the store was older than the last erasure, which was done again"
        );
    }
    let progress = unfinished::Progress { cleansed: cleansed.as_ref(), removed, closed };
    let shortfalls = unfinished::certify(engine, lock, &list, &progress)?;
    Ok(Recleansing { has_come_back, shortfalls })
}
