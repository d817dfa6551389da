//! A request to stop long work in a store, such as cleansing every generation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::StoreError;
use crate::tenant::TenantStore;

/// A request to stop. Long work sees it between two batches of rows, two generations or two removals, and ends with
/// [`StoreError::Stopped`]: finished work stays finished, and calling the work again continues from there.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Asks to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Fails if a stop was asked for.
    ///
    /// # Errors
    ///
    /// [`StoreError::Stopped`].
    pub fn check(&self) -> Result<(), StoreError> {
        if self.0.load(Ordering::Relaxed) { Err(StoreError::Stopped) } else { Ok(()) }
    }
}

impl TenantStore {
    /// The same tenant, whose long work ends once a stop is asked for.
    #[must_use]
    pub fn with_stop(mut self, stop: StopFlag) -> Self {
        self.stop = stop;
        self
    }

    /// Fails if the caller has asked to stop, for long work on the data of this tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Stopped`].
    pub fn check_stop(&self) -> Result<(), StoreError> {
        self.stop.check()
    }
}
