//! What `export`, `sync` and `purge` take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ReportFormat;

#[derive(Debug, Clone, Args)]
pub(crate) struct ExportArguments {
    /// For which tools
    #[arg(value_enum)]
    pub(crate) destination: DestinationName,
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
