//! J1QL over a small generation, and against a plain evaluator over random graphs.

pub(crate) mod estate;
mod meaning;
mod random;
pub(crate) mod rewrite;
mod spelling;
pub(crate) mod twin;
