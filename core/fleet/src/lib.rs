#![doc = include_str!("../README.md")]
#![deny(unused_crate_dependencies)]

mod fleet;
mod shard;
mod tenant;
mod timetable;

pub use fleet::{Fleet, Start};
pub use shard::{Shard, ShardError};
pub use tenant::{
    DueReason, Ended, LastRun, Missed, Notice, PauseReason, TenantSettings, TenantState,
    TenantStatus,
};
pub use timetable::{Timetable, TimetableError};

#[cfg(test)]
use {fastrand as _, proptest as _};
