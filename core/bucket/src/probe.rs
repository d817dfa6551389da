//! Probes a bucket: a store in it relies on conditional writes, and on deletions that really delete.

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion};

use crate::error::{BucketError, RequestErrorKind, kind};
use crate::lease::Random;

/// The prefix of the object that a probe writes and deletes.
const PREFIX: &str = "probe-";

/// An entity tag that no object has.
const WRONG_TAG: &str = "\"00000000000000000000000000000000\"";

/// The time for which the bucket keeps deleted objects, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedObjects {
    /// The bucket must not keep them.
    Gone,
    /// They stay for this many days, which the operator has declared.
    KeptDays(NonZeroU32),
}

/// Checks that a bucket honours both conditions, and that it keeps deleted objects only if that is declared. Writes
/// one small object below `folder` and deletes it.
///
/// # Errors
///
/// [`BucketError::Unsuitable`], with the remedy; [`BucketError::Request`].
pub async fn probe(
    store: &Arc<dyn ObjectStore>,
    folder: &Path,
    deleted: DeletedObjects,
    random: &Random,
) -> Result<(), BucketError> {
    let path = folder.clone().join(format!("{PREFIX}{:016x}", random()));
    let probed = probe_object(store, &path, deleted).await;
    let removed = store.delete(&path).await;
    probed?;
    removed.map_err(BucketError::request("delete", path.as_ref()))
}

async fn probe_object(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    deleted: DeletedObjects,
) -> Result<(), BucketError> {
    let failed = || BucketError::request("write", path.as_ref());
    let put = |mode: PutMode, text: &'static [u8]| {
        let options = PutOptions { mode, ..PutOptions::default() };
        store.put_opts(path, Bytes::from_static(text).into(), options)
    };
    let first = put(PutMode::Create, b"1").await.map_err(failed())?;
    if first.version.is_some() && deleted == DeletedObjects::Gone {
        return Err(BucketError::Unsuitable {
            reason: "it is versioned, so that erased people would stay in old versions",
            fix: "switch versioning off, or add a lifecycle rule that ends old versions after N days and say so \
                  with --deleted-objects-kept-days N",
        });
    }
    is_refused(
        put(PutMode::Create, b"2").await,
        "it replaces an object despite `If-None-Match: *`",
    )?;
    let wrong = UpdateVersion { e_tag: Some(WRONG_TAG.to_owned()), version: first.version.clone() };
    let ignores_match = "it replaces an object whatever `If-Match` says";
    is_refused(put(PutMode::Update(wrong), b"3").await, ignores_match)?;
    let old = UpdateVersion { e_tag: first.e_tag, version: first.version };
    put(PutMode::Update(old.clone()), b"4").await.map_err(failed())?;
    is_refused(put(PutMode::Update(old), b"5").await, ignores_match)?;
    let found = store.get(path).await.map_err(BucketError::request("read", path.as_ref()))?;
    let found = found.bytes().await.map_err(BucketError::request("read", path.as_ref()))?;
    if found.as_ref() == b"4" {
        return Ok(());
    }
    Err(BucketError::Unsuitable {
        reason: "it does not return what was written last",
        fix: "use a bucket with strong consistency",
    })
}

/// Returns whether a write was refused because of its condition.
fn is_refused<T>(
    written: object_store::Result<T>,
    reason: &'static str,
) -> Result<(), BucketError> {
    let fix =
        "use a service with conditional writes, such as Amazon S3, Azure Blob Storage or MinIO";
    match written {
        Ok(_) => Err(BucketError::Unsuitable { reason, fix }),
        Err(
            object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. },
        ) => Err(BucketError::Unsuitable { reason: "it has no conditional writes", fix }),
        Err(error) if kind(&error) == RequestErrorKind::Conflict => Ok(()),
        Err(error) => Err(BucketError::request("write", "the probe")(error)),
    }
}
