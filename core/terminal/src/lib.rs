#![doc = include_str!("../README.md")]

mod escape;
mod grid;
mod report;

pub use escape::{escape_for_terminal, escape_in_json};
pub use grid::Grid;
pub use report::table;
