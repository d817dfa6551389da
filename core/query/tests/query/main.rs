//! Questions and answers on small invented generations.

mod added;
mod arithmetic;
mod asking;
mod diff;
mod engine;
mod graph;
mod history;
mod j1ql;
mod peer;
mod questions;
mod reduced;
mod refusing;
mod support;
mod withholding;
mod writing;
