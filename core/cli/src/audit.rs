//! The arguments of `audit` and `backfill`.

use clap::{Args, Subcommand, ValueEnum};

use crate::{Output, ReportFormat};

/// `audit` and what follows it.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
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
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
    /// Show which periods were read and which are missing
    #[command(after_help = "Example:\n  nexthink-graph audit status --output json")]
    Status {
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
}

/// The arguments of `audit tail`.
#[derive(Debug, Clone, Args)]
pub struct TailArguments {
    /// Print this many events
    #[arg(long, short = 'n', default_value_t = 20)]
    pub lines: u32,
    /// Also print the events that later runs add, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// Print only events of this code; may be repeated
    #[arg(long = "code", value_name = "CODE")]
    pub codes: Vec<u32>,
    /// Print only events of this account; may be repeated
    #[arg(long = "account", value_name = "ACCOUNT")]
    pub accounts: Vec<String>,
    /// Print only this kind of event; may be repeated
    #[arg(long = "action", value_name = "ACTION")]
    pub actions: Vec<String>,
    /// The form of the rows.
    #[command(flatten)]
    pub output: Output,
}

/// The arguments of `backfill`.
#[derive(Debug, Clone, Args)]
pub struct BackfillArguments {
    /// Re-read this source
    #[arg(value_enum)]
    pub source: BackfillSource,
    /// Begin here: 2026-03-01, 2026-03-01T10:00:00Z, or 7d for 7 days ago
    #[arg(long, value_name = "TIME")]
    pub from: String,
    /// End here [default: now]
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Remove all events first, to read them under changed privacy settings
    ///
    /// This loses events that Nexthink no longer keeps. It removes nothing if Nexthink does not answer.
    #[arg(long)]
    pub start_over: bool,
    /// Print the report in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
}

/// The subjects that can be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BackfillSource {
    /// The audit trail
    Audit,
}
