//! The engine held against its plain twin, and the rules for files, rows, entities and edges.

mod decoder;
mod graph;
mod twin;
mod types;
