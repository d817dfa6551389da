//! The command line as people meet it: its help, completions, manual pages and refusals.

mod commands;
mod completions;
mod examples;
mod help;
mod manual;
mod refused;
mod widths;
