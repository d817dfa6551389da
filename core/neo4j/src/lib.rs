#![doc = include_str!("../README.md")]

mod bolt;
mod catalog;
mod connection;
mod delivery;
mod destination;
mod error;
mod packstream;
mod rows;
mod session;
mod settings;
mod source;
mod statement;
#[cfg(test)]
mod tests;
mod value;

pub use destination::{NAME, Neo4j};
pub use error::Neo4jError;
pub use settings::{Neo4jSettings, Tls};
