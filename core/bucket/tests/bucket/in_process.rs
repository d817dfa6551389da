//! A simulated bucket as an object store, in this process.

use std::fmt;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use core_simulator::{BucketRefusal, PutCondition, SimulatedBucket, StoredObject};
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, UploadPart,
};
use tokio::sync::RwLock;

/// A client of a simulated bucket.
#[derive(Debug, Clone)]
pub(crate) struct InProcess {
    bucket: SimulatedBucket,
    /// Held for writing while the process of the client is paused, so that its requests wait.
    pause: Arc<RwLock<()>>,
    /// The number of bytes after which the connection breaks while an answer is read.
    pub(crate) breaks_after: Option<usize>,
}

impl InProcess {
    pub(crate) fn new(bucket: &SimulatedBucket) -> Self {
        Self { bucket: bucket.clone(), pause: Arc::default(), breaks_after: None }
    }

    /// The lock that pauses the client as long as it is held for writing.
    pub(crate) fn pause(&self) -> Arc<RwLock<()>> {
        Arc::clone(&self.pause)
    }
}

impl fmt::Display for InProcess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InProcess")
    }
}

/// The result in the form of the client for S3, which reports HTTP 409 as "already exists".
async fn outcome<T>(key: &Path, result: std::result::Result<T, BucketRefusal>) -> Result<T> {
    let refusal = match result {
        Ok(value) => return Ok(value),
        Err(refusal) => refusal,
    };
    let path = key.to_string();
    let source = io::Error::other("simulated").into();
    Err(match refusal {
        BucketRefusal::NoSuchKey | BucketRefusal::NoSuchUpload => Error::NotFound { path, source },
        BucketRefusal::PreconditionFailed => Error::Precondition { path, source },
        BucketRefusal::Conflict => Error::AlreadyExists { path, source },
        BucketRefusal::Unavailable | BucketRefusal::AnswerLost => {
            let status = if refusal == BucketRefusal::Unavailable { 503 } else { 500 };
            let source = io::Error::other(format!("status code: {status} simulated")).into();
            Error::Generic { store: "InProcess", source }
        }
        BucketRefusal::Hang => std::future::pending().await,
    })
}

fn put_result(object: StoredObject) -> PutResult {
    PutResult { e_tag: Some(object.etag), version: object.version }
}

fn meta(object: &StoredObject) -> ObjectMeta {
    ObjectMeta {
        location: Path::from(object.key.as_str()),
        last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
        size: object.bytes.len() as u64,
        e_tag: Some(object.etag.clone()),
        version: object.version.clone(),
    }
}

#[async_trait]
impl ObjectStore for InProcess {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let _running = self.pause.read().await;
        let condition = match options.mode {
            PutMode::Overwrite => PutCondition::Always,
            PutMode::Create => PutCondition::IfAbsent,
            PutMode::Update(version) => {
                PutCondition::IfMatch(version.e_tag.expect("every object has a tag"))
            }
        };
        let written = self.bucket.put(location.as_ref(), &Bytes::from(payload), &condition);
        outcome(location, written).await.map(put_result)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let id = outcome(location, self.bucket.begin_upload(location.as_ref())).await?;
        let (bucket, key) = (self.bucket.clone(), location.clone());
        Ok(Box::new(Upload { bucket, key, id, parts: 0 }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let _running = self.pause.read().await;
        let start = match options.range {
            None => 0,
            Some(GetRange::Offset(start)) => start,
            Some(range) => unreachable!("{range} is not needed yet"),
        };
        let key = location.as_ref();
        let found = if options.head { self.bucket.head(key) } else { self.bucket.get(key, None) };
        let object = outcome(location, found).await?;
        let meta = meta(&object);
        if options.if_match.is_some_and(|etag| Some(etag) != meta.e_tag) {
            return outcome(location, Err(BucketRefusal::PreconditionFailed)).await;
        }
        let range = start..meta.size;
        let bytes = object.bytes.slice(usize::try_from(start).expect("it is small")..);
        let pieces = match self.breaks_after {
            Some(bytes_before) if bytes_before < bytes.len() => {
                let source = io::Error::other("the connection is broken").into();
                vec![
                    Ok(bytes.slice(..bytes_before)),
                    Err(Error::Generic { store: "InProcess", source }),
                ]
            }
            _ => vec![Ok(bytes)],
        };
        let payload = GetResultPayload::Stream(stream::iter(pieces).boxed());
        Ok(GetResult { payload, meta, range, attributes: Attributes::default() })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let bucket = self.bucket.clone();
        let delete = move |location: Result<Path>| {
            let bucket = bucket.clone();
            async move {
                let location = location?;
                outcome(&location, bucket.delete(location.as_ref())).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let bucket = self.bucket.clone();
        let prefix = prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default();
        let pages = stream::unfold(Some(None), move |after: Option<Option<String>>| {
            let (bucket, prefix) = (bucket.clone(), prefix.clone());
            async move {
                let after = after?;
                let page = bucket.list(&prefix, after.as_deref());
                match outcome(&Path::from(prefix.as_str()), page).await {
                    Ok(page) => {
                        let metas: Vec<Result<ObjectMeta>> = page
                            .objects
                            .iter()
                            .map(|(key, size, etag)| {
                                Ok(ObjectMeta {
                                    location: Path::from(key.as_str()),
                                    last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
                                    size: *size,
                                    e_tag: Some(etag.clone()),
                                    version: None,
                                })
                            })
                            .collect();
                        Some((metas, page.next_after.map(Some)))
                    }
                    Err(error) => Some((vec![Err(error)], None)),
                }
            }
        });
        pages.flat_map(stream::iter).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let depth = prefix.map_or(0, |prefix| prefix.parts().count()) + 1;
        let is_direct = |object: &ObjectMeta| object.location.parts().count() == depth;
        let mut objects: Vec<_> = self.list(prefix).try_collect().await?;
        objects.retain(is_direct);
        Ok(ListResult { common_prefixes: Vec::new(), objects })
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unreachable!("the program copies nothing within a bucket")
    }
}

#[derive(Debug)]
struct Upload {
    bucket: SimulatedBucket,
    key: Path,
    id: String,
    parts: u32,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts += 1;
        let (bucket, key) = (self.bucket.clone(), self.key.clone());
        let (id, number) = (self.id.clone(), self.parts);
        async move {
            let etag = bucket.put_part(&id, number, &Bytes::from(data));
            outcome(&key, etag).await.map(|_| ())
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        outcome(&self.key, self.bucket.complete_upload(&self.id)).await.map(put_result)
    }

    async fn abort(&mut self) -> Result<()> {
        outcome(&self.key, self.bucket.abort_upload(&self.id)).await
    }
}
