//! The store in a bucket against an atomic one: the protocol of the head, and copies that are killed anywhere.

mod copies;
mod destroying;
mod estate;
mod figures;
mod file_folders;
mod following;
#[cfg(feature = "cloud")]
mod http;
mod in_process;
mod kills;
mod origins;
mod outages;
mod partial;
mod protocol;
mod support;
mod workers;
mod working;
