#![doc = include_str!("../README.md")]

pub mod canonical;
mod error;
mod identifiers;
pub mod keys;
pub mod mentions;
pub mod page;
pub mod profile;
pub mod protection;
pub mod pseudonym;
pub mod reuse;
pub mod suppression;
pub mod traces;

pub use self::error::PrivacyError;
