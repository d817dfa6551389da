//! What can be typed after `privacy`.

use clap::Subcommand;

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum PrivacyCommand {
    /// List every column with what it tells about people, what happens to it, and where it goes
    #[command(after_help = "\
Examples:
  nexthink-graph privacy inventory
  nexthink-graph privacy inventory --output csv > inventory.csv")]
    Inventory {
        #[command(flatten)]
        output: Output,
    },
    /// The keys that pseudonyms are made with
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make the key file; one that is there is never replaced
    #[command(after_help = "\
Example:
  nexthink-graph privacy key new

Keep a copy of the file where the store is not. Without it nobody can be found in what was
published, and the next run is refused.")]
    New,
    /// List the keys, without their secrets
    #[command(after_help = "Example:\n  nexthink-graph privacy key list --output json")]
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Make pseudonyms with a new key from the next run on
    #[command(after_help = "\
Example:
  nexthink-graph privacy key rotate
  nexthink-graph run

The next run replaces everything at once; it publishes nothing unless every step is complete.")]
    Rotate,
    /// Forget an earlier key, so that its pseudonyms cannot be made again
    #[command(after_help = "\
Example:
  nexthink-graph privacy key retire bnapz2lc

Remove the copies that you keep of the file too.")]
    Retire {
        /// The id of the key; `privacy key list` shows it
        id: String,
    },
}
