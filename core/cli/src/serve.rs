//! The arguments of `serve`.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum, value_parser};
use ipnet::IpNet;

use crate::{Output, Timeout};

/// The arguments of `serve`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ServeArguments {
    /// A command below this one.
    #[command(subcommand)]
    pub command: Option<ServeCommand>,
    /// Listen on this address; others than loopback need --tls-cert or --proxy-address
    #[arg(long, default_value = "127.0.0.1:8490", value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
    /// Also answer Postgres clients on this address; others than loopback need --tls-cert
    #[arg(long, value_name = "ADDR:PORT")]
    pub postgres: Option<SocketAddr>,
    /// Open the explorer in the browser
    #[arg(long)]
    pub open: bool,
    /// Stop a query after this time, such as 90s or 10m
    #[arg(long, value_name = "TIME", default_value = "1m")]
    pub timeout: Timeout,
    /// Stop a query that needs more memory than this, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = value_parser!(u64).range(64..=1_048_576))]
    pub memory_limit: u64,
    /// Also answer under this host name, such as that of a reverse proxy; may be repeated
    #[arg(long = "allow-host", value_name = "HOST[:PORT]")]
    pub allowed_hosts: Vec<String>,
    /// Answer over TLS with the certificates in this PEM file, the server's first
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Use the private key in this PEM file, which only you can read
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Accept connections from this address or network only; may be repeated
    #[arg(long = "proxy-address", value_name = "ADDR[/BITS]", value_parser = network)]
    pub proxy_addresses: Vec<IpNet>,
    /// Trust this header of a reverse proxy to name the signed-in user
    ///
    /// The proxy must remove the header from the requests that it receives, and nothing else may reach the
    /// address: name the proxy with --proxy-address unless it is on this machine.
    #[arg(long, value_name = "HEADER", requires = "allowed_hosts", value_parser = header_name)]
    pub user_header: Option<String>,
    /// Give the users of the proxy this role
    #[arg(long, value_enum, default_value_t = RoleName::Viewer, requires = "user_header")]
    pub user_role: RoleName,
    /// Accept the tokens in this file [default: nexthink-graph-tokens.json beside the configuration]
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// Read the page from this folder instead of the program
    #[arg(long, value_name = "DIR", hide = true)]
    pub web: Option<PathBuf>,
}

impl ServeArguments {
    /// The memory limit of a query in bytes.
    pub fn memory_limit_bytes(&self) -> usize {
        usize::try_from(self.memory_limit * 1024 * 1024).unwrap_or(usize::MAX)
    }
}

/// Reads an address, or a network with the length of its prefix.
fn network(text: &str) -> Result<IpNet, &'static str> {
    let address = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse());
    address.map_err(|_| "write an address such as 10.0.0.5, or a network such as 10.0.0.0/24")
}

/// Reads the name of a header. Headers that say something else are none to name users by.
fn header_name(text: &str) -> Result<String, &'static str> {
    let name = text.to_ascii_lowercase();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if name.is_empty()
        || !is_plain
        || ["host", "origin", "authorization", "cookie"].contains(&&*name)
    {
        return Err("write a header that only the proxy sets, such as X-Forwarded-User");
    }
    Ok(name)
}

/// `serve` and what follows it.
#[derive(Debug, Clone, Subcommand)]
pub enum ServeCommand {
    /// Manage the tokens of people and scripts
    #[command(subcommand)]
    Token(TokenCommand),
}

/// `serve token` and what follows it.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it once
    #[command(after_help = "\
Examples:
  nexthink-graph serve token new --name helpdesk --role viewer
  nexthink-graph serve token new --name dashboard --role analyst

The program keeps only a hash of the token. A running server accepts the token within seconds.")]
    New {
        /// Name the user or script, for the ledger
        #[arg(long)]
        name: String,
        /// Give the user this role
        #[arg(long, value_enum)]
        role: RoleName,
        /// Keep the hash in this file [default: nexthink-graph-tokens.json beside the configuration]
        #[arg(long, value_name = "FILE")]
        tokens: Option<PathBuf>,
    },
    /// List the tokens by name
    #[command(after_help = "Example:\n  nexthink-graph serve token list --output json")]
    List {
        /// Read this file [default: nexthink-graph-tokens.json beside the configuration]
        #[arg(long, value_name = "FILE")]
        tokens: Option<PathBuf>,
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
    /// Withdraw a token for good
    #[command(after_help = "\
Example:
  nexthink-graph serve token remove helpdesk

A running server refuses the token within seconds, and ends its sessions.")]
    Remove {
        /// Withdraw the token with this name
        name: String,
        /// Remove the hash from this file [default: nexthink-graph-tokens.json beside the configuration]
        #[arg(long, value_name = "FILE")]
        tokens: Option<PathBuf>,
    },
}

impl TokenCommand {
    /// The file of tokens that the command line names.
    pub fn file(&self) -> Option<&Path> {
        let (Self::New { tokens, .. } | Self::List { tokens, .. } | Self::Remove { tokens, .. }) =
            self;
        tokens.as_deref()
    }
}

/// The rights of the user of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Everything but personal data
    Viewer,
    /// Everything; may acknowledge and silence findings
    Analyst,
}
