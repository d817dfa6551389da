//! The target of a copy. A folder is locked, and a lease is held on a bucket, until the copy has ended.

mod bucket;

use core_store::{Incoming, LEDGER_PATH, LedgerHead, RunLock, TenantSnapshot};
use object_store::path::Path;

use self::bucket::BucketTarget;
use super::CopyRequest;
use super::relation::Known;
use super::source::{read_listings, snapshot_of, tenant_folder};
use crate::error::BucketError;
use crate::folder::BucketFolder;
use crate::head_store::HeadStore;
use crate::lease::Random;
use crate::pieces::Pieces;
use crate::place::Place;

/// The target of a copy.
pub(super) enum Target {
    Folder(Box<FolderTarget>),
    Bucket(Box<BucketTarget>),
}

pub(super) struct FolderTarget {
    lock: RunLock,
    incoming: Incoming,
    known: Known,
}

impl Target {
    pub(super) async fn open(request: &CopyRequest<'_>) -> Result<Self, BucketError> {
        match request.to {
            Place::Folder { store, .. } => {
                let lock = store.tenant(request.tenant)?.lock(request.owner)?;
                let snapshot = lock.tenant().known_files()?;
                let ledger = lock.tenant().ledger().head()?;
                let incoming = lock.receive();
                let known = Known { snapshot, ledger };
                Ok(Self::Folder(Box::new(FolderTarget { lock, incoming, known })))
            }
            Place::Bucket { store, folder, .. } => {
                let folder = tenant_folder(folder, request.tenant);
                let folder = BucketFolder { store: store.clone(), folder };
                Ok(Self::Bucket(Box::new(BucketTarget::open(folder, request).await?)))
            }
        }
    }

    /// The state of the target before the copy.
    pub(super) fn known(&self) -> &Known {
        match self {
            Self::Folder(target) => &target.known,
            Self::Bucket(target) => target.known(),
        }
    }

    /// Returns the files of a snapshot that the target does not have. What an interrupted copy has left there is read
    /// and compared.
    pub(super) async fn missing(
        &mut self,
        snapshot: &TenantSnapshot,
    ) -> Result<Vec<String>, BucketError> {
        match self {
            Self::Folder(target) => target.missing(snapshot),
            Self::Bucket(target) => target.missing(snapshot).await,
        }
    }

    /// Stores a file and compares it as it was stored; no reader sees it yet.
    pub(super) async fn put(
        &self,
        path: &str,
        content: Pieces,
        random: &Random,
    ) -> Result<(), BucketError> {
        match self {
            Self::Folder(target) => target.put(path, content).await,
            Self::Bucket(target) => target.put(path, content, random).await,
        }
    }

    /// Makes the target what the snapshot says. Returns the number of files or objects that were removed.
    pub(super) async fn publish(
        &mut self,
        snapshot: &TenantSnapshot,
        random: &Random,
    ) -> Result<usize, BucketError> {
        match self {
            Self::Folder(target) => target.publish(snapshot),
            Self::Bucket(target) => target.publish(snapshot, random).await,
        }
    }

    /// Frees the lease of a bucket. If that fails, it ends by itself.
    pub(super) async fn close(self) {
        if let Self::Bucket(target) = self
            && let Err(error) = target.release().await
        {
            tracing::debug!(%error, "the lease was not released and ends by itself");
        }
    }
}

impl FolderTarget {
    fn missing(&self, snapshot: &TenantSnapshot) -> Result<Vec<String>, BucketError> {
        let mut missing = Vec::new();
        for (path, file) in &snapshot.files {
            let is_in_place = self.known.snapshot.files.get(path) == Some(file);
            if !is_in_place && !self.incoming.has(path, file)? {
                missing.push(path.clone());
            }
        }
        Ok(missing)
    }

    async fn put(&self, path: &str, mut content: Pieces) -> Result<(), BucketError> {
        let mut file = self.incoming.create(path)?;
        while let Some(piece) = content.next().await? {
            file.write_bytes(&piece)?;
        }
        Ok(self.incoming.finish(&file, path, content.expected())?)
    }

    fn publish(&self, snapshot: &TenantSnapshot) -> Result<usize, BucketError> {
        self.incoming.put_in_place(snapshot)?;
        let old = self.known.snapshot.files.keys();
        let removed = old.filter(|path| !snapshot.files.contains_key(*path)).count();
        tracing::info!(tenant = self.lock.tenant().name(), removed, "copy put in place");
        Ok(removed)
    }
}

/// Looks at a target without a lock or a lease, for a dry run.
pub(super) async fn look(request: &CopyRequest<'_>) -> Result<Known, BucketError> {
    match request.to {
        Place::Folder { store, .. } => {
            let tenant = store.tenant(request.tenant)?;
            let snapshot = tenant.known_files()?;
            Ok(Known { snapshot, ledger: tenant.ledger().head()? })
        }
        Place::Bucket { store, folder, .. } => {
            let folder: Path = tenant_folder(folder, request.tenant);
            let folder = BucketFolder { store: store.clone(), folder };
            let heads = HeadStore::new(folder.store.clone(), &folder.folder);
            let Some(stored) = heads.read().await? else { return Ok(Known::default()) };
            let objects = read_listings(&folder, &stored.head.content).await?;
            let ledger = match objects.get(LEDGER_PATH) {
                Some(object) => {
                    LedgerHead::of_last_entry(&folder.read(object).await?.read_all().await?)
                }
                None => None,
            };
            Ok(Known { snapshot: snapshot_of(&stored.head.content, &objects), ledger })
        }
    }
}
