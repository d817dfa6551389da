//! The source of a copy. A folder is locked during the copy; a bucket is only read, so read-only credentials are
//! enough.

use core_store::{RunLock, TenantSnapshot};

use super::CopyRequest;
use crate::error::BucketError;
use crate::folder::BucketFolder;
use crate::pieces::{Pieces, open_file};
use crate::place::Place;
use crate::reader::TenantReader;

/// The source of a copy.
pub(super) enum Source {
    Folder { lock: RunLock, snapshot: TenantSnapshot },
    Bucket(Box<TenantReader>),
}

impl Source {
    pub(super) async fn open(request: &CopyRequest<'_>) -> Result<Self, BucketError> {
        match request.from {
            Place::Folder { store, .. } => {
                let tenant = store.tenant(request.tenant)?;
                if tenant.history()?.is_empty() {
                    return Err(empty(request));
                }
                let lock = tenant.lock(request.owner)?;
                let snapshot = lock.snapshot()?;
                Ok(Self::Folder { lock, snapshot })
            }
            Place::Bucket { store, folder, .. } => {
                let folder = BucketFolder::of_tenant(store, folder, request.tenant);
                match TenantReader::read(folder).await? {
                    Some(reader) => Ok(Self::Bucket(Box::new(reader))),
                    None => Err(empty(request)),
                }
            }
        }
    }

    pub(super) fn snapshot(&self) -> &TenantSnapshot {
        match self {
            Self::Folder { snapshot, .. } => snapshot,
            Self::Bucket(reader) => &reader.snapshot,
        }
    }

    /// Lets the caller add records of the copy to the source, and then lists the source again.
    pub(super) fn prepare(&mut self, request: &CopyRequest<'_>) -> Result<(), BucketError> {
        if let Self::Folder { lock, snapshot } = self {
            (request.before_sending)()?;
            *snapshot = lock.snapshot()?;
        }
        Ok(())
    }

    /// Lists the source again.
    pub(super) async fn refresh(&mut self) -> Result<(), BucketError> {
        match self {
            Self::Folder { lock, snapshot } => *snapshot = lock.snapshot()?,
            Self::Bucket(reader) => {
                let read = TenantReader::read(reader.folder.clone()).await?;
                **reader = read.ok_or(BucketError::SourceChanged)?;
            }
        }
        Ok(())
    }

    /// Opens a file. Reading it verifies its hash.
    pub(super) async fn read(&self, path: &str) -> Result<Pieces, BucketError> {
        match self {
            Self::Folder { lock, snapshot } => {
                let expected = snapshot.files.get(path).ok_or(BucketError::SourceChanged)?;
                open_file(lock.tenant(), path, expected.clone())
            }
            Self::Bucket(reader) => reader.open(path).await,
        }
    }

    /// Fails if the source has changed since it was listed.
    pub(super) async fn check_unchanged(&self) -> Result<(), BucketError> {
        match self {
            Self::Folder { .. } => Ok(()),
            Self::Bucket(reader) => reader.check_unchanged().await,
        }
    }
}

fn empty(request: &CopyRequest<'_>) -> BucketError {
    BucketError::Empty { tenant: request.tenant.to_owned(), place: request.from.to_string() }
}
