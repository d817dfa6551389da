//! What can be typed after `store`.

use clap::Subcommand;

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Compare every stored file with its checksum
    #[command(after_help = "\
Example:
  nexthink-graph store verify

Reads all generations and all events. Exit code 5 if anything is damaged: restore those files from a
backup.")]
    Verify {
        #[command(flatten)]
        output: Output,
    },
}
