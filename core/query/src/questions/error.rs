//! Questions that cannot be read or asked.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error::QueryError;

/// A question that cannot be read or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuestionError {
    /// A file cannot be read.
    #[error("cannot read the questions in {path}")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file is no file of questions.
    #[error("{file} is no file of questions: {reason}")]
    Invalid {
        /// The file.
        file: String,
        /// The problem, and its place.
        reason: String,
    },
    /// There is no such question.
    #[error(
        "there is no question {id}{}; `ask` lists them",
        suggestion.as_ref().map(|other| format!(", did you mean {other}?")).unwrap_or_default()
    )]
    Unknown {
        /// The name that was given.
        id: String,
        /// The most similar name, if one is similar.
        suggestion: Option<String>,
    },
    /// No question has this tag.
    #[error(
        "there is no question with the tag {tag}: the tags are {}",
        known.iter().cloned().collect::<Vec<_>>().join(", ")
    )]
    UnknownTag {
        /// The tag that was given.
        tag: String,
        /// The tags that there are.
        known: BTreeSet<String>,
    },
    /// A value was given for a parameter that the question does not have.
    #[error(
        "the question {id} has no parameter {name}{}",
        if known.is_empty() { ": it takes none".to_owned() }
        else { format!("; its parameters are {}", known.join(", ")) }
    )]
    UnknownParameter {
        /// The question.
        id: String,
        /// The parameter.
        name: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// A parameter has no value.
    #[error("the question {id} needs a value for {name}: --param \"{name}=VALUE\"")]
    MissingParameter {
        /// The question.
        id: String,
        /// The parameter.
        name: String,
    },
    /// A value is not of the parameter's type.
    #[error("the parameter {name} has to be {expected}")]
    InvalidParameter {
        /// The parameter.
        name: String,
        /// The form that it has to have.
        expected: String,
    },
    /// The query is no J1QL or does not fit the generation.
    #[error("the question {id} cannot be asked: {message}")]
    J1ql {
        /// The question.
        id: String,
        /// The problem, with the place in the query.
        message: String,
    },
    /// The query has no answer.
    #[error(transparent)]
    Query(#[from] QueryError),
}
