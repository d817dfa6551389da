//! The arguments of `notify`.

use clap::Subcommand;

use super::{Output, ReportFormat};

/// `notify` and what follows it.
#[derive(Debug, Subcommand)]
pub(crate) enum NotifyCommand {
    /// Send a test message to a channel
    #[command(after_help = "\
Example:
  echo 'channels.a={kind=\"exec\",command=[\"cat\"]}' > notify.toml; nexthink-graph notify test a

The channels are in notify.toml beside the configuration (docs/rules.md). Exit code 6 if the receiver
does not take the message.")]
    Test {
        /// Send it to the channel with this name
        name: String,
    },
    /// List the channels and what waits for them
    #[command(after_help = "Example:\n  nexthink-graph notify list --output json")]
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Send the messages that wait
    #[command(after_help = "\
Example:
  nexthink-graph notify send

Runs do the same for half a minute at their end. A message that is not taken is tried again after
waits that grow from half a minute to a day, for seven days.")]
    Send {
        /// Print the report in this form
        #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
        output: ReportFormat,
    },
}
