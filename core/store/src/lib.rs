#![doc = include_str!("../README.md")]

mod arrow_writer;
mod checksum;
mod destroy;
mod dictionary;
mod downloads;
mod erase;
mod error;
mod events;
mod generation;
mod ledger;
mod leftovers;
mod location;
mod manifest;
mod names;
mod not_fetched;
mod packing;
mod platform;
mod retention;
mod staging;
mod stop;
mod table;
mod tenant;
mod transfer;
mod watcher;

pub use destroy::{Destruction, FileCount};
pub use downloads::Downloads;
pub use erase::{CleansedGeneration, Cleansing, DamagedGeneration};
pub use error::{PublishingFailure, StoreError};
pub use events::{EventAppender, EventDeclaration, EventFile, EventLog};
pub use generation::{Batches, Generation};
pub use ledger::{
    Ledger, LedgerContent, LedgerEntry, LedgerFinding, LedgerHead, LedgerRecord, RUN_ENDED,
    Trimmed, Verification,
};
pub use location::{Location, WorkingCopy};
pub use manifest::{
    Column, FileEntry, MANIFEST_FILE, Manifest, Outcome, PrivacyMark, Table, TableFile, TableKind,
};
pub use names::GenerationId;
pub use retention::{
    ClockVerdict, Item, ItemKind, Removal, Retention, RetentionPlan, RetentionPolicy,
    RetentionState, Windows,
};
pub use staging::{Draft, Staging};
pub use stop::StopFlag;
pub use table::{TableDeclaration, TableWriter};
pub use tenant::{DeliveryLock, HistoryEntry, RunLock, Store, TenantStore};
pub use transfer::{Fingerprint, Incoming, LEDGER_PATH, TenantPart, TenantSnapshot};
pub use watcher::{Change, Watch};
