//! The epoch of the last lease that this machine has held, in a file beside the tenant's folder.
//!
//! As long as no other machine has held the lease since, the folder's notes on exports are at least as new as those of
//! the head. The bucket may have been away when an export was started, and then lacks its note: without it, the export
//! would be paid for again.

use std::path::{Path, PathBuf};

use crate::error::BucketError;

/// The epoch of the last lease that this machine has held.
#[derive(Debug)]
pub(crate) struct HeldEpoch(PathBuf);

impl HeldEpoch {
    pub(crate) fn in_folder(store: &Path, tenant: &str) -> Self {
        Self(store.join(format!("{tenant}.held-epoch")))
    }

    pub(crate) fn set(&self, epoch: u64) -> Result<(), BucketError> {
        Ok(core_files::replace_file(&self.0, epoch.to_string().as_bytes())?)
    }

    /// Returns true if this machine was the last one to hold the lease in an epoch.
    pub(crate) fn is(&self, epoch: u64) -> Result<bool, BucketError> {
        let text = core_files::read_if_present(&self.0)?;
        Ok(text.is_some_and(|text| text == epoch.to_string().as_bytes()))
    }

    /// Records a lease that was just taken, if this machine was the last one to hold the lease before. Returns whether it
    /// was. It is recorded before anything else can fail: after a command that has got no further than that, this
    /// machine is still the last one.
    pub(crate) fn advance(&self, taken: u64) -> Result<bool, BucketError> {
        let was_last = self.is(taken.saturating_sub(1))?;
        if was_last {
            self.set(taken)?;
        }
        Ok(was_last)
    }
}
