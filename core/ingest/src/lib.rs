#![doc = include_str!("../README.md")]

pub mod batch;
pub mod convert;
pub mod coverage;
pub mod decoder;
pub mod decompress;
mod described;
pub mod edges;
pub mod entities;
pub mod graph;
pub mod header;
mod keys;
pub mod listing;
pub mod outcome;
pub mod partition;
mod property_values;
mod protected;
pub mod recognition;
pub mod refusal;
mod repeats;
mod rivals;
mod shared_identifiers;
pub mod sorted;
mod special;
pub mod step;
mod targets;
pub mod values;
