//! The arguments of `query`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};
use jiff::SignedDuration;

use super::AnswerOutput;

#[derive(Debug, Clone, Args)]
pub(crate) struct QueryArguments {
    /// The query: SQL that begins with SELECT, or J1QL that begins with FIND
    #[arg(required_unless_present = "tables")]
    pub(crate) query: Option<String>,
    /// Read the query as this language [default: J1QL if it begins with FIND]
    #[arg(long, value_enum, requires = "query")]
    pub(crate) language: Option<QueryLanguage>,
    /// List the tables and their columns instead
    #[arg(long, conflicts_with = "query")]
    pub(crate) tables: bool,
    /// Set a parameter, `$name` in SQL or `{{name}}` in J1QL; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", requires = "query")]
    pub(crate) parameters: Vec<Parameter>,
    /// Print the SQL of the query instead of its answer
    #[arg(long, requires = "query")]
    pub(crate) explain: bool,
    /// Ask an older generation: an ID that `history` lists, `previous`, or a day such as 2026-03-01 (UTC)
    #[arg(long, visible_alias = "generation", value_name = "ID|DATE|previous")]
    pub(crate) as_of: Option<String>,
    /// Begin tables such as `nexthink_device_history` here: a day such as 2026-03-01, or 7d for 7 days ago
    #[arg(long, value_name = "TIME", requires = "query")]
    pub(crate) since: Option<String>,
    /// Add the tables `diff_entities` and `diff_relationships`: what changed between two generations
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"], requires = "query")]
    pub(crate) diff: Vec<String>,
    /// Leave out personal data: names, addresses, free texts; reduce times to days
    #[arg(long)]
    pub(crate) without_personal: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) answer: AnswerOutput,
}

/// A language of queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueryLanguage {
    /// SELECT …
    Sql,
    /// FIND …
    J1ql,
}

/// The limits of a query.
#[derive(Debug, Clone, Args)]
pub(crate) struct Limits {
    /// Stop after this time, such as 90s or 10m; 0 for no limit
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub(crate) timeout: Timeout,
    /// Stop if the query needs more memory than this, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = value_parser!(u64).range(64..=1_048_576))]
    pub(crate) memory_limit: u64,
}

impl Limits {
    /// The memory limit in bytes.
    pub(crate) fn memory_limit_bytes(&self) -> usize {
        usize::try_from(self.memory_limit * 1024 * 1024).unwrap_or(usize::MAX)
    }
}

/// Returns the values of parameters by name; none may be given twice.
pub(crate) fn values(parameters: &[Parameter]) -> Result<BTreeMap<String, String>, String> {
    let mut values = BTreeMap::new();
    for Parameter { name, value } in parameters {
        if values.insert(name.clone(), value.clone()).is_some() {
            return Err(format!("the parameter {name} is given twice: give it one value"));
        }
    }
    Ok(values)
}

/// The value of a parameter: `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for Parameter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("write a name, =, and a value")?;
        Ok(Self { name: name.trim().to_owned(), value: value.to_owned() })
    }
}

/// A time limit: `90s`, `10m`, a number of seconds, or 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeout(SignedDuration);

impl Timeout {
    /// The time after which to stop; none if there is no limit.
    pub(crate) fn limit(self) -> Option<Duration> {
        Duration::try_from(self.0).ok().filter(|limit| !limit.is_zero())
    }
}

impl FromStr for Timeout {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = text.parse::<u32>().map(|seconds| SignedDuration::from_secs(seconds.into()));
        let duration = seconds.ok().or_else(|| text.parse().ok());
        let duration = duration.filter(|duration| !duration.is_negative());
        duration.map(Self).ok_or("write a time such as 90s or 10m, or 0 for no limit")
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_a_unit() {
        let table = [
            ("90s", Ok((Some(90), "1m 30s"))),
            ("10m", Ok((Some(600), "10m"))),
            ("45", Ok((Some(45), "45s"))),
            ("0", Ok((None, "0s"))),
            ("-5s", Err(())),
            ("soon", Err(())),
            ("", Err(())),
        ];
        for (text, expected) in table {
            let timeout = text.parse::<Timeout>();
            let read = timeout
                .map(|timeout| (timeout.limit().map(|limit| limit.as_secs()), timeout.to_string()));
            let expected = expected.map(|(seconds, shown)| (seconds, shown.to_owned()));
            assert_eq!(read.map_err(drop), expected, "{text}");
        }
    }
}
