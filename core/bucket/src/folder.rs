//! A tenant's folder in a bucket: its objects, their keys and the listings of files.
//!
//! No key is used twice: it contains the hash of the content, and random digits of the write. So an object never
//! changes, a doomed key never comes back, and a process that was paused before a deletion cannot delete an object
//! that another process has written since.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use core_store::{Fingerprint, TenantPart};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};

use crate::error::{BucketError, reason};
use crate::head::ObjectRef;
use crate::head_store::HEAD_FILE;
use crate::lease::Random;
use crate::patience::Patience;
use crate::pieces::{PIECE, Pieces};
use crate::resuming::WholeObject;

/// The version of listings that this program writes, and the newest that it reads.
const FORMAT_VERSION: u32 = 1;

/// The digits of the hash in a key.
const HASH_DIGITS: usize = 16;

/// The random digits in a key.
const RANDOM_DIGITS: usize = 8;

/// A listing: the files of one part of a tenant, and their objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    format_version: u32,
    /// The objects by the path of the file in the tenant's folder.
    pub(crate) files: BTreeMap<String, ObjectRef>,
}

impl Listing {
    pub(crate) fn new(files: BTreeMap<String, ObjectRef>) -> Self {
        Self { format_version: FORMAT_VERSION, files }
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut bytes = serde_json::to_vec(self).expect("a listing is plain data");
        bytes.push(b'\n');
        bytes.into()
    }

    fn parse(key: &str, bytes: &[u8]) -> Result<Self, BucketError> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let damaged = |reason: String| BucketError::Damaged { key: key.to_owned(), reason };
        let at = |error: serde_json::Error| {
            damaged(format!("line {}, column {}", error.line(), error.column()))
        };
        let version: Version = serde_json::from_slice(bytes).map_err(at)?;
        if version.format_version > FORMAT_VERSION {
            let found = version.format_version;
            return Err(BucketError::NewerFormat { key: key.to_owned(), found });
        }
        let listing: Self = serde_json::from_slice(bytes).map_err(at)?;
        match listing.files.keys().find(|path| TenantPart::of_path(path).is_none()) {
            Some(_) => Err(damaged("it lists a file outside of the tenant's folder".to_owned())),
            None => Ok(listing),
        }
    }
}

/// A tenant's folder in a bucket.
#[derive(Debug, Clone)]
pub(crate) struct BucketFolder {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) folder: Path,
    /// The patience with failed requests.
    pub(crate) patience: Patience,
}

impl BucketFolder {
    /// The folder of a tenant in a folder of a bucket.
    pub(crate) fn of_tenant(store: &Arc<dyn ObjectStore>, folder: &Path, tenant: &str) -> Self {
        let (store, folder) = (Arc::clone(store), folder.clone().join(tenant));
        Self { store, folder, patience: Patience::Reader }
    }

    /// Lists all objects but the head: their sizes by key.
    pub(crate) async fn list(&self) -> Result<BTreeMap<String, u64>, BucketError> {
        let failed = || BucketError::request("list", self.folder.as_ref());
        let list = async || -> Result<Vec<ObjectMeta>, BucketError> {
            self.store.list(Some(&self.folder)).try_collect().await.map_err(failed())
        };
        let metas = self.patience.retry(list).await?;
        let within = |location: &Path| {
            let key = location.as_ref().strip_prefix(self.folder.as_ref())?;
            Some(key.trim_start_matches('/').to_owned())
        };
        let keys = metas.iter().filter_map(|meta| Some((within(&meta.location)?, meta.size)));
        Ok(keys.filter(|(key, _)| key != HEAD_FILE).collect())
    }

    /// Reads an object piece by piece.
    pub(crate) async fn read(&self, object: &ObjectRef) -> Result<Pieces, BucketError> {
        let expected = Fingerprint { bytes: object.bytes, blake3: object.blake3.clone() };
        let whole = WholeObject {
            store: Arc::clone(&self.store),
            path: self.path(&object.key),
            // No key is used twice.
            e_tag: None,
            size: object.bytes,
            shown: object.key.clone(),
            patience: self.patience.clone(),
        };
        let begun = whole.get_from(0).await?;
        // An object that was there at the beginning was removed by a later publication.
        let pieces = whole
            .read(Some(begun))
            .map_err(|error| if error.is_not_found() { BucketError::SourceChanged } else { error });
        Ok(Pieces::from_stream(&object.key, pieces.boxed(), expected))
    }

    /// Reads a listing.
    pub(crate) async fn read_listing(&self, object: &ObjectRef) -> Result<Listing, BucketError> {
        let read = async || self.read(object).await?.read_all().await;
        Listing::parse(&object.key, &self.patience.retry(read).await?)
    }

    /// Writes an object, reads it back and compares it. `open` opens its content, once for each attempt.
    pub(crate) async fn write(
        &self,
        path: &str,
        expected: &Fingerprint,
        open: impl AsyncFn() -> Result<Pieces, BucketError>,
        random: &Random,
    ) -> Result<ObjectRef, BucketError> {
        let Fingerprint { bytes, blake3 } = expected.clone();
        // Every attempt has the same key and bytes, so it does not matter how many of them arrive.
        let object = ObjectRef { key: new_key(path, &blake3, random()), bytes, blake3 };
        self.patience.retry(async || self.write_once(&object, open().await?).await).await?;
        self.verify(&object).await?;
        Ok(object)
    }

    async fn write_once(&self, object: &ObjectRef, content: Pieces) -> Result<(), BucketError> {
        if content.expected().blake3 != object.blake3 {
            return Err(BucketError::SourceChanged);
        }
        if object.bytes <= PIECE as u64 {
            let content = content.read_all().await?;
            let failed = BucketError::request("write", &object.key);
            self.store.put(&self.path(&object.key), content.into()).await.map_err(failed)?;
        } else {
            self.write_in_parts(&object.key, content).await?;
        }
        Ok(())
    }

    /// Reads an object and compares it with its hash.
    pub(crate) async fn verify(&self, object: &ObjectRef) -> Result<(), BucketError> {
        self.patience.retry(async || self.read(object).await?.read_to_end().await).await
    }

    async fn write_in_parts(&self, key: &str, mut content: Pieces) -> Result<(), BucketError> {
        let failed = || BucketError::request("write", key);
        let mut upload = self.store.put_multipart(&self.path(key)).await.map_err(failed())?;
        let written = write_parts(upload.as_mut(), key, &mut content).await;
        if written.is_err()
            && let Err(error) = upload.abort().await
        {
            let error = reason(&error);
            tracing::warn!(key, error, "the parts of an upload that failed stay in the bucket");
        }
        written
    }

    /// Deletes objects. A missing object is not an error.
    pub(crate) async fn delete(&self, keys: &[String]) -> Result<(), BucketError> {
        self.patience.retry(|| self.delete_once(keys)).await
    }

    async fn delete_once(&self, keys: &[String]) -> Result<(), BucketError> {
        let paths: Vec<_> = keys.iter().map(|key| Ok(self.path(key))).collect();
        let mut deleted = self.store.delete_stream(stream::iter(paths).boxed());
        while let Some(result) = deleted.next().await {
            match result {
                Err(object_store::Error::NotFound { .. }) | Ok(_) => {}
                Err(error) => {
                    return Err(BucketError::request("delete", self.folder.as_ref())(error));
                }
            }
        }
        Ok(())
    }

    /// Returns the place of an object in the bucket.
    pub(crate) fn path(&self, key: &str) -> Path {
        key.split('/').fold(self.folder.clone(), Path::join)
    }
}

async fn write_parts(
    upload: &mut dyn MultipartUpload,
    key: &str,
    content: &mut Pieces,
) -> Result<(), BucketError> {
    let failed = || BucketError::request("write", key);
    while let Some(piece) = content.next().await? {
        upload.put_part(piece.into()).await.map_err(failed())?;
    }
    upload.complete().await.map_err(failed())?;
    Ok(())
}

/// Makes the key of a new object: the path of the file, with hash and random digits before its extension.
fn new_key(path: &str, blake3: &str, random: u64) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
    let slash = if folder.is_empty() { "" } else { "/" };
    let hash = &blake3[..HASH_DIGITS];
    let random = random & 0xffff_ffff;
    format!("{folder}{slash}{stem}-{hash}-{random:08x}.{extension}")
}

/// Returns the path of the file behind a key, and the digits of its hash; None for any other key.
pub(crate) fn parse_key(key: &str) -> Option<(String, &str)> {
    let (rest, extension) = key.rsplit_once('.')?;
    let (rest, random) = rest.rsplit_once('-')?;
    let (stem, hash) = rest.rsplit_once('-')?;
    let is_hexadecimal = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let is_ours = is_hexadecimal(random, RANDOM_DIGITS) && is_hexadecimal(hash, HASH_DIGITS);
    is_ours.then(|| (format!("{stem}.{extension}"), hash))
}

/// Returns true if the digits of a key are those of a hash.
pub(crate) fn is_hash_of(digits: &str, blake3: &str) -> bool {
    blake3.starts_with(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_file_and_hash_and_is_never_the_same() {
        let hash = "0123456789abcdef".repeat(4);
        for path in ["generations/01J/entities/a/part-00000.parquet", "findings.json"] {
            let key = new_key(path, &hash, 0xffff_ffff_0000_002a);
            assert_eq!(parse_key(&key), Some((path.to_owned(), "0123456789abcdef")), "{key}");
            assert_ne!(key, new_key(path, &hash, 43));
        }
        assert_eq!(
            new_key("a/b-c.json", &hash, 42),
            "a/b-c-0123456789abcdef-0000002a.json".to_owned()
        );
        for key in ["head.json", "a-b-c.json", "x", "0123456789abcdef-0000002a.json"] {
            assert_eq!(parse_key(key), None, "{key}");
        }
    }
}
