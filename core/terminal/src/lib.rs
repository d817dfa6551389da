#![doc = include_str!("../README.md")]

mod escape;
mod fields;
mod grid;
mod invisible;
mod numbers;
mod pager;
mod report;
mod results;

pub use escape::{escape_for_terminal, escape_in_json};
pub use fields::fields;
pub use grid::Grid;
pub use invisible::{is_hidden, is_invisible};
pub use numbers::{age, bytes, count, plural};
pub use pager::page;
pub use report::table;
pub use results::{EscapingWriter, can_redraw, escape_result, wants_colors};
