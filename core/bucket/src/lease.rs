//! A held lease: every change of a tenant's head goes through it.
//!
//! The lease is renewed in the background, three times per lifetime. A holder never decides by a clock whether it
//! still holds the lease: its next write replaces the head that it knows, and the bucket refuses that once another
//! process has taken the lease. So nothing is published under a lost lease, however long the holder was paused.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::error::BucketError;
use crate::head::{Content, Head, Lease, Nonce};
use crate::head_store::{HeadStore, StoredHead, Written};
use crate::patience::Patience;
use crate::waiter::{Verdict, Waiter};

/// The time without a change of the head after which a lease counts as abandoned.
pub const LIFETIME: Duration = Duration::from_mins(1);

/// The number of renewals, and of a waiter's polls, per lifetime.
const RENEWALS: u32 = 3;
const LOOKS: u32 = 6;

/// A source of random bits, which the caller passes in.
pub type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The request for a lease.
#[derive(Clone)]
pub struct LeaseRequest {
    /// The tenant's name.
    pub tenant: String,
    /// The holder, for messages.
    pub owner: String,
    /// The lifetime.
    pub lifetime: Duration,
    /// Random bits for nonces.
    pub random: Random,
    /// The folder of this machine's working copy, if it has content. The bucket must have a head then.
    pub working_copy: Option<PathBuf>,
}

impl fmt::Debug for LeaseRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LeaseRequest")
            .field("tenant", &self.tenant)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// A lease that this process has taken. Dropping it stops the renewals, so the lease expires after its lifetime;
/// [`HeldLease::release`] frees it at once.
#[derive(Debug)]
pub struct HeldLease {
    holder: Arc<Holder>,
    renewals: JoinHandle<()>,
}

#[derive(Debug)]
struct Holder {
    heads: HeadStore,
    request: LeaseRequest,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Held(Box<StoredHead>),
    /// The new owner of the lease.
    Lost(String),
}

impl HeldLease {
    /// Takes the lease of the tenant in this folder. If the holder does not renew its lease, waits for one lifetime
    /// at most.
    ///
    /// # Errors
    ///
    /// [`BucketError::Held`] if the holder is at work; [`BucketError::HeadMissing`]; and the errors of
    /// [`HeadStore::read`] and [`HeadStore::write`].
    pub async fn acquire(
        store: Arc<dyn ObjectStore>,
        folder: &Path,
        request: LeaseRequest,
    ) -> Result<Self, BucketError> {
        let heads = HeadStore::new(store, folder);
        let started = Instant::now();
        let (mut waiter, mut is_told) = (Waiter::default(), false);
        loop {
            let found = heads.read().await?;
            let verdict = match &found {
                Some(stored) => waiter.observe(&stored.head, started.elapsed()),
                None => match &request.working_copy {
                    Some(folder) => {
                        return Err(BucketError::HeadMissing { folder: folder.clone() });
                    }
                    None => Verdict::Free,
                },
            };
            match verdict {
                Verdict::Free | Verdict::Abandoned => {
                    if let Some(stored) = take(&heads, found.as_ref(), &request).await? {
                        return Ok(Self::hold(heads, request, stored));
                    }
                }
                Verdict::Alive => return Err(BucketError::Held { owner: owner(found.as_ref()) }),
                Verdict::Unknown { remaining } => {
                    if !std::mem::replace(&mut is_told, true) {
                        let owner = owner(found.as_ref());
                        tracing::warn!(owner, "waiting for the lease of another process");
                    }
                    tokio::time::sleep(remaining.min(request.lifetime / LOOKS)).await;
                }
            }
        }
    }

    fn hold(heads: HeadStore, request: LeaseRequest, stored: StoredHead) -> Self {
        let pause = request.lifetime / RENEWALS;
        let holder =
            Arc::new(Holder { heads, request, state: Mutex::new(State::Held(Box::new(stored))) });
        let renewing = Arc::clone(&holder);
        let renewals = tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                match renewing.change(Head::renewed).await {
                    Ok(()) => {}
                    Err(BucketError::LeaseLost { .. }) => return,
                    // Its remedy is for a command that ends by it.
                    Err(BucketError::Unconfirmed { reason, .. }) => {
                        tracing::warn!(reason, "the lease was not renewed, which is tried again");
                    }
                    Err(error) => tracing::warn!(%error, "the lease was not renewed"),
                }
            }
        });
        Self { holder, renewals }
    }

    /// The patience of this holder, for its other requests.
    pub(crate) fn patience(&self) -> Patience {
        self.holder.heads.patience()
    }

    /// The head, as this holder knows it.
    ///
    /// # Errors
    ///
    /// [`BucketError::LeaseLost`].
    pub(crate) async fn head(&self) -> Result<Head, BucketError> {
        match &*self.holder.state.lock().await {
            State::Held(stored) => Ok(stored.head.clone()),
            State::Lost(owner) => Err(BucketError::LeaseLost { owner: owner.clone() }),
        }
    }

    /// The published content, as this holder knows it.
    ///
    /// # Errors
    ///
    /// [`BucketError::LeaseLost`].
    pub async fn content(&self) -> Result<Content, BucketError> {
        match &*self.holder.state.lock().await {
            State::Held(stored) => Ok(stored.head.content.clone()),
            State::Lost(owner) => Err(BucketError::LeaseLost { owner: owner.clone() }),
        }
    }

    /// The number of times that the lease was taken, this time included.
    ///
    /// # Errors
    ///
    /// [`BucketError::LeaseLost`].
    pub async fn epoch(&self) -> Result<u64, BucketError> {
        match &*self.holder.state.lock().await {
            State::Held(stored) => Ok(stored.head.epoch),
            State::Lost(owner) => Err(BucketError::LeaseLost { owner: owner.clone() }),
        }
    }

    /// Publishes new content.
    ///
    /// # Errors
    ///
    /// [`BucketError::LeaseLost`] if another process took the lease: nothing was published.
    /// [`BucketError::Unconfirmed`] if it is not known whether the content was published.
    pub async fn publish(&self, content: Content) -> Result<(), BucketError> {
        self.holder.change(|head, nonce| head.with_content(content.clone(), nonce)).await?;
        Ok(())
    }

    /// Releases the lease. If that fails, it expires.
    pub(crate) async fn release_or_expire(self) {
        if let Err(error) = self.release().await {
            tracing::debug!(%error, "the lease was not released and ends by itself");
        }
    }

    /// Releases the lease, so that others need not wait for its end.
    ///
    /// # Errors
    ///
    /// As [`HeldLease::publish`]; the lease then expires.
    pub async fn release(self) -> Result<(), BucketError> {
        self.renewals.abort();
        self.holder.change(Head::released).await?;
        Ok(())
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.renewals.abort();
    }
}

impl Holder {
    /// Changes the head under the lease; one change after the other.
    async fn change(&self, change: impl Fn(&Head, Nonce) -> Head) -> Result<(), BucketError> {
        let mut state = self.state.lock().await;
        loop {
            let stored = match &*state {
                State::Held(stored) => stored,
                State::Lost(owner) => return Err(BucketError::LeaseLost { owner: owner.clone() }),
            };
            let epoch = stored.head.epoch;
            let next = change(&stored.head, Nonce::new((self.request.random)()));
            match self.heads.write(Some(stored), next).await? {
                Written::Done(stored) => {
                    *state = State::Held(Box::new(stored));
                    return Ok(());
                }
                // Within an epoch, only the holder writes. So an earlier write of this process, which was neither
                // confirmed nor awaited, has arrived late.
                Written::Conflict(Some(found)) if found.head.epoch == epoch => {
                    *state = State::Held(Box::new(found));
                }
                Written::Followed(found) if found.head.epoch == epoch => {
                    *state = State::Held(Box::new(found));
                    return Ok(());
                }
                // The change counts: it was made under the lease, before another process took it.
                Written::Followed(found) => {
                    *state = State::Lost(owner(Some(&found)));
                    return Ok(());
                }
                Written::Conflict(found) => {
                    let owner = owner(found.as_ref());
                    *state = State::Lost(owner.clone());
                    return Err(BucketError::LeaseLost { owner });
                }
            }
        }
    }
}

/// Tries to take the lease; None if another process was faster.
async fn take(
    heads: &HeadStore,
    found: Option<&StoredHead>,
    request: &LeaseRequest,
) -> Result<Option<StoredHead>, BucketError> {
    let lifetime_ms = u64::try_from(request.lifetime.as_millis()).unwrap_or(u64::MAX);
    let lease = Lease { owner: request.owner.clone(), lifetime_ms };
    let nonce = Nonce::new((request.random)());
    let next = match found {
        Some(stored) => stored.head.acquired(lease, nonce),
        None => Head::first(&request.tenant, lease, nonce),
    };
    match heads.write(found, next).await? {
        Written::Done(stored) => Ok(Some(stored)),
        Written::Followed(_) | Written::Conflict(_) => Ok(None),
    }
}

fn owner(stored: Option<&StoredHead>) -> String {
    let lease = stored.and_then(|stored| stored.head.lease.as_ref());
    lease.map_or_else(|| "no one any more".to_owned(), |lease| lease.owner.clone())
}
