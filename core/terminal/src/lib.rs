#![doc = include_str!("../README.md")]

mod escape;
mod grid;
mod numbers;
mod report;

pub use escape::{escape_for_terminal, escape_in_json, is_hidden};
pub use grid::Grid;
pub use numbers::{bytes, count, plural};
pub use report::table;
