//! The target of a copy. A folder is locked, and a lease is held on a bucket, until the copy has ended.

use std::collections::BTreeSet;

use core_store::{Fingerprint, LEDGER_PATH, LedgerHead, TenantSnapshot};

use super::CopyRequest;
use super::relation::Known;
use crate::arrival::Arrival;
use crate::error::BucketError;
use crate::folder::BucketFolder;
use crate::lease::{HeldLease, LeaseRequest};
use crate::patience::Patience;
use crate::pieces::Pieces;
use crate::place::Place;
use crate::probe::probe;
use crate::reader::TenantReader;
use crate::writer::{Removal, TenantWriter};

/// The target of a copy.
pub(super) struct Target {
    kind: Kind,
    known: Known,
}

enum Kind {
    Folder(Box<Arrival>),
    Bucket(Box<TenantWriter>),
}

impl Target {
    pub(super) async fn open(request: &CopyRequest<'_>) -> Result<Self, BucketError> {
        match request.to {
            Place::Folder { store, .. } => {
                let lock = store.tenant(request.tenant)?.lock(request.owner)?;
                let ledger = lock.tenant().ledger().content()?;
                let head = ledger.head();
                let arrival = Arrival::begin(lock, ledger)?;
                let known = Known { snapshot: arrival.known().clone(), ledger: head };
                Ok(Self { kind: Kind::Folder(Box::new(arrival)), known })
            }
            Place::Bucket { store, folder, .. } => {
                let folder = BucketFolder::of_tenant(store, folder, request.tenant);
                probe(&folder.store, &folder.folder, request.deleted_objects, &request.random)
                    .await?;
                let lease = LeaseRequest {
                    tenant: request.tenant.to_owned(),
                    owner: request.owner.to_owned(),
                    lifetime: request.lease_lifetime,
                    random: request.random.clone(),
                    working_copy: None,
                };
                let lease = HeldLease::acquire(folder.store.clone(), &folder.folder, lease).await?;
                let writer = TenantWriter::open(folder, lease, request.random.clone()).await?;
                let known = known(writer.published()).await?;
                Ok(Self { kind: Kind::Bucket(Box::new(writer)), known })
            }
        }
    }

    /// The state of the target before the copy.
    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// Returns the files of a snapshot that the target lacks. Files of an interrupted copy are read and compared.
    pub(super) async fn missing(
        &mut self,
        snapshot: &TenantSnapshot,
    ) -> Result<Vec<String>, BucketError> {
        match &mut self.kind {
            Kind::Folder(arrival) => arrival.missing(snapshot, &BTreeSet::new()),
            Kind::Bucket(writer) => writer.missing(snapshot).await,
        }
    }

    /// Stores a file, and compares it after reading it back. No reader sees it yet.
    /// `open` opens its content, once for each attempt.
    pub(super) async fn put(
        &self,
        path: &str,
        expected: &Fingerprint,
        open: impl AsyncFn() -> Result<Pieces, BucketError>,
    ) -> Result<(), BucketError> {
        match &self.kind {
            Kind::Folder(arrival) => {
                Patience::Reader.retry(async || arrival.put(path, open().await?).await).await
            }
            Kind::Bucket(writer) => writer.put(path, expected, open).await,
        }
    }

    /// Makes the target equal to the snapshot. Returns the number of removed files or objects.
    pub(super) async fn publish(
        &mut self,
        snapshot: &TenantSnapshot,
    ) -> Result<usize, BucketError> {
        match &mut self.kind {
            Kind::Folder(arrival) => {
                Ok(arrival.put_in_place(snapshot, &BTreeSet::new(), || Ok(()))?.removed)
            }
            Kind::Bucket(writer) => writer.publish(snapshot, Removal::Now).await,
        }
    }

    /// Frees the lease of a bucket. If that fails, the lease expires.
    pub(super) async fn close(self) {
        if let Kind::Bucket(writer) = self.kind {
            writer.release_or_expire().await;
        }
    }
}

/// Reads the state of a target without a lock or a lease, for a dry run.
pub(super) async fn look(request: &CopyRequest<'_>) -> Result<Known, BucketError> {
    match request.to {
        Place::Folder { store, .. } => {
            let tenant = store.tenant(request.tenant)?;
            let snapshot = tenant.known_files()?;
            Ok(Known { snapshot, ledger: tenant.ledger().head()? })
        }
        Place::Bucket { store, folder, .. } => {
            let folder = BucketFolder::of_tenant(store, folder, request.tenant);
            match TenantReader::read(folder).await? {
                Some(reader) => known(&reader).await,
                None => Ok(Known::default()),
            }
        }
    }
}

async fn known(reader: &TenantReader) -> Result<Known, BucketError> {
    let ledger = match reader.objects.get(LEDGER_PATH) {
        Some(object) => {
            LedgerHead::of_last_entry(&reader.folder.read(object).await?.read_all().await?)
        }
        None => None,
    };
    Ok(Known { snapshot: reader.snapshot.clone(), ledger })
}
