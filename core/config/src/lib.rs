#![doc = include_str!("../README.md")]

mod audit;
mod config;
pub mod demo;
mod destinations;
mod environment;
mod error;
pub mod first_file;
mod fleet;
mod instance;
mod mcp;
pub mod new_file;
mod paths;
mod privacy;
mod queries;
pub mod questionnaire;
mod record;
mod retention;
mod schedule;
mod secret;
mod secret_command;
mod secret_text;
pub mod simulated;
mod source;
mod store_place;
#[cfg(test)]
mod testing;
pub mod working_copy;
mod writers;

pub use self::config::{Config, Warnings, query_names};
pub use self::environment::{Environment, Variable};
pub use self::error::ConfigurationError;
pub use self::fleet::{Fleet, Loaded};
pub use self::mcp::Mcp;
pub use self::paths::Paths;
pub use self::secret::SecretReference;
pub use self::source::{ChosenTenant, Source, invalid};
pub use self::store_place::BucketStore;
