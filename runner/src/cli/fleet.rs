//! The arguments of `fleet`, `schedule` and `status`.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use clap::{Args, Subcommand};
use core_fleet::{Shard, Timetable};

use super::rules::Days;
use super::{Output, ReportFormat};

/// The arguments of `schedule`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ScheduleArguments {
    /// Run at this interval, whatever the configuration says
    #[arg(long, value_parser = Timetable::parse_interval)]
    pub(crate) interval: Option<Timetable>,
    /// Schedule only this share of a fleet's tenants, such as 1/3 for the first of three processes
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Answer /healthz, /readyz and /metrics at this address, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
}

/// The arguments of `status`.
#[derive(Debug, Clone, Args)]
pub(crate) struct StatusArguments {
    /// End with exit code 11 if nothing was published within this time, such as 26h or 2d
    #[arg(long, value_name = "TIME")]
    pub(crate) max_age: Option<Age>,
    /// Print the status in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FleetCommand {
    /// Show the last and the next run of each tenant
    #[command(after_help = "\
Examples:
  nexthink-graph fleet status
  nexthink-graph fleet status --max-age 26h --output json

It reads the stores alone, so that it can be asked at any time, also while nothing runs.")]
    Status {
        /// End with exit code 11 if a tenant has published nothing within this time, such as 26h or 2d
        #[arg(long, value_name = "TIME")]
        max_age: Option<Age>,
        #[command(flatten)]
        output: Output,
    },
}

/// An age in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age(pub(crate) u64);

impl FromStr for Age {
    type Err = <Days as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|Days(milliseconds)| Self(milliseconds / 1000))
    }
}

impl fmt::Display for Age {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&core_operations::status::age_text(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_a_unit_and_is_told_in_the_largest_that_fits_twice() {
        for (text, expected) in [
            ("26h", Some("26 hours")),
            ("2d", Some("2 days")),
            ("1d", Some("24 hours")),
            ("90m", Some("90 minutes")),
            ("1m", Some("60 seconds")),
            ("26", None),
            ("90s", None),
            ("0h", None),
            ("-1h", None),
            ("soon", None),
        ] {
            let age = text.parse::<Age>().ok().map(|age| age.to_string());
            assert_eq!(age.as_deref(), expected, "{text}");
        }
    }
}
