#![doc = include_str!("../README.md")]

pub mod certificate;
pub mod cleansing;
pub mod damage;
mod error;
pub mod identifiers;
pub mod key_file;
mod ledger_search;
pub mod list_search;
pub mod lists;
pub mod page;
mod places;
pub mod retrieval;
pub mod search;
pub mod subject;
pub mod summary;

pub use error::{ErasureError, ErrorKind};
pub use places::{Place, Places, SearchReport};
