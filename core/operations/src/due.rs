//! The check before a run over a bucket: whether another machine has run the tenant since it was due.
//!
//! The clocks of machines may disagree, so the date of a run that another machine has made proves little. But each
//! machine notes the newest run that it knows. One that it did not know yet was made since, whatever its date says; and
//! one that it knew already is no new run, even if its date lies ahead.

use std::path::PathBuf;

use core_config::Config;
use core_engine::{Engine, Failure, Host};
use core_store::{Store, TenantStore};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::exit_codes::ExitCodes;
use crate::last_run::Succeeded;

/// The difference between two clocks that is no disagreement.
const CLOCK_ERROR: SignedDuration = SignedDuration::from_mins(2);

/// The newest run that this machine knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// The ID of its generation, or its start as the ledger has it.
    #[serde(alias = "generation")]
    run: String,
    /// Its time, by the clock of this machine, in milliseconds since 1970-01-01 UTC.
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
    host: Host,
    codes: ExitCodes,
    now: Timestamp,
}

impl DueCheck {
    /// A check of a tenant whose store is in a bucket; None for any other. The working copy must be up to date.
    ///
    /// # Errors
    ///
    /// The working copy cannot be opened.
    pub fn begin(config: &Config, host: &Host, codes: ExitCodes) -> Result<Option<Self>, Failure> {
        if config.bucket.is_none() {
            return Ok(None);
        }
        let tenant = Engine { settings: config, host }.tenant()?;
        let store = Store::open(config.store.clone())?;
        let note = store.folder().join(format!("{}.last-run.json", tenant.name()));
        let now = host.now().to_timestamp();
        Ok(Some(Self { tenant, note, host: host.clone(), codes, now }))
    }

    /// Returns true if the tenant was due since its last run on any machine.
    ///
    /// # Errors
    ///
    /// The working copy cannot be read or written.
    pub fn is_due(&self, config: &Config) -> Result<bool, Failure> {
        let Some((run, started)) = self.newest(config)? else {
            return Ok(config.schedule.due_between(&config.name, self.now, self.now, 1).is_some());
        };
        let at = time_of_run(&run, started, self.known()?.as_ref(), self.now);
        self.set_known(&run, at)?;
        let due = config.schedule.due_between(&config.name, at, self.now, 1);
        Ok(due.is_some_and(|due| due > 0))
    }

    /// Notes a run that this machine has made since the beginning of the check. Without the note, the next check goes by
    /// the date of the run.
    pub fn ran(&self, config: &Config) {
        if let Err(failure) = self.note_run(config) {
            tracing::warn!(error = %failure.error, "the time of this run was not noted");
        }
    }

    fn note_run(&self, config: &Config) -> Result<(), Failure> {
        let Some((run, _)) = self.newest(config)? else { return Ok(()) };
        if self.known()?.is_some_and(|known| known.run == run) {
            return Ok(());
        }
        self.set_known(&run, self.now)
    }

    /// The ID of the last run that succeeded and its start, by the clock that has dated it.
    fn newest(&self, config: &Config) -> Result<Option<(String, Timestamp)>, Failure> {
        let last = Succeeded::read(config, &self.host, &self.tenant, self.codes)?;
        Ok(last.map(|Succeeded { id, started }| (id, started.unwrap_or(self.now))))
    }

    /// The note; None if there is none, or none that can be read.
    fn known(&self) -> Result<Option<Known>, Failure> {
        let bytes = core_files::read_if_present(&self.note).map_err(anyhow::Error::new)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn set_known(&self, run: &str, at: Timestamp) -> Result<(), Failure> {
        let known = Known { run: run.to_owned(), at_ms: at.as_millisecond() };
        let bytes = serde_json::to_vec(&known).map_err(anyhow::Error::new)?;
        Ok(core_files::replace_file(&self.note, &bytes).map_err(anyhow::Error::new)?)
    }
}

/// The time of a run by the clock of this machine.
fn time_of_run(run: &str, started: Timestamp, known: Option<&Known>, now: Timestamp) -> Timestamp {
    let at = match known {
        Some(known) if known.run == run => known.at(),
        // It was made between the last note and now. If its date is not from that time, it is by another clock.
        Some(known) if started + CLOCK_ERROR < known.at() || started > now + CLOCK_ERROR => now,
        _ => started,
    };
    at.min(now)
}

#[cfg(test)]
mod tests;
