//! Notifications: channels and routes, messages, and their formats for each receiver.
//!
//! A message is made into a [`Delivery`](render::Delivery), which [`Sender`](send::Sender) sends and whose result
//! goes back into the outbox. Only `send` and `smtp` use the network or start programs.

pub mod compose;
pub mod escape;
pub mod mail;
pub mod render;
pub mod send;
pub mod settings;
pub mod signature;
mod smtp;
