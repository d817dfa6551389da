//! Generations that cannot be read while people are to be taken out of them: what is said, and their removal.

use core_store::{DamagedGeneration, RunLock};

use crate::failure::{Failure, FailureKind};
use crate::host::Host;
use crate::ledger::{self, Event};

/// Describes a damaged generation with its loss: `01J… (1234 entities and relationships)`.
pub fn describe(damaged: &DamagedGeneration) -> String {
    match damaged.rows {
        Some(rows) => format!("{} ({rows} entities and relationships)", damaged.id),
        None => format!("{} (its manifest cannot be read either)", damaged.id),
    }
}

/// Says that an erasure is not finished because of a damaged generation, and which command mends it.
pub(super) fn shortfall(host: &Host, damaged: &DamagedGeneration) -> String {
    if damaged.is_current {
        return format!(
            "an erasure is not finished, since the published generation {}",
            restore(host, damaged)
        );
    }
    format!(
        "an erasure is not finished, since generation {} cannot be read, so that nobody can be taken out of \
         it: restore it from a backup, or `{} privacy suppression apply --remove-damaged` removes it with \
         what it tells of the past",
        describe(damaged),
        host.program
    )
}

/// Says how to go on from a published generation that cannot be read.
fn restore(host: &Host, damaged: &DamagedGeneration) -> String {
    format!(
        "{} cannot be read ({}): restore it from a backup; if there is none, write the ID of an older \
         generation into the file CURRENT of the tenant's folder and run `{} privacy suppression apply \
         --remove-damaged`",
        describe(damaged),
        damaged.reason,
        host.program
    )
}

/// Refuses to go on if the published generation is among the damaged ones: readers and the next run need it.
///
/// # Errors
///
/// [`FailureKind::DataRefused`], with what to do.
pub(super) fn refuse_published(host: &Host, damaged: &[DamagedGeneration]) -> Result<(), Failure> {
    let Some(current) = damaged.iter().find(|generation| generation.is_current) else {
        return Ok(());
    };
    let error = anyhow::anyhow!(
        "nobody can be erased, since the published generation {}",
        restore(host, current)
    );
    Err(Failure::new(FailureKind::DataRefused, error))
}

/// Removes damaged generations, each with an entry in the ledger. Returns their IDs.
///
/// # Errors
///
/// [`FailureKind::DataRefused`] if the published one is among them: then none is removed.
pub(super) fn remove(
    host: &Host,
    lock: &RunLock,
    damaged: &[DamagedGeneration],
) -> Result<Vec<String>, Failure> {
    refuse_published(host, damaged)?;
    for generation in damaged {
        let id = generation.id.as_str();
        ledger::record(host, lock.tenant(), &Event::DamageRemoved { generation: id })?;
        lock.remove_damaged(generation)?;
    }
    Ok(damaged.iter().map(|generation| generation.id.to_string()).collect())
}
