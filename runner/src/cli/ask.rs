//! The arguments of `ask`.

use clap::Args;

use super::AnswerOutput;
use super::query::{Limits, Parameter};

#[derive(Debug, Clone, Args)]
pub(crate) struct AskArguments {
    /// Ask this question; without it, list the questions
    pub(crate) question: Option<String>,
    /// List only questions with this tag
    #[arg(long, conflicts_with = "question")]
    pub(crate) tag: Option<String>,
    /// Set a parameter of the question; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", requires = "question")]
    pub(crate) parameters: Vec<Parameter>,
    /// Print the SQL of the question instead of its answer
    #[arg(long, requires = "question")]
    pub(crate) explain: bool,
    /// Ask an older generation: an ID that `history` lists, `previous`, or a day such as 2026-03-01 (UTC)
    #[arg(long, value_name = "ID|DATE|previous")]
    pub(crate) as_of: Option<String>,
    /// Leave out personal data: names, addresses, free texts; reduce times to days
    #[arg(long)]
    pub(crate) without_personal: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) answer: AnswerOutput,
}
