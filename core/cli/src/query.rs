//! The arguments of `query`.

use clap::{Args, ValueEnum, value_parser};

use crate::{AnswerOutput, Parameter, Timeout};

/// The arguments of `query`.
#[derive(Debug, Clone, Args)]
pub struct QueryArguments {
    /// The query: SQL that begins with SELECT, or J1QL that begins with FIND
    #[arg(required_unless_present = "tables")]
    pub query: Option<String>,
    /// Read the query as this language [default: J1QL if it begins with FIND]
    #[arg(long, value_enum, requires = "query")]
    pub language: Option<QueryLanguage>,
    /// List the tables and their columns instead
    #[arg(long, conflicts_with = "query")]
    pub tables: bool,
    /// Set a parameter, `$name` in SQL or `{{name}}` in J1QL; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", requires = "query")]
    pub parameters: Vec<Parameter>,
    /// Print the SQL of the query instead of its answer
    #[arg(long, requires = "query")]
    pub explain: bool,
    /// Ask an older generation: an ID that `history` lists, `previous`, or a day such as 2026-03-01 (UTC)
    #[arg(long, visible_alias = "generation", value_name = "ID|DATE|previous")]
    pub as_of: Option<String>,
    /// Begin tables of SQL such as `nexthink_device_history` here: a day such as 2026-03-01, or 7d for 7 days ago
    #[arg(long, value_name = "TIME", requires = "query")]
    pub since: Option<String>,
    /// Add the tables `diff_entities` and `diff_relationships`: what changed between two generations
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"], requires = "query")]
    pub diff: Vec<String>,
    /// Leave out personal data: names, addresses, free texts; reduce times to days
    #[arg(long)]
    pub without_personal: bool,
    /// The limits of the query.
    #[command(flatten)]
    pub limits: Limits,
    /// The form of the answer, and where it goes.
    #[command(flatten)]
    pub answer: AnswerOutput,
}

/// A language of queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueryLanguage {
    /// SELECT …
    Sql,
    /// FIND …
    J1ql,
}

/// The limits of a query.
#[derive(Debug, Clone, Args)]
pub struct Limits {
    /// Stop after this time, such as 90s or 10m; 0 for no limit
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub timeout: Timeout,
    /// Stop if the query needs more memory than this, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = value_parser!(u64).range(64..=1_048_576))]
    pub memory_limit: u64,
}

impl Limits {
    /// The memory limit in bytes.
    pub fn memory_limit_bytes(&self) -> usize {
        usize::try_from(self.memory_limit * 1024 * 1024).unwrap_or(usize::MAX)
    }
}
