//! The arguments of `run`.

use clap::Args;

use super::ReportFormat;

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunArguments {
    /// Run only this step; may be repeated
    #[arg(long = "step", value_name = "STEP")]
    pub(crate) steps: Vec<String>,
    /// Accept once that this type loses many objects; may be repeated
    #[arg(long = "accept-shrink", value_name = "TYPE")]
    pub(crate) accept_shrink: Vec<String>,
    /// Print the report in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}
