//! Rules and channels from outside.

mod channels;
mod ends;
mod hostile;
mod ids;
mod jupiterone;
mod kills;
mod kit;
mod mail;
mod telling;
