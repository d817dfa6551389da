#![doc = include_str!("../README.md")]

pub mod audit;
mod cancellation;
pub mod check;
pub mod deliver;
pub mod destinations;
pub mod destruction;
mod engine;
pub mod erasure;
pub mod export_files;
mod failure;
pub mod generations;
mod host;
pub mod interruption;
pub mod inventory;
pub mod jupiterone;
pub mod keys;
pub mod ledger;
pub mod mirrors;
mod moment;
pub mod pages;
pub mod privacy;
pub mod processing;
mod progress;
pub mod reader;
pub mod retention;
pub mod run;
pub mod saved_queries;
pub mod settings;
pub mod suggestion;
#[cfg(test)]
mod testing;
pub mod whole_run;

pub use cancellation::Cancellation;
pub use engine::Engine;
pub use failure::{Ending, Failure, FailureKind, StopReason};
pub use host::{Host, RandomSource};
pub use moment::Moment;
pub use progress::{Progress, ProgressEvent, export_text};
