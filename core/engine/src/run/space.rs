//! The disk space that a run needs, estimated from the last run. A disk that fills up during a run wastes the exports
//! that were paid for.

use core_store::{Generation, Store, TenantStore};

use super::RunState;
use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use core_terminal::bytes;

/// The space that a run needs and has, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// The space that the last run took, less the part that the next run can reuse; none before the first run.
    pub needed: Option<u64>,
    /// The free space; none if the system does not report it.
    pub free: Option<u64>,
}

impl Space {
    /// Estimates the space for a run with this configuration.
    pub fn of(engine: Engine<'_>) -> Result<Self, Failure> {
        let tenant =
            Store::open(engine.settings.store.clone())?.tenant(engine.settings.tenant.as_str())?;
        Self::after(tenant.current()?.as_ref(), &tenant)
    }

    /// Estimates the space for the run after the one that made a generation.
    pub(super) fn after(
        previous: Option<&Generation>,
        tenant: &TenantStore,
    ) -> Result<Self, Failure> {
        let downloaded = tenant.download_bytes()?;
        let taken = previous.map(|generation| {
            let files = generation.manifest().files().map(|file| file.bytes).sum::<u64>();
            files.saturating_add(RunState::read(generation).downloaded_bytes)
        });
        let needed = taken.map(|taken| taken.saturating_sub(downloaded));
        Ok(Self { needed, free: tenant.free_bytes() })
    }

    /// Fails if there is not enough space.
    pub fn check(self) -> Result<(), Failure> {
        let (Some(needed), Some(free)) = (self.needed, self.free) else { return Ok(()) };
        if needed <= free {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Internal,
            anyhow::anyhow!(
                "the disk of the store is too full: a run takes {}, as the last one did, and {} are free, so \
                 that {} are missing: make room, or set `store.location` to another disk",
                bytes(needed),
                bytes(free),
                bytes(needed - free)
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_needs_more_than_is_free_is_refused_with_what_is_missing() {
        for (needed, free, missing) in [
            (None, Some(0), None),
            (Some(10), None, None),
            (Some(10), Some(10), None),
            (Some(5_000_000), Some(1_000_000), Some("4.0 MB are missing")),
        ] {
            let checked =
                Space { needed, free }.check().map_err(|failure| failure.error.to_string());
            match (checked, missing) {
                (Ok(()), None) => {}
                (Err(error), Some(missing)) => assert!(error.contains(missing), "{error}"),
                other => panic!("{needed:?} of {free:?}: {other:?}"),
            }
        }
    }
}
