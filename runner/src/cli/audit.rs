//! The arguments of `audit` and `backfill`.

use clap::{Args, Subcommand, ValueEnum};

use super::{Output, ReportFormat};

/// `audit` and what follows it.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Print the latest events
    #[command(after_help = "\
Examples:
  nexthink-graph audit tail -n 50 --action failed-login
  nexthink-graph audit tail --follow --output ndjson")]
    Tail(TailArguments),
    /// Print a prepared report, or list the reports
    #[command(
        alias = "ask",
        after_help = "Example:\n  nexthink-graph audit report support-access --output csv"
    )]
    Report {
        /// Print this report
        name: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Show which periods were read and which are missing
    #[command(after_help = "Example:\n  nexthink-graph audit status --output json")]
    Status {
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TailArguments {
    /// Print this many events
    #[arg(long, short = 'n', default_value_t = 20)]
    pub(crate) lines: u32,
    /// Also print the events that later runs add, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Print only events of this code; may be repeated
    #[arg(long = "code", value_name = "CODE")]
    pub(crate) codes: Vec<u32>,
    /// Print only events of this account; may be repeated
    #[arg(long = "account", value_name = "ACCOUNT")]
    pub(crate) accounts: Vec<String>,
    /// Print only this kind of event; may be repeated
    #[arg(long = "action", value_name = "ACTION")]
    pub(crate) actions: Vec<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BackfillArguments {
    /// Re-read this source
    #[arg(value_enum)]
    pub(crate) source: BackfillSource,
    /// Begin here: 2026-03-01, 2026-03-01T10:00:00Z, or 7d for 7 days ago
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// End here [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Remove all events first, to read them under changed privacy settings
    ///
    /// This loses events that Nexthink no longer keeps. It removes nothing if Nexthink does not answer.
    #[arg(long)]
    pub(crate) start_over: bool,
    /// Print the report in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}

/// The subjects that can be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackfillSource {
    /// The audit trail
    Audit,
}
