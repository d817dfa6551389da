#![doc = include_str!("../README.md")]

mod adjacency;
pub mod batch;
mod conflicts;
pub mod conformance;
pub mod convert;
pub mod coverage;
pub mod decoder;
pub mod decompress;
mod delimiter_scan;
mod duplicate_rows;
pub mod edges;
pub mod entities;
pub mod graph;
pub mod header;
mod keys;
pub mod listing;
pub mod outcome;
pub mod partition;
mod property_values;
mod redaction;
pub mod rejection;
mod row_fingerprint;
mod shared_identifiers;
pub mod sniff;
pub mod sorted;
pub mod step;
pub mod values;
