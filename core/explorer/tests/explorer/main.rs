//! The server in process: who is refused, what is answered, and what the files of the page are.

mod answers;
mod files;
mod findings;
mod kit;
mod pinned;
mod refused;
mod sessions;
mod tls;
