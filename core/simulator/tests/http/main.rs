//! The simulator as a client sees it: over HTTP, knowing only the documented API.

mod addresses;
mod downloads;
mod estate;
mod execute;
mod exports;
mod faults;
mod files;
mod life;
mod parameters;
mod proxy;
mod quota;
mod recording;
mod scenario;
mod support;
mod tokens;
