//! A session: the working copy of a process that writes, on a separate thread.
//!
//! The thread renews the lease whatever the other threads do, and publishes for callers that block. If a session is
//! dropped without [`Session::close`], its lease expires.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use core_store::{Change, GenerationId, PublishingFailure, StoreError, TenantStore, Watch};
use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{block_in_place, spawn_blocking};

use crate::error::{BucketError, RequestErrorKind};
use crate::follow::Follower;
use crate::place::Place;
use crate::probe::DeletedObjects;
use crate::working_copy::{WorkingCopy, WorkingCopyRequest, refresh, send_reads};

/// The message of a command that a signal has ended while [`OpenedCopy::close`] was at work.
pub const NOT_CLOSED: &str = "stopped by a signal before the bucket had everything: run this again";

/// The working copy of a process that writes.
#[derive(Debug)]
pub struct Session {
    orders: UnboundedSender<Order>,
    deleted_objects: DeletedObjects,
    place: Place,
}

/// A request to the thread, with the channel for its answer.
#[derive(Debug)]
enum Order {
    Publish(Change, Sender<Result<(), BucketError>>),
    Fetch(GenerationId, Sender<Result<(), BucketError>>),
    Close(Sender<Result<(), BucketError>>),
}

impl Session {
    /// Opens the working copy on a separate thread. Blocks until the folder is up to date with the head.
    ///
    /// # Errors
    ///
    /// Those of [`WorkingCopy::open`].
    pub fn open(request: WorkingCopyRequest) -> Result<Self, BucketError> {
        let (deleted_objects, place) = (request.deleted_objects, request.place.clone());
        let (orders, received) = unbounded_channel();
        let (opened, is_open) = channel();
        let failed = |source| BucketError::File {
            action: "start a thread for",
            path: "the bucket".into(),
            source,
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let thread = thread::Builder::new().name("bucket".to_owned());
        let serving = move || {
            runtime.block_on(async move {
                match WorkingCopy::open(request).await {
                    // The send fails only if no one waits any more; then the lease is not needed.
                    Ok(copy) if opened.send(Ok(())).is_ok() => serve(copy, received).await,
                    Ok(_) => {}
                    Err(error) => drop(opened.send(Err(error))),
                }
            });
        };
        thread.spawn(serving).map_err(failed)?;
        is_open.recv().unwrap_or(Err(BucketError::SessionEnded))?;
        Ok(Self { orders, deleted_objects, place })
    }

    /// The watcher of the folder, which publishes the changes that must outlive this machine.
    pub fn watch(&self) -> Arc<dyn Watch> {
        let (orders, place) = (self.orders.clone(), self.place.clone());
        Arc::new(Watcher { orders, deleted_objects: self.deleted_objects, place })
    }

    /// Publishes the folder's content and frees the lease. Blocks until that is done.
    ///
    /// # Errors
    ///
    /// Those of [`WorkingCopy::close`].
    pub fn close(self) -> Result<(), BucketError> {
        ask(&self.orders, Order::Close)
    }
}

/// A working copy for one command.
#[derive(Debug)]
pub enum OpenedCopy {
    /// For a command that reads.
    Reading(Box<WorkingCopyRequest>),
    /// For a command that reads until it is stopped.
    Following(Follower),
    /// For a command that writes.
    Writing(Session),
}

impl OpenedCopy {
    /// Brings the folder up to date with the head, for a command that reads.
    ///
    /// # Errors
    ///
    /// Those of [`refresh`].
    pub async fn for_reading(request: WorkingCopyRequest) -> Result<Self, BucketError> {
        if !refresh(&request).await? {
            tracing::info!(
                "another process of this machine writes, and this reads what it works on"
            );
        }
        Ok(Self::Reading(Box::new(request)))
    }

    /// Keeps the folders of a command that is not stopped up to date. Returns only for such a command, and only when a
    /// bucket has not answered for [`crate::GIVE_UP_AFTER`].
    pub async fn keep_up_to_date(&mut self) -> StoreError {
        match self {
            Self::Following(follower) => follower.follow().await,
            Self::Reading(_) | Self::Writing(_) => std::future::pending().await,
        }
    }

    /// Publishes the changes of the command, or the records of its reads.
    ///
    /// # Errors
    ///
    /// Those of [`Session::close`]. A command that only reads does not fail: if its records cannot be sent, the next
    /// command on this machine sends them.
    pub async fn close(self) -> Result<(), StoreError> {
        match self {
            Self::Reading(request) => {
                if let Err(error) = send_reads(&request).await {
                    tracing::warn!(%error, "this read is not in the ledger of the bucket yet");
                }
                Ok(())
            }
            Self::Following(follower) => {
                follower.close().await;
                Ok(())
            }
            Self::Writing(session) => {
                let place = session.place.clone();
                let closed = spawn_blocking(|| session.close()).await;
                let closed = closed.unwrap_or(Err(BucketError::SessionEnded));
                closed.map_err(|error| error.into_store_at(&place))
            }
        }
    }
}

/// Passes changes of the folder on to the thread.
#[derive(Debug)]
struct Watcher {
    orders: UnboundedSender<Order>,
    deleted_objects: DeletedObjects,
    place: Place,
}

impl Watch for Watcher {
    fn changed(&self, _: &TenantStore, change: Change) -> Result<(), StoreError> {
        let published = ask(&self.orders, |answer| Order::Publish(change, answer));
        published.map_err(|error| error.into_store_at(&self.place))
    }

    fn fetch(&self, generation: &GenerationId) -> Result<(), StoreError> {
        let fetched = ask(&self.orders, |answer| Order::Fetch(generation.clone(), answer));
        fetched.map_err(|error| error.into_store_at(&self.place))
    }

    fn also_kept(&self) -> Vec<String> {
        let copies = "working copies of other machines, until their next command of this tenant";
        let mut kept = vec![copies.to_owned()];
        if let DeletedObjects::KeptDays(days) = self.deleted_objects {
            kept.push(format!("the bucket, which keeps deleted objects for {days} days"));
        }
        kept
    }
}

fn ask(
    orders: &UnboundedSender<Order>,
    order: impl FnOnce(Sender<Result<(), BucketError>>) -> Order,
) -> Result<(), BucketError> {
    let (answer, answered) = channel();
    orders.send(order(answer)).map_err(|_| BucketError::SessionEnded)?;
    wait_in_place(|| answered.recv().unwrap_or(Err(BucketError::SessionEnded)))
}

/// Waits for the bucket, or for someone who waits for it, while the other tasks of the runtime go on. It may not answer
/// for minutes, and the answer to the start of an export that comes too late is an export that is paid for and not known.
pub fn wait_in_place<T>(wait: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(wait),
        _ => wait(),
    }
}

async fn serve(mut copy: WorkingCopy, mut orders: UnboundedReceiver<Order>) {
    while let Some(order) = orders.recv().await {
        // A caller that no longer waits needs no answer.
        match order {
            Order::Publish(change, answer) => drop(answer.send(copy.publish(change).await)),
            Order::Fetch(id, answer) => drop(answer.send(copy.fetch(&id).await)),
            Order::Close(answer) => {
                drop(answer.send(copy.close().await));
                return;
            }
        }
    }
}

impl BucketError {
    /// The kind of this error, for a command that uses a working copy.
    pub fn failure(&self) -> PublishingFailure {
        match self {
            Self::Request { kind: RequestErrorKind::Refused, .. } => PublishingFailure::Credentials,
            Self::Request {
                kind: RequestErrorKind::NoBucket | RequestErrorKind::Rejected, ..
            } => PublishingFailure::Configuration,
            Self::Request { .. } | Self::Unconfirmed { .. } => PublishingFailure::Unreachable,
            Self::Held { .. } | Self::LeaseLost { .. } | Self::OutOfDate | Self::SourceChanged => {
                PublishingFailure::Locked
            }
            Self::Damaged { .. }
            | Self::HeadMissing { .. }
            | Self::OtherStore { .. }
            | Self::Corrupt { .. }
            | Self::Refused { .. } => PublishingFailure::DataRefused,
            Self::File { .. } | Self::Store(_) | Self::SessionEnded => PublishingFailure::Other,
            _ => PublishingFailure::Configuration,
        }
    }

    /// The same error for callers that know only the store.
    pub fn into_store(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::File { action, path, source } => StoreError::Io { action, path, source },
            error => {
                StoreError::NotPublished { failure: error.failure(), reason: error.to_string() }
            }
        }
    }

    /// The same with the address of the bucket, which the requests do not name.
    pub fn into_store_at(self, place: &Place) -> StoreError {
        match self.into_store() {
            StoreError::NotPublished { failure, reason } => StoreError::NotPublished {
                failure,
                reason: format!("{reason} (the store is {place})"),
            },
            other => other,
        }
    }
}
