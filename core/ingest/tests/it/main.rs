//! Tests of the decoder and the mapping against their plain twins, and of the rules for files,
//! rows, entities and edges.

mod conflicts;
mod contract;
mod decoder;
mod decompression;
mod graph;
mod parts;
mod redaction;
mod support;
mod twin;
mod types;
mod values;
mod wide_headers;
