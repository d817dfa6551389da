//! The arguments of `init` and `simulate`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// The arguments of `init`.
#[derive(Debug, Clone, Args)]
pub struct InitArguments {
    /// Set the tenant: its name, or its address as a browser shows it
    #[arg(long)]
    pub tenant: Option<String>,
    /// Set the region: us, eu, pac or meta
    #[arg(long)]
    pub region: Option<String>,
    /// Set the client ID of the API credential
    #[arg(long)]
    pub client_id: Option<String>,
    /// Read the client secret from this environment variable
    #[arg(long, value_name = "NAME", conflicts_with = "secret_file")]
    pub secret_env: Option<String>,
    /// Read the client secret from this file
    #[arg(long, value_name = "PATH")]
    pub secret_file: Option<PathBuf>,
    /// Use another query ID, such as `devices=#my_devices`; blank skips the step
    #[arg(long = "query", value_name = "FIELD=ID")]
    pub queries: Vec<String>,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
    /// Do not run `check` after writing
    #[arg(long)]
    pub no_check: bool,
}

/// The arguments of `simulate`.
#[derive(Debug, Clone, Args)]
pub struct SimulateArguments {
    /// Listen on this loopback address, and for the files of exports 10,000 ports above it
    #[arg(long, default_value = "127.0.0.1:8480", value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
    /// Behave as this TOML file says (core/simulator/README.md). Unless it says otherwise, there are 120 devices, 150
    /// users, 20 packages on a device and 80 alerts
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Generate the tenant from this seed [default: 1]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Simulate this many devices [default: 2000]
    #[arg(long)]
    pub devices: Option<u32>,
    /// Simulate this many users [default: 1500]
    #[arg(long)]
    pub users: Option<u32>,
    /// Simulate this many packages on an average device [default: 60]
    #[arg(long)]
    pub packages_per_device: Option<u32>,
    /// Simulate this many alerts [default: 300]
    #[arg(long)]
    pub alerts: Option<u32>,
    /// Also serve a simulated JupiterOne [default address: 127.0.0.1:8481]
    #[arg(
        long,
        value_name = "ADDR:PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "127.0.0.1:8481"
    )]
    pub jupiterone: Option<SocketAddr>,
    /// Write a configuration for this tenant, and its secret beside it
    #[arg(long, value_name = "FILE")]
    pub config_out: Option<PathBuf>,
    /// Replace the files of --config-out if they exist
    #[arg(long, requires = "config_out")]
    pub force: bool,
}
