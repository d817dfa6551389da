//! Generations that cannot be read while people are to be taken out of them: the messages about them.

use core_store::DamagedGeneration;

use crate::error::ErasureError;

/// Describes a damaged generation with its loss: `01J… (1234 entities and relationships)`.
pub fn describe(damaged: &DamagedGeneration) -> String {
    match damaged.rows {
        Some(rows) => format!("{} ({rows} entities and relationships)", damaged.id),
        None => format!("{} (its manifest cannot be read either)", damaged.id),
    }
}

/// Says that an erasure is not finished because of a damaged generation, and which command of `program` mends it.
pub fn shortfall(program: &str, damaged: &DamagedGeneration) -> String {
    if damaged.is_current {
        return format!(
            "an erasure is not finished, since the published generation {}",
            how_to_restore(program, damaged)
        );
    }
    format!(
        "an erasure is not finished, since generation {} cannot be read, so no one can be removed from \
         it: restore it from a backup, or `{program} privacy suppression apply --remove-damaged` removes it \
         with what it tells of the past",
        describe(damaged)
    )
}

/// Returns a text about how to recover from a published generation that cannot be read.
fn how_to_restore(program: &str, damaged: &DamagedGeneration) -> String {
    format!(
        "{} cannot be read ({}): restore it from a backup; if there is none, write the ID of an older \
         generation into the file CURRENT of the tenant's folder and run `{program} privacy suppression \
         apply --remove-damaged`",
        describe(damaged),
        damaged.reason
    )
}

/// Fails if the published generation is among the damaged ones, since readers and the next run need it.
///
/// # Errors
///
/// [`ErasureError::PublishedDamaged`], with what to do.
pub fn refuse_published(program: &str, damaged: &[DamagedGeneration]) -> Result<(), ErasureError> {
    let Some(current) = damaged.iter().find(|generation| generation.is_current) else {
        return Ok(());
    };
    Err(ErasureError::PublishedDamaged { how_to_restore: how_to_restore(program, current) })
}
