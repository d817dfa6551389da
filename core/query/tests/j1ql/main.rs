//! J1QL over a small generation, and against a plain evaluator over random graphs.

mod estate;
mod meaning;
mod random;
mod twin;
