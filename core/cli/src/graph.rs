//! The arguments of `show`, `neighbors`, `path` and `search`.

use clap::{Args, value_parser};

use crate::ReportFormat;

/// The arguments of `show`.
#[derive(Debug, Clone, Args)]
pub struct ShowArguments {
    /// The key of an entity, or a name that only one entity has
    #[arg(value_name = "KEY|NAME")]
    pub entity: String,
    /// The options of every command that reads the graph.
    #[command(flatten)]
    pub read: GraphRead,
}

/// The arguments of `neighbors`.
#[derive(Debug, Clone, Args)]
pub struct NeighborsArguments {
    /// The key of an entity, or a name that only one entity has
    #[arg(value_name = "KEY|NAME")]
    pub entity: String,
    /// Follow this many relationships from the entity
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=10))]
    pub depth: u32,
    /// List this many neighbors of each entity, direction and type
    #[arg(long, default_value_t = 25, value_parser = value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// The options of every command that reads the graph.
    #[command(flatten)]
    pub read: GraphRead,
}

/// The arguments of `path`.
#[derive(Debug, Clone, Args)]
pub struct PathArguments {
    /// The entity at which the path begins: a key, or a name that only one entity has
    #[arg(value_name = "FROM")]
    pub from: String,
    /// The entity at which it ends
    #[arg(value_name = "TO")]
    pub to: String,
    /// Follow at most this many relationships
    #[arg(long, default_value_t = 6, value_parser = value_parser!(u32).range(1..=20))]
    pub max_length: u32,
    /// Let the path lead through the account, to which everything is related
    #[arg(long)]
    pub through_account: bool,
    /// The options of every command that reads the graph.
    #[command(flatten)]
    pub read: GraphRead,
}

/// The arguments of `search`.
#[derive(Debug, Clone, Args)]
pub struct SearchArguments {
    /// Find this text in names, e-mail addresses, serial numbers and keys, in upper or lower case
    pub text: String,
    /// Find only entities of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// List this many entities
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
    /// The options of every command that reads the graph.
    #[command(flatten)]
    pub read: GraphRead,
}

/// The options of all commands that read the graph.
#[derive(Debug, Clone, Args)]
pub struct GraphRead {
    /// Read an older generation: an ID that `history` lists, `previous`, or a day such as 2026-03-01 (UTC)
    #[arg(long, value_name = "ID|DATE|previous")]
    pub as_of: Option<String>,
    /// Leave out personal data: names, addresses, free texts; reduce times to days
    #[arg(long)]
    pub without_personal: bool,
    /// Print the answer in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
}
