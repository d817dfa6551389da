#![doc = include_str!("../README.md")]

mod base_url;
mod body;
mod client;
mod error;
mod failure;
mod jitter;
mod proxy;
mod public_address;
mod retry;
mod retry_after;
mod secret;
mod settings;
mod tls_problem;
mod trust;

pub use base_url::BaseUrl;
pub use body::{Body, read_up_to};
pub use client::{ClientFactory, HttpClient};
pub use error::{SetupError, SharedError};
pub use failure::{Advice, CallFailure, ProxyProblem, UnreachableCause};
pub use jitter::Jitter;
pub use retry::{GivenUp, Retry, RetryCause, Transience};
pub use retry_after::{requested_wait, server_time_ms};
pub use secret::Secret;
pub use settings::{ProxySettings, RetryPolicy, Trust};
pub use tls_problem::{TlsProblem, describe_tls_failure};
pub use trust::tls_client_config;
