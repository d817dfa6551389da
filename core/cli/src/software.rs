//! The arguments of `software`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::Output;

/// `software` and what follows it.
#[derive(Debug, Subcommand)]
pub enum SoftwareCommand {
    /// List systems and packages with the end of their support
    #[command(after_help = "\
Example:
  nexthink-graph software eol --products products.json --mapping mapping.toml --ended

Download products.json from https://endoflife.date/api/v1/products/full; the program does not contain
it. mapping.toml says which package is which product:
  [[package]]
  name = \"Contoso Backup*\"
  publisher = \"Contoso*\"
  product = \"contoso-backup\"")]
    Eol(EolArguments),
    /// List the packages that your advisories name
    #[command(after_help = "\
Example:
  nexthink-graph software advisories --file advisories.csv --output csv

advisories.csv has the columns id, publisher, name, fixed_in, severity and link; names may have `*`.
--exploited reads CISA's catalog in JSON. It names no versions: its matches are candidates to check.")]
    Advisories(AdvisoriesArguments),
}

/// The arguments of `software eol`.
#[derive(Debug, Clone, Args)]
pub struct EolArguments {
    /// Read the products and their releases from this JSON file
    #[arg(long, value_name = "FILE")]
    pub products: PathBuf,
    /// Read which package is which product from this TOML file
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,
    /// List only what is not supported any more
    #[arg(long, conflicts_with = "unmapped")]
    pub ended: bool,
    /// List the packages without a known product instead, by number of devices
    #[arg(long)]
    pub unmapped: bool,
    /// The form of the rows.
    #[command(flatten)]
    pub output: Output,
}

/// The arguments of `software advisories`.
#[derive(Debug, Clone, Args)]
pub struct AdvisoriesArguments {
    /// Read advisories from this CSV or TOML file; may be repeated
    #[arg(long = "file", value_name = "FILE", required_unless_present = "exploited")]
    pub files: Vec<PathBuf>,
    /// Read exploited vulnerabilities from this JSON file of CISA
    #[arg(long, value_name = "FILE")]
    pub exploited: Option<PathBuf>,
    /// The form of the rows.
    #[command(flatten)]
    pub output: Output,
}
