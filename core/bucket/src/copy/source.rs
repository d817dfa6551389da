//! The source of a copy. A folder is locked meanwhile; a bucket is only read, so that read-only credentials are enough.

use std::collections::BTreeMap;

use bytes::Bytes;
use core_files::File;
use core_store::{Fingerprint, RunLock, TenantPart, TenantSnapshot};
use object_store::path::Path;

use super::CopyRequest;
use crate::error::BucketError;
use crate::folder::BucketFolder;
use crate::head::{Content, ObjectRef};
use crate::head_store::HeadStore;
use crate::pieces::Pieces;
use crate::place::Place;

/// The source of a copy.
pub(super) enum Source {
    Folder { lock: RunLock, snapshot: TenantSnapshot },
    Bucket(Box<BucketSource>),
}

/// A tenant in a bucket, as its head said when it was read.
pub(super) struct BucketSource {
    folder: BucketFolder,
    content: Content,
    objects: BTreeMap<String, ObjectRef>,
    snapshot: TenantSnapshot,
}

/// The folder of a tenant in a bucket.
pub(super) fn tenant_folder(folder: &Path, tenant: &str) -> Path {
    folder.clone().join(tenant)
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
                let folder = tenant_folder(folder, request.tenant);
                let folder = BucketFolder { store: store.clone(), folder };
                match BucketSource::read(folder).await? {
                    Some(source) => Ok(Self::Bucket(Box::new(source))),
                    None => Err(empty(request)),
                }
            }
        }
    }

    pub(super) fn snapshot(&self) -> &TenantSnapshot {
        match self {
            Self::Folder { snapshot, .. } => snapshot,
            Self::Bucket(source) => &source.snapshot,
        }
    }

    /// Lets the caller write what belongs to the copy into the source, which is then listed again.
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
            Self::Bucket(source) => {
                let read = BucketSource::read(source.folder.clone()).await?;
                **source = read.ok_or(BucketError::SourceChanged)?;
            }
        }
        Ok(())
    }

    /// Opens a file. It is compared with its hash while it is read.
    pub(super) async fn read(&self, path: &str) -> Result<Pieces, BucketError> {
        let expected = self.snapshot().files.get(path).ok_or(BucketError::SourceChanged)?.clone();
        match self {
            Self::Folder { lock, .. } => open(&lock.tenant().file_path(path)?, path, expected),
            Self::Bucket(source) => {
                if let Some(text) = source.content.small_files.get(path) {
                    return Ok(Pieces::from_memory(path, Bytes::from(text.clone())));
                }
                let object = source.objects.get(path).ok_or(BucketError::SourceChanged)?;
                match source.folder.read(object).await {
                    // Another process has published and removed it.
                    Err(error) if error.is_not_found() => Err(BucketError::SourceChanged),
                    read => read,
                }
            }
        }
    }

    /// Fails if the source was changed since it was listed: then a copy of it might show a person who was erased.
    pub(super) async fn check_unchanged(&self) -> Result<(), BucketError> {
        let Self::Bucket(source) = self else { return Ok(()) };
        let heads = HeadStore::new(source.folder.store.clone(), &source.folder.folder);
        let now = heads.read().await?.map(|stored| stored.head.content);
        let is_same = now.is_some_and(|now| {
            now.listings == source.content.listings && now.small_files == source.content.small_files
        });
        if is_same { Ok(()) } else { Err(BucketError::SourceChanged) }
    }
}

fn open(place: &std::path::Path, path: &str, expected: Fingerprint) -> Result<Pieces, BucketError> {
    let is_replaceable =
        matches!(TenantPart::of_path(path), Some(TenantPart::State | TenantPart::Ledger));
    match File::open(place) {
        Ok(file) => Ok(Pieces::from_file(path, file, expected, is_replaceable)),
        Err(_) if is_replaceable && !place.exists() => Err(BucketError::SourceChanged),
        Err(error) => Err(error.into()),
    }
}

impl BucketSource {
    /// Reads what a bucket has of a tenant; None if it has nothing.
    async fn read(folder: BucketFolder) -> Result<Option<Self>, BucketError> {
        let heads = HeadStore::new(folder.store.clone(), &folder.folder);
        let Some(stored) = heads.read().await? else { return Ok(None) };
        let content = stored.head.content;
        let objects = read_listings(&folder, &content).await;
        let objects = match objects {
            Err(error) if error.is_not_found() => return Err(BucketError::SourceChanged),
            read => read?,
        };
        let snapshot = snapshot_of(&content, &objects);
        Ok(Some(Self { folder, content, objects, snapshot }))
    }
}

/// Reads the listings of a head: the objects by path.
pub(super) async fn read_listings(
    folder: &BucketFolder,
    content: &Content,
) -> Result<BTreeMap<String, ObjectRef>, BucketError> {
    let mut objects = BTreeMap::new();
    for listing in content.listings.values() {
        objects.extend(folder.read_listing(listing).await?.files);
    }
    Ok(objects)
}

/// The snapshot that a head and its listings describe.
pub(super) fn snapshot_of(
    content: &Content,
    objects: &BTreeMap<String, ObjectRef>,
) -> TenantSnapshot {
    let mut snapshot =
        TenantSnapshot { current: content.current.clone(), ..TenantSnapshot::default() };
    for (path, object) in objects {
        let fingerprint = Fingerprint { bytes: object.bytes, blake3: object.blake3.clone() };
        snapshot.files.insert(path.clone(), fingerprint);
    }
    for (path, text) in &content.small_files {
        // A head that another program wrote must not lead out of the tenant's folder.
        if TenantPart::of_path(path) == Some(TenantPart::State) {
            let blake3 = blake3::hash(text.as_bytes()).to_hex().to_string();
            let fingerprint = Fingerprint { bytes: text.len() as u64, blake3 };
            snapshot.files.insert(path.clone(), fingerprint);
        }
    }
    snapshot
}

fn empty(request: &CopyRequest<'_>) -> BucketError {
    BucketError::Empty { tenant: request.tenant.to_owned(), place: request.from.to_string() }
}
