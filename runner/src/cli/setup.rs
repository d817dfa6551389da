//! The arguments of `init` and `simulate`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Clone, Args)]
pub(crate) struct InitArguments {
    /// Set the tenant: its name, or its address as a browser shows it
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Set the region: us, eu, pac or meta
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// Set the client ID of the API credential
    #[arg(long)]
    pub(crate) client_id: Option<String>,
    /// Read the client secret from this environment variable
    #[arg(long, value_name = "NAME", conflicts_with = "secret_file")]
    pub(crate) secret_env: Option<String>,
    /// Read the client secret from this file
    #[arg(long, value_name = "PATH")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Use another query ID, such as `devices=#my_devices`; blank skips the step
    #[arg(long = "query", value_name = "FIELD=ID")]
    pub(crate) queries: Vec<String>,
    /// Replace the file if it exists
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not run `check` after writing
    #[arg(long)]
    pub(crate) no_check: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SimulateArguments {
    /// Listen on this loopback address, and for the files of exports 10,000 ports above it
    #[arg(long, default_value = "127.0.0.1:8480", value_name = "ADDR:PORT")]
    pub(crate) listen: SocketAddr,
    /// Behave as this TOML file says (core/simulator/README.md)
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Generate the tenant from this seed [default: 1]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Simulate this many devices [default: 2000]
    #[arg(long)]
    pub(crate) devices: Option<u32>,
    /// Simulate this many users [default: 1500]
    #[arg(long)]
    pub(crate) users: Option<u32>,
    /// Simulate this many packages on an average device [default: 60]
    #[arg(long)]
    pub(crate) packages_per_device: Option<u32>,
    /// Simulate this many alerts [default: 300]
    #[arg(long)]
    pub(crate) alerts: Option<u32>,
    /// Also serve a simulated JupiterOne [default address: 127.0.0.1:8481]
    #[arg(
        long,
        value_name = "ADDR:PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "127.0.0.1:8481"
    )]
    pub(crate) jupiterone: Option<SocketAddr>,
    /// Write a configuration for this tenant, and its secret beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) config_out: Option<PathBuf>,
    /// Replace the files of --config-out if they exist
    #[arg(long, requires = "config_out")]
    pub(crate) force: bool,
}
