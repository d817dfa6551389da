//! What can be typed after `store`.

use clap::Subcommand;

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Compare every stored file with its checksum
    #[command(after_help = "\
Example:
  nexthink-graph store verify

It reads all generations and all events, and ends with exit code 5 if a file is damaged. Restore damaged
files from a backup.")]
    Verify {
        #[command(flatten)]
        output: Output,
    },
}
