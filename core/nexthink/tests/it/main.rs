//! The client against real HTTP on a loopback host: one small server per test.

mod credentials;
mod downloads;
mod exports;
mod failures;
#[cfg(target_os = "linux")]
mod proxies;
mod resumptions;
mod support;
