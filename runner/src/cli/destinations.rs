//! What `export`, `sync`, `purge` and `destroy` take.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ReportFormat;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ExportCommand {
    /// Write the published generation for JupiterOne's own command line
    #[command(
        name = "jupiterone",
        after_help = "\
Examples:
  nexthink-graph export jupiterone ./collected
  j1-integration visualize -p ./collected        (JupiterOne's own command line)

A folder from an earlier export is replaced in one step where the system can exchange two folders
(Linux, macOS). Elsewhere it is absent for a moment, and after a crash in that moment the next export
puts it back. A folder that something else wrote is never replaced."
    )]
    JupiterOne(FolderArguments),
    /// Write all that is stored of the tenant in a readable form
    #[command(after_help = "\
Examples:
  nexthink-graph export everything ./data-return
  nexthink-graph export everything ./data-return --format parquet

The folder holds the tables of every kept generation, the audit trail's events, the ledger, the
reports and the small files, with a README that says what each of them is. It must be new or empty.")]
    Everything(EverythingArguments),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FolderArguments {
    /// The folder to write
    pub(crate) folder: PathBuf,
    /// Write this generation instead of the published one; `history` lists them
    #[arg(long, value_name = "ID")]
    pub(crate) generation: Option<String>,
    /// Also write a mapped relationship from each user to the Person with the same e-mail address
    #[arg(long)]
    pub(crate) persons: bool,
    /// Also write the stored values of each entity, as its raw data
    #[arg(long)]
    pub(crate) raw_data: bool,
    /// How the report is printed
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct EverythingArguments {
    /// The folder to write; it must be new or empty
    pub(crate) folder: PathBuf,
    /// How tables and events are written
    #[arg(long, value_enum, default_value_t = TableFormat::Csv)]
    pub(crate) format: TableFormat,
    /// How the report is printed
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}

/// How tables are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// Comma-separated values; texts that a spreadsheet would run are quoted with '
    Csv,
    /// The stored files, byte for byte
    Parquet,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DestroyArguments {
    /// The tenant to remove from the store
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: String,
    /// Only show what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Remove it without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// How the certificate is printed
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SyncArguments {
    /// Which destination
    #[arg(value_enum)]
    pub(crate) destination: DestinationName,
    /// Only show what would be created, updated and deleted since the last delivery
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Deliver although the last delivery went to another account, scope or instance
    #[arg(long)]
    pub(crate) accept_destination: bool,
    /// Upload everything although nothing has changed here, as when the destination was emptied
    #[arg(long)]
    pub(crate) full: bool,
    /// How the report is printed
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PurgeArguments {
    /// Which destination
    #[arg(value_enum)]
    pub(crate) destination: DestinationName,
    /// The type to remove; may be given several times
    #[arg(long = "type", value_name = "TYPE", required = true)]
    pub(crate) types: Vec<String>,
    /// Only show what would change
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How the report is printed
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}

/// Where a generation can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DestinationName {
    /// JupiterOne
    #[value(name = "jupiterone")]
    JupiterOne,
}
