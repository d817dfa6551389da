//! The simulator as a client meets it: over HTTP, knowing only the documented API.

mod estate;
mod exports;
mod files;
mod support;
mod tokens;
