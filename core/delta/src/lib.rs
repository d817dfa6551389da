#![doc = include_str!("../README.md")]

mod checkpoint;
mod destination;
mod error;
mod log;
mod root;
mod table;

pub use destination::{Delta, DeltaSettings, NAME};
pub use error::DeltaError;
