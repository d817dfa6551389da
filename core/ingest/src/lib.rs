#![doc = include_str!("../README.md")]

pub mod batch;
pub mod convert;
pub mod decoder;
pub mod decompress;
pub mod edges;
pub mod entities;
pub mod graph;
pub mod header;
mod keys;
pub mod listing;

pub mod outcome;
pub mod refusal;
pub mod step;
pub mod values;
