//! The client against real HTTP on a loopback host: one small server per test.

mod audit_trails;
mod checks;
mod credentials;
mod downloads;
mod exports;
mod failures;
mod journals;
mod links;
mod networks;
#[cfg(target_os = "linux")]
mod proxies;
mod raw_host;
mod resumptions;
mod support;
#[cfg(target_os = "linux")]
mod tls;
mod virtual_time;
mod waiting;
