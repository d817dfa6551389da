//! The arguments of `fleet`, `schedule` and `status`.

use std::net::SocketAddr;

use clap::{Args, Subcommand};
use core_fleet::{Shard, Timetable};

use crate::{Age, Output, ReportFormat};

/// The arguments of `schedule`.
#[derive(Debug, Clone, Args)]
pub struct ScheduleArguments {
    /// Run at this interval, whatever the configuration says
    #[arg(long, value_parser = Timetable::parse_interval)]
    pub interval: Option<Timetable>,
    /// Schedule only this share of a fleet's tenants, such as 1/3 for the first of three processes
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Answer /healthz, /readyz and /metrics at this address, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
}

/// The arguments of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArguments {
    /// End with exit code 11 if nothing was published within this time, such as 26h or 2d
    #[arg(long, value_name = "TIME")]
    pub max_age: Option<Age>,
    /// Print the status in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
}

/// `fleet` and what follows it.
#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Show the last and the next run of each tenant
    #[command(after_help = "\
Examples:
  nexthink-graph fleet status
  nexthink-graph fleet status --max-age 26h --output json

It only reads the stores, so it works at any time, whether or not a run is going on.")]
    Status {
        /// End with exit code 11 if a tenant has published nothing within this time, such as 26h or 2d
        #[arg(long, value_name = "TIME")]
        max_age: Option<Age>,
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
}
