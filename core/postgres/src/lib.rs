#![doc = include_str!("../README.md")]

mod catalog;
mod connection;
mod destination;
mod error;
mod load;
mod rows;
mod settings;
mod sql;

pub use destination::{NAME, Postgres};
pub use error::PostgresError;
pub use settings::{PostgresSettings, Tls};
