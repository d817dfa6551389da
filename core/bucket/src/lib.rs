#![doc = include_str!("../README.md")]

#[cfg(feature = "cloud")]
mod answer_limit;
mod arrival;
mod connect;
mod copy;
mod error;
mod file_folder;
mod folder;
mod follow;
mod head;
mod head_store;
mod held_epoch;
mod lease;
mod origin;
mod patience;
mod pieces;
mod place;
mod probe;
mod reader;
mod reads;
mod resuming;
mod session;
mod waiter;
mod working_copy;
mod writer;

pub use arrival::Needed;
pub use copy::{CopyReport, CopyRequest, copy};
pub use error::{BucketError, RequestErrorKind};
pub use file_folder::{BucketFile, FileFolder};
pub use follow::{Follower, GIVE_UP_AFTER, POLL_INTERVAL};
pub use head::{Content, Head, Lease, Nonce, ObjectRef};
pub use head_store::{HeadStore, StoredHead, Written};
pub use lease::{HeldLease, LIFETIME, LeaseRequest, Random};
pub use place::{BucketAddress, ClientSettings, Place, Service};
pub use probe::{DeletedObjects, probe};
pub use session::{NOT_CLOSED, OpenedCopy, Session, wait_in_place};
pub use waiter::{Verdict, Waiter};
pub use working_copy::{WorkingCopy, WorkingCopyRequest, refresh, send_reads};
