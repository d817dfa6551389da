//! Rules and channels from outside of the crate.

mod channels;
mod jupiterone;
