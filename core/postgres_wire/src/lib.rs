#![doc = include_str!("../README.md")]

mod backend;
mod catalog;
mod command;
mod connection;
mod decode;
mod encode;
mod error;
mod frontend;
mod kind;
mod login;
mod position;
mod process;
mod request;
mod rewrite;
mod server;
mod session;
mod settings;
mod worker;

pub use self::server::{Clients, ListenError};
pub use self::worker::Worker;
