//! The check before a run over a bucket: whether another machine has run the tenant since it was due.
//!
//! The clocks of machines may disagree, so the date of a generation that another machine has published proves little. But
//! each machine notes the newest generation that it knows. One that it did not know yet was published since, whatever its
//! date says; and one that it knew already is no new run, even if its date lies ahead.

use std::path::PathBuf;

use core_config::Config;
use core_engine::{Engine, Failure, Host};
use core_store::{Store, TenantStore};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::health;

/// The difference between two clocks that is no disagreement.
const CLOCK_ERROR: SignedDuration = SignedDuration::from_mins(2);

/// The newest generation that this machine knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    generation: String,
    /// The time of its run, by the clock of this machine, in milliseconds since 1970-01-01 UTC.
    at_ms: i64,
}

impl Known {
    fn at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.at_ms).unwrap_or(Timestamp::MAX)
    }
}

/// A check whether a run is due, and its note for the next check.
#[derive(Debug)]
pub struct DueCheck {
    tenant: TenantStore,
    note: PathBuf,
    now: Timestamp,
}

impl DueCheck {
    /// A check of a tenant whose store is in a bucket; None for any other. The working copy must be up to date.
    ///
    /// # Errors
    ///
    /// The working copy cannot be opened.
    pub fn begin(config: &Config, host: &Host) -> Result<Option<Self>, Failure> {
        if config.bucket.is_none() {
            return Ok(None);
        }
        let tenant = Engine { settings: config, host }.tenant()?;
        let store = Store::open(config.store.clone())?;
        let note = store.folder().join(format!("{}.last-run.json", tenant.name()));
        Ok(Some(Self { tenant, note, now: host.now().to_timestamp() }))
    }

    /// Returns true if the tenant was due since its last run on any machine.
    ///
    /// # Errors
    ///
    /// The working copy cannot be read or written.
    pub fn is_due(&self, config: &Config) -> Result<bool, Failure> {
        let Some((generation, started)) = self.newest()? else {
            return Ok(config.schedule.due_between(&config.name, self.now, self.now, 1).is_some());
        };
        let at = time_of_run(&generation, started, self.known()?.as_ref(), self.now);
        self.set_known(&generation, at)?;
        let due = config.schedule.due_between(&config.name, at, self.now, 1);
        Ok(due.is_some_and(|due| due > 0))
    }

    /// Notes the generation of a run that this machine has made since the beginning of the check. Without the note, the
    /// next check goes by the date of the generation.
    pub fn ran(&self) {
        if let Err(failure) = self.note_run() {
            tracing::warn!(error = %failure.error, "the time of this run was not noted");
        }
    }

    fn note_run(&self) -> Result<(), Failure> {
        let Some((generation, _)) = self.newest()? else { return Ok(()) };
        if self.known()?.is_some_and(|known| known.generation == generation) {
            return Ok(());
        }
        self.set_known(&generation, self.now)
    }

    /// The published generation and the start of its run, by the clock that has dated it.
    fn newest(&self) -> Result<Option<(String, Timestamp)>, Failure> {
        let Some(generation) = self.tenant.current()? else { return Ok(None) };
        let started = health::started(generation.manifest()).unwrap_or(self.now);
        Ok(Some((generation.id().to_string(), started)))
    }

    /// The note; None if there is none, or none that can be read.
    fn known(&self) -> Result<Option<Known>, Failure> {
        let bytes = core_files::read_if_present(&self.note).map_err(anyhow::Error::new)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn set_known(&self, generation: &str, at: Timestamp) -> Result<(), Failure> {
        let known = Known { generation: generation.to_owned(), at_ms: at.as_millisecond() };
        let bytes = serde_json::to_vec(&known).map_err(anyhow::Error::new)?;
        Ok(core_files::replace_file(&self.note, &bytes).map_err(anyhow::Error::new)?)
    }
}

/// The time of the run that has published a generation, by the clock of this machine.
fn time_of_run(
    generation: &str,
    started: Timestamp,
    known: Option<&Known>,
    now: Timestamp,
) -> Timestamp {
    let at = match known {
        Some(known) if known.generation == generation => known.at(),
        // It was published between the last note and now. If its date is not from that time, it is by another clock.
        Some(known) if started + CLOCK_ERROR < known.at() || started > now + CLOCK_ERROR => now,
        _ => started,
    };
    at.min(now)
}

#[cfg(test)]
mod tests;
