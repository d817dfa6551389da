//! The arguments of `run`.

use std::path::PathBuf;

use clap::Args;
use core_fleet::Shard;

use super::{ReportFormat, SeverityName};

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunArguments {
    /// Run every tenant of a fleet
    #[arg(long, conflicts_with = "tenant")]
    pub(crate) all: bool,
    /// Run only this share of a fleet's tenants, such as 1/3 for the first of three processes
    #[arg(long, value_name = "I/N", requires = "all")]
    pub(crate) shard: Option<Shard>,
    /// Run only this step; may be repeated
    #[arg(long = "step", value_name = "STEP")]
    pub(crate) steps: Vec<String>,
    /// Accept that this type loses many objects, in this run only; may be repeated
    #[arg(long = "accept-shrink", value_name = "TYPE")]
    pub(crate) accept_shrink: Vec<String>,
    /// End with exit code 8 if a finding of this severity or higher is open
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<SeverityName>,
    /// Write figures for a monitoring system to this file, such as nexthink.prom
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics_file: Option<PathBuf>,
    /// Do nothing if another process has run this tenant since it was due; `schedule` asks for it over a bucket
    #[arg(long, hide = true)]
    pub(crate) if_due: bool,
    /// Print the report in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}
