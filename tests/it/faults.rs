//! Everything that Nexthink, the network and people are known to do wrong, a test for each, named by
//! its row in `docs/faults.md`. After each the same invariants must hold; `case` has them.

mod authentication;
mod bytes;
mod calls;
pub(crate) mod canaries;
pub(crate) mod case;
mod download;
mod drift;
pub(crate) mod exports;
mod life_cycle;
mod network;
pub(crate) mod people;
mod place;
// They make certificates that some systems refuse.
#[cfg(target_os = "linux")]
mod proxies;
mod status;
#[cfg(target_os = "linux")]
mod threads;
mod values;
