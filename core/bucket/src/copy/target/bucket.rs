//! A bucket as the target of a copy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use core_store::{Fingerprint, LEDGER_PATH, LedgerHead, TenantPart, TenantSnapshot};

use super::super::CopyRequest;
use super::super::relation::Known;
use super::super::source::{read_listings, snapshot_of};
use crate::error::BucketError;
use crate::folder::{BucketFolder, Listing, is_hash_of, parse_key};
use crate::head::{Content, ObjectRef};
use crate::lease::{HeldLease, LeaseRequest, Random};
use crate::pieces::Pieces;
use crate::probe::probe;

/// The largest file that is part of the head.
const SMALL_BYTES: u64 = 4 * 1024;

/// The room for small files in a head, which is written with every renewal of a lease.
const SMALL_BYTES_IN_ALL: u64 = 32 * 1024;

/// The name of a listing in the folder of its part.
const LISTING: &str = "listing.json";

/// A bucket as the target of a copy.
pub(in crate::copy) struct BucketTarget {
    folder: BucketFolder,
    lease: HeldLease,
    /// The previous publication.
    content: Content,
    known: Known,
    /// The sizes of all objects by key.
    present: BTreeMap<String, u64>,
    /// The files that go into the head.
    small: BTreeSet<String>,
    stored: Mutex<Stored>,
}

/// The objects that are stored for the next publication.
#[derive(Default)]
struct Stored {
    objects: BTreeMap<String, ObjectRef>,
    small_files: BTreeMap<String, String>,
}

impl BucketTarget {
    pub(super) async fn open(
        folder: BucketFolder,
        request: &CopyRequest<'_>,
    ) -> Result<Self, BucketError> {
        probe(&folder.store, &folder.folder, request.deleted_objects, &request.random).await?;
        let lease = LeaseRequest {
            tenant: request.tenant.to_owned(),
            owner: request.owner.to_owned(),
            lifetime: request.lease_lifetime,
            random: request.random.clone(),
        };
        let lease = HeldLease::acquire(folder.store.clone(), &folder.folder, lease).await?;
        let content = lease.content().await?;
        let objects = read_listings(&folder, &content).await?;
        let present = folder.list().await?;
        let ledger = match objects.get(LEDGER_PATH) {
            Some(object) => {
                LedgerHead::of_last_entry(&folder.read(object).await?.read_all().await?)
            }
            None => None,
        };
        let known = Known { snapshot: snapshot_of(&content, &objects), ledger };
        let stored = Stored { objects, small_files: content.small_files.clone() };
        let (small, stored) = (BTreeSet::new(), Mutex::new(stored));
        Ok(Self { folder, lease, content, known, present, small, stored })
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    pub(super) async fn missing(
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

    /// The objects that interrupted copies have left, by the path of their file. None that is doomed is among them:
    /// another process may be about to delete it.
    fn orphans(&self) -> BTreeMap<String, Vec<(&str, &str)>> {
        let stored = self.stored();
        let used: BTreeSet<&str> =
            stored.objects.values().map(|object| object.key.as_str()).collect();
        let mut orphans: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for key in self.present.keys() {
            if used.contains(key.as_str()) || self.content.doomed.contains(key) {
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
            match self.folder.verify(&object).await {
                Ok(()) => return Ok(Some(object)),
                Err(BucketError::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Forgets the stored files that the snapshot does not have, or has elsewhere.
    fn forget_others(&self, snapshot: &TenantSnapshot, small: &BTreeSet<String>) {
        let mut stored = self.stored();
        stored.objects.retain(|path, _| snapshot.files.contains_key(path) && !small.contains(path));
        stored.small_files.retain(|path, _| small.contains(path));
    }

    pub(super) async fn put(
        &self,
        path: &str,
        content: Pieces,
        random: &Random,
    ) -> Result<(), BucketError> {
        if !self.small.contains(path) {
            let object = self.folder.write(path, content, random).await?;
            self.stored().objects.insert(path.to_owned(), object);
            return Ok(());
        }
        let bytes = content.read_all().await?;
        if let Ok(text) = String::from_utf8(bytes.to_vec()) {
            self.stored().small_files.insert(path.to_owned(), text);
        } else {
            let content = Pieces::from_memory(path, bytes);
            let object = self.folder.write(path, content, random).await?;
            self.stored().objects.insert(path.to_owned(), object);
        }
        Ok(())
    }

    pub(super) async fn publish(
        &mut self,
        snapshot: &TenantSnapshot,
        random: &Random,
    ) -> Result<usize, BucketError> {
        let listings = self.write_listings(random).await?;
        let (used, small_files) = {
            let stored = self.stored();
            let objects = stored.objects.values().chain(listings.values());
            let used: BTreeSet<String> = objects.map(|object| object.key.clone()).collect();
            (used, stored.small_files.clone())
        };
        let unused = self.present.keys().chain(&self.content.doomed);
        let doomed: BTreeSet<String> = unused.filter(|key| !used.contains(*key)).cloned().collect();
        let current = snapshot.current.clone();
        let content = Content { current, listings, small_files, doomed: doomed.clone() };
        self.lease.publish(content.clone()).await?;
        if !doomed.is_empty() {
            self.folder.delete(doomed.iter().cloned().collect()).await?;
            self.lease.publish(Content { doomed: BTreeSet::new(), ..content }).await?;
        }
        Ok(doomed.len())
    }

    /// Writes the listings that changed.
    async fn write_listings(
        &self,
        random: &Random,
    ) -> Result<BTreeMap<String, ObjectRef>, BucketError> {
        let mut parts: BTreeMap<String, BTreeMap<String, ObjectRef>> = BTreeMap::new();
        for (path, object) in &self.stored().objects {
            let part = TenantPart::of_path(path).expect("a snapshot has known files");
            parts.entry(part.folder()).or_default().insert(path.clone(), object.clone());
        }
        let mut listings = BTreeMap::new();
        for (part, files) in parts {
            let bytes = Listing::new(files).to_bytes();
            let listing = self.write_listing(&part, bytes, random).await?;
            listings.insert(part, listing);
        }
        Ok(listings)
    }

    async fn write_listing(
        &self,
        part: &str,
        bytes: Bytes,
        random: &Random,
    ) -> Result<ObjectRef, BucketError> {
        let path = if part.is_empty() { LISTING.to_owned() } else { format!("{part}/{LISTING}") };
        let content = Pieces::from_memory(&path, bytes);
        if let Some(old) = self.content.listings.get(part)
            && old.blake3 == content.expected().blake3
            && self.present.contains_key(&old.key)
        {
            return Ok(old.clone());
        }
        self.folder.write(&path, content, random).await
    }

    pub(super) async fn release(self) -> Result<(), BucketError> {
        self.lease.release().await
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
