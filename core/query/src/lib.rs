#![doc = include_str!("../README.md")]

mod added;
mod arithmetic;
mod availability;
mod bounded;
mod codes;
mod complexity;
pub mod diff;
mod error;
mod events;
mod format;
mod functions;
pub mod graph;
mod history;
mod j1ql;
mod parameters;
mod place;
mod planning;
pub mod questions;
mod reduced;
mod retry;
mod session;
mod stored;
mod sums;
mod tables;
mod withheld;

pub use added::AddedTable;
pub use core_j1ql::{Compiled, Environment, J1qlError, Warning, is_j1ql};
pub use diff::{DiffDetail, DiffReport, DiffRequest, TypeDiff};
pub use error::QueryError;
pub use events::{EventOwner, EventTables};
pub use format::{Format, ParquetWriter, ResultWriter, escape_for_csv, write_objects};
pub use parameters::ParameterValue;
pub use retry::after_compaction;
pub use session::{QueryResult, QuerySession, QuerySettings};
pub use tables::{ColumnInfo, ContentKind, TableInfo, columns};
pub use withheld::{ColumnView, Withholding};
