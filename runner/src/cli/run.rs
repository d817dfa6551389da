//! The arguments of `run`.

use std::path::PathBuf;

use clap::Args;

use super::{ReportFormat, SeverityName};

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunArguments {
    /// Run every tenant of a fleet
    #[arg(long, conflicts_with = "tenant")]
    pub(crate) all: bool,
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
    /// Print the report in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}
