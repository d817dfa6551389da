//! The arguments of `export`, `sync`, `purge` and `destroy`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::{Limits, Parameter, ReportFormat};

/// `export` and what follows it.
#[derive(Debug, Clone, Subcommand)]
pub enum ExportCommand {
    /// Write the published generation for JupiterOne's own command line
    #[command(
        name = "jupiterone",
        after_help = "\
Examples:
  nexthink-graph export jupiterone ./collected
  j1-integration visualize -p ./collected        (JupiterOne's own command line)

It replaces the folder of an earlier export in one step where the system can exchange two folders
(Linux, macOS). Elsewhere the folder is absent for a moment; after a crash in that moment, the next
export puts it back. It never replaces a folder that another program wrote."
    )]
    JupiterOne(FolderArguments),
    /// Write all stored data of the tenant in readable form
    #[command(after_help = "\
Examples:
  nexthink-graph export everything ./data-return
  nexthink-graph export everything ./tables --format parquet

It writes the tables of every kept generation, the events of the audit trail, the ledger, the reports
and the small files, with a README that explains each of them. The folder must be new or empty.")]
    Everything(EverythingArguments),
    /// Write the overview as one page to send on
    #[command(after_help = "\
Examples:
  nexthink-graph export html estate.html
  nexthink-graph export html old.html --question software-by-devices

The page needs no server and loads nothing. It has no personal data, unless you add --with-personal. A
file that another program wrote is never replaced.")]
    Html(HtmlArguments),
}

/// The arguments of `export jupiterone`.
#[derive(Debug, Clone, Args)]
pub struct FolderArguments {
    /// Write this folder
    pub folder: PathBuf,
    /// Write this generation instead of the published one
    #[arg(long, value_name = "ID")]
    pub generation: Option<String>,
    /// Add a mapped relationship from each user to a Person
    #[arg(long)]
    pub persons: bool,
    /// Add the stored values of each entity as raw data
    #[arg(long)]
    pub raw_data: bool,
    /// Print the report in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
}

/// The arguments of `export everything`.
#[derive(Debug, Clone, Args)]
pub struct EverythingArguments {
    /// Write this folder, which must be new or empty
    pub folder: PathBuf,
    /// Write tables and events in this form
    #[arg(long, value_enum, default_value_t = TableFormat::Csv)]
    pub format: TableFormat,
    /// Print the report in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
}

/// The arguments of `export html`.
#[derive(Debug, Clone, Args)]
pub struct HtmlArguments {
    /// Write this file
    pub file: PathBuf,
    /// Add the answer to this saved question; `ask` lists them
    #[arg(long, value_name = "QUESTION")]
    pub question: Option<String>,
    /// Set a parameter of the question; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", requires = "question")]
    pub parameters: Vec<Parameter>,
    /// Also show personal data in the answer
    #[arg(long, requires = "question")]
    pub with_personal: bool,
    /// The limits of the query.
    #[command(flatten)]
    pub limits: Limits,
}

/// The format of exported tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// Comma-separated values; cells that a spreadsheet would run begin with '
    Csv,
    /// The stored files, byte for byte
    Parquet,
}

/// The arguments of `destroy`.
#[derive(Debug, Clone, Args)]
pub struct DestroyArguments {
    /// Remove this tenant from the store
    #[arg(long, value_name = "NAME")]
    pub tenant: String,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove it without asking
    #[arg(long)]
    pub yes: bool,
    /// Print the certificate in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
}

/// The arguments of `sync`.
#[derive(Debug, Clone, Args)]
pub struct SyncArguments {
    /// The destination
    #[arg(value_enum)]
    pub destination: DestinationName,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Accept an account, scope or instance other than before
    #[arg(long)]
    pub accept_destination: bool,
    /// Upload everything, even if nothing has changed
    #[arg(long)]
    pub full: bool,
    /// Print the report in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
}

/// The arguments of `purge`.
#[derive(Debug, Clone, Args)]
pub struct PurgeArguments {
    /// The destination
    #[arg(value_enum)]
    pub destination: DestinationName,
    /// Remove this type; may be repeated
    #[arg(long = "type", value_name = "TYPE", required = true)]
    pub types: Vec<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the report in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
}

/// A place to which a generation can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DestinationName {
    /// JupiterOne
    #[value(name = "jupiterone")]
    JupiterOne,
    /// A Postgres database
    Postgres,
    /// A folder of Delta tables
    Delta,
    /// A Neo4j database
    Neo4j,
}
