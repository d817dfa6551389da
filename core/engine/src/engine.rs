//! The engine of one tenant.

use core_store::{RunLock, Store, TenantStore};

use crate::cancellation::Cancellation;
use crate::failure::Failure;
use crate::host::Host;
use crate::run::lock_tenant;
use crate::settings::Settings;

/// The engine of one tenant: its settings and its host. Several engines may work in one process.
#[derive(Debug, Clone, Copy)]
pub struct Engine<'a> {
    /// The settings of the tenant.
    pub settings: &'a Settings,
    /// The clock, randomness and process.
    pub host: &'a Host,
}

impl Engine<'_> {
    /// Opens the tenant's part of the store.
    ///
    /// # Errors
    /// The store cannot be used.
    pub fn tenant(self) -> Result<TenantStore, Failure> {
        Ok(Store::open(self.settings.store.clone())?.tenant(self.settings.tenant.as_str())?)
    }

    /// Locks the tenant's part of the store for writing.
    ///
    /// # Errors
    /// Another process has the lock, or the store cannot be used.
    pub fn lock(self) -> Result<RunLock, Failure> {
        lock_tenant(self.host, &self.tenant()?)
    }

    /// As [`Engine::lock`], for work that ends once a stop is requested.
    ///
    /// # Errors
    ///
    /// Another process has the lock, or the store cannot be used.
    pub fn lock_until(self, cancellation: &Cancellation) -> Result<RunLock, Failure> {
        lock_tenant(self.host, &self.tenant()?.with_stop(cancellation.stop_flag()))
    }
}
