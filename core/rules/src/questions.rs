//! The saved questions that rules ask instead of a query of their own. `core/query` has them; the caller connects the two.

use std::collections::BTreeMap;

/// The source of saved questions.
pub trait SavedQuestions {
    /// Returns the query of a question and the values of all its parameters, as one text: another text makes another
    /// version of the rule.
    ///
    /// # Errors
    /// [`QuestionMistake`].
    fn asked(
        &self,
        name: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<String, QuestionMistake>;
}

/// A reason why a rule cannot ask a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuestionMistake {
    /// There is no such question, or it cannot be read.
    Question(String),
    /// The values of the parameters are not those that it takes.
    Parameters(String),
}

/// No questions at all.
#[derive(Debug, Clone, Copy)]
pub struct NoQuestions;

impl SavedQuestions for NoQuestions {
    fn asked(&self, name: &str, _: &BTreeMap<String, String>) -> Result<String, QuestionMistake> {
        Err(QuestionMistake::Question(format!("there is no saved question `{name}`")))
    }
}
