//! The host of the engine: the clock, randomness and user of this process.

use std::sync::{Arc, LazyLock};

use core_engine::ledger::{self, Event};
use core_engine::settings::Settings;
use core_engine::{Engine, Host};
use core_store::TenantStore;

use crate::exit::Exit;
use crate::{output, system};

/// Returns the host of this process.
pub(crate) fn host() -> &'static Host {
    static HOST: LazyLock<Host> = LazyLock::new(|| Host {
        clock: Arc::new(system::now),
        random: Arc::new(system::fill_random),
        processors: system::processors(),
        process: format!("process {}", std::process::id()),
        user: system::user(),
        program: system::own_command().to_owned(),
        exit_code: |ending| Exit::from(ending) as u8,
    });
    &HOST
}

/// Returns the engine of a tenant on this host.
pub(crate) fn engine(settings: &Settings) -> Engine<'_> {
    Engine { settings, host: host() }
}

/// Adds an entry about a read to the ledger. The read must not fail for it: a copy of a store may be read-only.
pub(crate) fn record_read(tenant: &TenantStore, event: &Event<'_>) {
    if let Err(error) = ledger::record(host(), tenant, event) {
        let error = anyhow::Error::new(error);
        output::note(&format!("this read is not in the ledger: {error:#}"));
    }
}
