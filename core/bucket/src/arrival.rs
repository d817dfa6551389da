//! Files that arrive in a folder: the content of a tenant as another place has it.

use core_store::{Incoming, RunLock, TenantSnapshot};

use crate::error::BucketError;
use crate::pieces::Pieces;

/// A folder that becomes what a snapshot says. It is locked meanwhile.
#[derive(Debug)]
pub(crate) struct Arrival {
    lock: RunLock,
    incoming: Incoming,
    /// The content that the folder had before.
    known: TenantSnapshot,
}

impl Arrival {
    /// Starts with what the folder has, and with what an interrupted arrival has left there.
    pub(crate) fn begin(lock: RunLock) -> Result<Self, BucketError> {
        let known = lock.tenant().known_files()?;
        let incoming = lock.receive();
        Ok(Self { lock, incoming, known })
    }

    pub(crate) fn known(&self) -> &TenantSnapshot {
        &self.known
    }

    /// Returns the files of a snapshot that the folder does not have. What an interrupted arrival has left is read and
    /// compared.
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

    /// Stores a file and compares it as it was stored; no reader sees it yet.
    pub(crate) async fn put(&self, path: &str, mut content: Pieces) -> Result<(), BucketError> {
        let mut file = self.incoming.create(path)?;
        while let Some(piece) = content.next().await? {
            file.write_bytes(&piece)?;
        }
        Ok(self.incoming.finish(&file, path, content.expected())?)
    }

    /// Makes the folder what the snapshot says. Returns the number of files that were removed.
    pub(crate) fn put_in_place(&self, snapshot: &TenantSnapshot) -> Result<usize, BucketError> {
        self.incoming.put_in_place(snapshot)?;
        let old = self.known.files.keys();
        let removed = old.filter(|path| !snapshot.files.contains_key(*path)).count();
        tracing::info!(tenant = self.lock.tenant().name(), removed, "copy put in place");
        Ok(removed)
    }
}
