//! The trail as a whole: a corpus of lines, the reader against its plain twin, and a month of runs
//! against a model of Nexthink.

mod corpus;
mod intake;
mod month;
mod timeless;
mod twin;
