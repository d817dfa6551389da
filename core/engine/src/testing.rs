//! A host for tests, with a fixed clock and predictable random numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use core_store::{Location, RunLock, Store};
use tempfile::TempDir;

// A step that no code names is not linked, and so not in the registry.
use step_account as _;
use step_alerts as _;
use step_audit as _;
use step_devices as _;
use step_packages as _;
use step_users as _;

use crate::failure::Ending;
use crate::host::Host;
use crate::moment::Moment;

/// Returns a host whose clock shows 2026-03-01T10:00:00Z.
pub(crate) fn host() -> Host {
    let next = AtomicU8::new(0);
    Host {
        clock: Arc::new(|| Moment(1_772_359_200_000)),
        random: Arc::new(move |buffer| {
            buffer.fill_with(|| next.fetch_add(1, Ordering::Relaxed));
            Ok(())
        }),
        processors: 2,
        process: "a test".to_owned(),
        user: "uid 1000 (tester)".to_owned(),
        program: "nexthink-graph".to_owned(),
        exit_code: |ending| u8::from(ending != Ending::Complete),
    }
}

/// The locked store of a tenant, in a folder that goes with it.
pub(crate) struct Place {
    pub(crate) lock: RunLock,
    _folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let store = Store::open(Location::Folder(folder.path().to_owned())).expect("a folder");
        let lock =
            store.tenant("acme").and_then(|tenant| tenant.lock("a test")).expect("it is free");
        Self { lock, _folder: folder }
    }
}
