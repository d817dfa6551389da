//! The arguments of `ask`.

use clap::Args;

use crate::{AnswerOutput, Limits, Parameter};

/// The arguments of `ask`.
#[derive(Debug, Clone, Args)]
pub struct AskArguments {
    /// Ask this question; without it, list the questions
    pub question: Option<String>,
    /// List only questions with this tag
    #[arg(long, conflicts_with = "question")]
    pub tag: Option<String>,
    /// Set a parameter of the question; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", requires = "question")]
    pub parameters: Vec<Parameter>,
    /// Print the SQL of the question instead of its answer
    #[arg(long, requires = "question")]
    pub explain: bool,
    /// Print the question as a file, as a start for your own, instead of its answer
    #[arg(long, requires = "question", conflicts_with_all = ["parameters", "explain", "as_of", "without_personal", "output", "out"])]
    pub file: bool,
    /// Ask an older generation: an ID that `history` lists, `previous`, or a day such as 2026-03-01 (UTC)
    #[arg(long, value_name = "ID|DATE|previous")]
    pub as_of: Option<String>,
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
