//! A watcher of a store, which is notified of durable changes in a tenant's folder, so that a store in another place
//! can follow.
//!
//! The folder of a watched store is a working copy. Changes that must survive the loss of this machine (a started
//! export, a started delivery, an erasure in force) count only when the watcher has accepted them; so each such
//! change is passed on before the call that made it returns.

use std::fmt::Debug;
use std::sync::Arc;

use crate::error::StoreError;
use crate::names::GenerationId;
use crate::tenant::TenantStore;

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A note on a download was written or removed.
    Notes,
    /// A small file beside the generations was written or removed.
    State,
    /// A generation was published.
    Generation,
    /// The tenant was taken out of the store, with all that it had.
    Destruction,
}

/// A receiver of changes.
pub trait Watch: Debug + Send + Sync {
    /// Takes over the present content of a tenant's folder.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotPublished`]: the folder has the change, and the store does not.
    fn changed(&self, tenant: &TenantStore, change: Change) -> Result<(), StoreError>;

    /// Fetches the files of a generation that the folder lacks, in one step.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if the place has lost or changed one of them, [`StoreError::NotPublished`].
    fn fetch(&self, generation: &GenerationId) -> Result<(), StoreError>;

    /// The other places that may still have data that is removed from the folder, a sentence each, for the
    /// certificate of an erasure.
    fn also_kept(&self) -> Vec<String>;
}

/// The watcher of a store, if it has one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watcher(Option<Arc<dyn Watch>>);

impl PartialEq for Watcher {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(left), Some(right)) => Arc::ptr_eq(left, right),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for Watcher {}

impl Watcher {
    pub(crate) fn new(watch: Arc<dyn Watch>) -> Self {
        Self(Some(watch))
    }

    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn changed(&self, tenant: &TenantStore, change: Change) -> Result<(), StoreError> {
        self.0.as_ref().map_or(Ok(()), |watch| watch.changed(tenant, change))
    }

    /// Fetches the files of a generation. Returns false if there is no watcher.
    pub(crate) fn fetch(&self, generation: &GenerationId) -> Result<bool, StoreError> {
        self.0.as_ref().map_or(Ok(false), |watch| watch.fetch(generation).map(|()| true))
    }

    pub(crate) fn also_kept(&self) -> Vec<String> {
        self.0.as_ref().map_or_else(Vec::new, |watch| watch.also_kept())
    }
}
