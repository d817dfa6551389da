#![doc = include_str!("../README.md")]

pub mod canonical;
mod error;
mod identifiers;
pub mod keys;
pub mod page;
pub mod profile;
pub mod protection;
pub mod pseudonym;
pub mod suppression;
pub mod traces;
pub mod words;

pub use self::error::PrivacyError;
