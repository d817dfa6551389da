//! A working copy: a private local folder with the content of a tenant whose store is a bucket.
//!
//! The bucket has the authoritative state. A process that writes takes the tenant's lease, brings its folder up to
//! date with the head, works in the folder with the same system calls as in any store, and publishes the folder's
//! content under the lease. Changes that must outlive this machine (small files, notes on exports, a generation) are
//! published when they are written ([`crate::Session`]). Files that the head does not name are removed from the
//! folder, so that an erased person does not stay in a working copy that is used again. A process that reads brings
//! the folder up to date without a lease.
//!
//! Two files beside the tenant's folder serialize the processes of one machine. `arrival` is locked while the folder
//! is brought up to date, and `session` as long as a process writes. A reader that finds `session` locked reads the
//! folder as it is: the writer has brought it up to date, and publishes every generation.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use core_files::FileLock;
use core_store::{
    Change, GenerationId, LEDGER_PATH, Store, StoreError, TenantPart, TenantSnapshot, TenantStore,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::arrival::{Arrival, Needed, receive};
use crate::error::{BucketError, RequestErrorKind};
use crate::folder::BucketFolder;
use crate::head::Content;
use crate::head_store::HeadStore;
use crate::held_epoch::HeldEpoch;
use crate::lease::{HeldLease, LeaseRequest, Random};
use crate::origin::KnownOrigin;
use crate::pieces::open_file;
use crate::place::Place;
use crate::probe::{DeletedObjects, probe};
use crate::reader::TenantReader;
use crate::reads::{self, KnownEntry};
use crate::writer::{Removal, TenantWriter};

/// The number of files that are sent or fetched at once.
const FILES_AT_ONCE: usize = 8;

/// The number of times that an operation starts again because its source changes.
const ATTEMPTS: u32 = 5;

/// The interval at which a lock of this machine is polled.
const LOOK: Duration = Duration::from_millis(100);

/// A request for a working copy of a tenant.
#[derive(Clone)]
pub struct WorkingCopyRequest {
    /// The place of the store, which is a bucket.
    pub place: Place,
    /// The store in the local folder.
    pub folder: Store,
    /// The tenant's name.
    pub tenant: String,
    /// This process, for the messages of others.
    pub owner: String,
    /// The time for which the bucket keeps deleted objects, as the operator has declared.
    pub deleted_objects: DeletedObjects,
    /// The generations whose tables are needed. A process that writes fetches those that turn out to be needed.
    pub needed: Needed,
    /// True if the bucket is probed even if it has content.
    pub is_probed: bool,
    /// The lifetime of the lease.
    pub lease_lifetime: Duration,
    /// Random bits for nonces and keys.
    pub random: Random,
}

impl fmt::Debug for WorkingCopyRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WorkingCopyRequest")
            .field("place", &self.place)
            .field("folder", &self.folder)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl WorkingCopyRequest {
    pub(crate) fn bucket(&self) -> Result<BucketFolder, BucketError> {
        match &self.place {
            Place::Bucket { store, folder, .. } => {
                Ok(BucketFolder::of_tenant(store, folder, &self.tenant))
            }
            Place::Folder { shown, .. } => Err(BucketError::InvalidAddress {
                text: shown.clone(),
                rule: "it is a folder, which needs no working copy",
            }),
        }
    }

    /// Returns true if the folder lacks tables of a generation.
    pub(crate) fn lacks_tables(&self) -> Result<bool, BucketError> {
        Ok(!self.folder.tenant(&self.tenant)?.not_fetched()?.is_empty())
    }

    fn held_epoch(&self) -> HeldEpoch {
        HeldEpoch::in_folder(self.folder.folder(), &self.tenant)
    }

    /// Returns the folder of the tenant if it has a published generation or events. The bucket must have a head then,
    /// which stays for good, also that of a tenant that was removed. Otherwise another bucket is in its place, and bringing
    /// the folder up to date would empty it.
    fn folder_with_content(&self, tenant: &TenantStore) -> Result<Option<PathBuf>, BucketError> {
        let known = tenant.known_files()?;
        let mut parts = known.files.keys().filter_map(|path| TenantPart::of_path(path));
        let has_events = parts.any(|part| matches!(part, TenantPart::Events(_)));
        let has_content = known.current.is_some() || has_events;
        Ok(has_content.then(|| self.folder.folder().join(&self.tenant)))
    }

    /// Checks that the bucket holds the store of the folder. Returns true if the folder was brought up to date with it
    /// before.
    async fn check_origin(
        &self,
        published: &TenantReader,
        tenant: &TenantStore,
    ) -> Result<bool, BucketError> {
        let known = KnownOrigin::in_folder(self.folder.folder(), &self.tenant);
        known.check(published, tenant, || self.folder_with_content(tenant)).await
    }

    fn known_entry(&self) -> KnownEntry {
        KnownEntry::in_folder(self.folder.folder(), &self.tenant)
    }
}

/// A working copy under the tenant's lease.
pub struct WorkingCopy {
    writer: TenantWriter,
    tenant: TenantStore,
    known: KnownEntry,
    _session: FileLock,
}

impl fmt::Debug for WorkingCopy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WorkingCopy").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl WorkingCopy {
    /// Takes the lease, brings the folder up to date with the head, and adds the records of readers to its ledger.
    ///
    /// # Errors
    ///
    /// [`BucketError::Held`], [`BucketError::HeadMissing`], [`BucketError::OtherStore`], [`BucketError::Unsuitable`], and the errors of reading and
    /// writing. The bucket's content is unchanged, and the lease is free again.
    pub async fn open(request: WorkingCopyRequest) -> Result<Self, BucketError> {
        let folder = request.bucket()?;
        let tenant = request.folder.tenant(&request.tenant)?;
        let lease = LeaseRequest {
            tenant: request.tenant.clone(),
            owner: request.owner.clone(),
            lifetime: request.lease_lifetime,
            random: request.random.clone(),
            working_copy: request.folder_with_content(&tenant)?,
        };
        let lease = HeldLease::acquire(folder.store.clone(), &folder.folder, lease).await?;
        let was_last = request.held_epoch().advance(lease.epoch().await?);
        let mut writer = TenantWriter::open(folder, lease, request.random.clone()).await?;
        match Self::begin(&request, &tenant, &mut writer, was_last).await {
            Ok(session) => {
                let known = request.known_entry();
                Ok(Self { writer, tenant, known, _session: session })
            }
            Err(error) => {
                writer.release_or_expire().await;
                Err(error)
            }
        }
    }

    /// Brings the folder up to date, and adds the records of readers. Returns the lock of the session.
    async fn begin(
        request: &WorkingCopyRequest,
        tenant: &TenantStore,
        writer: &mut TenantWriter,
        was_last: Result<bool, BucketError>,
    ) -> Result<FileLock, BucketError> {
        let published = writer.published();
        let was_last = was_last?;
        if request.is_probed || published.content == Content::default() {
            let folder = &published.folder;
            probe(&folder.store, &folder.folder, request.deleted_objects, &request.random).await?;
        }
        let _arrival = wait_for_arrival(request).await?;
        // Its holder has lost its lease, or is about to end.
        let session = FileLock::try_acquire(&session_path(request))?;
        let session = session.ok_or_else(|| locked(&request.folder))?;
        let was_last = request.check_origin(published, tenant).await? && was_last;
        let mut brought = bring(request, tenant, published, was_last).await;
        for _ in 1..ATTEMPTS {
            if matches!(brought, Err(BucketError::SourceChanged)) {
                brought = bring(request, tenant, published, was_last).await;
            }
        }
        brought?;
        request.held_epoch().set(published.epoch)?;
        record_reads(tenant, writer, &request.known_entry()).await?;
        Ok(session)
    }

    /// Publishes a change of the folder, and everything else in the folder.
    ///
    /// # Errors
    ///
    /// [`BucketError::LeaseLost`]: nothing was published. [`BucketError::Unconfirmed`] and the errors of reading and
    /// writing: the next publication continues.
    pub async fn publish(&mut self, change: Change) -> Result<(), BucketError> {
        self.writer.set_notes(notes(&self.tenant)?);
        match change {
            Change::Notes => self.writer.publish_notes().await,
            Change::State | Change::Generation => self.publish_all(Removal::Later).await,
            // The certificate follows.
            Change::Destruction => self.publish_all(Removal::Now).await,
        }
    }

    /// Fetches the files that the folder lacks of a published generation. Nothing else in the folder changes, which other
    /// threads may be working in.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if the bucket has lost or changed a file; the errors of reading and writing.
    pub async fn fetch(&self, id: &GenerationId) -> Result<(), BucketError> {
        let (incoming, published) = (self.tenant.receive(), self.writer.published());
        let mut missing = Vec::new();
        for (path, file) in published.snapshot.part(TenantPart::Generation(id.as_str())) {
            if !incoming.is_in_place(path, file)? && !incoming.has(path, file)? {
                missing.push(path);
            }
        }
        tracing::info!(generation = %id, files = missing.len(), "an older generation is fetched");
        {
            let incoming = &incoming;
            let fetching = stream::iter(missing).map(|path| async move {
                let received = async |content| receive(incoming, path, content).await;
                published.fetch(path, received).await
            });
            fetching.buffer_unordered(FILES_AT_ONCE).try_collect::<Vec<()>>().await?;
        }
        Ok(incoming.put_generation_in_place(id, &published.snapshot)?)
    }

    /// Publishes the folder's content and frees the lease.
    ///
    /// # Errors
    ///
    /// As [`WorkingCopy::publish`]. The lease then expires.
    pub async fn close(mut self) -> Result<(), BucketError> {
        self.writer.set_notes(notes(&self.tenant)?);
        self.publish_all(Removal::Now).await?;
        self.writer.release().await
    }

    async fn publish_all(&mut self, removal: Removal) -> Result<(), BucketError> {
        for _ in 1..ATTEMPTS {
            match self.publish_once(removal).await {
                // A small file was replaced between its listing and its reading.
                Err(BucketError::SourceChanged) => {}
                ended => return ended,
            }
        }
        self.publish_once(removal).await
    }

    /// Leaves out the files that neither this machine nor the bucket has, of generations that were not fetched: the bucket
    /// has lost them. What it says about them stays as it is.
    fn not_held_back(
        &self,
        snapshot: &TenantSnapshot,
        missing: Vec<String>,
    ) -> Result<Vec<String>, BucketError> {
        if missing.is_empty() {
            return Ok(missing);
        }
        let not_fetched = self.tenant.not_fetched()?;
        let is_lost = |path: &String| {
            let of_part = |id: &GenerationId| {
                TenantPart::of_path(path) == Some(TenantPart::Generation(id.as_str()))
            };
            not_fetched.iter().any(of_part)
                && self.writer.is_published(path, &snapshot.files[path])
                && self.tenant.file_path(path).is_ok_and(|file| !file.exists())
        };
        let (lost, sent): (Vec<_>, Vec<_>) = missing.into_iter().partition(is_lost);
        for path in lost {
            tracing::error!(path, "the bucket has lost a file of an older generation");
        }
        Ok(sent)
    }

    async fn publish_once(&mut self, removal: Removal) -> Result<(), BucketError> {
        let snapshot = self.tenant.working_files()?;
        let ledger = self.tenant.ledger().content()?;
        if ledger.fingerprint().as_ref() != snapshot.files.get(LEDGER_PATH) {
            return Err(BucketError::SourceChanged);
        }
        let missing = self.writer.missing(&snapshot).await?;
        let missing = self.not_held_back(&snapshot, missing)?;
        {
            let (writer, tenant, files) = (&self.writer, &self.tenant, &snapshot.files);
            let sending = stream::iter(&missing).map(|path| async move {
                let file = &files[path];
                writer.put(path, file, async || open_file(tenant, path, file.clone())).await
            });
            sending.buffer_unordered(FILES_AT_ONCE).try_collect::<Vec<()>>().await?;
        }
        self.writer.publish(&snapshot, removal).await?;
        Ok(self.known.set(ledger.last_readable().as_ref())?)
    }
}

/// Adds the records of readers to the ledger. The next change publishes them.
async fn record_reads(
    tenant: &TenantStore,
    writer: &mut TenantWriter,
    known: &KnownEntry,
) -> Result<(), BucketError> {
    for key in writer.waiting_reads().clone() {
        let records = reads::read(&writer.published().folder, &key).await?;
        known.set_all()?;
        for record in records {
            // A process that is killed here has recorded nothing: the object is in the bucket still.
            let head = tenant.ledger().append(&record).map_err(BucketError::Store)?;
            known.set(Some(&head))?;
        }
        writer.reads_recorded(&key);
    }
    Ok(())
}

/// Brings the folder up to date with the head, for reading, and sends the records of earlier reads. Returns false if
/// a process of this machine is writing; the folder is then used as it is.
///
/// # Errors
///
/// [`BucketError::OutOfDate`], [`BucketError::HeadMissing`], [`BucketError::OtherStore`]; [`BucketError::SourceChanged`] if the tenant keeps changing;
/// the errors of reading and writing.
pub async fn refresh(request: &WorkingCopyRequest) -> Result<bool, BucketError> {
    let folder = request.bucket()?;
    let tenant = request.folder.tenant(&request.tenant)?;
    if request.is_probed {
        probe(&folder.store, &folder.folder, request.deleted_objects, &request.random).await?;
    }
    let _arrival = wait_for_arrival(request).await?;
    let Some(_session) = FileLock::try_acquire(&session_path(request))? else {
        return check_writer(request, &folder).await.map(|()| false);
    };
    for _ in 1..ATTEMPTS {
        match refresh_once(request, &folder, &tenant).await {
            Err(BucketError::SourceChanged) => {}
            ended => return ended.map(|()| true),
        }
    }
    refresh_once(request, &folder, &tenant).await.map(|()| true)
}

/// Fails if the process of this machine that writes has lost its lease: the folder lacks what the next holder did, such
/// as an erasure.
async fn check_writer(
    request: &WorkingCopyRequest,
    folder: &BucketFolder,
) -> Result<(), BucketError> {
    let Some(stored) = HeadStore::new(folder.store.clone(), &folder.folder).read().await? else {
        return Ok(());
    };
    if request.held_epoch().is(stored.head.epoch)? { Ok(()) } else { Err(BucketError::OutOfDate) }
}

async fn refresh_once(
    request: &WorkingCopyRequest,
    folder: &BucketFolder,
    tenant: &TenantStore,
) -> Result<(), BucketError> {
    let published = match TenantReader::read(folder.clone()).await? {
        Some(reader) => reader,
        None => match request.folder_with_content(tenant)? {
            Some(folder) => return Err(BucketError::HeadMissing { folder }),
            None => TenantReader::empty(folder.clone()),
        },
    };
    let is_known = request.check_origin(&published, tenant).await?;
    let was_last = is_known && request.held_epoch().is(published.epoch)?;
    bring(request, tenant, &published, was_last).await
}

/// Sends the records of reads that are in the folder's ledger and not in the bucket.
///
/// # Errors
///
/// [`BucketError::Request`]: the next command on this machine sends them.
pub async fn send_reads(request: &WorkingCopyRequest) -> Result<(), BucketError> {
    let folder = request.bucket()?;
    let tenant = request.folder.tenant(&request.tenant)?;
    let _arrival = wait_for_arrival(request).await?;
    // A process that writes publishes the ledger as a whole.
    let Some(_session) = FileLock::try_acquire(&session_path(request))? else { return Ok(()) };
    reads::send(&folder, &tenant.ledger().content()?, &request.known_entry()).await
}

/// Brings a tenant's folder up to date with the published content. `was_last` tells whether this machine was the last one
/// to hold the lease.
///
/// # Errors
///
/// [`BucketError::SourceChanged`] if another process has read meanwhile, so that the ledger has an entry that was not sent;
/// [`StoreError::Damaged`] if the bucket has lost a file.
async fn bring(
    request: &WorkingCopyRequest,
    tenant: &TenantStore,
    published: &TenantReader,
    was_last: bool,
) -> Result<(), BucketError> {
    let known = request.known_entry();
    let ledger = tenant.ledger().content()?;
    match reads::send(&published.folder, &ledger, &known).await {
        // Without the right to write, reads still work, as in a read-only folder.
        Err(error @ BucketError::Request { kind: RequestErrorKind::Refused, .. }) => {
            tracing::warn!(%error, "reads on this machine are not in the ledger");
        }
        sent => sent?,
    }
    let lock = tenant.lock(&request.owner)?;
    let arrival = Arrival::begin(lock.clone(), ledger)?;
    let without_tables = arrival.without_tables(&published.snapshot, &request.needed)?;
    let missing = arrival.missing(&published.snapshot, &without_tables)?;
    {
        let arrival = &arrival;
        let fetching = stream::iter(&missing)
            .map(|path| published.fetch(path, async |content| arrival.put(path, content).await));
        fetching.buffer_unordered(FILES_AT_ONCE).try_collect::<Vec<()>>().await?;
    }
    let replacing = || Ok(known.set_all()?);
    let arrived = match arrival.put_in_place(&published.snapshot, &without_tables, replacing) {
        Err(BucketError::Store(StoreError::LedgerChanged)) => {
            return Err(BucketError::SourceChanged);
        }
        ended => ended?,
    };
    if !was_last {
        lock.downloads()?.replace_notes(&published.content.notes)?;
    }
    Ok(known.set(arrived.ledger.as_ref())?)
}

/// The notes on downloads, in the form of the head.
fn notes(tenant: &TenantStore) -> Result<std::collections::BTreeMap<String, String>, BucketError> {
    let notes = tenant.download_notes()?.into_iter();
    Ok(notes.filter_map(|(name, note)| Some((name, String::from_utf8(note).ok()?))).collect())
}

/// Waits until no other process of this machine brings the folder up to date. It does not block the thread, which has
/// to renew the lease.
async fn wait_for_arrival(request: &WorkingCopyRequest) -> Result<FileLock, BucketError> {
    let folder = request.folder.folder();
    core_files::create_folder_durably(folder)?;
    let path = folder.join(format!("{}.arrival", request.tenant));
    loop {
        if let Some(lock) = FileLock::try_acquire(&path)? {
            return Ok(lock);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn session_path(request: &WorkingCopyRequest) -> PathBuf {
    request.folder.folder().join(format!("{}.session", request.tenant))
}

fn locked(folder: &Store) -> BucketError {
    let folder: &Path = folder.folder();
    let owner = format!("a process of this machine that works in {}", folder.display());
    BucketError::Store(StoreError::Locked { owner })
}
