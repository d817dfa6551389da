//! Brings the content of a tenant in another place into a folder.

use core_store::{Incoming, LedgerContent, LedgerHead, RunLock, StoreError, TenantSnapshot};

use crate::error::BucketError;
use crate::pieces::Pieces;

/// A locked folder that is being made equal to a snapshot.
#[derive(Debug)]
pub(crate) struct Arrival {
    lock: RunLock,
    incoming: Incoming,
    /// The content that the folder had before.
    known: TenantSnapshot,
    /// The ledger that is replaced. Every entry of it is in the other place, or is given up.
    ledger: LedgerContent,
}

/// The folder after an arrival.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// The number of files that were removed.
    pub(crate) removed: usize,
    /// The last entry of the ledger that arrived.
    pub(crate) ledger: Option<LedgerHead>,
}

impl Arrival {
    /// Starts with the content of the folder, and with the files that an interrupted arrival left there.
    pub(crate) fn begin(lock: RunLock, ledger: LedgerContent) -> Result<Self, BucketError> {
        let known = lock.tenant().known_files()?;
        let incoming = lock.receive();
        Ok(Self { lock, incoming, known, ledger })
    }

    pub(crate) fn known(&self) -> &TenantSnapshot {
        &self.known
    }

    /// Returns the files of a snapshot that the folder lacks. Files of an interrupted arrival are read and compared.
    pub(crate) fn missing(&self, snapshot: &TenantSnapshot) -> Result<Vec<String>, BucketError> {
        let mut missing = Vec::new();
        for (path, file) in &snapshot.files {
            let is_in_place = self.known.files.get(path) == Some(file);
            if !is_in_place && !self.incoming.has(path, file)? {
                missing.push(path.clone());
            }
        }
        Ok(missing)
    }

    /// Stores a file, and compares it after reading it back. No reader sees it yet.
    pub(crate) async fn put(&self, path: &str, mut content: Pieces) -> Result<(), BucketError> {
        let mut file = self.incoming.create(path)?;
        while let Some(piece) = content.next().await? {
            file.write_bytes(&piece)?;
        }
        Ok(self.incoming.finish(&file, path, content.expected())?)
    }

    /// Makes the folder equal to the snapshot. `before_ledger` is called just before the ledger is replaced, while
    /// nothing can be added to it.
    ///
    /// # Errors
    ///
    /// [`StoreError::LedgerChanged`] if an entry was added to the ledger since the caller has read it.
    pub(crate) fn put_in_place(
        &self,
        snapshot: &TenantSnapshot,
        before_ledger: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<Arrived, BucketError> {
        let ledger = self.incoming.put_in_place(snapshot, &self.ledger, before_ledger)?;
        let old = self.known.files.keys();
        let removed = old.filter(|path| !snapshot.files.contains_key(*path)).count();
        tracing::info!(tenant = self.lock.tenant().name(), removed, "copy put in place");
        Ok(Arrived { removed, ledger: ledger.head() })
    }
}
