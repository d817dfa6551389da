//! Notices that someone is erased while an answer is being sent.

use std::collections::BTreeSet;
use std::time::Duration;

use core_store::{StoreError, TenantStore};
use tokio::sync::watch;

/// The time between two looks at the erasures of a tenant.
const INTERVAL: Duration = Duration::from_secs(1);

/// Compares the erasures of a tenant with those of the moment at which an answer began: a process that has read a
/// generation before goes on with rows of people who were erased since.
#[derive(Debug, Clone)]
pub struct ErasureWatch {
    store: TenantStore,
    known: BTreeSet<String>,
    erased: watch::Receiver<bool>,
}

impl ErasureWatch {
    /// Starts to watch. An answer must begin after that.
    ///
    /// # Errors
    ///
    /// The erasures cannot be read.
    pub fn start(store: TenantStore) -> Result<Self, StoreError> {
        let known = store.erasures()?;
        let (sender, erased) = watch::channel(false);
        tokio::spawn(look(store.clone(), known.clone(), sender));
        Ok(Self { store, known, erased })
    }

    /// Returns true if someone was erased since the start, as the store says now.
    ///
    /// # Errors
    ///
    /// The erasures cannot be read.
    pub fn is_erased(&self) -> Result<bool, StoreError> {
        Ok(self.store.erasures()? != self.known)
    }

    /// Waits until someone is erased, or until that cannot be told any more. It can be asked again if its caller stops
    /// waiting.
    pub async fn erased(&mut self) {
        // Without a sender, nothing would tell of an erasure.
        let _ = self.erased.wait_for(|is_erased| *is_erased).await;
    }
}

/// Looks at the erasures until they change. This has a task of its own, since a look that is stopped whenever a piece
/// of an answer comes would never end.
async fn look(store: TenantStore, known: BTreeSet<String>, sender: watch::Sender<bool>) {
    loop {
        tokio::select! {
            () = sender.closed() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let store = store.clone();
        let now = tokio::task::spawn_blocking(move || store.erasures()).await;
        if !matches!(now, Ok(Ok(now)) if now == known) {
            sender.send_replace(true);
            return;
        }
    }
}
