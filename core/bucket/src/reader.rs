//! Reads a tenant in a bucket as its head describes it. Read-only credentials are enough.

use std::collections::BTreeMap;

use bytes::Bytes;
use core_store::{Fingerprint, StoreError, TenantPart, TenantSnapshot};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::error::BucketError;
use crate::folder::BucketFolder;
use crate::head::{Content, Head, Nonce, ObjectRef};
use crate::head_store::HeadStore;
use crate::pieces::Pieces;

/// The number of listings that are read at once. A tenant has one for each generation.
const LISTINGS_AT_ONCE: usize = 16;

/// Returns the content in the head of a tenant; empty if there is no head.
pub(crate) async fn published(folder: &BucketFolder) -> Result<Content, BucketError> {
    let heads = HeadStore::new(folder.store.clone(), &folder.folder);
    Ok(heads.read().await?.map(|stored| stored.head.content).unwrap_or_default())
}

/// A tenant in a bucket, as described by the head at the time of reading.
#[derive(Debug)]
pub(crate) struct TenantReader {
    pub(crate) folder: BucketFolder,
    /// The number of times that the lease was taken until then; 0 without a head.
    pub(crate) epoch: u64,
    /// The nonce of the first head; None without a head.
    pub(crate) origin: Option<Nonce>,
    pub(crate) content: Content,
    /// The objects by the path of their file.
    pub(crate) objects: BTreeMap<String, ObjectRef>,
    pub(crate) snapshot: TenantSnapshot,
}

impl TenantReader {
    /// Reads the content of a tenant in a bucket; None if there is nothing.
    ///
    /// # Errors
    ///
    /// [`BucketError::SourceChanged`] if it was replaced meanwhile; the errors of reading.
    pub(crate) async fn read(folder: BucketFolder) -> Result<Option<Self>, BucketError> {
        let heads = HeadStore::new(folder.store.clone(), &folder.folder);
        let Some(stored) = heads.read().await? else { return Ok(None) };
        match Self::of_head(folder, stored.head).await {
            Err(error) if error.is_not_found() => Err(BucketError::SourceChanged),
            read => read.map(Some),
        }
    }

    /// A tenant of which the bucket has nothing.
    pub(crate) fn empty(folder: BucketFolder) -> Self {
        let (content, objects) = (Content::default(), BTreeMap::new());
        let snapshot = TenantSnapshot::default();
        Self { folder, epoch: 0, origin: None, content, objects, snapshot }
    }

    /// Reads the listings of a head.
    pub(crate) async fn of_head(folder: BucketFolder, head: Head) -> Result<Self, BucketError> {
        let Head { epoch, origin, content, .. } = head;
        let mut objects = BTreeMap::new();
        {
            let reading = stream::iter(content.listings.values());
            let reading = reading.map(|listing| folder.read_listing(listing));
            let mut listings = reading.buffer_unordered(LISTINGS_AT_ONCE);
            while let Some(listing) = listings.try_next().await? {
                objects.extend(listing.files);
            }
        }
        let snapshot = snapshot_of(&content, &objects);
        Ok(Self { folder, epoch, origin, content, objects, snapshot })
    }

    /// Opens a file. Reading it verifies its hash.
    ///
    /// # Errors
    ///
    /// [`BucketError::SourceChanged`] if another process has published and removed it since the tenant was read;
    /// [`StoreError::Damaged`] if the bucket has lost it.
    pub(crate) async fn open(&self, path: &str) -> Result<Pieces, BucketError> {
        if let Some(text) = self.content.small_files.get(path) {
            return Ok(Pieces::from_memory(path, Bytes::from(text.clone())));
        }
        let object = self.objects.get(path).ok_or(BucketError::SourceChanged)?;
        match self.folder.read(object).await {
            Err(error) if error.is_not_found() => {
                // An object is removed only when the head does not name it any more.
                self.check_unchanged().await?;
                Err(damaged(path, "is missing in the bucket"))
            }
            read => read,
        }
    }

    /// Opens a file and passes its content on, again after a failure of the bucket.
    ///
    /// # Errors
    ///
    /// As [`TenantReader::open`], and those of `receive`; [`StoreError::Damaged`] if it has another content.
    pub(crate) async fn fetch(
        &self,
        path: &str,
        receive: impl AsyncFn(Pieces) -> Result<(), BucketError>,
    ) -> Result<(), BucketError> {
        let fetched =
            self.folder.patience.retry(async || receive(self.open(path).await?).await).await;
        match fetched {
            Err(BucketError::Corrupt { .. }) => {
                Err(damaged(path, "has another content in the bucket"))
            }
            fetched => fetched,
        }
    }

    /// Fails if the tenant has changed since it was read: a copy might then show an erased person.
    pub(crate) async fn check_unchanged(&self) -> Result<(), BucketError> {
        let now = published(&self.folder).await?;
        let is_same =
            now.listings == self.content.listings && now.small_files == self.content.small_files;
        if is_same { Ok(()) } else { Err(BucketError::SourceChanged) }
    }
}

/// The error for a file that the bucket has lost or changed.
fn damaged(path: &str, what: &str) -> BucketError {
    let owner = match TenantPart::of_path(path) {
        Some(TenantPart::Generation(id)) => format!("generation {id}"),
        _ => "the tenant".to_owned(),
    };
    BucketError::Store(StoreError::Damaged { owner, findings: vec![format!("{path} {what}")] })
}

/// The snapshot that a head and its listings describe.
fn snapshot_of(content: &Content, objects: &BTreeMap<String, ObjectRef>) -> TenantSnapshot {
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
