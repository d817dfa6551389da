//! The engine held against its plain twin, and the rules for files, rows, entities and edges.

mod contract;
mod decoder;
mod decompression;
mod graph;
mod parts;
mod protected;
mod rivals;
mod support;
mod twin;
mod types;
mod values;
