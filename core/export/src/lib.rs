#![doc = include_str!("../README.md")]

mod folder;
mod readme;
mod tables;

pub use folder::{FolderError, FolderReport, check_folder, check_outside, export};

/// The form in which tables are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated values. A text that a spreadsheet would run as a formula begins with `'`.
    Csv,
    /// The stored files, byte for byte.
    Parquet,
}
