//! The arguments of `config`.

use clap::Subcommand;

use crate::Output;

/// `config` and what follows it.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting and where its value comes from
    #[command(after_help = "\
Examples:
  nexthink-graph config show
  nexthink-graph config show --output json

A value comes from a line of the file, from an environment variable, or is the default. For a secret, it
prints only where the secret is kept.")]
    Show {
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
    /// Print the JSON Schema of the configuration file
    #[command(after_help = "\
Example:
  nexthink-graph config schema > nexthink-graph.schema.json

An editor with a language server for TOML then completes and checks the file if it begins with
`#:schema nexthink-graph.schema.json`.")]
    Schema,
}
