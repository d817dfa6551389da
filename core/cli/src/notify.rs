//! The arguments of `notify`.

use clap::Subcommand;

use crate::{Output, ReportFormat};

/// `notify` and what follows it.
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Send a test message to a channel
    #[command(after_help = "\
Example:
  echo 'channels.a={kind=\"exec\",command=[\"tee\",\"log\"]}' > notify.toml; nexthink-graph notify test a

The channels are in notify.toml beside the configuration (docs/rules.md). It ends with exit code 6 if the
receiver does not accept the message.")]
    Test {
        /// Send it to the channel with this name
        name: String,
    },
    /// List the channels and the messages that wait for each
    #[command(after_help = "Example:\n  nexthink-graph notify list --output json")]
    List {
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
    /// Send the messages that wait
    #[command(after_help = "\
Example:
  nexthink-graph notify send

Each run does the same for half a minute at its end. If a receiver does not accept a message, it is sent
again for seven days, after waits that grow from half a minute to a day.")]
    Send {
        /// Print the report in this form
        #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
        output: ReportFormat,
    },
}
