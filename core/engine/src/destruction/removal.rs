//! The steps of a removal: everything is locked and counted, people may decide, then it begins and is finished, by this
//! process or by the next one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use core_store::{DeliveryLock, Destruction, FileCount, RunLock, Store};
use core_terminal::bytes;
use serde::Serialize;

use super::{Certificate, copies, draft, finish, must_restart, remaining, stored_tenant};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::host::Host;
use crate::mirrors;
use crate::run::lock_tenant;

/// The state of a tenant that is to be removed.
pub enum Found {
    /// A removal that was interrupted, and can only be finished.
    Interrupted(Destruction),
    /// Everything is there, and locked.
    Stored(Removal),
}

/// A removal that can begin. Until it is dropped, no run and no delivery does.
pub struct Removal {
    lock: RunLock,
    deliveries: Vec<DeliveryLock>,
    files: BTreeMap<String, FileCount>,
    copies: Vec<PathBuf>,
    remaining: Vec<String>,
}

/// The files that a removal would remove.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview<'a> {
    dry_run: bool,
    tenant: &'a str,
    files: &'a BTreeMap<String, FileCount>,
    copies: Vec<String>,
    remaining: &'a [String],
}

/// Looks for a tenant in the store of the settings. An interrupted removal that has to begin anew does, unless this is a dry
/// run.
///
/// # Errors
///
/// Nothing is stored of a tenant of this name, another process works with it, or the store cannot be read.
pub fn find(engine: Engine<'_>, name: &str, is_dry_run: bool) -> Result<Found, Failure> {
    let owner = engine.host.lock_owner();
    let store = Store::open(engine.settings.store.clone())?;
    if let Some(interrupted) = store.interrupted_destruction(name, &owner)? {
        if is_dry_run || !must_restart(&store.tenant(name)?)? {
            return Ok(Found::Interrupted(interrupted));
        }
        interrupted.discard()?;
    }
    let tenant = stored_tenant(&store, name)?;
    let lock = lock_tenant(engine.host, &tenant)?;
    let deliveries = mirrors::destinations().map(|name| tenant.lock_delivery(name, &owner));
    let deliveries = deliveries.collect::<Result<_, _>>()?;
    let files = tenant.inventory()?;
    let copies = copies(engine, &tenant)?;
    let remaining = remaining(engine, &tenant);
    Ok(Found::Stored(Removal { lock, deliveries, files, copies, remaining }))
}

impl Removal {
    /// Returns the files that would be removed, for programs.
    pub fn preview(&self, dry_run: bool) -> Preview<'_> {
        Preview {
            dry_run,
            tenant: self.lock.tenant().name(),
            files: &self.files,
            copies: self.copies.iter().map(|path| path.display().to_string()).collect(),
            remaining: &self.remaining,
        }
    }

    /// The files that would be removed, by kind: their number and size.
    pub fn rows(&self) -> impl Iterator<Item = [String; 3]> {
        let rows = self.files.iter();
        rows.map(|(kind, count)| [kind.clone(), count.files.to_string(), bytes(count.bytes)])
    }

    /// The copies that would be removed, and what stays, a line each.
    pub fn remarks(&self) -> Vec<String> {
        let copies = self
            .copies
            .iter()
            .map(|path| format!("the copy of the suppression list goes too: {}", path.display()));
        copies.chain(not_removed(&self.remaining)).collect()
    }

    /// Records the removal and begins it: from now on it can only be finished.
    ///
    /// # Errors
    ///
    /// The ledger or the store cannot be written: then nothing is removed.
    pub fn begin(self, host: &Host) -> Result<Destruction, Failure> {
        let Self { lock, deliveries, files, copies, remaining } = self;
        let draft = draft(host, lock.tenant(), files, copies, remaining)?;
        let bytes = serde_json::to_vec_pretty(&draft).map_err(anyhow::Error::new)?;
        Ok(lock.begin_destruction(deliveries, &bytes)?)
    }
}

/// Finishes a removal that has begun, by its draft. Returns the certificate and its path; none if it was written before
/// the removal was interrupted.
///
/// # Errors
///
/// Something cannot be removed: the same command goes on with it.
pub fn finish_begun(
    host: &Host,
    destruction: Destruction,
) -> Result<Option<(Certificate, PathBuf)>, Failure> {
    let Some(draft) = destruction.draft().map(<[u8]>::to_vec) else {
        destruction.discard()?;
        return Ok(None);
    };
    let draft: Certificate = serde_json::from_slice(&draft).map_err(anyhow::Error::new)?;
    finish(host, destruction, draft).map(Some)
}

/// Returns a line for everything that stays elsewhere.
pub(super) fn not_removed(remaining: &[String]) -> impl Iterator<Item = String> {
    remaining.iter().map(|what| format!("not removed: {what}"))
}
