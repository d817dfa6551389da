//! The kept generations that a question about the past is answered from.

use core_store::{Generation, GenerationId, TenantStore};
use core_terminal::count;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::exit::Failure;
use crate::output;

/// The generations up to one, the newest first, made at or after a time. Those that cannot be read, or
/// that an erasure has not been through yet, are left out, and the user is told.
pub(super) fn up_to(
    tenant: &TenantStore,
    last: &GenerationId,
    since: Option<Timestamp>,
    is_quiet: bool,
) -> Result<Vec<Generation>, Failure> {
    let mut generations = Vec::new();
    let mut unreadable = 0_u64;
    for entry in tenant.history()? {
        if entry.id > *last {
            continue;
        }
        let Ok(manifest) = entry.manifest else {
            unreadable += 1;
            continue;
        };
        let created_at = manifest.created_at.parse::<Timestamp>().ok();
        if since.is_none_or(|since| created_at.is_some_and(|at| at >= since)) {
            generations.push(tenant.generation(&entry.id)?);
        }
    }
    if unreadable > 0 && !is_quiet {
        output::note(&format!(
            "{} cannot be read and left out of the history: `history` says why",
            count(unreadable, "generation")
        ));
    }
    Ok(generations)
}

/// Reads the time since which a question is asked: a day such as 2026-03-01 (UTC), a time, or `7d`.
pub(super) fn since(text: &str) -> Result<Timestamp, Failure> {
    let ms = super::audit::time(text, &TimeZone::UTC)?;
    Timestamp::from_millisecond(ms).map_err(Failure::usage)
}
