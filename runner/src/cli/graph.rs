//! The arguments of `show`, `neighbors`, `path` and `search`.

use clap::{Args, value_parser};

use super::ReportFormat;

#[derive(Debug, Clone, Args)]
pub(crate) struct ShowArguments {
    /// The key of an entity, or a name that only one entity has
    #[arg(value_name = "KEY|NAME")]
    pub(crate) entity: String,
    #[command(flatten)]
    pub(crate) read: GraphRead,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct NeighborsArguments {
    /// The key of an entity, or a name that only one entity has
    #[arg(value_name = "KEY|NAME")]
    pub(crate) entity: String,
    /// Follow this many relationships from the entity
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=10))]
    pub(crate) depth: u32,
    /// List this many neighbors of each entity, direction and type
    #[arg(long, default_value_t = 25, value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) read: GraphRead,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PathArguments {
    /// The entity at which the path begins: a key, or a name that only one entity has
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// The entity at which it ends
    #[arg(value_name = "TO")]
    pub(crate) to: String,
    /// Follow at most this many relationships
    #[arg(long, default_value_t = 6, value_parser = value_parser!(u32).range(1..=20))]
    pub(crate) max_length: u32,
    /// Let the path lead through the account, to which everything is related
    #[arg(long)]
    pub(crate) through_account: bool,
    #[command(flatten)]
    pub(crate) read: GraphRead,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SearchArguments {
    /// Find this text in names, e-mail addresses, serial numbers and keys, in upper or lower case
    pub(crate) text: String,
    /// Find only entities of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// List this many entities
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) read: GraphRead,
}

/// The options of all commands that read the graph.
#[derive(Debug, Clone, Args)]
pub(crate) struct GraphRead {
    /// Read an older generation: an ID that `history` lists, `previous`, or a day such as 2026-03-01 (UTC)
    #[arg(long, value_name = "ID|DATE|previous")]
    pub(crate) as_of: Option<String>,
    /// Leave out personal data: names, addresses, free texts; reduce times to days
    #[arg(long)]
    pub(crate) without_personal: bool,
    /// Print the answer in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}
