//! Generations that cannot be read while people are to be taken out of them: what is said, and their removal.

use core_store::{DamagedGeneration, RunLock};

use crate::exit::{Exit, Failure};
use crate::ledger::{self, Event};
use crate::system;

/// Describes a damaged generation with its loss: `01J… (1234 entities and relationships)`.
pub(crate) fn describe(damaged: &DamagedGeneration) -> String {
    match damaged.rows {
        Some(rows) => format!("{} ({rows} entities and relationships)", damaged.id),
        None => format!("{} (its manifest cannot be read either)", damaged.id),
    }
}

/// Says that an erasure is not finished because of a damaged generation, and which command mends it.
pub(super) fn shortfall(damaged: &DamagedGeneration) -> String {
    if damaged.is_current {
        return format!(
            "an erasure is not finished, since the published generation {}",
            restore(damaged)
        );
    }
    format!(
        "an erasure is not finished, since generation {} cannot be read, so that nobody can be taken out of \
         it: restore it from a backup, or `{} privacy suppression apply --remove-damaged` removes it with \
         what it tells of the past",
        describe(damaged),
        system::own_command()
    )
}

/// Says how to go on from a published generation that cannot be read.
fn restore(damaged: &DamagedGeneration) -> String {
    format!(
        "{} cannot be read ({}): restore it from a backup; if there is none, write the ID of an older \
         generation into the file CURRENT of the tenant's folder and run `{} privacy suppression apply \
         --remove-damaged`",
        describe(damaged),
        damaged.reason,
        system::own_command()
    )
}

/// Refuses to go on if the published generation is among the damaged ones: readers and the next run need it.
///
/// # Errors
///
/// [`Exit::DataRefused`], with what to do.
pub(super) fn refuse_published(damaged: &[DamagedGeneration]) -> Result<(), Failure> {
    let Some(current) = damaged.iter().find(|generation| generation.is_current) else {
        return Ok(());
    };
    let error = anyhow::anyhow!(
        "nobody can be erased, since the published generation {}",
        restore(current)
    );
    Err(Failure::new(Exit::DataRefused, error))
}

/// Removes damaged generations, each with an entry in the ledger. Returns their IDs.
///
/// # Errors
///
/// [`Exit::DataRefused`] if the published one is among them: then none is removed.
pub(super) fn remove(
    lock: &RunLock,
    damaged: &[DamagedGeneration],
) -> Result<Vec<String>, Failure> {
    refuse_published(damaged)?;
    for generation in damaged {
        let id = generation.id.as_str();
        ledger::record(lock.tenant(), &Event::DamageRemoved { generation: id })?;
        lock.remove_damaged(generation)?;
    }
    Ok(damaged.iter().map(|generation| generation.id.to_string()).collect())
}
