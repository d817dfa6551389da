//! Writes a tenant in a bucket under a lease: files are stored as objects that no reader sees, and the next head
//! publishes them in one step. A writer can publish any number of times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use core_store::{Fingerprint, TenantPart, TenantSnapshot};

use crate::error::BucketError;
use crate::folder::{BucketFolder, Listing, is_hash_of, parse_key};
use crate::head::{Content, ObjectRef};
use crate::lease::{HeldLease, Random};
use crate::pieces::Pieces;
use crate::reader::TenantReader;
use crate::reads;

/// The size limit for a file that is stored in the head.
const SMALL_BYTES: u64 = 4 * 1024;

/// The size limit for all small files in a head, which is written with every renewal of a lease.
const SMALL_BYTES_IN_ALL: u64 = 32 * 1024;

/// The name of a listing in the folder of its part.
const LISTING: &str = "listing.json";

/// The time at which unreferenced objects are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// At once, with an extra head that forgets them.
    Now,
    /// With a later publication. Until then, the head names them as doomed.
    Later,
}

/// A tenant in a bucket under a lease.
pub(crate) struct TenantWriter {
    lease: HeldLease,
    random: Random,
    /// The published content.
    published: TenantReader,
    /// The sizes of all objects by key.
    present: BTreeMap<String, u64>,
    /// The keys of reader records that are not in the ledger yet.
    waiting_reads: BTreeSet<String>,
    /// The keys of reader records that are in the ledger to publish next.
    recorded_reads: BTreeSet<String>,
    /// The notes on exports to publish next.
    notes: BTreeMap<String, String>,
    /// The files that go into the head.
    small: BTreeSet<String>,
    stored: Mutex<Stored>,
}

/// The content that is stored for the next publication.
#[derive(Default)]
struct Stored {
    objects: BTreeMap<String, ObjectRef>,
    small_files: BTreeMap<String, String>,
}

impl TenantWriter {
    /// Reads the published content under a lease.
    ///
    /// # Errors
    ///
    /// Those of reading. The lease is then free again.
    pub(crate) async fn open(
        folder: BucketFolder,
        lease: HeldLease,
        random: Random,
    ) -> Result<Self, BucketError> {
        let (published, keys) = match read(folder, &lease).await {
            Ok(read) => read,
            Err(error) => {
                lease.release_or_expire().await;
                return Err(error);
            }
        };
        let (reads, present): (BTreeMap<_, _>, BTreeMap<_, _>) =
            keys.into_iter().partition(|(key, _)| reads::is_key(key));
        let doomed = &published.content.doomed;
        let waiting_reads = reads.into_keys().filter(|key| !doomed.contains(key)).collect();
        let stored = Stored {
            objects: published.objects.clone(),
            small_files: published.content.small_files.clone(),
        };
        Ok(Self {
            lease,
            random,
            present,
            waiting_reads,
            recorded_reads: BTreeSet::new(),
            notes: BTreeMap::new(),
            small: BTreeSet::new(),
            stored: Mutex::new(stored),
            published,
        })
    }

    /// The published content.
    pub(crate) fn published(&self) -> &TenantReader {
        &self.published
    }

    /// The keys of reader records that are not in the ledger yet.
    pub(crate) fn waiting_reads(&self) -> &BTreeSet<String> {
        &self.waiting_reads
    }

    /// Notes that the records in an object are in the ledger to publish next.
    pub(crate) fn reads_recorded(&mut self, key: &str) {
        self.waiting_reads.remove(key);
        self.recorded_reads.insert(key.to_owned());
    }

    /// Sets the notes on exports that are published next.
    pub(crate) fn set_notes(&mut self, notes: BTreeMap<String, String>) {
        self.notes = notes;
    }

    /// Publishes only the notes on exports.
    pub(crate) async fn publish_notes(&mut self) -> Result<(), BucketError> {
        if self.notes == self.published.content.notes {
            return Ok(());
        }
        let content = Content { notes: self.notes.clone(), ..self.published.content.clone() };
        self.lease.publish(content.clone()).await?;
        self.published.content = content;
        Ok(())
    }

    pub(crate) async fn missing(
        &mut self,
        snapshot: &TenantSnapshot,
    ) -> Result<Vec<String>, BucketError> {
        let small = small_files(snapshot);
        let orphans = self.orphans();
        let mut missing = Vec::new();
        for (path, file) in &snapshot.files {
            if small.contains(path) {
                if !self.has_in_head(path, file) {
                    missing.push(path.clone());
                }
                continue;
            }
            if self.has_stored(path, file) {
                continue;
            }
            match self.verified_orphan(&orphans, path, file).await? {
                Some(object) => {
                    self.stored().objects.insert(path.clone(), object);
                }
                None => missing.push(path.clone()),
            }
        }
        self.forget_others(snapshot, &small);
        self.small = small;
        Ok(missing)
    }

    fn has_in_head(&self, path: &str, file: &Fingerprint) -> bool {
        let stored = self.stored();
        let text = stored.small_files.get(path);
        text.is_some_and(|text| blake3::hash(text.as_bytes()).to_hex().as_str() == file.blake3)
    }

    /// Returns true if the file is published, and its object is there with the right size.
    fn has_stored(&self, path: &str, file: &Fingerprint) -> bool {
        let stored = self.stored();
        stored.objects.get(path).is_some_and(|object| {
            let is_same = object.bytes == file.bytes && object.blake3 == file.blake3;
            is_same && self.present.get(&object.key) == Some(&object.bytes)
        })
    }

    /// Returns true if the published content names this file, whether or not its object is there.
    pub(crate) fn is_published(&self, path: &str, file: &Fingerprint) -> bool {
        self.published.snapshot.files.get(path) == Some(file)
            && self.stored().objects.contains_key(path)
    }

    /// The objects that interrupted copies have left, by the path of their file. Doomed objects are left out: another
    /// process may be about to delete them.
    fn orphans(&self) -> BTreeMap<String, Vec<(&str, &str)>> {
        let stored = self.stored();
        let used: BTreeSet<&str> =
            stored.objects.values().map(|object| object.key.as_str()).collect();
        let mut orphans: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for key in self.present.keys() {
            if used.contains(key.as_str()) || self.published.content.doomed.contains(key) {
                continue;
            }
            if let Some((path, digits)) = parse_key(key) {
                orphans.entry(path).or_default().push((key.as_str(), digits));
            }
        }
        orphans
    }

    async fn verified_orphan(
        &self,
        orphans: &BTreeMap<String, Vec<(&str, &str)>>,
        path: &str,
        file: &Fingerprint,
    ) -> Result<Option<ObjectRef>, BucketError> {
        for (key, digits) in orphans.get(path).into_iter().flatten() {
            let is_right_size = self.present.get(*key) == Some(&file.bytes);
            if !is_right_size || !is_hash_of(digits, &file.blake3) {
                continue;
            }
            let (key, blake3) = ((*key).to_owned(), file.blake3.clone());
            let object = ObjectRef { key, bytes: file.bytes, blake3 };
            match self.published.folder.verify(&object).await {
                Ok(()) => return Ok(Some(object)),
                Err(BucketError::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Forgets stored files that are not in the snapshot, or that it has elsewhere.
    fn forget_others(&self, snapshot: &TenantSnapshot, small: &BTreeSet<String>) {
        let mut stored = self.stored();
        stored.objects.retain(|path, _| snapshot.files.contains_key(path) && !small.contains(path));
        stored.small_files.retain(|path, _| small.contains(path));
    }

    /// Stores a file for the next publication. `open` opens its content, once for each attempt.
    pub(crate) async fn put(
        &self,
        path: &str,
        expected: &Fingerprint,
        open: impl AsyncFn() -> Result<Pieces, BucketError>,
    ) -> Result<(), BucketError> {
        let folder = &self.published.folder;
        if self.small.contains(path) {
            let read = async || open().await?.read_all().await;
            let bytes = folder.patience.retry(read).await?;
            if let Ok(text) = String::from_utf8(bytes.to_vec()) {
                self.stored().small_files.insert(path.to_owned(), text);
                return Ok(());
            }
        }
        let object = folder.write(path, expected, open, &self.random).await?;
        self.stored().objects.insert(path.to_owned(), object);
        Ok(())
    }

    /// Publishes the stored content, so that the tenant equals the snapshot. Returns the number of removed objects.
    pub(crate) async fn publish(
        &mut self,
        snapshot: &TenantSnapshot,
        removal: Removal,
    ) -> Result<usize, BucketError> {
        let listings = self.write_listings().await?;
        let (objects, small_files) = {
            let stored = self.stored();
            (stored.objects.clone(), stored.small_files.clone())
        };
        let used: BTreeMap<String, u64> = objects
            .values()
            .chain(listings.values())
            .map(|object| (object.key.clone(), object.bytes))
            .collect();
        let unused = self.present.keys().chain(&self.recorded_reads);
        let unused = unused.chain(&self.published.content.doomed);
        let doomed: BTreeSet<String> =
            unused.filter(|key| !used.contains_key(*key)).cloned().collect();
        let (current, notes) = (snapshot.current.clone(), self.notes.clone());
        let content = Content { current, listings, small_files, notes, doomed };
        self.lease.publish(content.clone()).await?;
        self.present.extend(used);
        self.published.snapshot = snapshot.clone();
        self.published.objects = objects;
        self.published.content = content;
        if removal == Removal::Now { self.remove_doomed().await } else { Ok(0) }
    }

    /// Deletes the doomed objects, and publishes a head without them.
    async fn remove_doomed(&mut self) -> Result<usize, BucketError> {
        let doomed = self.published.content.doomed.clone();
        if doomed.is_empty() {
            return Ok(0);
        }
        let keys: Vec<_> = doomed.iter().cloned().collect();
        self.published.folder.delete(&keys).await?;
        let content = Content { doomed: BTreeSet::new(), ..self.published.content.clone() };
        self.lease.publish(content.clone()).await?;
        self.published.content = content;
        self.present.retain(|key, _| !doomed.contains(key));
        self.recorded_reads.retain(|key| !doomed.contains(key));
        Ok(doomed.len())
    }

    /// Writes the listings that changed.
    async fn write_listings(&self) -> Result<BTreeMap<String, ObjectRef>, BucketError> {
        let mut parts: BTreeMap<String, BTreeMap<String, ObjectRef>> = BTreeMap::new();
        for (path, object) in &self.stored().objects {
            let part = TenantPart::of_path(path).expect("a snapshot has known files");
            parts.entry(part.folder()).or_default().insert(path.clone(), object.clone());
        }
        let mut listings = BTreeMap::new();
        for (part, files) in parts {
            let bytes = Listing::new(files).to_bytes();
            let listing = self.write_listing(&part, bytes).await?;
            listings.insert(part, listing);
        }
        Ok(listings)
    }

    async fn write_listing(&self, part: &str, bytes: Bytes) -> Result<ObjectRef, BucketError> {
        let path = if part.is_empty() { LISTING.to_owned() } else { format!("{part}/{LISTING}") };
        let content = || Pieces::from_memory(&path, bytes.clone());
        let expected = content().expected().clone();
        if let Some(old) = self.published.content.listings.get(part)
            && old.blake3 == expected.blake3
            && self.present.contains_key(&old.key)
        {
            return Ok(old.clone());
        }
        self.published.folder.write(&path, &expected, async || Ok(content()), &self.random).await
    }

    pub(crate) async fn release(self) -> Result<(), BucketError> {
        self.lease.release().await
    }

    /// Frees the lease. If that fails, it expires.
    pub(crate) async fn release_or_expire(self) {
        self.lease.release_or_expire().await;
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the published content, and the sizes of all objects by key.
async fn read(
    mut folder: BucketFolder,
    lease: &HeldLease,
) -> Result<(TenantReader, BTreeMap<String, u64>), BucketError> {
    folder.patience = lease.patience();
    let published = TenantReader::of_head(folder, lease.head().await?).await?;
    let keys = published.folder.list().await?;
    Ok((published, keys))
}

/// The files that go into the head: small ones beside the generations, as long as there is room.
fn small_files(snapshot: &TenantSnapshot) -> BTreeSet<String> {
    let mut room = SMALL_BYTES_IN_ALL;
    let mut small = BTreeSet::new();
    for (path, file) in snapshot.part(TenantPart::State) {
        if file.bytes <= SMALL_BYTES && file.bytes <= room {
            room -= file.bytes;
            small.insert(path.clone());
        }
    }
    small
}
