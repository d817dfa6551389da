#![doc = include_str!("../README.md")]
#![deny(unused_crate_dependencies)]

mod arguments;
mod call;
mod describe;
mod protocol;
mod resources;
mod server;
mod tools;

// Declarations for the tests of explanations.
#[cfg(test)]
use {step_devices as _, step_packages as _};

pub use arguments::whole_arguments;
pub use server::{Program, Server, Settings};
