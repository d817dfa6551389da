//! A simulated bucket with the semantics of S3: strongly consistent, and each write an atomic step together with its
//! condition. Servers that check a condition and then write, in two steps, let two of twenty racing writers through,
//! so that nothing can be proved against them.
//!
//! The bucket itself does no I/O; [`BucketServer`] serves it over HTTP.

mod behaviour;
mod server;
mod xml;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

pub use behaviour::{BucketBehaviour, BucketCall, BucketFault, BucketRefusal, BucketTraffic};
pub use server::BucketServer;

/// The condition of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutCondition {
    /// None: the object is replaced.
    Always,
    /// `If-None-Match: *`: there is no object of the key.
    IfAbsent,
    /// `If-Match`: the object has this entity tag.
    IfMatch(String),
}

/// An object as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// The key.
    pub key: String,
    /// The content.
    pub bytes: Bytes,
    /// The entity tag, with its quotes.
    pub etag: String,
    /// The version, in a versioned bucket.
    pub version: Option<String>,
}

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListPage {
    /// The objects, without their content: key, size, entity tag.
    pub objects: Vec<(String, u64, String)>,
    /// The key after which the next page begins, if there is one.
    pub next_after: Option<String>,
}

/// A bucket in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SimulatedBucket {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<String, StoredObject>,
    /// Replaced and deleted versions, which a versioned bucket keeps.
    noncurrent: Vec<StoredObject>,
    uploads: BTreeMap<String, Upload>,
    behaviour: BucketBehaviour,
    traffic: BucketTraffic,
    requests: u64,
    next_number: u64,
}

#[derive(Debug)]
struct Upload {
    key: String,
    parts: BTreeMap<u32, Bytes>,
}

/// The step that carries a request out.
type Step<'a, T> = dyn FnMut(&mut Inner) -> Result<T, BucketRefusal> + 'a;

impl SimulatedBucket {
    /// An empty bucket that behaves this way.
    pub fn new(behaviour: BucketBehaviour) -> Self {
        let bucket = Self::default();
        bucket.inner().behaviour = behaviour;
        bucket
    }

    /// A bucket of its own with the same objects.
    #[must_use]
    pub fn fork(&self) -> Self {
        let fork = Self::default();
        fork.inner().objects.clone_from(&self.inner().objects);
        fork
    }

    /// Changes the behaviour from the next request on.
    pub fn update(&self, change: impl FnOnce(&mut BucketBehaviour)) {
        change(&mut self.inner().behaviour);
    }

    /// The number of requests so far.
    pub fn requests(&self) -> u64 {
        self.inner().requests
    }

    /// The requests by kind and the bytes so far.
    pub fn traffic(&self) -> BucketTraffic {
        self.inner().traffic.clone()
    }

    /// The keys of all objects, sorted. Counts as no request.
    pub fn keys(&self) -> Vec<String> {
        self.inner().objects.keys().cloned().collect()
    }

    /// The content of an object. Counts as no request.
    pub fn peek(&self, key: &str) -> Option<Bytes> {
        self.inner().objects.get(key).map(|object| object.bytes.clone())
    }

    /// Replaces the content of an object, as an administrator or a defect could. Counts as no request.
    pub fn overwrite(&self, key: &str, bytes: Bytes) {
        self.inner().store(key, bytes);
    }

    /// All bytes that are kept, noncurrent versions and unfinished uploads included.
    pub fn all_bytes(&self) -> Vec<Bytes> {
        let inner = self.inner();
        let parts = inner.uploads.values().flat_map(|upload| upload.parts.values());
        let objects = inner.objects.values().chain(&inner.noncurrent).map(|object| &object.bytes);
        objects.chain(parts).cloned().collect()
    }

    /// The number of uploads in parts that were neither completed nor aborted.
    pub fn unfinished_uploads(&self) -> usize {
        self.inner().uploads.len()
    }

    /// Writes an object.
    ///
    /// # Errors
    ///
    /// The condition is not met, or a fault.
    pub fn put(
        &self,
        key: &str,
        bytes: &Bytes,
        condition: &PutCondition,
    ) -> Result<StoredObject, BucketRefusal> {
        self.request(BucketCall::Put, bytes.len(), &mut |inner| {
            if !inner.behaviour.ignores_conditions {
                inner.check(key, condition)?;
            }
            Ok(inner.store(key, bytes.clone()))
        })
    }

    /// Reads an object, or a range of it.
    ///
    /// # Errors
    ///
    /// There is none of this key, or a fault.
    pub fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<StoredObject, BucketRefusal> {
        let found = self.request(BucketCall::Get, 0, &mut |inner| {
            inner.objects.get(key).cloned().ok_or(BucketRefusal::NoSuchKey)
        })?;
        let all = 0..found.bytes.len() as u64;
        let range = range.unwrap_or(all.clone());
        let index = |place: u64| usize::try_from(place.min(all.end)).expect("it is in memory");
        let bytes = found.bytes.slice(index(range.start)..index(range.end));
        self.inner().traffic.bytes_out += bytes.len() as u64;
        Ok(StoredObject { bytes, ..found })
    }

    /// Reads the metadata of an object; its content is returned too, since that costs nothing here.
    ///
    /// # Errors
    ///
    /// There is none of this key, or a fault.
    pub fn head(&self, key: &str) -> Result<StoredObject, BucketRefusal> {
        self.request(BucketCall::Head, 0, &mut |inner| {
            inner.objects.get(key).cloned().ok_or(BucketRefusal::NoSuchKey)
        })
    }

    /// Deletes an object. One that is not there is no error.
    ///
    /// # Errors
    ///
    /// A fault.
    pub fn delete(&self, key: &str) -> Result<(), BucketRefusal> {
        self.request(BucketCall::Delete, 0, &mut |inner| {
            inner.remove(key);
            Ok(())
        })
    }

    /// Deletes up to 1,000 objects with one request.
    ///
    /// # Errors
    ///
    /// A fault.
    pub fn delete_all(&self, keys: &[String]) -> Result<(), BucketRefusal> {
        self.request(BucketCall::Delete, 0, &mut |inner| {
            for key in keys {
                inner.remove(key);
            }
            Ok(())
        })
    }

    /// Lists a page of the objects whose keys begin with a prefix, in the order of their keys.
    ///
    /// # Errors
    ///
    /// A fault.
    pub fn list(&self, prefix: &str, after: Option<&str>) -> Result<ListPage, BucketRefusal> {
        self.request(BucketCall::List, 0, &mut |inner| {
            let page = inner.behaviour.keys_per_page;
            let mut matching = inner
                .objects
                .values()
                .filter(|object| object.key.starts_with(prefix))
                .filter(|object| after.is_none_or(|after| object.key.as_str() > after));
            let entry = |object: &StoredObject| {
                (object.key.clone(), object.bytes.len() as u64, object.etag.clone())
            };
            let objects: Vec<_> = matching.by_ref().take(page).map(entry).collect();
            let is_more = matching.next().is_some();
            let last = objects.last().map(|(key, ..)| key.clone());
            Ok(ListPage { next_after: last.filter(|_| is_more), objects })
        })
    }

    /// Begins an upload in parts, and returns its ID.
    ///
    /// # Errors
    ///
    /// A fault.
    pub fn begin_upload(&self, key: &str) -> Result<String, BucketRefusal> {
        self.request(BucketCall::BeginUpload, 0, &mut |inner| {
            let id = format!("upload-{}", inner.number());
            let upload = Upload { key: key.to_owned(), parts: BTreeMap::new() };
            inner.uploads.insert(id.clone(), upload);
            Ok(id)
        })
    }

    /// Uploads a part, and returns its entity tag.
    ///
    /// # Errors
    ///
    /// There is no such upload, or a fault.
    pub fn put_part(&self, id: &str, number: u32, bytes: &Bytes) -> Result<String, BucketRefusal> {
        self.request(BucketCall::PutPart, bytes.len(), &mut |inner| {
            let upload = inner.uploads.get_mut(id).ok_or(BucketRefusal::NoSuchUpload)?;
            upload.parts.insert(number, bytes.clone());
            Ok(etag(bytes))
        })
    }

    /// Makes an object of the parts of an upload.
    ///
    /// # Errors
    ///
    /// There is no such upload, or a fault.
    pub fn complete_upload(&self, id: &str) -> Result<StoredObject, BucketRefusal> {
        self.request(BucketCall::CompleteUpload, 0, &mut |inner| {
            let upload = inner.uploads.remove(id).ok_or(BucketRefusal::NoSuchUpload)?;
            let bytes: Vec<u8> = upload.parts.values().flatten().copied().collect();
            Ok(inner.store(&upload.key, bytes.into()))
        })
    }

    /// Discards the parts of an upload.
    ///
    /// # Errors
    ///
    /// A fault.
    pub fn abort_upload(&self, id: &str) -> Result<(), BucketRefusal> {
        self.request(BucketCall::AbortUpload, 0, &mut |inner| {
            inner.uploads.remove(id);
            Ok(())
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, and carries it out unless a fault is planned for it.
    fn request<T>(
        &self,
        call: BucketCall,
        bytes_in: usize,
        step: &mut Step<'_, T>,
    ) -> Result<T, BucketRefusal> {
        let mut inner = self.inner();
        inner.requests += 1;
        *inner.traffic.requests.entry(call).or_default() += 1;
        inner.traffic.bytes_in += bytes_in as u64;
        let number = inner.requests;
        match inner.behaviour.fault(call, number) {
            None => step(&mut inner),
            Some(BucketFault::Unavailable) => Err(BucketRefusal::Unavailable),
            Some(BucketFault::Conflict) => Err(BucketRefusal::Conflict),
            Some(BucketFault::HangBefore) => Err(BucketRefusal::Hang),
            Some(fault @ (BucketFault::AnswerLost | BucketFault::HangAfter)) => {
                // Its result is lost, whatever it is.
                let _ = step(&mut inner);
                let is_answered = fault == BucketFault::AnswerLost;
                Err(if is_answered { BucketRefusal::AnswerLost } else { BucketRefusal::Hang })
            }
        }
    }
}

impl Inner {
    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn check(&self, key: &str, condition: &PutCondition) -> Result<(), BucketRefusal> {
        let found = self.objects.get(key);
        match condition {
            PutCondition::IfAbsent if found.is_some() => Err(BucketRefusal::PreconditionFailed),
            PutCondition::IfMatch(_) if found.is_none() => Err(BucketRefusal::NoSuchKey),
            PutCondition::IfMatch(etag) if found.is_some_and(|object| object.etag != *etag) => {
                Err(BucketRefusal::PreconditionFailed)
            }
            _ => Ok(()),
        }
    }

    fn store(&mut self, key: &str, bytes: Bytes) -> StoredObject {
        self.remove(key);
        let version = self.behaviour.is_versioned.then(|| format!("v{}", self.number()));
        let etag = etag(&bytes);
        let object = StoredObject { key: key.to_owned(), bytes, etag, version };
        self.objects.insert(key.to_owned(), object.clone());
        object
    }

    fn remove(&mut self, key: &str) {
        if let Some(object) = self.objects.remove(key)
            && self.behaviour.is_versioned
        {
            self.noncurrent.push(object);
        }
    }
}

fn etag(bytes: &Bytes) -> String {
    format!("\"{}\"", &blake3::hash(bytes).to_hex()[..32])
}
