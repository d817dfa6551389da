#![doc = include_str!("../README.md")]

mod collector;
mod samples;
mod settings;
mod telemetry;

pub use settings::{Settings, SettingsError};
pub use telemetry::Telemetry;
